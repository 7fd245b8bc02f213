"""Makes sheets out of the log, after the fact: what the latency page shows by key, tag and length.

The work of a lease; serving adds nothing to a request for it. Each minute is made when it has been over for
`SETTLED_MS`, each hour of its minutes, each day of its hours; what lies before the first turn is filled
backwards, newest first, an hour a transaction. Sheets equal the log: a row that came late is in the roll-ups,
which are counted in the row's own transaction, so a slot whose count differs from theirs is made again. To
do any of it twice does no harm. What is kept: `kept_sheets.py`; who reads it: `sheet_windows.py`.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import replace
from functools import reduce
from operator import add
from typing import Final

from sqlalchemy import Connection, Engine, func, select

from telemetry import kept_sheets, sheets, stored, upkeep
from telemetry.kept_sheets import REQUESTS, Extent
from telemetry.rollups import DAY_MS, HOUR_MS, MINUTE_MS, OUTCOMES, slot_of
from telemetry.rows import RequestRow
from telemetry.sheets import PIECES, Sheet
from telemetry.tables import INSTALLATION, REQUEST, ROLLUPS

EVERY_S: Final = 15.0
SETTLED_MS: Final = 5_000
KEPT_MINUTES_MS: Final = 3 * HOUR_MS  # also those of hours that are made: who reads them now goes on
_WITHIN_S: Final = 2.0  # of a turn, for what lies back
_MENDED_MS: Final = 2 * DAY_MS  # looked at each turn; everything else now and then
_NOW_AND_THEN: Final = 40  # turns
_ROWS_A_BREATH: Final = 200
_BREATH_S: Final = 0.002


class Grouping:
    """One a process; whoever has the lease calls `turn`."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine
        self._turns = 0
        self._ending = False
        # What roll-ups counted when a slot was last made again: where it still differs, so does the log.
        self._seen: dict[tuple[int, int], int] = {}

    async def turn(self) -> None:
        try:
            await asyncio.to_thread(self.work, time.time_ns() // 1_000_000)
        except asyncio.CancelledError:
            self._ending = True  # the thread goes on to its next step
            raise

    def work(self, now_ms: int, within_s: float = _WITHIN_S) -> Extent:
        """One turn; what lies back is filled as far as it takes no longer than `within_s`."""
        end_s = time.monotonic() + within_s

        def over() -> bool:
            return self._ending or time.monotonic() >= end_s

        made = begun(self._engine, now_ms)
        made = self._go_on(made, now_ms - SETTLED_MS, over)
        everything = self._turns % _NOW_AND_THEN == 0
        self._turns += 1
        made = self._mend(made, everything, over)
        if everything:
            made = self._forget(made, now_ms)
        return fill(self._engine, made, 0, over)

    def _go_on(self, made: Extent, over_ms: int, over: Callable[[], bool]) -> Extent:
        """Hours, then minutes, that are over."""
        while made.hours_until_ms + HOUR_MS <= over_ms:
            hour_ms = made.hours_until_ms
            after_ms = hour_ms + HOUR_MS
            sheet = self._of_minutes(hour_ms) if made.until_ms >= after_ms else read(self._engine, hour_ms)
            now = replace(made, hours_until_ms=after_ms, until_ms=max(made.until_ms, after_ms))
            made = write_hour(self._engine, hour_ms, sheet, now)
            if over():
                return made
        minutes_until_ms = slot_of(over_ms, MINUTE_MS)
        if minutes_until_ms > made.until_ms:
            found = {
                minute_ms: read(self._engine, minute_ms, MINUTE_MS)
                for minute_ms in range(made.until_ms, minutes_until_ms, MINUTE_MS)
            }
            made = replace(made, until_ms=minutes_until_ms)
            write_minutes(self._engine, found, made)
        return made

    def _of_minutes(self, hour_ms: int) -> Sheet:
        spans = [(MINUTE_MS, hour_ms, hour_ms + HOUR_MS)]
        with self._engine.connect() as connection:
            minutes = kept_sheets.read(connection, INSTALLATION, REQUESTS, spans, PIECES)
        if not minutes:
            return sheets.of_rows((), hour_ms)
        return sheets.joined([one.sheet for one in minutes], [one.slot_ms - hour_ms for one in minutes])

    def _mend(self, made: Extent, everything: bool, over: Callable[[], bool]) -> Extent:
        """Make again what has got more rows since."""
        first_ms = made.requests_since_ms
        if not everything:
            first_ms = max(first_ms, made.hours_until_ms - _MENDED_MS)
        for slot_ms in self._changed(MINUTE_MS, made.hours_until_ms, made.until_ms):
            write_minutes(self._engine, {slot_ms: read(self._engine, slot_ms, MINUTE_MS)}, made)
        for slot_ms in reversed(self._changed(HOUR_MS, first_ms, made.hours_until_ms)):
            made = write_hour(self._engine, slot_ms, read(self._engine, slot_ms), made)
            if over():
                self._turns = 0  # the rest in the next one
                break
        return made

    def _changed(self, width_ms: int, from_ms: int, to_ms: int) -> list[int]:
        """Slots of which roll-ups count otherwise than sheets do, and than they did when we last looked."""
        if from_ms >= to_ms:
            return []
        with self._engine.connect() as connection:
            made = kept_sheets.requests_by_slot(connection, width_ms, from_ms, to_ms)
            counted = _counted(connection, width_ms, from_ms, to_ms)
        differ = sorted(slot for slot in made.keys() | counted.keys() if made.get(slot) != counted.get(slot))
        found = [slot for slot in differ if self._seen.get((width_ms, slot)) != counted.get(slot, 0)]
        self._seen = {key: seen for key, seen in self._seen.items() if key[0] != width_ms or key[1] in differ}
        self._seen |= {(width_ms, slot): counted.get(slot, 0) for slot in found}
        return found

    def _forget(self, made: Extent, now_ms: int) -> Extent:
        """Minutes that are in their hours, and requests whose rows the log has let go."""
        whole_ms = upkeep.whole_from_ms(self._engine)
        with self._engine.begin() as connection:
            kept_sheets.lock(connection)
            before_ms = min(made.hours_until_ms, now_ms - KEPT_MINUTES_MS)
            kept_sheets.forget(connection, MINUTE_MS, REQUESTS, before_ms)
            limit_ms = made.hours_until_ms if whole_ms is None else whole_ms
            if kept_sheets.forget(connection, HOUR_MS, REQUESTS, limit_ms):
                made = replace(made, requests_since_ms=max(made.requests_since_ms, limit_ms))
                kept_sheets.keep_extent(connection, made)
        return made


# --- slots ------------------------------------------------------------------------------------


def begun(engine: Engine, now_ms: int) -> Extent:
    """What has been made; where nothing was, of nothing at the beginning of this hour."""
    with engine.connect() as connection:
        made = kept_sheets.extent(connection)
    if made is not None:
        return made
    hour_ms = slot_of(now_ms - SETTLED_MS, HOUR_MS)
    with engine.begin() as connection:
        kept_sheets.lock(connection)
        made = kept_sheets.extent(connection) or Extent(hour_ms, hour_ms, hour_ms, hour_ms)
        kept_sheets.keep_extent(connection, made)
    return made


def read(engine: Engine, slot_ms: int, width_ms: int = HOUR_MS) -> Sheet:
    """What the log holds of a slot."""
    with engine.connect() as connection:
        return sheets.of_rows(_gently(stored.read(connection, slot_ms, slot_ms + width_ms)), slot_ms)


def _gently(rows: Iterable[RequestRow]) -> Iterator[RequestRow]:
    """With a breath now and then, so that the threads that serve are not kept waiting."""
    for number, row in enumerate(rows):
        yield row
        if number % _ROWS_A_BREATH == _ROWS_A_BREATH - 1:
            time.sleep(_BREATH_S)


def write_hour(engine: Engine, hour_ms: int, requests: Sheet, made: Extent) -> Extent:
    """Replace an hour, and its day where that is whole; `made` is what then has been."""
    with engine.begin() as connection:
        kept_sheets.lock(connection)
        kept_sheets.write_hour(connection, hour_ms, requests)
        made = kept_sheets.extend(connection, made)
        if made.has_day(slot_of(hour_ms, DAY_MS)):
            kept_sheets.write_day(connection, slot_of(hour_ms, DAY_MS))
    return made


def write_minutes(engine: Engine, found: Mapping[int, Sheet], made: Extent) -> None:
    """Replace minutes; `made` is what then has been."""
    with engine.begin() as connection:
        kept_sheets.lock(connection)
        for minute_ms, sheet in found.items():
            kept_sheets.write_minute(connection, minute_ms, sheet)
        kept_sheets.extend(connection, made)


def fill(
    engine: Engine,
    made: Extent,
    from_ms: int,
    over: Callable[[], bool] = lambda: False,
    told: Callable[[int], None] = lambda hour_ms: None,
) -> Extent:
    """Make hours backwards from what has been made, as far as `from_ms` and the first that the log holds
    wholly, until it is `over`. With the last of them all before it is known to be nothing,
    unless roll-ups know of more than the log does."""
    whole_ms = upkeep.whole_from_ms(engine) if made.since_ms else None
    while made.since_ms > from_ms and not over():
        newest_ms = None if whole_ms is None else _last_before(engine, made.since_ms, whole_ms)
        if newest_ms is None:
            return _filled(engine, made, whole_ms)
        hour_ms = slot_of(newest_ms, HOUR_MS)
        now = replace(made, since_ms=hour_ms, requests_since_ms=hour_ms)
        # Days between, without a row, are whole now and hold nothing: there is nothing to write of them.
        started_day_ms = slot_of(made.since_ms, DAY_MS)
        made = write_hour(engine, hour_ms, read(engine, hour_ms), now)
        if started_day_ms != slot_of(hour_ms, DAY_MS):
            _write_day(engine, started_day_ms, made)
        told(hour_ms)
    return made


def _last_before(engine: Engine, before_ms: int, from_ms: int) -> int | None:
    """When the last request ended of those in [from_ms, before_ms)."""
    at = REQUEST.c.ended_at_ms
    with engine.connect() as connection:
        found: int | None = connection.scalar(select(func.max(at)).where(at >= from_ms, at < before_ms))
    return found


def _filled(engine: Engine, made: Extent, whole_ms: int | None) -> Extent:
    """Nothing is left in the log before what has been made."""
    hours = ROLLUPS[HOUR_MS]
    with engine.connect() as connection:
        oldest_ms = connection.scalar(select(func.min(hours.c.slot_ms)))
    if oldest_ms is not None and oldest_ms < (made.since_ms if whole_ms is None else whole_ms):
        return made  # some of it was forgotten
    now = replace(made, since_ms=0, requests_since_ms=min(made.requests_since_ms, 0))
    _write_day(engine, slot_of(made.since_ms, DAY_MS), now)
    return now


def _write_day(engine: Engine, day_ms: int, made: Extent) -> None:
    with engine.begin() as connection:
        kept_sheets.lock(connection)
        made = kept_sheets.extend(connection, made)
        if made.has_day(day_ms):
            kept_sheets.write_day(connection, day_ms)


def rebuild(
    engine: Engine, from_ms: int, to_ms: int, told: Callable[[int], None] = lambda hour_ms: None
) -> None:
    """Make all sheets that touch [from_ms, to_ms) again from the log, as far as the present; and fill what
    has never been made, back to `from_ms`."""
    made = begun(engine, time.time_ns() // 1_000_000)
    first_ms = max(slot_of(from_ms, HOUR_MS), made.requests_since_ms)
    for hour_ms in range(first_ms, min(to_ms, made.hours_until_ms), HOUR_MS):
        write_hour(engine, hour_ms, read(engine, hour_ms), made)
        told(hour_ms)
    minutes = range(
        max(slot_of(from_ms, MINUTE_MS), made.hours_until_ms), min(to_ms, made.until_ms), MINUTE_MS
    )
    for minute_ms in minutes:
        write_minutes(engine, {minute_ms: read(engine, minute_ms, MINUTE_MS)}, made)
    fill(engine, made, from_ms, told=told)


def _counted(connection: Connection, width_ms: int, from_ms: int, to_ms: int) -> dict[int, int]:
    """Requests of each slot that has any, by the roll-ups."""
    table = ROLLUPS[width_ms]
    requests = func.sum(reduce(add, [table.c[f"requests_{outcome}"] for outcome in OUTCOMES]))
    within = (table.c.team_id == INSTALLATION, table.c.slot_ms.between(from_ms, to_ms - 1))
    asked = select(table.c.slot_ms, requests).where(*within).group_by(table.c.slot_ms)
    return {slot_ms: int(count) for slot_ms, count in connection.execute(asked) if count}
