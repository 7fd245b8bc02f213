"""What is too old goes by whole months, on both engines, with nothing else and without waiting."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest
from sqlalchemy import Engine, inspect, text

from store.databases import migrate, open_postgresql
from telemetry import partitions, rollups, stored
from telemetry.tables import ATTEMPT, REQUEST
from tests.databases import Home
from tests.postgresql import PostgreSQL
from tests.telemetry import example_rows

NOW_MS = example_rows.NOON_MS  # of 21 November 2026


def at(month: int, day: int = 3, year: int = 2026) -> int:
    return int(datetime(year, month, day, 6, tzinfo=UTC).timestamp()) * 1_000


def keep(engine: Engine, *instants_ms: int) -> None:
    with engine.begin() as connection:
        rows = [example_rows.request(ended_at_ms=instant_ms) for instant_ms in instants_ms]
        rollups.add(connection, stored.write(connection, rows))


def kept(engine: Engine) -> list[int]:
    with engine.connect() as connection:
        requests = connection.execute(REQUEST.select().order_by(REQUEST.c.ended_at_ms)).mappings()
        found = [row["ended_at_ms"] for row in requests]
        attempts = connection.execute(ATTEMPT.select().order_by(ATTEMPT.c.ended_at_ms)).mappings()
        assert [row["ended_at_ms"] for row in attempts] == found
    return found


def test_whole_months_go_and_what_was_promised_stays(engine: Engine) -> None:
    partitions.prepare(engine, NOW_MS)
    old, kept_ms = [at(6), at(7), at(8, 20)], [at(8, 25), at(10), at(11), NOW_MS]
    keep(engine, *old[:2], *kept_ms)
    # 90 days before 21 November is 23 August: all of August stays.
    assert partitions.limit_of(NOW_MS, 90) == at(8, 1) - 6 * 3_600_000
    assert partitions.forget(engine, partitions.limit_of(NOW_MS, 90)) == partitions.Forgotten(2, True)
    assert kept(engine) == kept_ms
    assert partitions.forget(engine, partitions.limit_of(NOW_MS, 90)) == partitions.Forgotten(0, True)


def test_roll_ups_stay_where_their_rows_went(engine: Engine) -> None:
    keep(engine, at(6))
    partitions.forget(engine, at(11))
    with engine.connect() as connection:
        found = rollups.totals(connection, 1, at(6) - 1_000, at(6) + 1_000, ["paid"])
    assert [total.counts["requests_ok"] for total in found.values()] == [1]


def test_many_rows_go_in_slices_and_a_turn_has_an_end(sqlite_home: Home) -> None:
    engine = sqlite_home.engine("log")
    keep(engine, *(at(6) + no // 2 for no in range(20)), at(11))
    assert partitions.forget(engine, at(10), within_s=0.0) == partitions.Forgotten(0, False)
    assert partitions.forget(engine, at(10), rows_a_slice=3) == partitions.Forgotten(20, True)
    assert kept(engine) == [at(11)]


@pytest.mark.postgresql
def test_a_month_is_made_ahead_and_takes_what_came_before_it(postgresql_home: Home) -> None:
    engine = postgresql_home.engine("log")
    next_year = at(3, year=2031)
    keep(engine, NOW_MS, next_year)
    assert next_year in _in(engine, "request_other")
    partitions.prepare(engine, next_year)
    assert _in(engine, "request_other") == [] and _in(engine, "request_2031_03") == [next_year]
    assert _in(engine, "attempt_2031_03") == [next_year]
    partitions.prepare(engine, next_year)  # twice does no harm
    assert "request_2031_05" in inspect(engine).get_table_names()
    assert partitions.forget(engine, at(4, 1, 2031) - 6 * 3_600_000).requests == 2
    assert "request_2031_03" not in inspect(engine).get_table_names() and kept(engine) == []


@pytest.mark.postgresql
def test_a_log_that_was_there_before_is_partitioned_where_it_lies(postgresql: PostgreSQL) -> None:
    url = postgresql.new_database()
    engine = open_postgresql(url, "log")
    migrate(engine, "log", "0003")
    with engine.begin() as connection:
        stored.write(connection, [example_rows.request(ended_at_ms=at(6)), example_rows.request()])
    migrate(engine, "log")
    assert kept(engine) == [at(6), NOW_MS]
    keep(engine, NOW_MS + 1)
    with engine.connect() as connection:
        assert [row.request_id for row in stored.read(connection, at(6), NOW_MS + 2)]
    engine.dispose()
    postgresql.drop(url)


def _in(engine: Engine, table: str) -> list[int]:
    with engine.connect() as connection:
        return list(connection.execute(text(f"SELECT ended_at_ms FROM {table}")).scalars())
