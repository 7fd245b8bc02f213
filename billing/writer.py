"""The way into the ledger: `Ledger` asks, and the writer that it keeps alive decides and writes.

Commands of one turn of the event loop travel together and are answered together. Whoever is cancelled
while waiting has asked all the same: what was sent stands. Where the writer dies, what it had not
answered is sent again to the next one, which is safe because each command does its thing once.

As a program (`python -m billing.writer`) this module is that writer: see `writer_process.py`.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Final

from billing.client import ANSWER_WITHIN_S, MOST_IN_FLIGHT, LedgerClient, R
from billing.commands import Command, Result
from billing.errors import LedgerBug, LedgerBusy, LedgerUnavailable
from billing.wire import Answered, Asked, Frames, Refusal, error_of, frame
from children.supervisor import Child, runtime_folder

_log = logging.getLogger(__name__)

_CONNECT_AGAIN_S: Final = 0.05
_NOBODY: Final = (None, None, 0.0)


class Ledger(LedgerClient):
    """The ledger in a SQLite file, by the writer process that this starts (`open`), or that another
    process of this installation keeps alive (`join`)."""

    def __init__(self, socket: Path, child: Child | None) -> None:
        self.socket = socket
        self._child = child
        self._in_flight: dict[int, tuple[Command, asyncio.Future[Result], float]] = {}  # with its deadline
        self._deadline: asyncio.TimerHandle | None = None  # one for all: a timer a command is too dear
        self._last_id = 0
        self._unsent: list[Asked] = []
        self._link: _Link | None = None
        self._keeper: asyncio.Task[None] | None = None
        self._closed = False

    @classmethod
    async def open(cls, database_path: Path, *, free_money_limit_nano_usd: int) -> Ledger:
        """Start the writer and connect. Raises `children.supervisor.ChildFailed`."""
        folder = runtime_folder()
        settings = {
            "database": str(database_path.resolve()),
            "socket": str(folder / "ledger"),
            "free_money_limit_nano_usd": free_money_limit_nano_usd,
        }
        child = Child("the ledger's writer", "billing.writer", settings)
        ledger = cls(folder / "ledger", child)
        try:
            await child.start()
            await ledger._connect()
        except BaseException:
            await child.stop()
            shutil.rmtree(folder, ignore_errors=True)
            raise
        ledger._begin()
        return ledger

    @classmethod
    async def join(cls, socket: Path) -> Ledger:
        """Connect to the writer that takes commands there. Raises `LedgerUnavailable`."""
        ledger = cls(socket, None)
        try:
            async with asyncio.timeout(ANSWER_WITHIN_S):
                while ledger._link is None:
                    with contextlib.suppress(OSError):  # it may be between two lives
                        await ledger._connect()
                    await asyncio.sleep(0 if ledger._link else _CONNECT_AGAIN_S)
        except TimeoutError:
            raise LedgerUnavailable("The ledger's writer does not answer.") from None
        ledger._begin()
        return ledger

    def _begin(self) -> None:
        self._keeper = asyncio.create_task(self._keep_connected(), name="the ledger's connection")

    @property
    def child(self) -> Child:
        """The writer. Only where this process started it."""
        assert self._child is not None
        return self._child

    async def close(self) -> None:
        self._closed = True
        waiting = [future for _, future, _ in self._in_flight.values() if not future.done()]
        if waiting:
            await asyncio.wait(waiting, timeout=ANSWER_WITHIN_S)
        if self._keeper is not None:
            self._keeper.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await self._keeper
        if self._link is not None:
            self._link.close()
        if self._child is not None:
            await self._child.stop()
            shutil.rmtree(self.socket.parent, ignore_errors=True)
        if self._deadline is not None:
            self._deadline.cancel()
        for _, future, _ in self._in_flight.values():
            if not future.done():
                future.set_exception(LedgerUnavailable("The ledger is closed."))

    @property
    def ready(self) -> bool:
        return self._link is not None if self._child is None else self._child.ready

    # --- asking -------------------------------------------------------------------------------

    async def _ask(self, command: Command, kind: type[R]) -> R:
        if self._closed:
            raise LedgerUnavailable("The ledger is closed.")
        if len(self._in_flight) >= MOST_IN_FLIGHT:
            raise LedgerBusy
        loop = asyncio.get_running_loop()
        self._last_id = asked_id = self._last_id + 1
        future: asyncio.Future[Result] = loop.create_future()
        self._in_flight[asked_id] = (command, future, loop.time() + ANSWER_WITHIN_S)
        self._send(Asked(asked_id, command))
        if self._deadline is None:
            self._deadline = loop.call_later(ANSWER_WITHIN_S, self._give_up_late)
        result = await future
        if not isinstance(result, kind):
            raise LedgerBug(f"The writer answered a {type(command).__name__} with {type(result).__name__}.")
        return result

    def _give_up_late(self) -> None:
        """Let go of those who have waited too long; they are in the order in which they asked."""
        loop = asyncio.get_running_loop()
        self._deadline = None
        while self._in_flight:
            asked_id, (command, future, due_s) = next(iter(self._in_flight.items()))
            if due_s > loop.time():
                self._deadline = loop.call_at(due_s, self._give_up_late)
                return
            del self._in_flight[asked_id]
            if not future.done():
                _log.error("the ledger's writer did not answer a %s", type(command).__name__)
                future.set_exception(LedgerUnavailable("The ledger's writer does not answer."))

    def _send(self, asked: Asked) -> None:
        """Together with whatever else this turn of the loop asks."""
        if self._link is None:
            return  # sent with all that is in flight when there is a connection again
        if not self._unsent:
            asyncio.get_running_loop().call_soon(self._flush)
        self._unsent.append(asked)

    def _flush(self) -> None:
        unsent, self._unsent = self._unsent, []
        if unsent and self._link is not None:
            self._link.send(unsent)

    def _answered(self, answers: list[Answered]) -> None:
        for answer in answers:
            _, future, _ = self._in_flight.pop(answer.id, _NOBODY)
            if future is None or future.done():
                continue  # given up, or cancelled by whoever asked
            if isinstance(answer.outcome, Refusal):
                future.set_exception(error_of(answer.outcome))
            else:
                future.set_result(answer.outcome)

    # --- the connection -------------------------------------------------------------------------

    async def _connect(self) -> None:
        loop = asyncio.get_running_loop()
        _, link = await loop.create_unix_connection(lambda: _Link(self._answered), str(self.socket))
        self._link, self._unsent = link, []
        if self._in_flight:
            link.send([Asked(asked_id, command) for asked_id, (command, *_) in self._in_flight.items()])

    async def _keep_connected(self) -> None:
        while True:
            assert self._link is not None
            await self._link.lost.wait()
            self._link = None
            while self._link is None:
                try:
                    if self._child is not None:
                        await self._child.wait_ready(ANSWER_WITHIN_S)
                    await self._connect()
                except (OSError, TimeoutError):  # not there yet: ended again, or starting still
                    await asyncio.sleep(_CONNECT_AGAIN_S)
            _log.warning("connected to the ledger's writer again")


class _Link(asyncio.Protocol):
    """One connection to the writer."""

    def __init__(self, answered: Callable[[list[Answered]], None]) -> None:
        self.lost = asyncio.Event()
        self._answered = answered
        self._frames: Frames[Answered] = Frames(Answered)
        self._transport: asyncio.Transport | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = transport  # type: ignore[assignment]  # uvloop's is a Transport but in name

    def data_received(self, data: bytes) -> None:
        self._answered(self._frames.feed(data))

    def connection_lost(self, error: Exception | None) -> None:
        self.lost.set()

    def send(self, asked: list[Asked]) -> None:
        if self._transport is not None and not self._transport.is_closing():
            self._transport.write(frame(asked))

    def close(self) -> None:
        if self._transport is not None:
            self._transport.close()


if __name__ == "__main__":
    from billing.writer_process import main

    main()
