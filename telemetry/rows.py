"""What the request log keeps: one `RequestRow` a request and one `AttemptRow` a call to a provider.

Times are milliseconds counted from `accepted`, measured on one monotonic clock; `accepted_at_ms` is
the only wall time. `None` is "did not happen". Never any text of a prompt or an answer.
"""

from __future__ import annotations

from typing import Literal

import msgspec

Outcome = Literal["ok", "provider_fault", "gateway_fault", "client_fault", "cancelled", "blocked"]
Series = Literal["paid", "demonstration", "byok", "simulated"]


class AttemptRow(msgspec.Struct, frozen=True):
    no: int
    provider: str
    provider_model: str
    outcome: Outcome
    sent_ms: float | None = None
    first_byte_ms: float | None = None
    first_reasoning_ms: float | None = None
    first_answer_ms: float | None = None
    last_ms: float | None = None
    largest_read_share: float | None = None  # burst index: share of the answer in the largest single read
    status: int | None = None
    error: str | None = None  # class name only
    model: str | None = None  # None: the request's; a failed attempt may have asked another one
    series: Series | None = None


class RequestRow(msgspec.Struct, frozen=True):
    """`run_id` is None where nothing was admitted. `streamed` False makes time to first token null.

    `dropped` are the providers that were not asked, each with its reason in words.
    """

    request_id: str
    run_id: str | None
    accepted_at_ms: int
    team_id: int | None
    user_id: int | None
    key_id: int | None
    surface: Literal["page", "api"]
    model_asked: str
    model: str | None
    provider: str | None
    series: Series
    outcome: Outcome
    status: int
    streamed: bool
    error: str | None = None
    input_tokens: int | None = None
    cached_input_tokens: int | None = None
    output_tokens: int | None = None
    reasoning_tokens: int | None = None
    cost_nano_usd: int | None = None
    estimated: bool = False
    total_ms: float | None = None
    gateway_ms: float | None = None
    tags: tuple[str, ...] = ()
    dropped: tuple[str, ...] = ()
    attempts: tuple[AttemptRow, ...] = ()
