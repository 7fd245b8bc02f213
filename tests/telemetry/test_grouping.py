"""Sheets equal the log: what is shown by key, tag and length is what the rows say, whenever they came."""

from __future__ import annotations

import random
from collections import defaultdict
from dataclasses import replace
from typing import Any

import pytest
from msgspec import structs
from sqlalchemy import Engine

from telemetry import clocks, grouping, histograms, kept_sheets, rollups, stored
from telemetry.grouping import Grouping
from telemetry.rollups import COUNTERS, DAY_MS, HISTOGRAMS, HOUR_MS, MINUTE_MS, Cell, Total
from telemetry.rows import RequestRow
from telemetry.slices import Slice, groups_of
from telemetry.tables import ATTEMPT, REQUEST, SHEET_PIECE
from telemetry.views import Group, Views
from tests.databases import Home
from tests.telemetry.example_rows import NOON_MS, request
from tests.telemetry.test_rollups import traffic

NOW_MS = NOON_MS + 3 * HOUR_MS + 10 * MINUTE_MS  # ten minutes after the traffic's end
SERIES = ("paid", "byok")


def varied(count: int, seed: int, **facts: Any) -> list[RequestRow]:
    """Traffic of several keys, tags and lengths."""
    chance = random.Random(seed)
    return [
        structs.replace(
            row,
            key_id=chance.choice((None, 1, 2, 3, 40)),
            tags=chance.choice(((), (), ("ci",), ("ci", "nightly"), ("nightly", "a b"))),
            input_tokens=chance.choice((None, 5, 3_000, 90_000)),
            **facts,
        )
        for row in traffic(count, seed)
    ]


def store(engine: Engine, rows: list[RequestRow]) -> None:
    with engine.begin() as connection:
        rollups.add(connection, stored.write(connection, rows))


def slice_of(**facts: Any) -> Slice:
    usual: dict[str, Any] = {"team_id": 1, "from_ms": NOON_MS, "to_ms": NOW_MS, "by": "key", "series": SERIES}
    return Slice(**{**usual, **facts})


def by_rows(rows: list[RequestRow], asked: Slice, now_ms: int = NOW_MS) -> dict[tuple[str, str], Cell]:
    """What the rows say, one by one."""
    from_ms, to_ms, _ = asked.whole_slots(now_ms)
    found: defaultdict[tuple[str, str], Cell] = defaultdict(Cell)
    for row in rows:
        if asked.team_id not in (None, row.team_id) or not from_ms <= clocks.ended_at_ms(row) < to_ms:
            continue
        if asked.key_id not in (None, row.key_id) or (asked.tag is not None and asked.tag not in row.tags):
            continue
        for (model, provider, series), cell in rollups.by_route(row).items():
            if asked.model in (None, model) and asked.provider in (None, provider) and series in asked.series:
                for group in groups_of(
                    asked.by, model=model, provider=provider, key_id=row.key_id, tags=row.tags,
                    input_tokens=row.input_tokens, output_tokens=row.output_tokens,
                ):  # fmt: skip
                    found[group, series].add(cell)
    return found


def told(total: Total) -> tuple[object, ...]:
    bins = [tuple(total.histogram(name).tolist()) for name in HISTOGRAMS]
    return tuple(total.counts[name] for name in COUNTERS), bins


def same(groups: tuple[Group, ...], cells: dict[tuple[str, str], Cell]) -> None:
    expected = {
        key: (
            tuple(cell.counts[name] for name in COUNTERS),
            [tuple(histograms.counts_of(cell.bins[name]).tolist()) for name in HISTOGRAMS],
        )
        for key, cell in cells.items()
    }
    assert {(group.group, group.series): told(group.total) for group in groups} == expected


SLICES: tuple[dict[str, Any], ...] = (
    {"by": "key"}, {"by": "tag"}, {"by": "input_length"}, {"by": "output_length"},
    {"by": "key", "team_id": None}, {"by": "tag", "team_id": None},
    {"by": "key", "model": "a"}, {"by": "tag", "provider": "lab"},
    {"by": "key", "model": "b", "provider": "other"},
    {"by": "key", "key_id": 3}, {"by": "model", "key_id": 2}, {"by": "provider", "tag": "ci"},
    {"by": "model", "tag": "nightly", "provider": "slow", "team_id": None},
    {"by": "key", "tag": "ci"}, {"by": "output_length", "key_id": 40}, {"by": "tag", "tag": "nightly"},
    {"by": "model", "key_id": 1, "tag": "ci"}, {"by": "key", "series": ("byok",)},
)  # fmt: skip


