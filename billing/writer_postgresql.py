"""The way into a ledger on PostgreSQL: a coroutine of the gateway's own loop decides and writes.

What has been asked by the time a batch begins goes into it, without a timer: while one batch is being
written the next one gathers. Answers that tell of an entry are given when the server's disk has it
(`syncer_postgresql.py`); the next batch does not wait for that. Other processes may do the same on the
same database.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import time
from collections import deque
from collections.abc import Callable, Sequence
from typing import Final

import msgspec

from billing.client import ANSWER_WITHIN_S, MOST_IN_FLIGHT, SWEEP_EVERY_S, LedgerClient, R
from billing.commands import Command, Granted, Receipt, Result, Sweep
from billing.errors import BillingError, LedgerBug, LedgerBusy, LedgerUnavailable
from billing.group_commit import Outcome, must_last
from billing.group_commit_postgresql import PostgresGroupCommit
from billing.syncer_postgresql import PostgresSyncer, Witness

_log = logging.getLogger(__name__)

_LOOK_AFTER_EVERY_S: Final = 0.5
_NOBODY: Final = 0

Asked = tuple[int, Command]
Kept = tuple[Witness, Asked, Outcome]


class PostgresLedger(LedgerClient):
    """The ledger in a PostgreSQL database, in its schema `ledger`."""

    MOST_IN_BATCH = 128
    """So that deciding one keeps the loop from everything else for about 2 ms at most."""

    def __init__(self, commit: PostgresGroupCommit, syncer: PostgresSyncer) -> None:
        self._commit = commit
        self._syncer = syncer
        self._in_flight: dict[int, tuple[float, asyncio.Future[Result]]] = {}  # by age, oldest first
        self._waiting: deque[Asked] = deque()
        self._unsynced: list[Kept] = []
        self._asked_again: dict[int, Outcome] = {}  # what would have been answered, had it been synced
        self._last_id = _NOBODY
        self._something_waits = asyncio.Event()
        self._something_unsynced = asyncio.Event()
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
        ledger = cls(commit, PostgresSyncer(dsn))
        ledger._tasks = [
            asyncio.create_task(ledger._work(), name="the ledger's writer"),
            asyncio.create_task(ledger._sync(), name="the ledger's disk"),
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
        await self._syncer.close()
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
                witness = await self._syncer.witness()
                outcomes = await self._commit.run([command for _, command in batch], synced=witness is None)
                for asked, outcome in zip(batch, outcomes, strict=True):
                    if witness is not None and must_last(outcome):
                        self._unsynced.append((witness, asked, outcome))
                        self._something_unsynced.set()
                    else:
                        self._answer(asked[0], outcome)
            self._something_waits.clear()

    async def _sync(self) -> None:
        """Answer what the disk has; ask again what a dying server may have lost."""
        while True:
            await self._something_unsynced.wait()
            self._something_unsynced.clear()
            kept, self._unsynced = self._unsynced, []
            lasting = {}
            for witness in {witness for witness, _, _ in kept}:
                lasting[witness] = await self._syncer.sync(witness)
            for witness, (asked_id, _), outcome in kept:
                if lasting[witness]:
                    self._answer(asked_id, outcome)
            self._ask_again([one for one in kept if not lasting[one[0]]])

    def _ask_again(self, lost: Sequence[Kept]) -> None:
        """Before everything else, and for those alone who still wait."""
        waited_for = [(asked, outcome) for _, asked, outcome in lost if asked[0] in self._in_flight]
        self._asked_again.update((asked[0], outcome) for asked, outcome in waited_for)
        self._waiting.extendleft(asked for asked, _ in reversed(waited_for))
        if self._waiting:
            self._something_waits.set()

    def _answer(self, asked_id: int, outcome: Outcome) -> None:
        _, future = self._in_flight.pop(asked_id, (0.0, None))
        before = self._asked_again.pop(asked_id, None)
        if future is None or future.done():
            return  # given up, or cancelled by whoever asked
        if isinstance(before, Receipt | Granted) and isinstance(outcome, Receipt | Granted):
            outcome = msgspec.structs.replace(outcome, replayed=before.replayed)  # who asked, asked once
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
