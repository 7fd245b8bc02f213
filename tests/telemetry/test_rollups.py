import asyncio
import itertools
import math
import random
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import Engine

from store.databases import migrate, open_engine
from telemetry import clocks, histograms, rollups, stored, upkeep
from telemetry.request_log import RequestLog
from telemetry.rows import Outcome, RequestRow
from telemetry.tables import ATTEMPT, REQUEST, ROLLUPS
from tests.databases import Home
from tests.server import ROOT
from tests.telemetry.example_rows import NOON_MS, attempt, request

HOUR_MS = 3_600_000


def traffic(count: int, seed: int) -> list[RequestRow]:
    """Three hours of four models, three teams and none, all outcomes, fallbacks, streamed and not."""
    chance = random.Random(seed)
    rows = []
    for number in range(count):
        first_ms = 2 + chance.lognormvariate(5, 0.8)
        last_ms = first_ms + chance.lognormvariate(7, 1)
        attempts = [
            attempt(provider=chance.choice(("lab", "other")), first_answer_ms=first_ms, last_ms=last_ms)
        ]
        if chance.random() < 0.2:
            attempts.insert(0, attempt(provider="slow", outcome="provider_fault", first_answer_ms=None))
            attempts[1] = attempt(no=2, provider="lab", first_answer_ms=first_ms, last_ms=last_ms)
        outcome: Outcome = chance.choice(rollups.OUTCOMES) if chance.random() < 0.3 else "ok"
        rows.append(
            request(
                request_id=f"req_{seed}_{number}",
                ended_at_ms=NOON_MS + chance.randrange(3 * HOUR_MS),
                team_id=chance.choice((1, 2, 3, None)),
                model=chance.choice(("a", "b", "c", None)),
                provider=attempts[-1].provider,
                series=chance.choice(("paid", "byok")),
                outcome=outcome,
                streamed=chance.random() < 0.8,
                output_tokens=chance.choice((None, 0, 1, 2, 500)),
                total_ms=last_ms + 1,
                attempts=tuple(attempts),
            )
        )
    return rows


def every_rollup(engine: Engine) -> list[list[tuple[Any, ...]]]:
    with engine.connect() as connection:
        return [
            sorted(tuple(row) for row in connection.execute(table.select())) for table in ROLLUPS.values()
        ]


def store(engine: Engine, rows: list[RequestRow]) -> None:
    with engine.begin() as connection:
        rollups.add(connection, stored.write(connection, rows))


def test_rollups_kept_live_are_those_made_from_the_log(engine: Engine) -> None:
    rows = traffic(600, seed=1)
    for start in range(0, len(rows), 90):
        store(engine, rows[start : start + 90])
    live = every_rollup(engine)
    upkeep.rebuild(engine, NOON_MS, NOON_MS + 3 * HOUR_MS)
    assert every_rollup(engine) == live
    assert all(live)


def test_rollups_count_what_the_rows_say(engine: Engine) -> None:
    """Against sums and percentiles made from the rows by hand, not by the code under test."""
    rows = traffic(800, seed=2)
    store(engine, rows)
    for window_ms in (3 * HOUR_MS, 24 * HOUR_MS, 30 * 24 * HOUR_MS):  # read from each of the three widths
        for team_id in (None, 2):
            with engine.connect() as connection:
                to_ms = NOON_MS + 3 * HOUR_MS
                found = rollups.totals(connection, team_id, to_ms - window_ms, to_ms, ("paid", "byok"))
            mine = [
                row
                for row in rows
                if row.model == "b" and row.series == "byok" and (team_id is None or row.team_id == team_id)
            ]
            total = found["b", "byok"]
            assert total.outcomes("requests") == {
                outcome: sum(row.outcome == outcome for row in mine) for outcome in rollups.OUTCOMES
            }
            attempts = [one for row in mine for one in row.attempts]
            assert total.outcomes("attempts")["provider_fault"] == sum(
                one.outcome == "provider_fault" for one in attempts
            )
            assert total.counts["output_tokens"] == sum(row.output_tokens or 0 for row in mine)
            assert total.counts["cost_nano_usd"] == 5_000 * len(mine)
            waits = sorted(
                one.first_answer_ms - 2.0
                for row in mine
                for one in row.attempts
                if row.streamed and one.first_answer_ms is not None
            )
            counts = total.histogram("ttft")
            assert counts.sum() == len(waits) >= 15
            exact = waits[math.ceil(0.95 * len(waits)) - 1]
            assert histograms.percentile_ms(counts, 95) == pytest.approx(exact, rel=0.02)


