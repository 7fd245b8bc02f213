import time
from collections.abc import AsyncIterator

import pytest
from sqlalchemy import Engine

from telemetry.latency import Latency, Point
from telemetry.request_log import RequestLog
from telemetry.rows import RequestRow, Series
from tests.telemetry.example_rows import NOON_MS, attempt, request

HOUR_MS = 3_600_000


@pytest.fixture
async def log(engine: Engine) -> AsyncIterator[RequestLog]:
    log = RequestLog(engine, flush_s=0.01)
    await log.open()
    yield log
    await log.close()


@pytest.fixture
def latency(engine: Engine, log: RequestLog) -> Latency:
    return Latency(engine, log)


async def record(log: RequestLog, *rows: RequestRow) -> None:
    for row in rows:
        log.record(row)
    await log.close()


def waited(ms: float, **facts: object) -> RequestRow:
    """An answer whose first token took `ms` and whose 100 other tokens took 10 ms each."""
    clocks = attempt(first_answer_ms=2.0 + ms, last_ms=1_002.0 + ms)
    return request(attempts=(clocks,), **facts)  # type: ignore[arg-type]  # facts are named by the tests


async def test_a_summary_gives_each_figure_with_its_own_n(latency: Latency, log: RequestLog) -> None:
    whole = [waited(100.0 * number) for number in range(1, 20)]  # 100, 200 ... 1,900 ms
    other = [
        request(streamed=False),
        request(
            outcome="provider_fault", attempts=(attempt(outcome="provider_fault", first_answer_ms=None),)
        ),
        request(outcome="cancelled", attempts=(attempt(outcome="cancelled"),), output_tokens=1),
        request(outcome="client_fault", attempts=(), output_tokens=None, gateway_ms=None),
    ]
    await record(log, *whole, *other)
    (summary,) = latency.summary(1, HOUR_MS, NOON_MS + 1)
    assert (summary.model_id, summary.series, summary.requests) == ("lab/fast", "paid", 23)
    assert (summary.from_ms, summary.to_ms) == (NOON_MS - HOUR_MS, NOON_MS + 1)
    # With the cancelled one's 200 ms: 20 values, of which the 10th is 900 and the 19th 1,800.
    assert summary.ttft_ms.n == 20
    assert summary.ttft_ms.enough
    assert summary.ttft_ms.p50 == pytest.approx(900.0, rel=0.02)
    assert summary.ttft_ms.p95 == pytest.approx(1_800.0, rel=0.02)
    assert summary.tokens_per_s.n == 19
    assert not summary.tokens_per_s.enough
    assert summary.tokens_per_s.p50 == pytest.approx(100.0, rel=0.02)
    assert (summary.success.value, summary.success.n) == (20 / 21, 21)
    assert (summary.attempt_success.value, summary.attempt_success.n) == (20 / 21, 21)
    assert summary.gateway_ms.n == 22


async def test_the_p95_of_throughput_is_the_slow_end(latency: Latency, log: RequestLog) -> None:
    fast = [request() for _ in range(90)]  # 10 ms a token
    slow = [request(attempts=(attempt(last_ms=10_202.0),)) for _ in range(10)]  # 100 ms a token
    await record(log, *fast, *slow)
    (summary,) = latency.summary(1, HOUR_MS, NOON_MS + 1)
    assert summary.tokens_per_s.p50 == pytest.approx(100.0, rel=0.02)
    assert summary.tokens_per_s.p95 == pytest.approx(10.0, rel=0.02)


async def test_nothing_is_unknown_and_never_zero(latency: Latency, log: RequestLog) -> None:
    assert latency.summary(1, HOUR_MS, NOON_MS) == ()
    assert latency.points(1, HOUR_MS, NOON_MS) == ()
    assert latency.typical("lab/fast", 1) == (None, 0)
    await record(log, request(outcome="cancelled", streamed=False, attempts=(), output_tokens=None))
    (summary,) = latency.summary(1, HOUR_MS, NOON_MS + 1)
    assert (summary.ttft_ms.p50, summary.ttft_ms.p95, summary.ttft_ms.n) == (None, None, 0)
    assert (summary.tokens_per_s.p50, summary.tokens_per_s.n) == (None, 0)
    assert (summary.success.value, summary.success.n) == (None, 0)


async def test_a_team_sees_its_own_and_the_installation_all(latency: Latency, log: RequestLog) -> None:
    await record(log, request(team_id=1), request(team_id=2, run_id="run_of_2"), request(team_id=None))
    assert [one.requests for one in latency.summary(2, HOUR_MS, NOON_MS + 1)] == [1]
    assert [one.requests for one in latency.summary(None, HOUR_MS, NOON_MS + 1)] == [3]
    (shown,) = latency.points(2, HOUR_MS, NOON_MS + 1)
    assert [point.run_id for point in shown.points] == ["run_of_2"]
    assert latency.summary(3, HOUR_MS, NOON_MS + 1) == ()


