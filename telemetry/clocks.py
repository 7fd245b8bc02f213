"""From clocks to figures: the arithmetic behind `metrics.py`, one pure function a figure.

Times are milliseconds. An attempt's clocks count from `accepted`; what a figure needs and did not
happen makes it None, never 0. Definitions and their reasons are in `metrics.py`.
"""

from __future__ import annotations

from collections.abc import Mapping

from telemetry.rows import AttemptRow, Outcome, RequestRow

# What a caller did, or was refused for, says nothing about how well we and our providers serve.
_COUNTED_FAULTS: tuple[Outcome, ...] = ("provider_fault", "gateway_fault")


def ended_at_ms(row: RequestRow) -> int:
    """The instant a request counts at, in every window and roll-up."""
    return row.accepted_at_ms + round(row.total_ms or 0.0)


def first_token_ms(attempt: AttemptRow, *, streamed: bool) -> float | None:
    """Time to first token: reasoning or answer, whichever came first, since `sent`."""
    first = _first_token_clock(attempt)
    return _since_sent(attempt, first) if streamed else None


def first_answer_ms(attempt: AttemptRow, *, streamed: bool) -> float | None:
    """Time to first answer: the first visible character or tool-call argument since `sent`."""
    return _since_sent(attempt, attempt.first_answer_ms) if streamed else None


def caller_first_answer_ms(row: RequestRow) -> float | None:
    """First answer as the caller saw it: since `accepted`, failed attempts included."""
    return row.attempts[-1].first_answer_ms if row.attempts and row.streamed else None


def tpot_ms(
    attempt: AttemptRow,
    output_tokens: int | None,
    reasoning_tokens: int | None = None,
    *,
    streamed: bool = True,
) -> float | None:
    """Time per output token: (last - first token) / (tokens - 1).

    `output_tokens` includes `reasoning_tokens`. Reasoning that the provider kept to itself was over
    before the first token came, so those tokens are not in the span and are not divided by.
    """
    first = _first_token_clock(attempt)
    if first is None or attempt.last_ms is None or output_tokens is None or not streamed:
        return None
    hidden = (reasoning_tokens or 0) if attempt.first_reasoning_ms is None else 0
    tokens, span_ms = output_tokens - hidden, attempt.last_ms - first
    # All in one read has no pace: dividing by it would show a provider that buffers as infinitely fast.
    return span_ms / (tokens - 1) if tokens >= 2 and span_ms > 0 else None


def tokens_per_s(
    attempt: AttemptRow,
    output_tokens: int | None,
    reasoning_tokens: int | None = None,
    *,
    streamed: bool = True,
) -> float | None:
    """Decode throughput: 1 / TPOT."""
    return per_second(tpot_ms(attempt, output_tokens, reasoning_tokens, streamed=streamed))


def end_to_end_token_ms(attempt: AttemptRow, output_tokens: int | None) -> float | None:
    """(last - sent) / output tokens: the inverse of end-to-end throughput, also where nothing streamed."""
    span_ms = _since_sent(attempt, attempt.last_ms)
    return span_ms / output_tokens if span_ms and output_tokens else None


def end_to_end_tokens_per_s(attempt: AttemptRow, output_tokens: int | None) -> float | None:
    return per_second(end_to_end_token_ms(attempt, output_tokens))


def phases_ms(row: RequestRow) -> tuple[float, float, float, float] | None:
    """(gateway, waiting, thinking, answering) of a whole streamed answer; together its total time.

    The gateway's part is what came before the first attempt was sent and after the last event; waiting is
    the network, the provider's queue and every attempt before the one that answered.
    """
    if row.outcome != "ok" or not row.streamed or not row.attempts or row.gateway_ms is None:
        return None
    attempt = row.attempts[-1]
    first, last, total = _first_token_clock(attempt), attempt.last_ms, row.total_ms
    if first is None or last is None or total is None:
        return None
    answer = last if attempt.first_answer_ms is None else attempt.first_answer_ms
    ends = (row.gateway_ms, first, max(first, answer), last)
    if list(ends) != sorted(ends) or total < last:
        return None
    gateway, first, answer, last = ends
    return gateway + total - last, first - gateway, answer - first, last - answer


def output_tokens_of(row: RequestRow, attempt: AttemptRow) -> int | None:
    """A request's tokens are those of the attempt that answered it, the last; of others nothing is known."""
    return row.output_tokens if attempt.no == row.attempts[-1].no else None


def per_second(token_ms: float | None) -> float | None:
    """Tokens a second from milliseconds a token."""
    return 1000.0 / token_ms if token_ms else None


def success(counts: Mapping[Outcome, int]) -> tuple[float | None, int]:
    """(share between 0 and 1, n) of ok among ok, provider_fault and gateway_fault."""
    ok = counts.get("ok", 0)
    n = ok + sum(counts.get(fault, 0) for fault in _COUNTED_FAULTS)
    return (ok / n if n else None), n


def _first_token_clock(attempt: AttemptRow) -> float | None:
    reasoning, answer = attempt.first_reasoning_ms, attempt.first_answer_ms
    if reasoning is None or answer is None:
        return answer if reasoning is None else reasoning
    return min(reasoning, answer)


def _since_sent(attempt: AttemptRow, clock: float | None) -> float | None:
    if clock is None or attempt.sent_ms is None:
        return None
    return max(0.0, clock - attempt.sent_ms)  # a server may answer before it has read all of the request