def test_a_fallback_counts_at_both_providers_and_once_as_a_request() -> None:
    row = request(
        attempts=(attempt(provider="slow", outcome="provider_fault", first_answer_ms=None), attempt(no=2))
    )
    cells = rollups.cells_of([row])
    lab = cells[rollups.Key(1, NOON_MS, "lab/fast", "lab", "paid")]
    slow = cells[rollups.Key(1, NOON_MS, "lab/fast", "slow", "paid")]
    assert (lab.counts["requests_ok"], lab.counts["attempts_ok"], len(lab.bins["ttft"])) == (1, 1, 1)
    assert (slow.counts["requests_ok"], slow.counts["attempts_provider_fault"]) == (0, 1)
    assert slow.counts["output_tokens"] == 0
    assert not slow.bins["end_to_end_token"]  # its tokens are not known


def test_a_request_counts_in_the_minute_in_which_it_ended_also_for_the_installation() -> None:
    row = request(ended_at_ms=NOON_MS + 60_000, total_ms=65_000.0, team_id=7)
    assert sorted(rollups.cells_of([row])) == [
        (0, NOON_MS + 60_000, "lab/fast", "lab", "paid"),
        (7, NOON_MS + 60_000, "lab/fast", "lab", "paid"),
    ]
    nobody = request(team_id=None, model=None, provider=None, attempts=())
    assert sorted(rollups.cells_of([nobody])) == [(0, NOON_MS, "", "", "paid")]


def test_a_rebuild_mends_what_was_changed_and_leaves_the_rest(engine: Engine) -> None:
    store(engine, traffic(200, seed=3))
    whole = every_rollup(engine)
    with engine.begin() as connection:
        for table in ROLLUPS.values():
            connection.execute(
                table.update().where(table.c.slot_ms < NOON_MS + HOUR_MS).values(requests_ok=99)
            )
    assert every_rollup(engine) != whole
    upkeep.rebuild(engine, NOON_MS + 1_800_000, NOON_MS + 1_860_000)  # a minute within the first hour
    assert every_rollup(engine) == whole


async def test_two_writers_of_one_database_lose_no_count(home: Home) -> None:
    engines = [home.engine("log"), home.engine("log")]
    logs = [RequestLog(engine, flush_s=0.005) for engine in engines]
    for log in logs:
        await log.open()
    rows = [traffic(150, seed=seed) for seed in (4, 5)]
    for pair in zip(*rows, strict=True):
        for log, row in zip(logs, pair, strict=True):
            log.record(row)
        await asyncio.sleep(0.001)
    for log in logs:
        await log.close(within_s=60)
        assert log.health.lost == 0
    live = every_rollup(engines[0])
    upkeep.rebuild(engines[0], NOON_MS, NOON_MS + 3 * HOUR_MS)
    assert every_rollup(engines[0]) == live
    ended = sorted(clocks.ended_at_ms(row) for of_one in rows for row in of_one)
    with engines[1].connect() as connection:
        stored_rows = stored.read(connection, NOON_MS, NOON_MS + 3 * HOUR_MS)
        assert [clocks.ended_at_ms(row) for row in stored_rows] == ended


@pytest.mark.postgresql
def test_several_writers_of_hundreds_of_rollups_a_batch_lose_no_count(postgresql_home: Home) -> None:
    """New ones and old ones, in names that a language sorts otherwise than their bytes."""
    names = [letter * 3 + str(number) for number in range(60) for letter in "aBcDeF"]
    engines = [postgresql_home.engine("log") for _ in range(3)]

    def write(writer: int) -> int:
        chance = random.Random(writer)
        for _ in range(2):
            store(engines[writer], [request(model=name, team_id=None) for name in chance.sample(names, 150)])
        return 2 * 150

    with ThreadPoolExecutor(3) as threads:
        written = sum(threads.map(write, range(3)))
    with engines[0].connect() as connection:
        hours = list(connection.execute(ROLLUPS[HOUR_MS].select()).mappings())
    assert sum(row["requests_ok"] for row in hours) == written


def test_narrow_slots_are_forgotten_and_hours_stay(engine: Engine) -> None:
    day_ms = 24 * HOUR_MS
    store(engine, [request(ended_at_ms=NOON_MS - days * day_ms) for days in (0, 3, 10)])
    upkeep.forget_old(engine, NOON_MS + 1)
    with engine.connect() as connection:
        kept = {
            width_ms: sorted(
                (NOON_MS - slot_ms) // day_ms
                for (slot_ms,) in connection.execute(
                    table.select().with_only_columns(table.c.slot_ms).where(table.c.team_id == 0)
                )
            )
            for width_ms, table in ROLLUPS.items()
        }
    assert kept == {60_000: [0], 300_000: [0, 3], HOUR_MS: [0, 3, 10], 24 * HOUR_MS: [0, 3, 10]}
    assert upkeep.whole_from_ms(engine) == NOON_MS - 10 * day_ms


