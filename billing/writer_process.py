"""The process that writes the ledger: sockets in, one transaction for all that waits, answers out.

Started by `writer.py` as `python -m billing.writer`: one line of JSON on standard input, `ready` on
standard output, ends when standard input closes or at SIGTERM, after the batch at hand. It is the
ledger's only writer on SQLite, and a process of its own because a thread starves beside a busy event
loop. It ends holds whose lease has passed at its start and every 10 seconds.
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
import time
from collections import deque
from pathlib import Path
from typing import Final

import msgspec

from billing.commands import Command, Result
from billing.errors import BillingError, LedgerBusy
from billing.group_commit import GroupCommit, Outcome
from billing.journal_sqlite import SqliteJournal
from billing.wire import Answered, Asked, Frames, Refusal, frame, refusal

_log = logging.getLogger(__name__)

SWEEP_EVERY_S: Final = 10.0
MOST_WAITING: Final = 4_096
_BATCH: Final = 512
_READ_BYTES: Final = 1 << 20


class Settings(msgspec.Struct, frozen=True):
    """What the parent sends on standard input."""

    database: str
    socket: str
    free_money_limit_nano_usd: int


def main() -> None:
    logging.basicConfig(format="%(asctime)s ledger %(levelname)s %(message)s", level=logging.INFO)
    os.umask(0o077)
    settings = msgspec.convert(json.loads(_first_line(0)), Settings)
    journal = SqliteJournal(Path(settings.database))
    commit = GroupCommit(
        journal, free_money_limit_nano_usd=settings.free_money_limit_nano_usd, now_ms=_wall_ms
    )
    try:
        with contextlib.suppress(BillingError):  # a full disk must not keep the writer from starting
            commit.sweep()
        with _listen(settings.socket) as listener:
            journal.announce(settings.socket)
            sys.stdout.write("ready\n")
            sys.stdout.flush()
            _Server(listener, commit).serve()
    finally:
        journal.close()


class _Caller:
    """One connection, with what it still has to be told."""

    def __init__(self, connection: socket.socket) -> None:
        self.connection = connection
        self.frames: Frames[Asked] = Frames(Asked)
        self.unsent = bytearray()


class _Server:
    def __init__(self, listener: socket.socket, commit: GroupCommit) -> None:
        self._commit = commit
        self._listener = listener
        self._selector = selectors.DefaultSelector()
        self._waiting: deque[tuple[_Caller, int, Command]] = deque()
        self._ending = False
        self._swept_s = time.monotonic()

    def serve(self) -> None:
        """Until standard input closes or SIGTERM comes; then what was read is still decided."""
        wake, signalled = socket.socketpair()
        signalled.setblocking(False)
        signal.set_wakeup_fd(signalled.fileno())
        signal.signal(signal.SIGTERM, lambda *_: setattr(self, "_ending", True))
        self._selector.register(wake, selectors.EVENT_READ)
        self._selector.register(0, selectors.EVENT_READ)
        self._selector.register(self._listener, selectors.EVENT_READ)
        while not self._ending:
            self._take_what_came(0 if self._waiting else self._until_sweep_s())
            self._decide_some()
            self._sweep_if_due()
        while self._waiting:
            self._decide_some()

    def _take_what_came(self, timeout_s: float) -> None:
        for key, events in self._selector.select(timeout_s):
            if isinstance(key.data, _Caller):
                if events & selectors.EVENT_WRITE:
                    self._send(key.data)
                if events & selectors.EVENT_READ:
                    self._read(key.data)
            elif key.fileobj is self._listener:
                self._accept()
            elif key.fd == 0:
                self._ending = self._ending or not os.read(0, _READ_BYTES)

    def _accept(self) -> None:
        connection, _ = self._listener.accept()
        connection.setblocking(False)
        self._selector.register(connection, selectors.EVENT_READ, _Caller(connection))

    def _read(self, caller: _Caller) -> None:
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
            self._tell(caller, busy)

    def _decide_some(self) -> None:
        if not self._waiting:
            return
        batch = [self._waiting.popleft() for _ in range(min(len(self._waiting), _BATCH))]
        outcomes = self._commit.run([command for _, _, command in batch])
        answers: dict[_Caller, list[Answered]] = {}
        for (caller, asked_id, _), outcome in zip(batch, outcomes, strict=True):
            answers.setdefault(caller, []).append(Answered(asked_id, _sendable(outcome)))
        for caller, told in answers.items():
            self._tell(caller, told)

    def _tell(self, caller: _Caller, answers: list[Answered]) -> None:
        caller.unsent += frame(answers)
        self._send(caller)

    def _send(self, caller: _Caller) -> None:
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

    def _leave(self, caller: _Caller) -> None:
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


def _sendable(outcome: Outcome) -> Result | Refusal:
    return refusal(outcome) if isinstance(outcome, BillingError) else outcome


def _listen(path: str) -> socket.socket:
    with contextlib.suppress(FileNotFoundError):
        os.unlink(path)
    listener = socket.socket(socket.AF_UNIX)
    listener.bind(path)
    os.chmod(path, 0o600)  # its folder is its owner's alone
    listener.listen(16)
    return listener


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
