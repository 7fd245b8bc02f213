"""A run as whoever looks at it sees it at one moment, and where such looks come from.

A `Source` is anything that can be watched like an answer: a run in memory, one that was kept, or a lane
of a battle, which may hold back what its reader must not see yet.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol

from gateway.messages import ToolCall
from gateway.records import RunRecord
from gateway.runs import Failure, Figures, Run, RunState


@dataclass(frozen=True, slots=True)
class Glimpse:
    """What a run is at one moment. `ended_ago_s` is None while it runs, and where nobody knows."""

    state: RunState
    text: str
    reasoning: str
    figures: Figures
    failure: Failure | None
    finish_reason: str | None
    tool_calls: tuple[ToolCall, ...]
    keeps_text: bool
    ended_ago_s: float | None
    settled: bool


def of_run(run: Run) -> Glimpse:
    ended = run.state != "running"
    return Glimpse(
        state=run.state,
        text=run.text,
        reasoning=run.reasoning,
        figures=run.figures,
        failure=run.failure,
        finish_reason=run.finish_reason,
        tool_calls=run.tool_calls,
        keeps_text=True,
        ended_ago_s=None if run.ended_at_s is None else time.monotonic() - run.ended_at_s,
        # A ledger that is away for a while makes the receipt late: figures follow then.
        settled=ended and run.figures.cost_nano_usd is not None,
    )


def of_record(record: RunRecord) -> Glimpse:
    return Glimpse(
        state=record.state,
        text=record.text,
        reasoning=record.reasoning,
        figures=record.figures,
        failure=record.failure,
        finish_reason=record.finish_reason,
        tool_calls=record.tool_calls,
        keeps_text=record.keeps_text,
        ended_ago_s=None,
        settled=record.state != "running",
    )


class Source(Protocol):
    @property
    def state(self) -> RunState: ...

    def look(self) -> Glimpse: ...

    def follow(self, changed: Callable[[], None]) -> Callable[[], None]:
        """Call `changed` whenever a look may show something new. Returns how to leave. On the loop."""
