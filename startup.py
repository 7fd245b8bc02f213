"""What happens around the app: refusals before it starts, and its ordered end.

`refuse_*` end the process with a sentence that names the setting to change; they run before anything
is opened. `install_drain` replaces uvicorn's reaction to SIGTERM and SIGINT: without it an open
stream keeps the process alive for as long as it lasts, and runs are cut in the middle.
"""

from __future__ import annotations

import asyncio
import errno
import fcntl
import gc
import logging
import os
import signal
import socket
import sys
from collections.abc import Awaitable, Callable
from pathlib import Path
from types import FrameType
from typing import IO, Any, NoReturn

from api.connection import bound_connections

_log = logging.getLogger(__name__)

UNREAD_BYTES = 64 * 1024  # of an answer, in the kernel
_LOOK_AGAIN_S = 0.01
_CLOSE_WITHIN_S = 3  # what uvicorn gives open connections once our own drain is over


def fail(*sentences: str) -> NoReturn:
    for sentence in sentences:
        sys.stderr.write(f"tiltyard: {sentence}\n")
    # While the server starts, its own log would go on with a traceback of our exit.
    logging.getLogger("uvicorn.error").disabled = True
    sys.exit(2)


def say(sentence: str) -> None:
    """A line for the person at the terminal."""
    sys.stderr.write(f"{sentence}\n")
    sys.stderr.flush()


def set_up_logging(level: str) -> None:
    logging.basicConfig(level=level.upper(), format="%(asctime)s %(levelname)s %(name)s: %(message)s")
    # Alembic tells of every start; what it does is said where it does something.
    logging.getLogger("alembic").setLevel(logging.WARNING)


def refuse_taken_port(host: str, port: int) -> None:
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    with socket.socket(family) as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((host, port))
        except OSError as error:
            if error.errno == errno.EADDRINUSE:
                fail(f"port {port} is taken. Set TILTYARD_PORT to another one, or end what listens there.")
            fail(f"cannot listen on {host} port {port}: {error.strerror}. See TILTYARD_HOST, TILTYARD_PORT.")


def claim_folder(folder: Path) -> IO[str]:
    """Make the data folder, for us alone, and lock it: two processes must not share a SQLite ledger.

    The lock ends with the process, however it ends; keep the returned file open until then.
    """
    try:
        folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        lock = (folder / "lock").open("a+")
    except OSError as error:
        fail(f"cannot write to the data folder {folder}: {error.strerror}. See TILTYARD_DATA_DIR.")
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        lock.seek(0)
        other = lock.read().strip() or "unknown"
        lock.close()
        fail(
            f"another Tiltyard (process {other}) uses the data folder {folder}. "
            "End it, or set TILTYARD_DATA_DIR to another folder."
        )
    lock.truncate(0)
    lock.write(str(os.getpid()))
    lock.flush()
    return lock


def rest_after_opening() -> None:
    """What is open now stays to the end: let the collector of cycles pass it by, and come less often. Each of
    its full turns is a pause for every stream."""
    gc.collect()
    gc.freeze()
    gc.set_threshold(20_000, 20, 100)


def bound_callers() -> None:
    """What a caller may cost: a head within bounds (`api/connection.py`), and, where he does not read, this
    much in the kernel and not megabytes. What is accepted takes the latter over from the listening sockets,
    which uvicorn opens right after the lifespan's start.

    Call on the server's loop once uvicorn's own handlers are installed, and before `install_drain`.
    """
    server = getattr(signal.getsignal(signal.SIGTERM), "__self__", None)
    if server is None:
        return  # no server of uvicorn's runs here, a test, or another runner
    bound_connections(server.config)

    def bound() -> None:
        listening = [one for each in getattr(server, "servers", ()) for one in each.sockets]
        if not listening and not server.should_exit:
            asyncio.get_running_loop().call_later(_LOOK_AGAIN_S, bound)
        for one in listening:
            one.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, UNREAD_BYTES)

    asyncio.get_running_loop().call_soon(bound)


def install_drain(drain: Callable[[], Awaitable[None]]) -> None:
    """On the first SIGTERM or SIGINT run `drain`, then let uvicorn close; on the second close at once.

    Call on the server's loop once uvicorn's own handlers are installed (the lifespan's start is).
    """
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        _replace_handler(number, loop, drain)


def _replace_handler(
    number: signal.Signals, loop: asyncio.AbstractEventLoop, drain: Callable[[], Awaitable[None]]
) -> None:
    before: Any = signal.getsignal(number)
    if not callable(before):
        return  # no server of uvicorn's runs here: a test, or another runner that handles signals itself
    draining: list[asyncio.Task[None]] = []  # keeps the task from being collected
    asked = False

    async def end(frame: FrameType | None) -> None:
        try:
            await drain()
        except Exception:
            _log.exception("the drain failed; closing all the same")
        server = getattr(before, "__self__", None)
        if server is not None:
            server.config.timeout_graceful_shutdown = _CLOSE_WITHIN_S
        before(number, frame)

    def begin(frame: FrameType | None) -> None:
        draining.append(loop.create_task(end(frame), name="drain"))

    def handle(_: int, frame: FrameType | None) -> None:
        nonlocal asked
        if asked:
            before(number, frame)
        else:
            asked = True
            loop.call_soon_threadsafe(begin, frame)

    signal.signal(number, handle)
