"""What is told of a run: its figures, its failure in words, its row in the request log. Pure."""

from __future__ import annotations

import msgspec
from msgspec.structs import replace

from gateway.attempts import outcome_of
from gateway.errors import GatewayError, ProviderError
from gateway.messages import ToolCall, ToolCallDelta
from gateway.runs import Failure, Figures, Run, RunState
from telemetry import clocks
from telemetry.rows import AttemptRow, Outcome, RequestRow

CALLER_GONE = 499  # nginx's number for a request that ended before its answer began


class Asked(msgspec.Struct, frozen=True):
    """What arrived: whose log row it will be. `dropped` are the providers that were not asked, and why.
    Without `timed` that row has no times."""

    request_id: str
    accepted_ns: int
    accepted_at_ms: int
    model: str
    key_id: int | None
    streamed: bool
    dropped: tuple[str, ...] = ()
    timed: bool = True


def figures_of(
    run: Run, attempt: AttemptRow, counted: int | None, streamed: bool, total_ms: float | None
) -> Figures:
    """Of the attempt that answers. `counted` are output tokens by our own count while it runs, `total_ms`
    how long it took once it has ended."""
    usage, receipt = run.usage, run.receipt
    output = usage.output if usage else (counted or None)
    reasoning = usage.reasoning if usage else None
    cost_nano_usd = available_nano_usd = None
    if total_ms is not None and receipt is not None:
        cost_nano_usd, available_nano_usd = receipt.cost_nano_usd, receipt.available_after_nano_usd
    elif total_ms is not None and usage is None:
        cost_nano_usd = 0  # nothing came, so nothing is owed
    return Figures(
        first_token_ms=clocks.first_token_ms(attempt, streamed=streamed),
        first_answer_ms=clocks.first_answer_ms(attempt, streamed=streamed),
        total_ms=total_ms,
        tokens_per_s=clocks.tokens_per_s(attempt, output, reasoning, streamed=streamed),
        input_tokens=usage.input + usage.cached_input + usage.cache_write if usage else None,
        output_tokens=output,
        reasoning_tokens=reasoning,
        cost_nano_usd=cost_nano_usd,
        available_after_nano_usd=available_nano_usd,
        estimated=usage.estimated if usage else True,
    )


def row_of(asked: Asked, run: Run, outcome: Outcome, status: int, error: Exception | None) -> RequestRow:
    """The log row of a run that has ended, with all of its attempts."""
    usage = run.usage
    attempts = run.attempts if asked.timed else tuple(_untimed(attempt) for attempt in run.attempts)
    return RequestRow(
        request_id=asked.request_id,
        run_id=run.id,
        accepted_at_ms=asked.accepted_at_ms,
        team_id=run.team_id,
        user_id=run.user_id,
        key_id=asked.key_id,
        surface=run.surface,
        model_asked=asked.model,
        model=run.model_id,
        provider=run.provider,
        series=run.attempts[-1].series or "paid",
        outcome=outcome,
        status=status,
        streamed=asked.streamed,
        error=type(error).__name__ if error else None,
        input_tokens=usage.input + usage.cached_input + usage.cache_write if usage else None,
        cached_input_tokens=usage.cached_input if usage else None,
        output_tokens=usage.output if usage else None,
        reasoning_tokens=usage.reasoning if usage else None,
        cost_nano_usd=run.receipt.cost_nano_usd if run.receipt else None,
        estimated=usage.estimated if usage else False,
        total_ms=run.figures.total_ms if asked.timed else None,
        gateway_ms=attempts[0].sent_ms,
        tags=run.request.tags,
        dropped=asked.dropped,
        attempts=attempts,
    )


def _untimed(attempt: AttemptRow) -> AttemptRow:
    return replace(
        attempt, sent_ms=None, first_byte_ms=None, first_reasoning_ms=None, first_answer_ms=None,
        last_ms=None, largest_read_share=None,
    )  # fmt: skip


def joined(call: ToolCall | None, delta: ToolCallDelta) -> ToolCall:
    before = call or ToolCall(id="", name="", arguments="", kind=delta.kind)
    return ToolCall(
        id=delta.id or before.id,
        name=delta.name or before.name,
        arguments=before.arguments + delta.arguments,
        kind=before.kind,
    )


def outcome_of_run(state: RunState, error: Exception | None) -> Outcome:
    if state == "done":
        return "ok"
    if error is None:
        return "cancelled"
    return outcome_of(error)


def failure_of(error: Exception) -> Failure:
    kind = type(error).__name__
    if isinstance(error, ProviderError):
        return Failure(kind, str(error), error.status, error.retry_after_s)
    return Failure(kind, str(error) if isinstance(error, GatewayError) else "The gateway failed. Try again.")
