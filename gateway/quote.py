"""What a request would cost and hold, before it is sent. Nothing is held, and nothing is logged.

A quote goes the way of a completion (`Gateway.prepare`: fit, bound; then the ledger's own rule for how
much a hold may be) and is refused for the same reasons. How long an answer gets is not known, so it
says three costs: with the output lengths of this team's own answers from that model (10th, 50th and
90th percentile of the newest 200), or, where there are fewer than 20, with rough shares of the model's
default limit, and then it says that.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Hashable, Sequence
from dataclasses import dataclass
from typing import Final, Generic, Literal, TypeVar

from billing.usage import Pace, Usage as UsageOfTeams, WouldHold
from gateway.catalog import Model
from gateway.completion import Gateway, Prepared
from gateway.messages import CompletionRequest, Usage
from gateway.preview import Preview
from gateway.pricing import DEFAULT_OUT_CAP, DEFAULT_OUT_CAP_REASONING, cost_of
from gateway.tokens import estimate_input_tokens
from identity.principal import Principal

LEAST_SAMPLE: Final = 20
PERCENTILES: Final = (10, 50, 90)
DEFAULT_SHARES: Final = (64, 16, 4)  # of the default limit on output: a 64th, a 16th, a quarter
_LENGTHS_KEPT_S: Final = 5.0
_PACE_KEPT_S: Final = 30.0
_MOST_KEPT: Final = 2_000

K = TypeVar("K", bound=Hashable)
V = TypeVar("V")


@dataclass(frozen=True, slots=True)
class Three:
    """Low, likely, high: tokens, or nano-dollars."""

    low: int
    likely: int
    high: int


@dataclass(frozen=True, slots=True)
class Quote:
    """`basis` says where the lengths come from: the team's own `n` answers, or defaults where `n` is
    below `LEAST_SAMPLE`. `hold_nano_usd` is what would be set aside, `out_cap` the output that it pays
    for; `is_clamped` where credit or a cap leaves less than was asked. Available credit counts what a
    request would be given first. `lasts_ms` is for how long the rest after a likely answer lasts at the
    team's pace, with no new credit; None where nothing was spent lately. `preview` says who would be
    asked, in order: all but the hold, which is for the dearest, is of the first.
    """

    model: Model
    provider: str
    price_version: str
    input_tokens: int
    input_bound: int
    output_tokens: Three
    out_cap: int
    cost_nano_usd: Three
    basis: Literal["team", "default"]
    n: int
    hold_nano_usd: int
    is_clamped: bool
    available_nano_usd: int
    pace: Pace
    notes: tuple[str, ...]
    preview: Preview

    @property
    def available_while_held_nano_usd(self) -> int:
        return self.available_nano_usd - self.hold_nano_usd

    @property
    def available_after_nano_usd(self) -> Three:
        """What is left after an answer that costs low, likely, high; never below 0."""
        left = (self.available_nano_usd - cost for cost in _values(self.cost_nano_usd))
        return Three(*(max(amount, 0) for amount in left))

    @property
    def lasts_ms(self) -> int | None:
        return self.pace.lasts_ms(self.available_after_nano_usd.likely)


def quoted(
    ready: Prepared,
    input_tokens: int,
    sample: Sequence[int],
    would_hold: WouldHold,
    pace: Pace,
    preview: Preview,
) -> Quote:
    """The quote for a prepared request; pure. `input_tokens` is our best count, `sample` output lengths."""
    option = ready.options.within(would_hold.amount_nano_usd).first
    most = option.most
    out_cap = most.within(would_hold.amount_nano_usd)
    enough = len(sample) >= LEAST_SAMPLE
    lengths = _of_sample(sample) if enough else _of_model(option.model)
    output = Three(*(min(tokens, out_cap) for tokens in _values(lengths)))
    expected = min(input_tokens, most.input_bound)
    cost = Three(
        cost_of(Usage(expected, output.low), most.price),
        cost_of(Usage(expected, output.likely), most.price),
        cost_of(Usage(most.input_bound, output.high), most.price),
    )
    return Quote(
        model=option.model,
        provider=option.provider.id,
        price_version=most.price.version,
        input_tokens=expected,
        input_bound=most.input_bound,
        output_tokens=output,
        out_cap=out_cap,
        cost_nano_usd=cost,
        basis="team" if enough else "default",
        n=len(sample),
        hold_nano_usd=would_hold.amount_nano_usd,
        is_clamped=would_hold.amount_nano_usd < ready.options.amount_nano_usd,
        available_nano_usd=would_hold.available_nano_usd,
        pace=pace,
        notes=option.notes,
        preview=preview,
    )


class Quotes:
    """Cheap enough to ask before each Send: lengths are at most 5 s old, the pace 30 s."""

    def __init__(self, gateway: Gateway, usage: UsageOfTeams) -> None:
        self._gateway = gateway
        self._usage = usage
        self._lengths: _Kept[tuple[int, str], tuple[int, ...]] = _Kept(_LENGTHS_KEPT_S)
        self._paces: _Kept[int, Pace] = _Kept(_PACE_KEPT_S)

    async def quote(self, principal: Principal, request: CompletionRequest) -> Quote:
        """On the gateway's loop. Raises what `Gateway.admit` would, but for idempotency."""
        now_ms = time.time_ns() // 1_000_000
        ready = await self._gateway.prepare(principal, request, now_ms)
        preview = await self._gateway.preview_of(ready.options)
        return await asyncio.to_thread(self._read, principal.team_id, ready, preview, now_ms)

    def _read(self, team_id: int, ready: Prepared, preview: Preview, now_ms: int) -> Quote:
        options = ready.options
        would_hold = self._usage.would_hold(
            team_id, options.amount_nano_usd, options.least_nano_usd, ready.scopes, now_ms
        )
        option = options.within(would_hold.amount_nano_usd).first
        model = option.model
        sample = self._lengths.get((team_id, model.id), lambda: self._usage.output_lengths(team_id, model.id))
        pace = self._paces.get(team_id, lambda: self._usage.pace(team_id, now_ms))
        tokens = estimate_input_tokens(option.request, model)
        return quoted(ready, tokens, sample, would_hold, pace, preview)


class _Kept(Generic[K, V]):
    """What was read a moment ago. Two threads that ask at once may both read."""

    def __init__(self, for_s: float) -> None:
        self._for_s = for_s
        self._found: dict[K, tuple[float, V]] = {}

    def get(self, key: K, read: Callable[[], V]) -> V:
        now_s = time.monotonic()
        found = self._found.get(key)
        if found is not None and now_s - found[0] < self._for_s:
            return found[1]
        value = read()
        if len(self._found) >= _MOST_KEPT:
            self._found.clear()
        self._found[key] = (now_s, value)
        return value


def _of_sample(sample: Sequence[int]) -> Three:
    """Nearest-rank percentiles: each is a length that occurred."""
    ordered = sorted(sample)
    return Three(*(ordered[-(-len(ordered) * percent // 100) - 1] for percent in PERCENTILES))


def _of_model(model: Model) -> Three:
    default = DEFAULT_OUT_CAP_REASONING if model.reasons else DEFAULT_OUT_CAP
    limit = min(default, model.max_output_tokens)
    return Three(*(max(limit // share, 1) for share in DEFAULT_SHARES))


def _values(three: Three) -> tuple[int, int, int]:
    return three.low, three.likely, three.high
