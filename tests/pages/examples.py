"""Entries and requests to fill the pages with: a few days of a team's use."""

from __future__ import annotations

import random
import time
from hashlib import sha256
from itertools import count

from billing.accounts import EntryKind
from billing.commands import Line
from billing.money import cost_nano_usd
from billing.statements import EntryView, PostingView
from telemetry.rows import AttemptRow, Outcome, RequestRow, Series

MINUTE_MS = 60_000
EMBEDDED_LINES = (Line("input", 36, 100_000), Line("output", 214, 400_000))
PAID_LINES = (
    Line("input", 812, 2_000_000),
    Line("cached_input", 1_024, 500_000),
    Line("output", 391, 8_000_000),
)
_numbers = count(1)


def journal(now_ms: int) -> tuple[EntryView, ...]:
    """The allowance, runs on two models and a gift, newest first."""
    balance = 5_000_000_000
    entries = [_given(1, EntryKind.ALLOWANCE, now_ms - 600 * MINUTE_MS, balance, balance, "allowance")]
    for seq in range(2, 14):
        lines, model, series = (
            (PAID_LINES, "openai/gpt-4.1", "paid")
            if seq % 4 == 0
            else (EMBEDDED_LINES, "embedded/smollm2-135m", "demonstration")
        )
        balance -= cost_nano_usd(lines)
        entries.append(run_entry(seq, now_ms - (600 - 40 * seq) * MINUTE_MS, balance, lines, model, series))
    balance += 2_000_000_000
    entries.append(_given(14, EntryKind.GRANT, now_ms - 10 * MINUTE_MS, balance, 2_000_000_000, "grant"))
    return tuple(reversed(entries))


def run_entry(
    seq: int,
    at_ms: int,
    balance_after_nano_usd: int,
    lines: tuple[Line, ...] = EMBEDDED_LINES,
    model: str = "embedded/smollm2-135m",
    series: str = "demonstration",
) -> EntryView:
    """The settle of one run, paid from the allowance."""
    cost = cost_nano_usd(lines)
    return EntryView(
        seq=seq,
        at_ms=at_ms,
        kind=EntryKind.SETTLE,
        amount_nano_usd=-cost,
        balance_after_nano_usd=balance_after_nano_usd,
        ref=f"run_{seq:04d}",
        reason="",
        hash=sha256(str(seq).encode()).hexdigest(),
        postings=(PostingView(1, "allowance", -cost), PostingView(-3, "spent", cost)),
        run_id=f"run_{seq:04d}",
        model=model,
        provider=model.partition("/")[0],
        price_version="2026-11-21",
        user_id=1,
        series=series,
        cost_nano_usd=cost,
        lines=lines,
    )


def _given(
    seq: int, kind: EntryKind, at_ms: int, balance_after_nano_usd: int, amount_nano_usd: int, account: str
) -> EntryView:
    return EntryView(
        seq=seq,
        at_ms=at_ms,
        kind=kind,
        amount_nano_usd=amount_nano_usd,
        balance_after_nano_usd=balance_after_nano_usd,
        ref=account,
        reason="A gift for the demonstration" if kind == EntryKind.GRANT else "",
        hash=sha256(str(seq).encode()).hexdigest(),
        postings=(PostingView(seq, account, amount_nano_usd), PostingView(-1, "issued", -amount_nano_usd)),
    )


def requests(now_ms: int, chance: random.Random) -> tuple[RequestRow, ...]:
    """An hour of requests: one model much used, one little, one that fails now and then."""
    rows = []
    for model, series, each in (
        ("embedded/smollm2-135m", "demonstration", 45),
        ("openai/gpt-4.1", "paid", 24),
        ("anthropic/claude-haiku-5.5", "paid", 4),
        ("simulated/steady", "simulated", 12),
    ):
        rows += [
            request(model, series, now_ms - chance.randrange(55 * MINUTE_MS), chance) for _ in range(each)
        ]
    return tuple(rows)


def request(model: str, series: str, ended_at_ms: int, chance: random.Random) -> RequestRow:
    """One streamed answer of plausible speed; one in twenty is cut by its provider."""
    outcome: Outcome = "provider_fault" if chance.random() < 0.05 else "ok"
    first_ms = chance.lognormvariate(5.2 if series == "demonstration" else 6.2, 0.3)
    return _row(
        model, series, ended_at_ms, first_ms, chance.randrange(80, 400), outcome, chance.uniform(1, 4)
    )


def answered(model: str, *, first_ms: float) -> RequestRow:
    """One answer that came just now."""
    return _row(model, "demonstration", time.time_ns() // 1_000_000, first_ms, 200, "ok", 2.0)


def failed(model: str, ended_at_ms: int) -> RequestRow:
    """One request that its provider refused."""
    return _row(model, "demonstration", ended_at_ms, 150.0, 0, "provider_fault", 2.0)


def _row(
    model: str,
    series: str,
    ended_at_ms: int,
    first_ms: float,
    tokens: int,
    outcome: Outcome,
    gateway_ms: float,
) -> RequestRow:
    number = next(_numbers)
    total_ms = first_ms + tokens * 8
    kind: Series = "paid" if series == "paid" else "simulated" if series == "simulated" else "demonstration"
    attempt = AttemptRow(
        no=1,
        provider=model.partition("/")[0],
        provider_model=model,
        outcome=outcome,
        sent_ms=2.0,
        first_byte_ms=first_ms,
        first_answer_ms=2 + first_ms,
        last_ms=total_ms - 1,
    )
    return RequestRow(
        request_id=f"req_{number:08d}",
        run_id=f"run_{number:08d}",
        accepted_at_ms=ended_at_ms - round(total_ms),
        team_id=1,
        user_id=1,
        key_id=None,
        surface="page",
        model_asked=model,
        model=model,
        provider=attempt.provider,
        series=kind,
        outcome=outcome,
        status=200,
        streamed=True,
        input_tokens=36,
        output_tokens=tokens,
        cost_nano_usd=89_200,
        total_ms=total_ms,
        gateway_ms=gateway_ms,
        attempts=(attempt,),
    )
