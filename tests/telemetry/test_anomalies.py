import math
import random
from collections.abc import Callable

import pytest
from msgspec.structs import replace
from sqlalchemy import Engine

from telemetry import anomalies, rollups, stored, two_samples
from telemetry.anomalies import Anomaly
from telemetry.rows import Outcome, RequestRow
from tests.databases import Home
from tests.telemetry.example_rows import NOON_MS, attempt, request

MINUTE_MS = 60_000
HOUR_MS = 60 * MINUTE_MS


@pytest.fixture
def engine(sqlite_home: Home) -> Engine:
    return sqlite_home.engine("log")


def traffic(
    chance: random.Random,
    *,
    slow_from_ms: int | None = None,
    slow_until_ms: int = NOON_MS,
    factor: float = 3.0,
    fails: Callable[[int], float] = lambda at_ms: 0.01,
    a_minute: float = 2.0,
    model: str = "lab/fast",
) -> list[RequestRow]:
    """A day and three hours until noon."""
    rows = []
    for _ in range(round(27 * 60 * a_minute)):
        at_ms = NOON_MS - chance.randrange(27 * HOUR_MS)
        slow = slow_from_ms is not None and slow_from_ms <= at_ms < slow_until_ms
        first_ms = chance.lognormvariate(5.5, 0.4) * (factor if slow else 1.0)
        outcome: Outcome = "provider_fault" if chance.random() < fails(at_ms) else "ok"
        clocks = attempt(outcome=outcome, first_answer_ms=2 + first_ms, last_ms=1_002 + first_ms)
        rows.append(request(ended_at_ms=at_ms, model=model, outcome=outcome, attempts=(clocks,)))
    return rows


def found(engine: Engine, rows: list[RequestRow]) -> tuple[Anomaly, ...]:
    with engine.begin() as connection:
        rollups.add(connection, stored.write(connection, rows))
    return anomalies.find(engine, 1, NOON_MS)


def test_a_model_that_became_slow_is_told_since_when_by_how_much_and_by_which_test(engine: Engine) -> None:
    since_ms = NOON_MS - 65 * MINUTE_MS
    (told,) = found(engine, traffic(random.Random(1), slow_from_ms=since_ms))
    assert (told.kind, told.of, told.subject, told.figure) == ("slow", "model", "lab/fast", "ttft_ms")
    assert abs(told.since_ms - since_ms) <= 10 * MINUTE_MS
    assert told.ratio == pytest.approx(3.0, rel=0.25)
    assert told.p < 1e-9 and told.comparisons == 5
    said = anomalies.sentence(told, "Lab Fast", "10:55")
    assert said.startswith("p95 of time to first token of Lab Fast tripled since 10:55: ")
    assert said.endswith(f"(n = {told.n:,})")
    assert "exceedance test" in anomalies.proof(told)


def test_a_provider_that_fails_is_told_for_requests_and_attempts(engine: Engine) -> None:
    rows = traffic(random.Random(2), fails=lambda at_ms: 0.4 if at_ms > NOON_MS - HOUR_MS else 0.01)
    told = found(engine, rows)
    assert {(one.kind, one.of, one.subject) for one in told} == {
        ("failing", "model", "lab/fast"),
        ("failing", "provider", "lab"),
    }
    assert told[0].threshold == "below 90%"
    assert "fell to" in anomalies.sentence(told[0], "Lab Fast", "11:00")


def test_what_is_over_or_too_small_or_too_rare_is_not_told(engine: Engine) -> None:
    over = traffic(
        random.Random(3), slow_from_ms=NOON_MS - 2 * HOUR_MS, slow_until_ms=NOON_MS - 45 * MINUTE_MS
    )
    small = traffic(random.Random(4), slow_from_ms=NOON_MS - HOUR_MS, factor=1.15, model="lab/deep")
    rare = traffic(random.Random(5), slow_from_ms=NOON_MS - HOUR_MS, a_minute=0.1, model="lab/rare")
    assert found(engine, [*over, *small, *rare]) == ()


def test_simulated_models_are_no_news(engine: Engine) -> None:
    rows = traffic(random.Random(6), slow_from_ms=NOON_MS - HOUR_MS)
    assert found(engine, [replace(row, series="simulated") for row in rows]) == ()


@pytest.mark.slow
def test_where_nothing_changed_false_alarms_are_rarer_than_the_level(sqlite_home: Home) -> None:
    """400 looks at steady traffic of three models; the size that matters is left out on purpose."""
    chance, alarms = random.Random(7), 0
    for _ in range(400):
        old = [chance.lognormvariate(5.5, 0.6) for _ in range(600)]
        limit = sorted(old)[math.ceil(0.95 * 600) - 1]
        above = sum(value > limit for value in old)
        p = []
        for _ in range(12):
            new = [chance.lognormvariate(5.5, 0.6) for _ in range(80)]
            p.append(two_samples.slower(sum(value > limit for value in new), 80, above, 600))
        alarms += min(two_samples.holm(p)) < 0.05
    assert alarms <= 32  # 20 at most are expected; beyond 32 lies less than 1 %


def test_the_tests_give_what_their_definitions_say() -> None:
    """Against the sums written out, and against every order of five old and four new values."""

    def written_out(k: int, m: int, r: int, n: int) -> float:
        ways = sum(math.comb(r + j - 1, j) * math.comb(n - r + m - j, m - j) for j in range(k, m + 1))
        return ways / math.comb(n + m, m)

    assert two_samples.slower(4, 4, 0, 5) == pytest.approx(written_out(4, 4, 1, 5))
    assert two_samples.slower(4, 4, 0, 5) == pytest.approx(1 / math.comb(9, 4))  # all new above all old
    assert two_samples.slower(30, 100, 40, 800) == pytest.approx(written_out(30, 100, 41, 800))
    assert two_samples.slower(3, 100, 40, 800) == 1.0
    # Fisher's tea: of 4 and 4 cups all right, 1 in 70.
    assert two_samples.more_often(4, 4, 0, 4) == pytest.approx(1 / 70)
    assert two_samples.more_often(3, 4, 1, 4) == pytest.approx(17 / 70)
    assert two_samples.more_often(0, 4, 0, 4) == 1.0
    assert two_samples.holm([0.01, 0.04, 0.03]) == pytest.approx([0.03, 0.06, 0.06])
