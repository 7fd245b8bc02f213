"""Requests that finished in other processes, found in the log that they share.

Whoever subscribes is told of every request once: of this process's as it is recorded, of another's up to
two seconds later (its batch, then our turn), without the attempts that failed before the last. While
somebody is subscribed, and only then, the keys of the last `LOOK_BACK_MS` are read each second, and what
is known by id is dropped; whoever comes first may so be told of what it has read itself, but misses
nothing. A request that took longer than the look-back to reach the log, or whose host's clock is that far
behind, is never told of: it is found by whoever reads.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

from sqlalchemy import Engine
from sqlalchemy.exc import SQLAlchemyError

from telemetry import stored
from telemetry.clocks import ended_at_ms
from telemetry.request_log import RequestLog, Watcher
from telemetry.rows import RequestRow

_log = logging.getLogger(__name__)

LOOK_BACK_MS = 5_000
_AHEAD_MS = 60_000  # clocks of other hosts
_ROWS_A_STATEMENT = 500


class Elsewhere:
    """One a process, beside its `RequestLog`; on the loop only. `close` before the log."""

    def __init__(self, engine: Engine, log: RequestLog, *, every_s: float = 1.0) -> None:
        self._engine = engine
        self._log = log
        self._every_s = every_s
        self._watchers: list[Watcher] = []
        self._known: dict[str, int] = {}  # by request id: when it ended
        self._leave_log: Callable[[], None] | None = None
        self._reader: asyncio.Task[None] | None = None
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="log-elsewhere")
        self._fault: str | None = None

    def subscribe(self, watcher: Watcher) -> Callable[[], None]:
        """Call `watcher` with every row of every process, on the loop; it must be quick. Returns how to
        leave."""
        self._watchers.append(watcher)
        if self._reader is None:
            self._known |= {row.request_id: ended_at_ms(row) for row in self._log.unstored()}
            self._leave_log = self._log.subscribe(self._tell)
            self._reader = asyncio.create_task(self._read_on(), name="requests of other processes")

        def leave() -> None:
            with contextlib.suppress(ValueError):
                self._watchers.remove(watcher)
            if not self._watchers:
                self._stop()

        return leave

    async def close(self) -> None:
        """Waits for the statement that is under way: its connection goes back to the pool."""
        self._watchers.clear()
        self._stop()
        await asyncio.to_thread(self._thread.shutdown)

    def _stop(self) -> None:
        if self._reader is not None:
            self._reader.cancel()
            self._reader = None
        if self._leave_log is not None:
            self._leave_log()
            self._leave_log = None

    # --- while somebody watches ---------------------------------------------------------------

    async def _read_on(self) -> None:
        while True:
            await asyncio.sleep(self._every_s)
            try:
                await self._look()
            except SQLAlchemyError as error:
                self._failed(error)
            else:
                self._fault = None

    async def _look(self) -> None:
        loop = asyncio.get_running_loop()
        from_ms = _now_ms() - LOOK_BACK_MS
        found = await loop.run_in_executor(self._thread, self._keys, from_ms)
        unknown = [key for key in found if key[1] not in self._known]
        for start in range(0, len(unknown), _ROWS_A_STATEMENT):
            some = unknown[start : start + _ROWS_A_STATEMENT]
            for row in await loop.run_in_executor(self._thread, self._rows, some):
                self._tell(row)
        # What ended earlier is not read again.
        self._known = {known: at_ms for known, at_ms in self._known.items() if at_ms >= from_ms}

    def _keys(self, from_ms: int) -> list[tuple[int, str]]:
        with self._engine.connect() as connection:
            return stored.keys(connection, from_ms, from_ms + LOOK_BACK_MS + _AHEAD_MS)

    def _rows(self, wanted: list[tuple[int, str]]) -> list[RequestRow]:
        with self._engine.connect() as connection:
            return stored.of_keys(connection, wanted)

    def _tell(self, row: RequestRow) -> None:
        if row.request_id in self._known:
            return
        self._known[row.request_id] = ended_at_ms(row)
        for watcher in tuple(self._watchers):
            try:
                watcher(row)
            except Exception:
                _log.exception("a subscriber of the request log failed on %s", row.request_id)

    def _failed(self, error: Exception) -> None:
        if self._fault is None:
            _log.warning(
                "the requests of other processes cannot be read, the next turn tries again: %s", error
            )
        self._fault = str(error)


def _now_ms() -> int:
    return time.time_ns() // 1_000_000
