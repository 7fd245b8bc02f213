"""A run, here in memory or kept, as what its reader sees beside the answer: figures and how it ended."""

from __future__ import annotations

import time
from collections.abc import Mapping
from dataclasses import dataclass

from billing.money import format_usd
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


def figures_of(figures: Figures) -> dict[str, object]:
    """Known figures only: milliseconds, counts and rates as numbers, money as it is shown and in full."""
    known: dict[str, object] = {
        name: round(value, 2) if isinstance(value, float) else value
        for name in (
            "first_token_ms",
            "first_answer_ms",
            "total_ms",
            "tokens_per_s",
            "input_tokens",
            "output_tokens",
            "reasoning_tokens",
        )
        if (value := getattr(figures, name)) is not None
    }
    for name, nano_usd in (
        ("cost", figures.cost_nano_usd),
        ("available", figures.available_after_nano_usd),
    ):
        if nano_usd is not None:
            known[name] = {"text": format_usd(nano_usd), "nano_usd": nano_usd}
    return known | {"estimated": figures.estimated}


def end_of(glimpse: Glimpse) -> Mapping[str, object] | None:
    """How the run ended; None while it runs."""
    if glimpse.state == "running":
        return None
    failure = glimpse.failure
    ended_ago_s = glimpse.ended_ago_s
    return {
        "failure": {"kind": failure.kind, "message": failure.message} if failure else None,
        "finish_reason": glimpse.finish_reason,
        "tool_calls": [{"name": call.name, "arguments": call.arguments} for call in glimpse.tool_calls],
        "empty": not glimpse.text.strip(),
        "text_kept": glimpse.keeps_text,
        "ago_ms": None if ended_ago_s is None else int(ended_ago_s * 1000),
    }
