"""The log's rows by month of UTC, so that what is too old goes by whole months and not row by row.

On PostgreSQL `request` and `attempt` are partitioned: `request_2026_11` holds what ended in that month,
`request_until_...` what was there before the log was partitioned, `request_other` what had no month made for
it yet. A month goes as one DROP. SQLite has no partitions, and needs none: rows lie in the order of their
key, which begins with that instant, so a month is one stretch of the file; it goes in short transactions,
between which the log goes on being written, and its pages are used again.

Roll-ups stay: a chart of last year needs no rows. Nothing here reads a clock.
"""

from __future__ import annotations

import re
import time
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Final

from sqlalchemy import Connection, Engine, delete, inspect, select, text
from sqlalchemy.exc import OperationalError

from telemetry.tables import ATTEMPT, REQUEST

DAY_MS: Final = 24 * 60 * 60 * 1_000
_AHEAD: Final = 2  # months that are made before their time
_TABLES: Final = ("request", "attempt")  # in the order in which they are written, and so locked
_NAME: Final = re.compile(r"(?:attempt|request)_(until_)?(\d{4})_(\d\d)")
ROWS_A_SLICE: Final = 5_000  # a transaction, on SQLite
_LOCK_MS: Final = 2_000  # how long others may have to wait behind a DROP that waits


@dataclass(frozen=True, slots=True)
class Forgotten:
    """Requests that went, and whether that was all that had to: a turn has an end."""

    requests: int
    whole: bool


def month_of(at_ms: int) -> int:
    """The first instant of the month that holds `at_ms`."""
    return _first_ms(datetime.fromtimestamp(at_ms / 1_000, UTC), 0)


def month_after(at_ms: int) -> int:
    return _first_ms(datetime.fromtimestamp(at_ms / 1_000, UTC), 1)


def limit_of(now_ms: int, days: int) -> int:
    """What ended before this goes where rows are kept for `days`: whole months, so never too much."""
    return month_of(now_ms - days * DAY_MS)


def prepare(engine: Engine, now_ms: int) -> None:
    """Have partitions for this month and the next two. Rows that came before theirs was made move there."""
    if engine.dialect.name != "postgresql":
        return
    with engine.begin() as connection:
        months = [month_of(now_ms)]
        for _ in range(_AHEAD):
            months.append(month_after(months[-1]))
        for table in _TABLES:
            there = _partitions(connection, table)
            taken = [ends_ms for name, ends_ms in there.items() if "_until_" in name]
            for month_ms in months:
                if _name(table, month_ms) not in there and month_ms >= max(taken, default=0):
                    _make(connection, table, month_ms)


def forget(
    engine: Engine, before_ms: int, *, within_s: float = 10.0, rows_a_slice: int = ROWS_A_SLICE
) -> Forgotten:
    """Delete what ended before `before_ms`, the first instant of a month, as far as that takes no longer
    than `within_s`. Twice does no harm."""
    if engine.dialect.name == "postgresql":
        return _drop(engine, before_ms)
    began_s, gone = time.monotonic(), 0
    while time.monotonic() - began_s < within_s:
        with engine.begin() as connection:
            found = _delete_slice(connection, before_ms, rows_a_slice)
        gone += found
        if found < rows_a_slice:
            return Forgotten(gone, True)
    return Forgotten(gone, False)


def is_partition(table: str) -> bool:
    """Whether a table of PostgreSQL's is a piece of one of ours."""
    return _NAME.fullmatch(table) is not None or table in [f"{whole}_other" for whole in _TABLES]


# --- SQLite -----------------------------------------------------------------------------------


def _delete_slice(connection: Connection, before_ms: int, rows: int) -> int:
    """The oldest rows, a request always with its attempts."""
    key = REQUEST.c.ended_at_ms
    last = connection.execute(
        select(key).where(key < before_ms).order_by(key).limit(1).offset(rows - 1)
    ).scalar()
    limit_ms = before_ms if last is None else last + 1
    connection.execute(delete(ATTEMPT).where(ATTEMPT.c.ended_at_ms < limit_ms))
    return connection.execute(delete(REQUEST).where(key < limit_ms)).rowcount


# --- PostgreSQL -------------------------------------------------------------------------------


def _drop(engine: Engine, before_ms: int) -> Forgotten:
    """Whoever reads a month that is to go is waited for, but not for long: the next turn tries again."""
    gone = 0
    try:
        with engine.begin() as connection:
            connection.execute(text(f"SET LOCAL lock_timeout = {_LOCK_MS}"))
            connection.execute(text("SET LOCAL statement_timeout = 0"))  # a month may be long to count
            for table in _TABLES:
                for name, ends_ms in _partitions(connection, table).items():
                    if ends_ms <= before_ms:
                        if table == "request":
                            gone += connection.execute(text(f"SELECT count(*) FROM {name}")).scalar_one()
                        connection.execute(text(f"DROP TABLE {name}"))
            connection.execute(delete(ATTEMPT).where(ATTEMPT.c.ended_at_ms < before_ms))
            gone += connection.execute(delete(REQUEST).where(REQUEST.c.ended_at_ms < before_ms)).rowcount
    except OperationalError:
        return Forgotten(0, False)
    return Forgotten(gone, True)


def _partitions(connection: Connection, table: str) -> dict[str, int]:
    """The months of a table, by name: when each ends."""
    found = {}
    for name in inspect(connection).get_table_names():
        said = _NAME.fullmatch(name)
        if said is not None and name.startswith(f"{table}_"):
            first_ms = _first_ms(datetime(int(said[2]), int(said[3]), 1, tzinfo=UTC), 0)
            found[name] = first_ms if said[1] else month_after(first_ms)
    return found


def _make(connection: Connection, table: str, month_ms: int) -> None:
    name, ends_ms = _name(table, month_ms), month_after(month_ms)
    connection.execute(text(f"CREATE TABLE {name} (LIKE {table} INCLUDING ALL)"))
    connection.execute(
        text(
            f"WITH moved AS (DELETE FROM {table}_other WHERE ended_at_ms >= {month_ms}"
            f" AND ended_at_ms < {ends_ms} RETURNING *) INSERT INTO {name} SELECT * FROM moved"
        )
    )
    connection.execute(
        text(f"ALTER TABLE {table} ATTACH PARTITION {name} FOR VALUES FROM ({month_ms}) TO ({ends_ms})")
    )


def _name(table: str, month_ms: int) -> str:
    return f"{table}_{datetime.fromtimestamp(month_ms / 1_000, UTC):%Y_%m}"


def _first_ms(day: datetime, months: int) -> int:
    counted = day.year * 12 + day.month - 1 + months
    return int(datetime(counted // 12, counted % 12 + 1, 1, tzinfo=UTC).timestamp()) * 1_000
