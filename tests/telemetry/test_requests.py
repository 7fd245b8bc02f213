"""The request log as people read it: filters, pages by key, one request, exports."""

from __future__ import annotations

import asyncio
import csv
import io
import json
from collections.abc import AsyncIterator
from typing import Any

import pyarrow.parquet as pq
import pytest
from msgspec.structs import replace
from sqlalchemy import Engine

from store.ids import new_id
from telemetry.parquet import SCHEMA
from telemetry.request_log import RequestLog
from telemetry.requests import Place, Requests, Wanted
from telemetry.rows import AttemptRow, RequestRow
from tests.databases import Home

NOW_MS = 1_790_000_000_000


def row(at_ms: int = NOW_MS, **facts: Any) -> RequestRow:
    made = RequestRow(
        request_id=new_id("req"), run_id=new_id("run"), accepted_at_ms=at_ms, team_id=1, user_id=1,
        key_id=None, surface="api", model_asked="lab/fast", model="lab/fast", provider="lab", series="paid",
        outcome="ok", status=200, streamed=True, cost_nano_usd=1_000, total_ms=0.0,
        attempts=(AttemptRow(1, "lab", "fast-1", "ok", sent_ms=1.0, first_answer_ms=2.0, last_ms=3.0),),
    )  # fmt: skip
    return replace(made, **facts)


@pytest.fixture
async def log(home: Home) -> AsyncIterator[tuple[Requests, RequestLog, Engine]]:
    engine = home.open().log.engine
    written = RequestLog(engine, flush_s=0.005)
    await written.open()
    yield Requests(engine, written), written, engine
    await written.close()


async def keep(written: RequestLog, rows: list[RequestRow]) -> None:
    for each in rows:
        written.record(each)
    async with asyncio.timeout(5):
        while written.unstored():
            await asyncio.sleep(0.005)


