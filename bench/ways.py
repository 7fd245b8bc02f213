"""The ways to one upstream that `bench/gateway.py` compares, each started, measured and ended by its pid."""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path

import httpx
import psutil

from tests.server import API_KEY, Server, free_port

CONFIG = """\
[providers.bench]
base_url = "http://127.0.0.1:{port}/v1"
wire = "chat_completions"
allow_private_address = true

[[models]]
id = "bench/mirror"
name = "Mirror"
context_tokens = 32768
max_output_tokens = 4096
input_usd_per_million = "0.10"
output_usd_per_million = "0.40"
providers = [ {{ id = "bench", model = "mirror" }} ]

[[tiers]]
no = 1
paid_usd = "0"
requests_per_minute = 100_000_000
tokens_per_minute = 100_000_000_000
"""
SETTINGS = {
    "TILTYARD_EMBEDDED": "false",
    "TILTYARD_MAX_RUNNING": "2000",
    "TILTYARD_MAX_RUNNING_TEAM": "2000",
    "TILTYARD_LOG_LEVEL": "warning",
}
LITELLM = "BENCH_LITELLM"


@dataclass(frozen=True, slots=True)
class Way:
    """`pid` is the process whose CPU counts, None for the upstream itself. With `pages_busy`, 20 sessions at
    this URL rerun while it is measured."""

    name: str
    url: str
    pid: int | None
    key: str = API_KEY
    pages: str | None = None

    def cpu_s(self) -> float:
        return float(sum(psutil.Process(self.pid).cpu_times()[:2])) if self.pid else 0.0

    def memory(self) -> int:
        return int(psutil.Process(self.pid).memory_info().rss) if self.pid else 0


@contextmanager
def ways(port: int) -> Iterator[list[Way]]:
    """All of them, ready. LiteLLM's proxy only where `BENCH_LITELLM` names a virtualenv that has it."""
    with ExitStack() as opened:
        upstream = f"http://127.0.0.1:{port}/v1/chat/completions"
        found = [Way("direct", upstream, None), _floor(opened, upstream), _inside(opened, port)]
        found += _apart(opened, port)
        peer = _litellm(opened, port)
        yield found + ([peer] if peer else [])


def _floor(opened: ExitStack, upstream: str) -> Way:
    port = free_port()
    process = start(opened, [sys.executable, "-m", "bench.floor", str(port), upstream])
    url = f"http://127.0.0.1:{port}"
    _wait(url + "/")
    return Way("floor: Starlette and aiohttp, bytes passed on", f"{url}/v1/chat/completions", process.pid)


def _inside(opened: ExitStack, port: int) -> Way:
    server = _server(opened, port, {})
    return Way("Tiltyard, API beside the pages", f"{server.url}/v1/chat/completions", server.pid)


def _apart(opened: ExitStack, port: int) -> list[Way]:
    api_port = free_port()
    server = _server(opened, port, {"TILTYARD_API_PROCESSES": "1", "TILTYARD_API_PORT": str(api_port)})
    api = next(c for c in psutil.Process(server.pid).children() if "api.asgi" in c.cmdline())
    url = f"http://127.0.0.1:{api_port}/v1/chat/completions"
    return [
        Way("Tiltyard, API apart", url, api.pid),
        Way("Tiltyard, API apart, 20 busy pages beside it", url, api.pid, pages=server.url),
    ]


def _server(opened: ExitStack, port: int, settings: dict[str, str]) -> Server:
    folder = opened.enter_context(tempfile.TemporaryDirectory(prefix="tiltyard-bench-"))
    server = Server(Path(folder), SETTINGS | settings, CONFIG.format(port=port))
    opened.callback(server.end)
    server.start()
    return server


def _litellm(opened: ExitStack, port: int) -> Way | None:
    venv = os.environ.get(LITELLM)
    if not venv or not (Path(venv) / "bin" / "litellm").exists():
        return None
    folder = Path(opened.enter_context(tempfile.TemporaryDirectory(prefix="tiltyard-bench-")))
    (folder / "config.yaml").write_text(
        "model_list:\n  - model_name: bench/mirror\n    litellm_params:\n      model: openai/mirror\n"
        f"      api_base: http://127.0.0.1:{port}/v1\n      api_key: none\n"
        "general_settings:\n  master_key: sk-bench\n"
    )
    own = free_port()
    environment = {"PATH": os.environ["PATH"], "HOME": str(folder), "LITELLM_LOG": "ERROR",
                   "LITELLM_MODE": "PRODUCTION", "LITELLM_LOCAL_MODEL_COST_MAP": "True"}  # fmt: skip
    command = [f"{venv}/bin/litellm", "--config", str(folder / "config.yaml"), "--host", "127.0.0.1",
               "--port", str(own), "--num_workers", "1"]  # fmt: skip
    process = start(opened, command, environment)
    _wait(f"http://127.0.0.1:{own}/health/liveliness", within_s=90)
    url = f"http://127.0.0.1:{own}/v1/chat/completions"
    return Way("LiteLLM's proxy", url, process.pid, "sk-bench")


def start(
    opened: ExitStack, command: list[str], environment: dict[str, str] | None = None
) -> subprocess.Popen[bytes]:
    """A process that ends with the stack; one of ours that says `ready` is waited for."""
    process = subprocess.Popen(
        command,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE if environment is None else subprocess.DEVNULL,
        stderr=None if environment is None else subprocess.DEVNULL,
        env=environment,
    )
    opened.callback(_end, process)
    return process


def _end(process: subprocess.Popen[bytes]) -> None:
    process.terminate()
    try:
        process.wait(10)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()


def _wait(url: str, within_s: float = 20.0) -> None:
    limit_s = time.monotonic() + within_s
    while time.monotonic() < limit_s:
        try:
            httpx.get(url, trust_env=False, timeout=2)
        except httpx.HTTPError:
            time.sleep(0.1)
        else:
            return
    raise TimeoutError(url)
