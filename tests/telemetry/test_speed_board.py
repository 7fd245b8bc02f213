"""The speed board: the middle and slow end of each model, long answers told apart, and how far back."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest
from sqlalchemy import Engine

from telemetry import rollups, stored
from telemetry.request_log import RequestLog
from telemetry.requests import Requests
from telemetry.speed_board import SpeedBoard, speed_board
from telemetry.views import Views
from tests.telemetry.example_rows import NOON_MS, attempt, request

DAY_MS = 86_400_000


@pytest.fixture
async def log(engine: Engine) -> AsyncIterator[RequestLog]:
    log = RequestLog(engine)
    await log.open()
    yield log
    await log.close()


def board(engine: Engine, log: RequestLog, team_id: int | None = 1) -> SpeedBoard:
    return speed_board(Views(engine, log), Requests(engine, log), team_id, DAY_MS, NOON_MS)


async def test_long_answers_are_told_apart_and_the_quickest_stands_first(
    engine: Engine, log: RequestLog
) -> None:
    quick = attempt(first_answer_ms=52.0, last_ms=1_000.0)
    rows = [request(ended_at_ms=NOON_MS - 1_000 * no) for no in range(1, 31)]
    rows += [request(ended_at_ms=NOON_MS - 1_000 * no, output_tokens=3_000) for no in range(31, 36)]
    rows += [
        request(ended_at_ms=NOON_MS - 1_000 * no, model="lab/quick", attempts=(quick,), output_tokens=1_500)
        for no in range(1, 26)
    ]
    rows.append(request(ended_at_ms=NOON_MS - 1_000, team_id=2, model="lab/theirs"))
    with engine.begin() as connection:
        rollups.add(connection, stored.write(connection, rows))
    found = board(engine, log)
    assert [each.model_id for each in found.standings] == ["lab/quick", "lab/fast"]
    quick_one, fast = found.standings
    assert quick_one.long is None  # 1,500 tokens are not above 1,500
    assert fast.every.ttft_ms.n == 35 and fast.long is not None and fast.long.ttft_ms.n == 5
    assert fast.long.tokens_per_s.p50 == pytest.approx(2_999, rel=0.02)  # 2,999 tokens in a second
    assert fast.every.tokens_per_s.p50 == pytest.approx(100, rel=0.02)
    assert found.long_since_ms == found.from_ms
    assert [each.model_id for each in board(engine, log, 2).standings] == ["lab/theirs"]
