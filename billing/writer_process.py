"""The process that writes the ledger: sockets in, one transaction for all that waits, answers out.

Started by `writer.py` as `python -m billing.writer`: one line of JSON on standard input, `ready` on
standard output, ends when standard input closes or at SIGTERM, after what it was asked by then. It is
the ledger's only writer on SQLite, and a process of its own because a thread starves beside a busy
event loop. It ends holds whose lease has passed at its start and every 10 seconds.

Answers that tell of an entry wait in `Syncer` until the disk has it; holds do not wait for that.
"""

from __future__ import annotations

import contextlib
import json
import logging
import os
import selectors
import signal
import socket
import sys
import threading
import time
from collections import deque
from collections.abc import Callable
from pathlib import Path
from queue import Empty, SimpleQueue
from typing import Final

import msgspec

from billing.commands import Command, Result
from billing.errors import BillingError, LedgerBusy
from billing.group_commit import GroupCommit, Outcome, must_last
from billing.journal_sqlite import SqliteJournal
from billing.wire import Answered, Asked, Frames, Refusal, frame, refusal

_log = logging.getLogger(__name__)

SWEEP_EVERY_S: Final = 10.0
MOST_WAITING: Final = 4_096
_BATCH: Final = 512
_READ_BYTES: Final = 1 << 20
_SWITCH_S: Final = 0.0005


class Settings(msgspec.Struct, frozen=True):
    """What the parent sends on standard input."""

    database: str
    socket: str
    free_money_limit_nano_usd: int


def main() -> None:
    logging.basicConfig(format="%(asctime)s ledger %(levelname)s %(message)s", level=logging.INFO)
    os.umask(0o077)
    sys.setswitchinterval(_SWITCH_S)  # the thread that syncs must not wait 5 ms for its turn
    settings = msgspec.convert(json.loads(_first_line(0)), Settings)
    journal = SqliteJournal(Path(settings.database))
    commit = GroupCommit(
        journal, free_money_limit_nano_usd=settings.free_money_limit_nano_usd, now_ms=_wall_ms
    )
    try:
        with contextlib.suppress(BillingError):  # a full disk must not keep the writer from starting
            commit.sweep()
        with listen(settings.socket) as listener:
            server = Server(listener, commit, journal.sync, parent=0)
            signal.signal(signal.SIGTERM, lambda *_: server.end())
            journal.announce(settings.socket)
            sys.stdout.write("ready\n")
            sys.stdout.flush()
            server.serve()
    finally:
        journal.close()


class Caller:
    """One connection, with what it still has to be told."""

    def __init__(self, connection: socket.socket) -> None:
        self.connection = connection
        self.frames: Frames[Asked] = Frames(Asked)
        self.unsent = bytearray()


Answers = dict[Caller, list[Answered]]


class Syncer:
    """Keeps answers back until the journal is synced, in a thread: one sync for all that wait.

    Where a sync fails, nobody knows what the disk has: the process ends at once, having told nobody,
    and the next one begins with what is there.
    """

    def __init__(self, sync: Callable[[], None], wake: Callable[[], None]) -> None:
        self._sync = sync
        self._wake = wake
        self._waiting: SimpleQueue[Answers] = SimpleQueue()
        self._synced: SimpleQueue[Answers] = SimpleQueue()
        self._kept = 0
        threading.Thread(target=self._work, name="sync", daemon=True).start()

    @property
    def is_idle(self) -> bool:
        return self._kept == 0

    def keep(self, answers: Answers) -> None:
        self._kept += 1
        self._waiting.put(answers)

    def synced(self) -> list[Answers]:
        """What may be told now."""
        told = _drain(self._synced)
        self._kept -= len(told)
        return told

    def _work(self) -> None:
        while True:
            answers = [self._waiting.get(), *_drain(self._waiting)]
            try:
                self._sync()
            except BaseException:
                _log.critical("the ledger could not be synced to its disk; nobody was told", exc_info=True)
                os._exit(1)
            for one in answers:
                self._synced.put(one)
            self._wake()


def _drain(queue: SimpleQueue[Answers]) -> list[Answers]:
    drained: list[Answers] = []
    with contextlib.suppress(Empty):
        while True:
            drained.append(queue.get_nowait())
    return drained