async def test_simulated_models_show_only_where_asked_and_own_keys_apart(
    latency: Latency, log: RequestLog
) -> None:
    await record(log, request(), request(series="byok"), request(series="simulated", model="simulated/slow"))
    summaries = latency.summary(1, HOUR_MS, NOON_MS + 1)
    assert {(one.model_id, one.series, one.requests) for one in summaries} == {
        ("lab/fast", "paid", 1),
        ("lab/fast", "byok", 1),
    }
    only_simulated: tuple[Series, ...] = ("simulated",)
    (asked,) = latency.summary(1, HOUR_MS, NOON_MS + 1, only_simulated)
    assert asked.model_id == "simulated/slow"
    assert [one.series for one in latency.points(1, HOUR_MS, NOON_MS + 1)] == ["byok", "paid"]


async def test_points_are_there_before_and_after_they_are_stored(engine: Engine) -> None:
    log = RequestLog(engine, flush_s=60)
    await log.open()
    latency = Latency(engine, log)
    first, second = waited(100.0, ended_at_ms=NOON_MS), waited(250.0, ended_at_ms=NOON_MS + 5)
    log.record(second)
    log.record(first)
    before = latency.points(1, HOUR_MS, NOON_MS + 10)
    await log.close()
    after = latency.points(1, HOUR_MS, NOON_MS + 10)
    assert before == after
    (lab,) = after
    assert [(point.at_ms, point.ttft_ms, point.run_id) for point in lab.points] == [
        (NOON_MS, 100.0, first.run_id),
        (NOON_MS + 5, 250.0, second.run_id),
    ]


async def test_who_is_told_of_a_point_finds_it_on_the_chart_at_once(
    latency: Latency, log: RequestLog
) -> None:
    drawn: list[int] = []
    names = {"lab/fast": "Lab Fast"}
    latency.live_points(1, lambda _: drawn.append(latency.chart("ttft_ms", 1, HOUR_MS, names, NOON_MS)["n"]))
    log.record(request())
    assert drawn == [1]


async def test_a_point_shows_the_attempt_that_answered(latency: Latency, log: RequestLog) -> None:
    failed = attempt(outcome="provider_fault", provider="slow", first_answer_ms=400.0, last_ms=5_000.0)
    answered = attempt(no=2, sent_ms=5_010.0, first_answer_ms=5_130.0, last_ms=6_130.0)
    await record(log, request(attempts=(failed, answered)))
    (lab,) = latency.points(1, HOUR_MS, NOON_MS + 1)
    (point,) = lab.points
    assert point.ttft_ms == 120.0
    assert point.caller_first_answer_ms == 5_130.0
    assert point.tokens_per_s == 100.0
    assert point.outcome == "ok"


async def test_of_many_points_the_newest_are_shown(latency: Latency, log: RequestLog) -> None:
    await record(log, *(request(ended_at_ms=NOON_MS + number) for number in range(30)))
    (lab,) = latency.points(1, HOUR_MS, NOON_MS + 100, limit=5)
    assert [point.at_ms - NOON_MS for point in lab.points] == [25, 26, 27, 28, 29]


async def test_a_point_is_told_live_to_its_team_alone(latency: Latency, log: RequestLog) -> None:
    mine: list[Point] = []
    everyone: list[Point] = []
    leave = latency.live_points(1, mine.append)
    latency.live_points(None, everyone.append)
    log.record(waited(180.0, run_id="run_mine"))
    log.record(request(team_id=2))
    log.record(request(series="simulated"))
    log.record(request(model=None, provider=None, outcome="client_fault", attempts=()))
    leave()
    log.record(request())
    assert [(point.run_id, point.ttft_ms) for point in mine] == [("run_mine", 180.0)]
    assert len(everyone) == 3


async def test_the_typical_wait_of_a_model_is_its_median_of_a_week(engine: Engine, log: RequestLog) -> None:
    now_ms = time.time_ns() // 1_000_000
    day_ms = 24 * HOUR_MS
    recent = [waited(ms, ended_at_ms=now_ms - 2 * day_ms) for ms in (100.0, 300.0, 900.0)]
    old = [waited(5_000.0, ended_at_ms=now_ms - 9 * day_ms)]
    await record(log, *recent, *old)
    wait_ms, n = Latency(engine, log).typical("lab/fast", 1)
    assert n == 3
    assert wait_ms == pytest.approx(300.0, rel=0.02)
