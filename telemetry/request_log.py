"""The request log's way in: `record` on the event loop, one batch at a time to the database.

Recording never waits and never fails, because a request must not depend on its own log: rows wait
in a bounded buffer and go out within a second, with their attempts and roll-ups, in one
transaction on a thread of ours. A batch that fails is tried again until it is in (writing twice
changes nothing), whatever else the disk does; what the buffer cannot hold meanwhile, oldest first,
and a row that no database takes, is counted in `lost` and said in the process's log. Whoever
subscribed has seen every row by then. A crash loses what waited, one second of it.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
from collections import deque
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from itertools import islice

from sqlalchemy import Engine
from sqlalchemy.exc import DataError, DBAPIError, IntegrityError, StatementError

from telemetry import rollups, stored
from telemetry.rows import RequestRow

_log = logging.getLogger(__name__)

_ROWS_A_BATCH = 1_000
_LONGEST_PAUSE_S = 5.0
_PAUSE_AT_THE_END_S = 0.05

Watcher = Callable[[RequestRow], None]


@dataclass(frozen=True, slots=True)
class LogHealth:
    """`waiting` rows are not yet stored, `lost` never will be; `fault` is why the last batch failed."""

    stored: int
    waiting: int
    lost: int
    fault: str | None


class RequestLog:
    """One a process. `capacity` rows may wait; a batch leaves `flush_s` after its first row came."""

    def __init__(self, engine: Engine, *, capacity: int = 20_000, flush_s: float = 0.5) -> None:
        self._engine = engine
        self._capacity = capacity
        self._flush_s = flush_s
        self._waiting: deque[RequestRow] = deque()
        self._leaving: tuple[RequestRow, ...] = ()  # the batch that a thread is writing
        self._watchers: list[Watcher] = []
        self._stored = self._lost = 0
        self._fault: str | None = None
        self._wake = asyncio.Event()
        self._closing = asyncio.Event()
        self._closed = False
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="request-log")
        self._batcher: asyncio.Task[None] | None = None

    async def open(self) -> None:
        self._batcher = asyncio.create_task(self._work(), name="request log")

    def record(self, row: RequestRow) -> None:
        """Keep the row for the next batch and tell the subscribers. On the loop only; never raises."""
        self._keep(row)  # first, so that whoever is told finds it among the `unstored`
        for watcher in tuple(self._watchers):
            try:
                watcher(row)
            except Exception:
                _log.exception("a subscriber of the request log failed on %s", row.request_id)

    def _keep(self, row: RequestRow) -> None:
        if self._closed:
            self._lose(row, "it came after the end")
            return
        self._waiting.append(row)
        if len(self._waiting) + len(self._leaving) > self._capacity:
            self._lose(self._waiting.popleft(), "the buffer is full")
        self._wake.set()

    def subscribe(self, watcher: Watcher) -> Callable[[], None]:
        """Call `watcher` with every row, on the loop, as it is recorded; it must be quick. Returns how
        to leave."""
        self._watchers.append(watcher)

        def leave() -> None:
            with contextlib.suppress(ValueError):
                self._watchers.remove(watcher)

        return leave

    def unstored(self) -> tuple[RequestRow, ...]:
        """What was recorded and is not in the database yet. From any thread."""
        while True:
            try:
                waiting = tuple(self._waiting)
            except RuntimeError:  # the loop's thread changed it meanwhile
                continue
            # In this order a row that moves from one to the other is seen twice, never missed.
            return self._leaving + waiting

    @property
    def health(self) -> LogHealth:
        return LogHealth(self._stored, len(self._waiting) + len(self._leaving), self._lost, self._fault)

    async def close(self, within_s: float = 3.0) -> None:
        """Store what waits. What is not in after `within_s` is counted as lost."""
        self._closing.set()
        self._wake.set()
        if self._batcher is not None:
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(self._batcher, within_s)
        self._closed = True
        for row in (*self._leaving, *self._waiting):
            self._lose(row, f"not stored within {within_s:g} s of the end")
        self._waiting.clear()
        self._leaving = ()
        self._thread.shutdown(wait=False)

    # --- the batcher --------------------------------------------------------------------------

    async def _work(self) -> None:
        while True:
            if self._waiting:
                if len(self._waiting) < _ROWS_A_BATCH:
                    await self._pause(self._flush_s)
                await self._store_a_batch()
            elif self._closing.is_set():
                return
            else:
                self._wake.clear()
                await self._wake.wait()

    async def _store_a_batch(self) -> None:
        self._leaving = tuple(islice(self._waiting, _ROWS_A_BATCH))
        for _ in self._leaving:
            self._waiting.popleft()
        pause_s = self._flush_s
        while self._leaving:
            work = asyncio.get_running_loop().run_in_executor(
                self._thread, _write, self._engine, self._leaving
            )
            try:
                refused = await work
            except Exception as error:  # the database is away, full, locked: it may come back
                self._failed(error)
                await self._pause(pause_s)
                pause_s = min(2 * pause_s, _LONGEST_PAUSE_S)
            else:
                self._stored += len(self._leaving) - len(refused)
                self._leaving = ()
                self._fault = None
                for row, why in refused:
                    self._lose(row, f"the database does not take it: {why!r}")

    async def _pause(self, seconds: float) -> None:
        """Sleep, but not while the process waits for us to end."""
        if self._closing.is_set():
            await asyncio.sleep(min(seconds, _PAUSE_AT_THE_END_S))
            return
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(self._closing.wait(), seconds)

    def _failed(self, error: Exception) -> None:
        if self._fault is None:
            _log.warning("the request log cannot be written, rows wait: %s", error)
        self._fault = f"{type(error).__name__}: {error}"

    def _lose(self, row: RequestRow, reason: str) -> None:
        self._lost += 1
        if self._lost & (self._lost - 1) == 0:  # 1, 2, 4, 8 ...: said, and not a flood
            _log.error("lost %d rows of the request log, last %s: %s", self._lost, row.request_id, reason)


def _write(engine: Engine, rows: Sequence[RequestRow]) -> list[tuple[RequestRow, Exception]]:
    """Store rows in one transaction, or one by one where one of them spoils it. Returns the spoilt."""
    try:
        _write_together(engine, rows)
    except Exception as error:
        if not _is_the_rows_fault(error):
            raise
        if len(rows) == 1:
            return [(rows[0], error)]
        return [refused for row in rows for refused in _write(engine, (row,))]
    return []


def _write_together(engine: Engine, rows: Sequence[RequestRow]) -> None:
    with engine.begin() as connection:
        rollups.add(connection, stored.write(connection, rows))


def _is_the_rows_fault(error: Exception) -> bool:
    """Whether trying again is pointless: a value that no column takes."""
    if isinstance(error, DBAPIError):
        return isinstance(error, DataError | IntegrityError)
    return isinstance(error, StatementError | ArithmeticError | ValueError | TypeError)