class Server:
    """Takes commands from its callers and answers them, until `parent` (a descriptor) closes."""

    def __init__(
        self, listener: socket.socket, commit: GroupCommit, sync: Callable[[], None], *, parent: int
    ) -> None:
        self._commit = commit
        self._listener = listener
        self._parent = parent
        self._selector = selectors.DefaultSelector()
        self._waiting: deque[tuple[Caller, int, Command]] = deque()
        self._ending = False
        self._swept_s = time.monotonic()
        self._woken, self._waker = socket.socketpair()
        self._woken.setblocking(False)
        self._waker.setblocking(False)
        self._syncer = Syncer(sync, self._wake)
        for source in (self._woken, self._parent, self._listener):
            self._selector.register(source, selectors.EVENT_READ)

    def end(self) -> None:
        """From a signal, or from another thread."""
        self._ending = True
        self._wake()

    def serve(self) -> None:
        """What was read is decided and answered also where the end comes in between."""
        while not self._ending:
            self._take_what_came(0 if self._waiting else self._until_sweep_s())
            self._decide_some()
            self._tell_what_is_synced()
            self._sweep_if_due()
        while self._waiting:
            self._decide_some()
        while not self._syncer.is_idle:
            self._take_what_came(None)
            self._tell_what_is_synced()
        self._hang_up()

    def _hang_up(self) -> None:
        for key in tuple(self._selector.get_map().values()):
            if isinstance(key.data, Caller):
                self._leave(key.data)
        self._selector.close()
        self._woken.close()
        self._waker.close()

    def _wake(self) -> None:
        with contextlib.suppress(OSError):  # it is awake already, or has ended
            self._waker.send(b"\0")

    def _take_what_came(self, timeout_s: float | None) -> None:
        for key, events in self._selector.select(timeout_s):
            if isinstance(key.data, Caller):
                if events & selectors.EVENT_WRITE:
                    self._send(key.data)
                if events & selectors.EVENT_READ:
                    self._read(key.data)
            elif key.fileobj is self._listener:
                self._accept()
            elif key.fileobj is self._woken:
                self._woken.recv(_READ_BYTES)
            elif not os.read(self._parent, _READ_BYTES):
                self._selector.unregister(self._parent)
                self._ending = True

    def _accept(self) -> None:
        connection, _ = self._listener.accept()
        connection.setblocking(False)
        self._selector.register(connection, selectors.EVENT_READ, Caller(connection))

    def _read(self, caller: Caller) -> None:
        if caller.connection.fileno() < 0:
            return
        try:
            data = caller.connection.recv(_READ_BYTES)
        except BlockingIOError:
            return
        except OSError:
            data = b""
        if not data:
            self._leave(caller)
            return
        try:
            asked = caller.frames.feed(data)
        except msgspec.MsgspecError:
            _log.exception("a caller sent what is no command")
            self._leave(caller)
            return
        busy: list[Answered] = []
        for one in asked:
            if len(self._waiting) < MOST_WAITING:
                self._waiting.append((caller, one.id, one.command))
            else:
                busy.append(Answered(one.id, refusal(LedgerBusy())))
        if busy:
            self._tell({caller: busy})

    def _decide_some(self) -> None:
        if not self._waiting:
            return
        batch = [self._waiting.popleft() for _ in range(min(len(self._waiting), _BATCH))]
        outcomes = self._commit.run([command for _, _, command in batch])
        now: Answers = {}
        when_synced: Answers = {}
        for (caller, asked_id, _), outcome in zip(batch, outcomes, strict=True):
            answers = when_synced if must_last(outcome) else now
            answers.setdefault(caller, []).append(Answered(asked_id, _sendable(outcome)))
        if when_synced:
            self._syncer.keep(when_synced)
        self._tell(now)

    def _tell_what_is_synced(self) -> None:
        for answers in self._syncer.synced():
            self._tell(answers)

    def _tell(self, answers: Answers) -> None:
        for caller, told in answers.items():
            caller.unsent += frame(told)
            self._send(caller)

    def _send(self, caller: Caller) -> None:
        """Send what can be sent without waiting; a caller that does not read keeps nobody waiting."""
        if caller.connection.fileno() < 0:
            return
        try:
            while caller.unsent:
                sent = caller.connection.send(caller.unsent)
                del caller.unsent[:sent]
        except BlockingIOError:
            pass
        except OSError:
            self._leave(caller)
            return
        events = selectors.EVENT_READ | (selectors.EVENT_WRITE if caller.unsent else 0)
        if self._selector.get_key(caller.connection).events != events:
            self._selector.modify(caller.connection, events, caller)

    def _leave(self, caller: Caller) -> None:
        """What it asked for is decided all the same."""
        self._selector.unregister(caller.connection)
        caller.connection.close()

    def _until_sweep_s(self) -> float:
        return max(self._swept_s + SWEEP_EVERY_S - time.monotonic(), 0.0)

    def _sweep_if_due(self) -> None:
        if self._until_sweep_s() == 0:
            with contextlib.suppress(BillingError):  # logged; the next one tries again
                self._commit.sweep()
            self._swept_s = time.monotonic()


def listen(path: str) -> socket.socket:
    with contextlib.suppress(FileNotFoundError):
        os.unlink(path)
    listener = socket.socket(socket.AF_UNIX)
    listener.bind(path)
    os.chmod(path, 0o600)  # its folder is its owner's alone
    listener.listen(16)
    return listener


def _sendable(outcome: Outcome) -> Result | Refusal:
    return refusal(outcome) if isinstance(outcome, BillingError) else outcome


def _first_line(descriptor: int) -> bytes:
    """One line, without reading past it."""
    line = bytearray()
    while not line.endswith(b"\n"):
        byte = os.read(descriptor, 1)
        if not byte:
            raise SystemExit("the ledger's writer was given no settings")
        line += byte
    return bytes(line)


def _wall_ms() -> int:
    return time.time_ns() // 1_000_000