def test_every_slice_is_what_the_rows_say(engine: Engine) -> None:
    """Over a day and hours, an hour and minutes, minutes alone, and from rows that are in no sheet yet."""
    yesterday = [
        structs.replace(row, request_id=f"y{row.request_id}", accepted_at_ms=row.accepted_at_ms - DAY_MS)
        for row in varied(150, seed=2)
    ]
    rows = [*varied(300, seed=1), *yesterday]
    store(engine, rows)
    views = Views(engine)
    Grouping(engine).work(NOW_MS - HOUR_MS - 25 * MINUTE_MS, within_s=60)
    fresh = [request(ended_at_ms=NOW_MS - 1_000, key_id=7, tags=("new",))]
    store(engine, fresh)
    yesterday_ms = NOON_MS - DAY_MS
    windows = (
        (NOON_MS - 2 * DAY_MS, NOW_MS),
        (NOON_MS + 7 * MINUTE_MS, NOW_MS),
        (NOON_MS + 100 * MINUTE_MS, NOW_MS),
        (yesterday_ms + 20 * MINUTE_MS, yesterday_ms + 130 * MINUTE_MS),
    )
    for facts in SLICES:
        for from_ms, to_ms in windows:
            asked = slice_of(**facts, from_ms=from_ms, to_ms=to_ms)
            found = views.groups(asked, NOW_MS)
            assert not found.cut
            expected = by_rows([*rows, *fresh], asked)
            same(found.groups, expected)
            assert expected or from_ms > windows[0][0]


def test_lines_and_phases_are_the_groups_over_time(engine: Engine) -> None:
    rows = varied(300, seed=3)
    store(engine, rows)
    Grouping(engine).work(NOW_MS, within_s=60)
    views = Views(engine)
    for facts in ({"by": "key"}, {"by": "tag", "model": "a"}, {"by": "model", "key_id": 1}):
        for from_ms in (NOON_MS, NOON_MS - 2 * DAY_MS, NOON_MS - 30 * DAY_MS):
            asked = slice_of(**facts, from_ms=from_ms)
            lines = views.lines(asked, NOW_MS)
            assert all(at_ms % lines.width_ms == 0 for line in lines.lines for at_ms, _ in line.slots)
            whole = {}
            for line in lines.lines:
                whole[line.group, line.series] = Total()
                for _, total in line.slots:
                    whole[line.group, line.series].add(total)
            cells = by_rows(rows, asked)
            assert {key: total.histogram("ttft").tolist() for key, total in whole.items()} == {
                key: histograms.counts_of(cell.bins["ttft"]).tolist() for key, cell in cells.items()
            }
            (first, *_) = sorted(cells)
            (only,) = views.lines(asked, NOW_MS, ("ttft",), [first]).lines
            assert (only.group, only.series) == first
    phased = sum(row.team_id == 1 and clocks.phases_ms(row) is not None for row in rows)
    assert sum(slot.n for slot in views.phases(slice_of(by="output_length"), NOW_MS)) == phased > 0


def requests_counted(views: Views, **facts: Any) -> int:
    return sum(group.requests for group in views.groups(slice_of(**facts), NOW_MS).groups)


def test_a_row_that_comes_late_makes_its_slots_again(engine: Engine) -> None:
    """Into an hour of a whole day, into an hour, and into a minute; what another process held back."""
    views, work = Views(engine), Grouping(engine)
    store(engine, [request(ended_at_ms=NOON_MS - DAY_MS, key_id=1), request(key_id=1)])
    work.work(NOW_MS, within_s=60)
    window = {"from_ms": NOON_MS - 3 * DAY_MS, "by": "key"}
    assert requests_counted(views, **window) == 2
    late = (NOON_MS - DAY_MS + 5, NOON_MS - 2 * DAY_MS, NOON_MS + 70 * MINUTE_MS, NOW_MS - 3 * MINUTE_MS)
    for count, at_ms in enumerate(late, 1):
        store(engine, [request(ended_at_ms=at_ms, key_id=1)])
        builder = work if at_ms > NOW_MS - 2 * DAY_MS else Grouping(engine)  # older: looked at now and then
        builder.work(NOW_MS, within_s=60)
        assert requests_counted(views, **window) == 2 + count
        assert requests_counted(views, **window, model="lab/fast") == 2 + count
        assert requests_counted(views, from_ms=NOON_MS - 3 * DAY_MS, by="model", key_id=1) == 2 + count


