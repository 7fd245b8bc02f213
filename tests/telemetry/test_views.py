"""Slices of the log as the latency page asks for them, from roll-ups and from rows."""

from __future__ import annotations

import random
from dataclasses import replace

import pytest
from msgspec import structs
from sqlalchemy import Engine

from telemetry import rollups, slices, stored
from telemetry.marks import Mark, Marks
from telemetry.rows import RequestRow
from telemetry.slices import Slice
from telemetry.views import Group, Views
from tests.databases import Home
from tests.telemetry.example_rows import NOON_MS, attempt, request
from tests.telemetry.test_rollups import traffic

HOUR_MS = 3_600_000
DAY_MS = 24 * HOUR_MS
TO_MS = NOON_MS + 3 * HOUR_MS


@pytest.fixture
def engine(sqlite_home: Home) -> Engine:
    return sqlite_home.engine("log")


def kept(engine: Engine, *rows: RequestRow) -> Views:
    with engine.begin() as connection:
        rollups.add(connection, stored.write(connection, rows))
    return Views(engine)


def slice_of(**facts: object) -> Slice:
    usual: dict[str, object] = {"team_id": 1, "from_ms": NOON_MS, "to_ms": TO_MS, "series": ("paid", "byok")}
    return Slice(**{**usual, **facts})  # type: ignore[arg-type]  # facts are named by the tests


def told(group: Group) -> tuple[object, ...]:
    return (group.requests, group.spread("ttft_ms"), group.spread("total_ms"), group.share("success_rate"))


def test_roll_ups_and_rows_say_the_same_of_a_slice(home: Home) -> None:
    views = kept(home.engine("log"), *(structs.replace(row, tags=("all",)) for row in traffic(400, seed=11)))
    for facts in ({}, {"by": "provider"}, {"model": "b"}, {"team_id": None, "provider": "lab"}):
        rolled = views.groups(slice_of(**facts), TO_MS).groups
        # The same again, as a slice that only rows know: every request has the tag.
        by_rows = views.groups(slice_of(**facts, tag="all"), TO_MS).groups
        assert [(one.group, one.series, told(one)) for one in rolled] == [
            (one.group, one.series, told(one)) for one in by_rows
        ]
        assert rolled


def test_keys_tags_and_lengths_are_groups_of_their_own(engine: Engine) -> None:
    views = kept(
        engine,
        request(key_id=7, tags=("a", "b"), input_tokens=100, output_tokens=50),
        request(key_id=7, tags=("a",), input_tokens=101, output_tokens=1_500),
        request(tags=(), input_tokens=64_001, output_tokens=1_501),
        request(key_id=9, input_tokens=None, output_tokens=None),
    )

    def counts(by: str) -> dict[str, int]:
        asked = slice_of(by=by, from_ms=NOON_MS - HOUR_MS)
        found = views.groups(asked, TO_MS).groups
        return {slices.name_of(asked.by, one.group, {}): one.requests for one in found}

    assert counts("key") == {"Key 7": 2, "Key 9": 1, "Pages": 1}
    assert counts("tag") == {"a": 2, "b": 1, "No tag": 2}
    assert counts("input_length") == {
        "Up to 100 tokens": 1, "101 to 1,000 tokens": 1, "Over 64,000 tokens": 1, "Not known": 1,
    }  # fmt: skip
    assert counts("output_length") == {
        "Up to 50 tokens": 1, "501 to 1,500 tokens": 1, "Over 1,500 tokens": 1, "Not known": 1,
    }  # fmt: skip


