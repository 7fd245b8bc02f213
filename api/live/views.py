"""What a reader sees beside an answer: its figures and how it ended."""

from __future__ import annotations

from collections.abc import Mapping

from billing.money import format_usd
from gateway.glimpse import Glimpse
from gateway.runs import Figures


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
