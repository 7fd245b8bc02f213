"""Request rows for tests: whole ones by default, what a test is about given by name."""

from __future__ import annotations

from itertools import count
from typing import Any

from telemetry.rows import AttemptRow, RequestRow

NOON_MS = 1_795_262_400_000  # 2026-11-21 12:00:00 UTC

_numbers = count(1)


def attempt(**facts: Any) -> AttemptRow:
    """Sent after 2 ms, first answer 200 ms and last event 1,200 ms after `accepted`."""
    usual: dict[str, Any] = {
        "no": 1,
        "provider": "lab",
        "provider_model": "fast-1",
        "outcome": "ok",
        "sent_ms": 2.0,
        "first_byte_ms": 150.0,
        "first_answer_ms": 202.0,
        "last_ms": 1_202.0,
        "largest_read_share": 0.25,
    }
    return AttemptRow(**usual | facts)


def request(*, ended_at_ms: int = NOON_MS, **facts: Any) -> RequestRow:
    """101 output tokens from `lab/fast` for team 1, in 1,203 ms."""
    number = next(_numbers)
    total_ms = facts.get("total_ms", 1_203.0)
    usual: dict[str, Any] = {
        "request_id": f"req_{number:08d}",
        "run_id": f"run_{number:08d}",
        "accepted_at_ms": ended_at_ms - round(total_ms or 0),
        "team_id": 1,
        "user_id": 1,
        "key_id": None,
        "surface": "api",
        "model_asked": "fast",
        "model": "lab/fast",
        "provider": "lab",
        "series": "paid",
        "outcome": "ok",
        "status": 200,
        "streamed": True,
        "input_tokens": 20,
        "cached_input_tokens": 4,
        "output_tokens": 101,
        "reasoning_tokens": 0,
        "cost_nano_usd": 5_000,
        "total_ms": 1_203.0,
        "gateway_ms": 2.0,
        "attempts": (attempt(),),
    }
    return RequestRow(**usual | facts)