def test_hours_that_the_log_has_forgotten_are_not_made_again(engine: Engine) -> None:
    assert upkeep.whole_from_ms(engine) is None
    store(engine, [request(ended_at_ms=NOON_MS + minutes * 60_000) for minutes in (10, 70, 80, 130)])
    with engine.begin() as connection:
        connection.execute(ATTEMPT.delete().where(ATTEMPT.c.ended_at_ms < NOON_MS + HOUR_MS + 900_000))
        connection.execute(REQUEST.delete().where(REQUEST.c.ended_at_ms < NOON_MS + HOUR_MS + 900_000))
    assert upkeep.whole_from_ms(engine) == NOON_MS + 2 * HOUR_MS


def test_a_window_that_began_long_ago_is_read_from_slots_that_are_still_kept() -> None:
    assert rollups.width_for(HOUR_MS) == 60_000
    assert rollups.width_for(HOUR_MS, 3 * 24 * HOUR_MS) == 300_000
    assert rollups.width_for(HOUR_MS, 8 * 24 * HOUR_MS) == HOUR_MS
    assert rollups.width_for(13 * HOUR_MS, 13 * HOUR_MS) == 300_000


def test_a_window_is_made_of_the_widest_slots_that_lie_within_it() -> None:
    minute, day = 60_000, 24 * HOUR_MS
    midnight = NOON_MS - 12 * HOUR_MS
    found = rollups.cover(midnight - HOUR_MS - 3 * minute, midnight + 2 * day + 61 * minute, minute)
    widths = {table.name: width for width, table in ROLLUPS.items()}
    slots = sorted((first, end, widths[table.name]) for table, first, end in found)
    assert slots[0][0] == midnight - HOUR_MS - 3 * minute and slots[-1][1] == midnight + 2 * day + 61 * minute
    assert all(one[1] == other[0] for one, other in itertools.pairwise(slots))
    assert all(first % width == end % width == 0 for first, end, width in slots)
    assert sum((end - first) // width for first, end, width in slots) == 3 + 1 + 2 + 1 + 1
    assert rollups.cover(midnight, midnight, minute) == []


def test_a_window_adds_up_to_the_same_whichever_slots_it_is_read_from(engine: Engine) -> None:
    rows = [request(ended_at_ms=NOON_MS - minutes * 7 * 60_000) for minutes in range(400)]
    store(engine, rows)
    from_ms, to_ms = NOON_MS - 40 * HOUR_MS - 300_000, NOON_MS - HOUR_MS
    expected = sum(from_ms <= clocks.ended_at_ms(row) < to_ms for row in rows)
    with engine.connect() as connection:
        for width_ms in (60_000, 300_000):
            found = rollups.add_up_window(
                connection, ("model",), lambda table: table.c.team_id == 1, from_ms, to_ms, width_ms
            )
            (total,) = found.values()
            assert total.counts["requests_ok"] == expected == int(total.histogram("ttft").sum())


def test_days_of_a_log_that_had_none_are_made_of_its_hours(tmp_path: Path) -> None:
    engine = open_engine(tmp_path / "log.db")
    migrate(engine, "log", "0005")
    rows = [*traffic(60, 3), request(ended_at_ms=NOON_MS - 24 * HOUR_MS)]
    cells = rollups.cells_of(rows, HOUR_MS)
    with engine.begin() as connection:
        rollups.merge(connection, ROLLUPS[HOUR_MS], cells)
    migrate(engine, "log")
    table = ROLLUPS[24 * HOUR_MS]
    expected = rollups.widen(cells, 24 * HOUR_MS)
    with engine.connect() as connection:
        found = list(connection.execute(table.select()).mappings())
    engine.dispose()
    assert len(found) == len(expected)
    for row in found:
        cell = expected[rollups.Key(*(row[name] for name in rollups.KEY))]
        assert {name: row[name] for name in rollups.COUNTERS} == {
            name: cell.counts[name] for name in rollups.COUNTERS
        }
        for name in rollups.HISTOGRAMS:
            assert row[name] == cell.blob(name)


@pytest.mark.slow
def test_three_processes_that_write_one_log_lose_no_count(home: Home) -> None:
    """Processes of their own, as an installation has them."""
    where = home.url or str(home.folder / "log.db")
    writers = [
        subprocess.Popen(
            [sys.executable, "-m", "tests.telemetry.writer_process", where, str(seed), "400"],
            cwd=ROOT, stdout=subprocess.PIPE, text=True,
        )
        for seed in (21, 22, 23)
    ]  # fmt: skip
    told = [writer.communicate(timeout=100)[0].split() for writer in writers]
    assert told == [["400", "0"]] * 3
    engine = home.engine("log")
    live = every_rollup(engine)
    upkeep.rebuild(engine, NOON_MS, NOON_MS + 3 * HOUR_MS)
    assert every_rollup(engine) == live
    with engine.connect() as connection:
        assert len(stored.keys(connection, NOON_MS, NOON_MS + 3 * HOUR_MS)) == 1_200
