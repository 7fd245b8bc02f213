"""Keeps a child process alive: starts `python -m MODULE`, restarts it when it dies, ends it in time.

A child gets an allow-listed environment and its secrets and settings as one JSON line on standard
input; it prints one line, `ready`, when it can serve. Its standard error goes to ours. What a child
is and how one talks to it belongs to the package that owns it.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import logging
import os
import shutil
import signal
import sys
import tempfile
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

_log = logging.getLogger(__name__)

# What a child may see of our environment: never keys, never settings.
_ENVIRONMENT = (
    "PATH",
    "HOME",
    "LANG",
    "LC_ALL",
    "TZ",
    "TMPDIR",
    "LD_LIBRARY_PATH",
    "SYSTEMROOT",
    "VIRTUAL_ENV",
)
_FIRST_PAUSE_S = 0.1
_LONGEST_PAUSE_S = 10.0


class ChildFailed(Exception):
    """The child did not become ready."""


def runtime_folder() -> Path:
    """A new 0700 folder with a path short enough for a socket's 108 bytes.

    Those that a killed process of ours left behind are cleared away first.
    """
    for left in Path(tempfile.gettempdir()).glob("ty-*-*"):
        owner = left.name.split("-")[1]
        if owner.isdigit() and not _lives(int(owner)) and left.stat().st_uid == os.getuid():
            shutil.rmtree(left, ignore_errors=True)
    return Path(tempfile.mkdtemp(prefix=f"ty-{os.getpid()}-"))


def _lives(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        pass
    return True


class Child:
    """One supervised process. `start` waits until it is ready; `stop` ends it for good."""

    def __init__(
        self,
        name: str,
        module: str,
        settings: Mapping[str, object],
        *,
        arguments: Sequence[str] = (),
        ready_within_s: float = 20.0,
        on_ready: Callable[[], None] | None = None,
        on_exit: Callable[[int], None] | None = None,
    ) -> None:
        self.name = name
        self.restarts = 0
        self.command = [sys.executable, "-m", module, *arguments]
        self._stdin = json.dumps(dict(settings)).encode() + b"\n"
        self._ready_within_s = ready_within_s
        self._on_ready = on_ready
        self._on_exit = on_exit
        self._process: asyncio.subprocess.Process | None = None
        self._ready = asyncio.Event()
        self._keeper: asyncio.Task[None] | None = None
        self._stopping = False

    @property
    def pid(self) -> int | None:
        return self._process.pid if self._process and self._process.returncode is None else None

    @property
    def ready(self) -> bool:
        return self._ready.is_set()

    async def start(self) -> None:
        """Start and wait until ready. Raises `ChildFailed` when the first start fails."""
        await self._spawn()
        self._keeper = asyncio.create_task(self._keep(), name=f"supervise {self.name}")

    async def wait_ready(self, timeout_s: float) -> None:
        """Raises `TimeoutError`."""
        async with asyncio.timeout(timeout_s):
            await self._ready.wait()

    async def stop(self, grace_s: float = 3.0) -> None:
        self._stopping = True
        if self._keeper:
            self._keeper.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await self._keeper
        process = self._process
        if process is None or process.returncode is not None:
            return
        with contextlib.suppress(ProcessLookupError):
            process.send_signal(signal.SIGTERM)
        try:
            async with asyncio.timeout(grace_s):
                await process.wait()
        except TimeoutError:
            with contextlib.suppress(ProcessLookupError):
                process.kill()
            await process.wait()

    async def _spawn(self) -> None:
        _close_on_exec()
        environment = {name: os.environ[name] for name in _ENVIRONMENT if name in os.environ}
        process = await asyncio.create_subprocess_exec(
            *self.command,
            stdin=asyncio.subprocess.PIPE,
            stdout=asyncio.subprocess.PIPE,
            env=environment,
            cwd=Path(__file__).resolve().parent.parent,
            start_new_session=True,  # a Ctrl-C in the terminal is ours to handle, in order
        )
        self._process = process
        assert process.stdin and process.stdout
        try:
            async with asyncio.timeout(self._ready_within_s):
                process.stdin.write(self._stdin)
                await process.stdin.drain()
                line = await process.stdout.readline()
        except (TimeoutError, OSError) as error:
            with contextlib.suppress(ProcessLookupError):
                process.kill()
            await process.wait()
            raise ChildFailed(f"{self.name} was not ready in {self._ready_within_s:g} s") from error
        if line.strip() != b"ready":
            await process.wait()
            raise ChildFailed(f"{self.name} ended at its start with code {process.returncode}")
        # Standard input stays open: a child ends itself when it closes, so it never outlives us.
        self._ready.set()
        if self._on_ready:
            self._on_ready()

    async def _keep(self) -> None:
        pause_s = _FIRST_PAUSE_S
        while True:
            assert self._process
            code = await self._process.wait()
            self._ready.clear()
            if self._stopping:
                return
            _log.error("%s ended with code %s and is started again", self.name, code)
            if self._on_exit:
                self._on_exit(code)
            while True:
                try:
                    await self._spawn()
                except ChildFailed as error:
                    _log.error("%s; next try in %.1f s", error, pause_s)
                    await asyncio.sleep(pause_s)
                    pause_s = min(pause_s * 2, _LONGEST_PAUSE_S)
                else:
                    self.restarts += 1
                    pause_s = _FIRST_PAUSE_S
                    break


def _close_on_exec() -> None:
    """Keep our open files to ourselves: uvloop hands a child whatever is inheritable, and Streamlit
    makes its listening socket so. A child that held it would keep the port after our death."""
    for name in os.listdir("/dev/fd"):
        if int(name) > 2:
            with contextlib.suppress(OSError):
                os.set_inheritable(int(name), False)