def test_two_builders_that_take_turns_and_rows_between_them_lose_nothing(home: Home) -> None:
    engines = [home.engine("log"), home.engine("log")]
    builders = [Grouping(engine) for engine in engines]
    rows = sorted(varied(240, seed=5), key=clocks.ended_at_ms)
    chance = random.Random(6)
    for number in range(0, len(rows), 20):
        some = rows[number : number + 20]
        chance.shuffle(some)
        store(engines[number // 20 % 2], some[:12])
        at_ms = max(map(clocks.ended_at_ms, some)) + grouping.SETTLED_MS + MINUTE_MS
        builders[number // 20 % 2].work(at_ms, within_s=60)
        store(engines[0], some[12:])  # after their minutes were made
        builders[1].work(at_ms, within_s=60)
    asked = slice_of(by="tag", team_id=None)
    same(Views(engines[1]).groups(asked, NOW_MS).groups, by_rows(rows, asked))


def test_what_lies_before_the_upgrade_is_filled_backwards_and_until_then_it_says_since_when(
    engine: Engine,
) -> None:
    rows = [request(ended_at_ms=NOON_MS - days * DAY_MS, key_id=1) for days in range(6)]
    store(engine, rows)
    views, work = Views(engine), Grouping(engine)
    assert requests_counted(views, from_ms=NOON_MS - 7 * DAY_MS) == 6  # from the rows, of which there are few
    made = work.work(NOW_MS, within_s=0)
    assert made.since_ms == NOON_MS + 3 * HOUR_MS
    found = views.groups(slice_of(from_ms=NOON_MS - 7 * DAY_MS), NOW_MS)
    assert (found.cut, found.from_ms) == (True, made.since_ms)
    told: list[int] = []
    made = grouping.fill(engine, made, NOON_MS - 2 * DAY_MS, told=told.append)
    assert told == [NOON_MS, NOON_MS - DAY_MS, NOON_MS - 2 * DAY_MS]
    found = views.groups(slice_of(from_ms=NOON_MS - 7 * DAY_MS), NOW_MS)
    assert (found.cut, found.from_ms, found.groups[0].requests) == (True, NOON_MS - 2 * DAY_MS, 3)
    assert work.work(NOW_MS, within_s=60).since_ms == 0
    found = views.groups(slice_of(from_ms=NOON_MS - 7 * DAY_MS), NOW_MS)
    assert (found.cut, found.groups[0].requests) == (False, 6)


def test_sheets_stay_where_their_rows_went_and_requests_go_with_them(engine: Engine) -> None:
    rows = [request(ended_at_ms=NOON_MS - days * DAY_MS, key_id=1, tags=("ci",)) for days in (0, 9, 10)]
    store(engine, rows)
    Grouping(engine).work(NOW_MS, within_s=60)
    with engine.begin() as connection:
        for table in (ATTEMPT, REQUEST):
            connection.execute(table.delete().where(table.c.ended_at_ms < NOON_MS - DAY_MS))
    made = Grouping(engine).work(NOW_MS, within_s=60)
    assert (made.since_ms, made.requests_since_ms) == (0, NOON_MS + HOUR_MS)
    views = Views(engine)
    assert requests_counted(views, from_ms=NOON_MS - 20 * DAY_MS) == 3
    both = views.groups(slice_of(from_ms=NOON_MS - 20 * DAY_MS, tag="ci"), NOW_MS)
    assert (both.cut, both.from_ms) == (True, made.requests_since_ms)


def test_a_rebuild_mends_sheets_and_fills_what_was_never_made(
    engine: Engine, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("telemetry.sheets._SMALL", 0)  # in several pieces, as busy hours are
    store(engine, varied(200, seed=7))
    grouping.rebuild(engine, NOON_MS, NOON_MS + 3 * HOUR_MS)
    asked = slice_of(by="key")
    before = [(one.group, told(one.total)) for one in Views(engine).groups(asked, NOW_MS).groups]
    with engine.begin() as connection:
        connection.execute(SHEET_PIECE.delete())
    assert [(one.group, told(one.total)) for one in Views(engine).groups(asked, NOW_MS).groups] != before
    grouping.rebuild(engine, NOON_MS, NOON_MS + 3 * HOUR_MS)
    assert [(one.group, told(one.total)) for one in Views(engine).groups(asked, NOW_MS).groups] == before


def test_minutes_go_once_their_hours_are_made(sqlite_home: Home) -> None:
    engine = sqlite_home.engine("log")
    store(engine, [request(ended_at_ms=NOON_MS + no * MINUTE_MS) for no in range(30)])
    for at_ms in (NOON_MS + 20 * MINUTE_MS, NOON_MS + 2 * HOUR_MS):
        Grouping(engine).work(at_ms, within_s=60)
    assert minutes(engine) == 19
    Grouping(engine).work(NOW_MS, within_s=60)
    assert minutes(engine) == 9
    Grouping(engine).work(NOW_MS + HOUR_MS, within_s=60)
    assert minutes(engine) == 0
    assert requests_counted(Views(engine)) == 30


def minutes(engine: Engine) -> int:
    with engine.connect() as connection:
        return len(kept_sheets.requests_by_slot(connection, MINUTE_MS, 0, NOW_MS + DAY_MS))


def test_of_very_many_groups_the_busiest_are_told_apart(
    sqlite_home: Home, monkeypatch: pytest.MonkeyPatch
) -> None:
    engine = sqlite_home.engine("log")
    monkeypatch.setattr("telemetry.views.MOST_GROUPS", 3)
    rows = [request(key_id=key, ended_at_ms=NOON_MS) for key in range(1, 7) for _ in range(key)]
    store(engine, rows)
    Grouping(engine).work(NOW_MS, within_s=60)
    found = Views(engine).groups(slice_of(), NOW_MS)
    assert [(one.group, one.requests) for one in found.groups] == [("6", 6), ("5", 5), ("4", 4)]
    whole = found.whole()
    assert whole is not None and (whole.requests, whole.spread("ttft_ms").n) == (21, 21)


def test_the_slowest_are_found_in_the_whole_window(engine: Engine) -> None:
    rows = [
        request(ended_at_ms=NOON_MS - no * 7 * HOUR_MS, total_ms=1_000.0 + no, key_id=no % 3, tags=("t",))
        for no in range(30)
    ]
    store(engine, rows)
    Grouping(engine).work(NOW_MS, within_s=60)
    fresh = request(ended_at_ms=NOW_MS - 1, total_ms=1_028.5, key_id=0)
    store(engine, [fresh])
    views = Views(engine)
    asked = slice_of(by="model", from_ms=NOON_MS - 10 * DAY_MS)
    assert [row.total_ms for row in views.slowest(asked, "total_ms", 3)] == [1_029, 1_028.5, 1_028]
    by_key = replace(asked, by="key")
    assert [row.total_ms for row in views.slowest(by_key, "total_ms", 2, ("1", "paid"))] == [1_028, 1_025]
    assert [row.total_ms for row in views.slowest(replace(asked, tag="t"), "total_ms", 1)] == [1_029]
    assert views.slowest(replace(asked, tag="no"), "total_ms", 1) == ()


def test_the_slowest_of_days_and_hours_are_those_of_the_rows(engine: Engine) -> None:
    """Most days and hours are never looked into: none of the slowest may be in one of these."""
    rows = [
        structs.replace(
            row, request_id=f"{days}{row.request_id}", accepted_at_ms=row.accepted_at_ms - days * DAY_MS
        )
        for days in range(4)
        for row in varied(120, seed=20 + days)
    ]
    store(engine, rows)
    Grouping(engine).work(NOW_MS - HOUR_MS - 25 * MINUTE_MS, within_s=60)
    views = Views(engine)
    narrowings: tuple[dict[str, Any], ...] = (
        {}, {"key_id": 2}, {"tag": "ci"}, {"key_id": 1, "tag": "ci"}, {"model": "a"}, {"provider": "lab"},
        {"team_id": None}, {"key_id": 3, "model": "b"}, {"series": ("byok",)},
    )  # fmt: skip
    for facts in narrowings:
        for from_ms in (NOON_MS - 3 * DAY_MS - HOUR_MS // 2, NOON_MS - 2 * DAY_MS + 20 * MINUTE_MS, NOON_MS):
            asked = slice_of(**{"by": "model", **facts}, from_ms=from_ms)
            mine = [
                row.total_ms
                for row in rows
                if from_ms <= clocks.ended_at_ms(row) < NOW_MS
                and row.total_ms is not None
                and asked.team_id in (None, row.team_id)
                and asked.key_id in (None, row.key_id)
                and (asked.tag is None or asked.tag in row.tags)
                and asked.model in (None, row.model)
                and asked.provider in (None, row.provider)
                and row.series in asked.series
                and any(cell.bins["total"] for cell in rollups.by_route(row).values())
            ]
            found = [row.total_ms for row in views.slowest(asked, "total_ms", 5, now_ms=NOW_MS)]
            assert found == sorted(mine, reverse=True)[:5]


def test_rows_that_come_between_two_readings_are_seen_whenever_they_ended(engine: Engine) -> None:
    """Those that were read before are not worked out again; gone ones are gone."""
    asked = slice_of(by="key")
    Grouping(engine).work(NOW_MS - HOUR_MS, within_s=60)
    views = Views(engine)
    rows: list[RequestRow] = []
    for ended_ms in (NOW_MS - 1_000, NOW_MS - 30 * MINUTE_MS, NOW_MS - 1_000, NOW_MS - 500):
        rows.append(request(ended_at_ms=ended_ms, key_id=7, request_id=f"req_{len(rows)}"))
        store(engine, rows[-1:])
        same(views.groups(asked, NOW_MS).groups, by_rows(rows, asked))
    with engine.begin() as connection:
        connection.execute(REQUEST.delete().where(REQUEST.c.request_id == "req_0"))
    same(views.groups(asked, NOW_MS).groups, by_rows(rows[1:], asked))