def test_of_many_rows_the_newest_are_read_and_it_says_since_when(
    engine: Engine, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("telemetry.sheet_windows.MOST_ROWS", 10)
    views = kept(engine, *(request(ended_at_ms=NOON_MS + no * 1_000, key_id=1) for no in range(25)))
    found = views.groups(slice_of(by="key"), TO_MS)
    assert (found.cut, found.from_ms, found.groups[0].requests) == (True, NOON_MS + 15_000, 10)
    whole = views.groups(slice_of(), TO_MS)
    assert (whole.cut, whole.groups[0].requests) == (False, 25)


def test_a_line_has_as_many_slots_as_can_be_told_apart(home: Home) -> None:
    engine = home.engine("log")
    day_ago_ms = TO_MS - DAY_MS
    views = kept(engine, *(request(ended_at_ms=day_ago_ms + no * 600_000) for no in range(144)))
    for window_ms, width_ms in (
        (5 * 60_000, 60_000), (HOUR_MS, 60_000), (12 * HOUR_MS, 600_000), (DAY_MS, 900_000),
        (7 * DAY_MS, 2 * HOUR_MS), (90 * DAY_MS, DAY_MS),
    ):  # fmt: skip
        found = views.lines(slice_of(from_ms=TO_MS - window_ms), TO_MS)
        assert found.width_ms == width_ms
        assert all(len(line.slots) <= 121 for line in found.lines)
    (line,) = views.lines(slice_of(from_ms=day_ago_ms), TO_MS).lines
    assert sum(n for _, _, n in line.values("ttft_ms", 95)) == 144
    (counts,) = views.lines(slice_of(from_ms=day_ago_ms), TO_MS, ()).lines
    assert {round(value) for _, value, _ in counts.values("success_rate", 50)} == {100}


def test_phases_add_up_to_the_whole_time(engine: Engine) -> None:
    thinks = attempt(
        sent_ms=5.0, first_byte_ms=90, first_reasoning_ms=105.0, first_answer_ms=405.0, last_ms=1_405.0
    )
    failed = attempt(outcome="provider_fault", sent_ms=5.0, first_answer_ms=None, last_ms=None)
    views = kept(
        engine,
        request(attempts=(thinks,), gateway_ms=5.0, total_ms=1_410.0),
        request(
            attempts=(failed, structs.replace(thinks, no=2, sent_ms=60.0)), gateway_ms=5.0, total_ms=1_410.0
        ),
        request(streamed=False), request(outcome="cancelled"), request(attempts=(), gateway_ms=None),
    )  # fmt: skip
    (slot,) = views.phases(slice_of(from_ms=NOON_MS - HOUR_MS, to_ms=NOON_MS + 1), TO_MS)
    assert slot.n == 2
    assert (slot.gateway_ms, slot.waiting_ms, slot.thinking_ms, slot.answering_ms) == (10, 100, 300, 1_000)


def test_the_slowest_come_first_and_of_rates_the_lowest(engine: Engine) -> None:
    chance = random.Random(5)
    rows = [
        request(total_ms=2_000.0 + no, attempts=(attempt(last_ms=chance.uniform(400, 3_000)),))
        for no in range(30)
    ]
    views = kept(
        engine, *rows, request(model="other", total_ms=90_000.0), request(team_id=2, total_ms=99_000)
    )
    asked = slice_of(from_ms=NOON_MS - HOUR_MS)
    assert [row.total_ms for row in views.slowest(asked, "total_ms", 3)] == [90_000, 2_029, 2_028]
    mine = views.slowest(asked, "total_ms", 2, ("lab/fast", "paid"))
    assert [row.total_ms for row in mine] == [2_029, 2_028]
    slow = views.slowest(replace(asked, model="lab/fast"), "tokens_per_s", 1)[0]
    assert slow.attempts[0].last_ms == max(row.attempts[0].last_ms or 0 for row in rows)


def test_what_changed_is_noticed_once_and_said_with_what_it_was(engine: Engine) -> None:
    price = Mark(NOON_MS + 50, "price", "lab/fast", "Lab Fast: a new price from here on")
    marks = Marks(engine, (price,))
    assert marks.notice("aaaa", {"fast": "lab/fast-1"}, NOON_MS) == ()  # the first start changes nothing
    assert marks.notice("aaaa", {"fast": "lab/fast-1"}, NOON_MS + 1) == ()
    moved = marks.notice("bbbb", {"fast": "lab/fast-2", "new": "lab/new"}, NOON_MS + 10)
    assert [(mark.kind, mark.subject) for mark in moved] == [("deploy", "bbbb"), ("alias", "fast")]
    assert Marks(engine).notice("bbbb", {"fast": "lab/fast-2"}, NOON_MS + 11) == ()  # the other process
    found = marks.between(NOON_MS, NOON_MS + 100)
    assert [mark.kind for mark in found] == ["alias", "deploy", "price"]
    assert found[0].detail == "fast leads to lab/fast-2, before to lab/fast-1"
    assert marks.between(NOON_MS + 60, NOON_MS + 100) == ()
