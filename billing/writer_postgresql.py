"""The way into a ledger on PostgreSQL: a coroutine of the gateway's own loop decides and writes.

What has been asked by the time a batch begins goes into it, without a timer: while one batch is being
written the next one gathers. Other processes may do the same on the same database.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import time
from collections import deque
from collections.abc import Callable
from typing import Final

from billing.client import ANSWER_WITHIN_S, MOST_IN_FLIGHT, SWEEP_EVERY_S, LedgerClient, R
from billing.commands import Command, Result, Sweep
from billing.errors import BillingError, LedgerBug, LedgerBusy, LedgerUnavailable
from billing.group_commit import Outcome
from billing.group_commit_postgresql import PostgresGroupCommit

_log = logging.getLogger(__name__)

_LOOK_AFTER_EVERY_S: Final = 0.5
_NOBODY: Final = 0


class PostgresLedger(LedgerClient):
    """The ledger in a PostgreSQL database, in its schema `ledger`."""

    MOST_IN_BATCH = 128
    """So that deciding one keeps the loop from everything else for about 2 ms at most."""

    def __init__(self, commit: PostgresGroupCommit) -> None:
        self._commit = commit
        self._in_flight: dict[int, tuple[float, asyncio.Future[Result]]] = {}  # by age, oldest first
        self._waiting: deque[tuple[int, Command]] = deque()
        self._last_id = _NOBODY
        self._something_waits = asyncio.Event()
        self._tasks: list[asyncio.Task[None]] = []
        self._closed = False

    @classmethod
    async def open(
        cls, dsn: str, *, free_money_limit_nano_usd: int, now_ms: Callable[[], int] | None = None
    ) -> PostgresLedger:
        """Connect, make the schema where there is none, and end the holds of runs that died.

        Raises `LedgerUnavailable`."""
        commit = PostgresGroupCommit(dsn, free_money_limit_nano_usd=free_money_limit_nano_usd, now_ms=now_ms)
        await commit.open()
        with contextlib.suppress(BillingError):  # a full disk must not keep the gateway from starting
            await commit.sweep()
        ledger = cls(commit)
        ledger._tasks = [
            asyncio.create_task(ledger._work(), name="the ledger's writer"),
            asyncio.create_task(ledger._look_after(), name="the ledger's sweeper"),
        ]
        return ledger

    async def close(self) -> None:
        self._closed = True
        waiting = [future for _, future in self._in_flight.values() if not future.done()]
        if waiting:
            await asyncio.wait(waiting, timeout=ANSWER_WITHIN_S)
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        await self._commit.close()
        for _, future in self._in_flight.values():
            if not future.done():
                future.set_exception(LedgerUnavailable("The ledger is closed."))

    @property
    def ready(self) -> bool:
        return self._commit.is_connected and not self._closed

    async def _ask(self, command: Command, kind: type[R]) -> R:
        if self._closed:
            raise LedgerUnavailable("The ledger is closed.")
        if len(self._in_flight) >= MOST_IN_FLIGHT:
            raise LedgerBusy
        future: asyncio.Future[Result] = asyncio.get_running_loop().create_future()
        self._last_id = asked_id = self._last_id + 1
        self._in_flight[asked_id] = (time.monotonic() + ANSWER_WITHIN_S, future)
        self._take(asked_id, command)
        result = await future
        if not isinstance(result, kind):
            raise LedgerBug(f"A {type(command).__name__} was answered with {type(result).__name__}.")
        return result

    def _take(self, asked_id: int, command: Command) -> None:
        self._waiting.append((asked_id, command))
        self._something_waits.set()

    async def _work(self) -> None:
        while True:
            await self._something_waits.wait()
            while self._waiting:
                batch = [self._waiting.popleft() for _ in range(min(len(self._waiting), self.MOST_IN_BATCH))]
                outcomes = await self._commit.run([command for _, command in batch])
                for (asked_id, _), outcome in zip(batch, outcomes, strict=True):
                    self._answer(asked_id, outcome)
            self._something_waits.clear()

    def _answer(self, asked_id: int, outcome: Outcome) -> None:
        _, future = self._in_flight.pop(asked_id, (0.0, None))
        if future is None or future.done():
            return  # given up, or cancelled by whoever asked
        if isinstance(outcome, BillingError):
            future.set_exception(outcome)
        else:
            future.set_result(outcome)

    async def _look_after(self) -> None:
        """Sweep when it is time, and let go of those who have waited too long."""
        swept_s = time.monotonic()
        while True:
            await asyncio.sleep(_LOOK_AFTER_EVERY_S)
            now_s = time.monotonic()
            self._give_up_late(now_s)
            if now_s - swept_s >= SWEEP_EVERY_S:
                swept_s = now_s
                self._take(_NOBODY, Sweep())

    def _give_up_late(self, now_s: float) -> None:
        late = 0
        while self._in_flight:
            asked_id, (until_s, future) = next(iter(self._in_flight.items()))
            if until_s > now_s:
                break
            del self._in_flight[asked_id]
            if not future.done():
                late += 1
                future.set_exception(LedgerUnavailable("The ledger's database does not answer."))
        if late:
            _log.error("the ledger's database did not answer %d commands in time", late)