async def test_pages_by_key_show_each_row_once_also_where_many_ended_at_once(log: Any) -> None:
    requests, written, _ = log
    rows = [row(NOW_MS + no // 5) for no in range(23)]
    await keep(written, rows)
    seen: list[str] = []
    before = None
    while page := requests.page(1, Wanted(), 4, before):
        seen += [each.request_id for each in page]
        before = Place.of(page[-1])
    assert seen == [each.request_id for each in sorted(rows, key=Place.of, reverse=True)]


async def test_what_waits_to_be_written_is_seen_too_and_filtered_alike(log: Any) -> None:
    requests, written, _ = log
    await keep(written, [row(NOW_MS)])
    fresh, other = row(NOW_MS + 10), row(NOW_MS + 11, model="lab/slow")
    for each in (fresh, other):
        written.record(each)
    found = requests.page(1, Wanted(model="lab/fast"), 10)
    assert len(found) == 2 and found[0].request_id == fresh.request_id
    assert requests.page(2, Wanted(), 10) == ()


_FILTERS: tuple[tuple[Wanted, dict[str, Any]], ...] = (
    (Wanted(model="lab/slow"), {"model": "lab/slow"}),
    (Wanted(provider="other"), {"provider": "other"}),
    (Wanted(outcome="provider_fault"), {"outcome": "provider_fault"}),
    (Wanted(series="byok"), {"series": "byok"}),
    (Wanted(surface="page"), {"surface": "page"}),
    (Wanted(user_id=7), {"user_id": 7}),
    (Wanted(key_id=9), {"key_id": 9}),
    (Wanted(tag="ci"), {"tags": ("ci", "nightly")}),
    (Wanted(least_cost_nano_usd=2_000), {"cost_nano_usd": 2_000}),
    (Wanted(least_total_ms=500), {"total_ms": 500.0, "accepted_at_ms": NOW_MS - 500}),
    (Wanted(from_ms=NOW_MS + 1), {"accepted_at_ms": NOW_MS + 1}),
    (Wanted(to_ms=NOW_MS), {"accepted_at_ms": NOW_MS - 1}),
)


async def test_each_filter_keeps_what_it_names_written_or_waiting(log: Any) -> None:
    requests, written, _ = log
    kept = [row(**facts) for _, facts in _FILTERS]
    await keep(written, [row(), *kept])
    for (wanted, _), own in zip(_FILTERS, kept, strict=True):
        assert [each.request_id for each in requests.page(1, wanted, 10)] == [own.request_id], wanted
    waiting = [row(**facts) for _, facts in _FILTERS]
    for each in waiting:
        written.record(each)
    for (wanted, _), *both in zip(_FILTERS, kept, waiting, strict=True):
        assert {each.request_id for each in requests.page(1, wanted, 10)} == {one.request_id for one in both}


async def test_what_is_rare_is_looked_for_so_many_rows_at_a_time(log: Any) -> None:
    requests, written, _ = log
    rows = [row(NOW_MS + no // 3, key_id=no % 10) for no in range(30)]
    await keep(written, rows)
    seen: list[RequestRow] = []
    before, turns = None, 0
    while True:
        found = requests.look(1, Wanted(key_id=7), 10, before, most=8)
        seen += found.rows
        turns += 1
        if found.looked_to is None:
            break
        before = found.looked_to
    assert [each.request_id for each in seen] == [
        each.request_id for each in requests.page(1, Wanted(key_id=7), 10)
    ]
    assert len(seen) == 3 and turns == 4
    assert requests.look(1, Wanted(), 10, most=8).looked_to is None  # a full page says nothing


async def test_a_tag_is_found_as_it_is_written_and_not_inside_another(log: Any) -> None:
    requests, written, _ = log
    tags = ('a"b', "CI", "ci-2", 'x, "ci"', "\N{SNOWMAN}", "50%_")
    await keep(written, [row(tags=(other, tag)) for tag in tags for other in ("z",)])
    for tag in tags:
        assert [each.tags[1] for each in requests.page(1, Wanted(tag=tag), 10)] == [tag]
    for nothing in ("ci", "b", "50%"):
        assert requests.page(1, Wanted(tag=nothing), 10) == ()


async def test_one_request_has_all_of_its_attempts_by_either_id_and_for_its_team_alone(log: Any) -> None:
    requests, written, _ = log
    failed = AttemptRow(1, "lab", "fast-1", "provider_fault", sent_ms=1.0, status=500)
    answered = AttemptRow(2, "other", "fast-2", "ok", sent_ms=5.0, first_answer_ms=9.0, last_ms=12.0)
    import time

    kept = row(time.time_ns() // 1_000_000, attempts=(failed, answered), total_ms=12.0)
    await keep(written, [kept])
    for own in (kept.request_id, kept.run_id):
        found = requests.one(1, own)
        assert found is not None and [each.outcome for each in found.attempts] == ["provider_fault", "ok"]
        assert requests.one(2, own) is None
    for nobody in ("req_0", "run_0", "\0", "x"):
        assert requests.one(1, nobody) is None


async def test_exports_hold_every_row_that_the_filters_leave_and_run_nothing(log: Any) -> None:
    requests, written, _ = log
    rows = [row(NOW_MS + no, model_asked="=HYPERLINK(1)", tags=("a", "b")) for no in range(7)]
    await keep(written, rows)
    table = list(csv.DictReader(io.StringIO(b"".join(requests.as_csv(1, Wanted())).decode())))
    assert [line["request_id"] for line in table] == [each.request_id for each in reversed(rows)]
    assert {line["model_asked"] for line in table} == {"'=HYPERLINK(1)"}
    filed = pq.read_table(io.BytesIO(requests.as_parquet(1, Wanted()))).to_pylist()
    assert [line["request_id"] for line in filed] == [line["request_id"] for line in table]
    assert filed[0]["tags"] == ["a", "b"] and filed[0]["ended_at"].timestamp() * 1_000 == NOW_MS + 6
    nothing = pq.read_table(io.BytesIO(requests.as_parquet(2, Wanted())))
    assert nothing.num_rows == 0 and nothing.schema == SCHEMA
    lines = b"".join(requests.as_json_lines(1, Wanted(to_ms=NOW_MS + 3))).splitlines()
    assert [json.loads(line)["ended_at_ms"] for line in lines] == [NOW_MS + 2, NOW_MS + 1, NOW_MS]


async def test_exports_hold_the_attempts_that_failed_too(log: Any) -> None:
    requests, written, _ = log
    failed = AttemptRow(1, "lab", "fast-1", "provider_fault", sent_ms=1.0, status=500)
    answered = AttemptRow(2, "other", "fast-2", "ok", sent_ms=5.0, first_answer_ms=9.0, last_ms=12.0)
    await keep(written, [row(attempts=(failed, answered)), row(attempts=())])
    filed = pq.read_table(io.BytesIO(requests.as_parquet(1, Wanted()))).to_pylist()
    lines = [json.loads(line) for line in b"".join(requests.as_json_lines(1, Wanted())).splitlines()]
    for exported in (filed, lines):
        trails = sorted([each["provider"] for each in line["attempts"]] for line in exported)
        assert trails == [[], ["lab", "other"]]


async def test_the_filters_offer_what_the_roll_ups_know(log: Any) -> None:
    requests, written, _ = log
    await keep(written, [row(), row(model="lab/slow", provider="other"), row(team_id=2, model="lab/x")])
    assert requests.models(1, NOW_MS - 1_000) == ("lab/fast", "lab/slow")
    assert requests.providers(1, NOW_MS - 1_000) == ("lab", "other")
    assert requests.models(None, NOW_MS) == ("lab/fast", "lab/slow", "lab/x")
    assert requests.models(1, NOW_MS + 3 * 3_600_000) == ()
