"""Each simulated fault fifty times: every book tells the same story of it."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from billing.audit import audit
from fault_drill import EXPECTED, Books, drill
from gateway.catalog import Catalog
from gateway.providers.base import Deadlines
from gateway.providers.simulated import Pace
from telemetry.request_log import RequestLog
from telemetry.requests import Requests
from telemetry.views import Views
from tests.gateway.desk import LOCAL, desk

TIMES = 50


async def test_each_fault_is_the_same_story_in_every_book(
    tmp_path: Path, record_figure: Callable[[str], None]
) -> None:
    async with desk(
        tmp_path,
        pace=Pace(first_token_s=0, slow_first_token_s=0.05, tokens_per_s=0, retry_after_s=0.1),
        deadlines=Deadlines(first_token_s=0.4, idle_s=0.4),
    ) as at:
        engine = at.databases.log.engine
        log = RequestLog(engine, flush_s=0.01)
        await log.open()
        at.log = log.record
        books = Books(Requests(engine, log), Views(engine, log), at.statements)
        stories = await drill(at.gateway, books, LOCAL, tuple(EXPECTED), TIMES)
        await log.close()
        used = at.balance().total_used_nano_usd
        assert at.balance().held_nano_usd == 0
    record_figure(f"{'fault':<18}{'runs':>5}{'success':>9}{'drawn':>7}{'TTFT n':>8}{'billed':>8}  outcome")
    for story in stories:
        record_figure(
            f"{story.fault:<18}{story.runs:>5}{story.success or 0:>9.0%}{story.drawn:>7}"
            f"{story.first_tokens:>8}{story.billed_runs:>8}  {', '.join(story.outcomes)}"
        )
    assert [story.disagreements for story in stories] == [()] * len(EXPECTED)
    assert {story.fault: story.success for story in stories} == {
        fault: float(outcome == "ok") for fault, outcome in EXPECTED.items()
    }
    by_fault = {story.fault: story for story in stories}
    # What came before a cut was paid for; what never came was not, and has no first token.
    assert by_fault["cut-mid-stream"].billed_runs == by_fault["cut-mid-stream"].first_tokens == TIMES
    for fault in ("rate-limited", "empty", "keep-alive"):
        assert (by_fault[fault].billed_nano_usd, by_fault[fault].first_tokens) == (0, 0)
    assert used == sum(story.billed_nano_usd for story in stories)
    assert not audit(tmp_path / "ledger.db").findings


def test_every_fault_that_a_model_simulates_is_drilled() -> None:
    made_up = {model.id.split("/")[1] for model in Catalog.load().models() if model.series == "simulated"}
    assert made_up - {"embedding"} == set(EXPECTED)
