"""The real server as a child process: started, watched and ended by its pid.

Each one has its own port, data folder, home and environment, so that nothing of the person who runs the
tests reaches it: neither provider keys nor a tiltyard.toml.
"""

from __future__ import annotations

import contextlib
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Mapping
from decimal import Decimal
from pathlib import Path
from typing import Any

import httpx

ROOT = Path(__file__).resolve().parent.parent
API_KEY = "ty_" + "forTestsOnly" * 3
_KEPT_VARIABLES = ("PATH", "LANG", "LC_ALL", "TZ", "TMPDIR", "LD_LIBRARY_PATH", "VIRTUAL_ENV")


class ServerEnded(Exception):
    """It ended before it was ready; the message carries its log."""


class Server:
    """`python app.py`, in a folder of its own. A second `start` after an end reuses the data."""

    def __init__(self, folder: Path, settings: Mapping[str, str], config: str = "") -> None:
        self.folder = folder
        self.port = free_port()
        self.url = f"http://127.0.0.1:{self.port}"
        self.data_dir = folder / "data"
        self.log_path = folder / "server.log"
        self._process: subprocess.Popen[bytes] | None = None
        config_path = folder / "tiltyard.toml"
        config_path.write_text(config)
        self._environment = {name: os.environ[name] for name in _KEPT_VARIABLES if name in os.environ} | {
            "HOME": str(folder),
            "PYTHONUNBUFFERED": "1",
            "TILTYARD_CONFIG": str(config_path),
            "TILTYARD_DATA_DIR": str(self.data_dir),
            "TILTYARD_LOCAL_API_KEY": API_KEY,
            "TILTYARD_PORT": str(self.port),
            **settings,
        }

    @property
    def environment(self) -> dict[str, str]:
        """What it is started with."""
        return dict(self._environment)

    @property
    def pid(self) -> int:
        assert self._process is not None
        return self._process.pid

    @property
    def log(self) -> str:
        return self.log_path.read_text(errors="replace") if self.log_path.exists() else ""

    def start(self, *, wait: bool = True, within_s: float = 60.0) -> None:
        """Raises `ServerEnded` or `TimeoutError`."""
        with self.log_path.open("ab") as log:
            self._process = subprocess.Popen(
                [sys.executable, "app.py"], cwd=ROOT, env=self._environment, stdout=log, stderr=log
            )
        if wait:
            self.wait_ready(within_s)

    def wait_ready(self, within_s: float) -> None:
        limit_s = time.monotonic() + within_s
        with self.client(timeout=2.0) as client:
            while time.monotonic() < limit_s:
                if self._process is None or self._process.poll() is not None:
                    raise ServerEnded(self.log)
                with contextlib.suppress(httpx.HTTPError):
                    if client.get("/readyz").status_code == 200:
                        return
                time.sleep(0.05)
        raise TimeoutError(f"not ready in {within_s:g} s:\n{self.log}")

    def wait_model(self, within_s: float = 60.0) -> None:
        """Until the embedded model can answer, which pages and API do not wait for."""
        limit_s = time.monotonic() + within_s
        while self.get("/readyz").json()["embedded_model"] != "ready":
            if time.monotonic() > limit_s:
                raise TimeoutError(f"no embedded model in {within_s:g} s:\n{self.log}")
            time.sleep(0.1)

    def get(self, path: str, **options: Any) -> httpx.Response:
        with self.client() as client:
            try:
                return client.get(path, **options)
            except httpx.ConnectError as error:
                code = None if self._process is None else self._process.poll()
                raise ServerEnded(f"exit code {code}\n{self.log}") from error

    def credits(self) -> dict[str, int]:
        """Nano-dollars by name, as the API tells them."""
        told = self.get("/v1/credits").json()
        return {name: nano_usd(told[name]) for name in ("balance", "total_used", "available", "held")}

    def client(self, *, key: str = API_KEY, timeout: float = 30.0) -> httpx.Client:
        """A client of the API; no proxy of this machine between us."""
        headers = {"Authorization": f"Bearer {key}"}
        return httpx.Client(base_url=self.url, headers=headers, trust_env=False, timeout=timeout)

    def signal(self, number: signal.Signals) -> None:
        os.kill(self.pid, number)

    def wait_ended(self, within_s: float) -> int:
        """Its exit code. Raises `subprocess.TimeoutExpired`."""
        assert self._process is not None
        return self._process.wait(within_s)

    def end(self) -> None:
        """End it, kindly first; fine where it has ended or never began."""
        if self._process is None or self._process.poll() is not None:
            return
        self._process.terminate()
        try:
            self._process.wait(20)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()


def nano_usd(dollars: str) -> int:
    """The nano-dollars in a decimal number of dollars, reckoned apart from the code under test."""
    return int(Decimal(dollars) * 1_000_000_000)


def free_port() -> int:
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        return int(listener.getsockname()[1])
