"""Roll-ups looked after: made again from the log, and narrow slots forgotten when they are old.

Hours are kept for good, also those whose requests the log has forgotten: so nothing is made again from
before the log's first whole hour. Days are made from their hours. How they come about: `rollups.py`.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable

from sqlalchemy import Connection, Engine, delete, func, insert, select, text

from telemetry import histograms, stored
from telemetry.rollups import (
    COUNTERS,
    DAY_MS,
    HISTOGRAMS,
    HOUR_MS,
    KEPT_MS,
    KEY,
    add_up,
    cells_of,
    slot_of,
    values_of,
    widen,
)
from telemetry.tables import REQUEST, ROLLUPS

EVERY_S = 3600.0


class Upkeep:
    """Forgets narrow slots when it is called: the work of a lease."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine

    async def __call__(self) -> None:
        await asyncio.to_thread(forget_old, self._engine, time.time_ns() // 1_000_000)


def rebuild(
    engine: Engine, from_ms: int, to_ms: int, told: Callable[[int], None] = lambda hour_ms: None
) -> int:
    """Make every roll-up that touches [from_ms, to_ms) again from the log, an hour a transaction, and
    tell of each. Returns how many hours were made."""
    hours = range(slot_of(from_ms, HOUR_MS), to_ms, HOUR_MS)
    for hour_ms in hours:
        with engine.begin() as connection:
            _rebuild_hour(connection, hour_ms)
        told(hour_ms)
    for day_ms in range(slot_of(from_ms, DAY_MS), to_ms, DAY_MS):
        with engine.begin() as connection:
            _rebuild_day(connection, day_ms)
    return len(hours)


def whole_from_ms(engine: Engine) -> int | None:
    """The first hour that the log holds wholly; None of an empty log.

    Where hours are rolled up from before the log's first request, it has forgotten some, and its first
    hour may be cut.
    """
    hours = ROLLUPS[HOUR_MS]
    with engine.connect() as connection:
        first_ms = connection.scalar(select(func.min(REQUEST.c.ended_at_ms)))
        if first_ms is None:
            return None
        hour_ms = slot_of(first_ms, HOUR_MS)
        oldest_ms = connection.scalar(select(func.min(hours.c.slot_ms)))
    return hour_ms if oldest_ms is None or oldest_ms >= hour_ms else hour_ms + HOUR_MS


def last_ms(engine: Engine) -> int | None:
    """When the newest request of the log ended."""
    with engine.connect() as connection:
        found: int | None = connection.scalar(select(func.max(REQUEST.c.ended_at_ms)))
        return found


def forget_old(engine: Engine, now_ms: int) -> int:
    """Delete narrow slots that are older than they are kept, and say how many rows that was."""
    forgotten = 0
    for width_ms, kept_ms in KEPT_MS.items():
        table = ROLLUPS[width_ms]
        with engine.begin() as connection:
            gone = connection.execute(delete(table).where(table.c.slot_ms < now_ms - kept_ms - HOUR_MS))
            forgotten += gone.rowcount
    return forgotten


def _rebuild_hour(connection: Connection, hour_ms: int) -> None:
    if connection.dialect.name == "postgresql":
        connection.execute(text("SET LOCAL statement_timeout = 0"))  # an hour's rows may be many
    # Delete before reading: from here on other writers wait, and what they had written is seen.
    narrow = {width_ms: table for width_ms, table in ROLLUPS.items() if width_ms < DAY_MS}
    for table in narrow.values():
        if connection.dialect.name == "postgresql":
            connection.execute(text(f"LOCK TABLE {table.name} IN EXCLUSIVE MODE"))
        connection.execute(delete(table).where(table.c.slot_ms.between(hour_ms, hour_ms + HOUR_MS - 1)))
    minutes = cells_of(stored.read(connection, hour_ms, hour_ms + HOUR_MS))
    for width_ms, table in narrow.items():
        cells = widen(minutes, width_ms)
        if cells:
            connection.execute(insert(table), [values_of(key, cell) for key, cell in cells.items()])


def _rebuild_day(connection: Connection, day_ms: int) -> None:
    day, hours = ROLLUPS[DAY_MS], ROLLUPS[HOUR_MS]
    # As above: whoever has added to an hour of it and not yet to the day does so when we are done.
    if connection.dialect.name == "postgresql":
        connection.execute(text(f"LOCK TABLE {day.name} IN EXCLUSIVE MODE"))
    connection.execute(delete(day).where(day.c.slot_ms == day_ms))
    names = [name for name in KEY if name != "slot_ms"]
    within = hours.c.slot_ms.between(day_ms, day_ms + DAY_MS - 1)
    rows = [
        dict(zip(names, key, strict=True))
        | {"slot_ms": day_ms}
        | {name: total.counts[name] for name in COUNTERS}
        | {name: histograms.merge(total.blobs[name]) for name in HISTOGRAMS}
        for key, total in add_up(connection, hours, [hours.c[name] for name in names], within)
    ]
    if rows:
        connection.execute(insert(day), rows)
