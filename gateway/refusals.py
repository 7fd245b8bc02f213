"""The log row of a request that was not admitted: whose, what was asked, and whose fault it was. Pure."""

from __future__ import annotations

import time

from billing.errors import CapReached, FreeCreditExhausted, InsufficientCredits
from gateway.catalog import Model
from gateway.errors import (
    BadRequest,
    Forbidden,
    NoProviderLeft,
    ProviderError,
    RetiredModel,
    TooLarge,
    TooManyRequests,
    UnknownModel,
)
from gateway.messages import CompletionRequest
from gateway.outcomes import Asked
from gateway.runs import Surface
from identity.principal import Principal
from telemetry.rows import Outcome, RequestRow


def refusal_row(
    principal: Principal,
    request: CompletionRequest,
    asked: Asked,
    surface: Surface,
    known: Model | None,
    error: Exception,
    status: int,
) -> RequestRow:
    """`known` is the model that was asked for, where there is one of that name."""
    return RequestRow(
        request_id=asked.request_id,
        run_id=None,
        accepted_at_ms=asked.accepted_at_ms,
        team_id=principal.team_id,
        user_id=principal.user_id,
        key_id=asked.key_id,
        surface=surface,
        model_asked=asked.model,
        model=known.id if known else None,
        provider=None,
        series=known.series if known else "paid",
        outcome=outcome_of_refusal(error),
        status=status,
        streamed=asked.streamed,
        error=type(error).__name__,
        total_ms=(time.monotonic_ns() - asked.accepted_ns) / 1e6,
        tags=request.tags,
        dropped=error.dropped if isinstance(error, NoProviderLeft) else (),
    )


def outcome_of_refusal(error: Exception) -> Outcome:
    if isinstance(error, BadRequest | UnknownModel | RetiredModel | TooLarge):
        return "client_fault"
    if isinstance(error, InsufficientCredits | CapReached | FreeCreditExhausted):
        return "blocked"
    if isinstance(error, Forbidden | TooManyRequests):
        return "blocked"
    return "provider_fault" if isinstance(error, ProviderError) else "gateway_fault"
