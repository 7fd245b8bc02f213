"""What a request may cost and what it did cost: from tokens and a price to lines and a hold.

Pure. Prices are pico-dollars a token and integers; a bill is rounded once, in `billing.money`. A hold
is the most that a request can cost while the provider keeps to `out_cap`, which always goes upstream:
the whole input at its dearest bucket, the whole output, at the dearest context tier within reach.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass, replace

from billing.commands import Line
from billing.money import PICO_USD_PER_NANO_USD, cost_nano_usd
from gateway.catalog_values import Model, Price, Rates
from gateway.errors import ModelUnavailable, TooLarge
from gateway.messages import Usage

DEFAULT_OUT_CAP = 4_096
DEFAULT_OUT_CAP_REASONING = 16_384
LEAST_OUT_CAP = 256
LEAST_OUT_CAP_REASONING = 2_048
NO_LIMIT = 1 << 31  # output tokens that a sum affords where output costs nothing


@dataclass(frozen=True, slots=True)
class Bound:
    """The most a request can take of one model: tokens, and the money to reserve for them.

    `amount_nano_usd` pays for `out_cap` tokens of output, `least_nano_usd` for the `least_out_cap`
    below which an answer is not worth starting.
    """

    price: Price
    input_bound: int
    out_cap: int
    least_out_cap: int
    amount_nano_usd: int
    least_nano_usd: int

    def within(self, amount_nano_usd: int) -> int:
        """The limit on output tokens that a hold of this amount pays for."""
        return min(self.out_cap, out_cap_within(amount_nano_usd, self.price, self.input_bound))


def price_at(model: Model, now_ms: int, provider: str | None = None) -> Price:
    """The price list in force: a provider's own, else the model's; with no provider named, the model's,
    else that of its first provider. Raises `ModelUnavailable` where there is none."""
    routes = [route.prices for route in model.providers if provider in (None, route.provider)]
    lists = [model.prices, *routes] if provider is None else [*routes, model.prices]
    versions = next((prices for prices in lists if prices), ())
    started = [price for price in versions if price.valid_from_ms <= now_ms]
    if not started:
        raise ModelUnavailable(model.id, "it has no price today.")
    return started[-1]


def lines_for(usage: Usage, price: Price) -> tuple[Line, ...]:
    """The bill for what was used: a line a bucket, none for an empty one. Reasoning is within the output."""
    rates = price.rates_at(prompt_tokens(usage))
    lines = (
        Line("input", usage.input, rates.input),
        Line("cached_input", usage.cached_input, _or(rates.cached_input, rates.input)),
        Line("cache_write", usage.cache_write, _or(rates.cache_write, rates.input)),
        Line("output", usage.output, rates.output),
        Line("tool_call", usage.tool_calls, price.dearest_tool_fee),
    )
    return tuple(line for line in lines if line.quantity)


def cost_of(usage: Usage, price: Price) -> int:
    """Nano-dollars for what was used."""
    return cost_nano_usd(lines_for(usage, price))


def prompt_tokens(usage: Usage) -> int:
    return usage.input + usage.cached_input + usage.cache_write


def bound_lines(price: Price, input_bound: int, out_cap: int, tool_calls: int = 0) -> tuple[Line, ...]:
    """The dearest bill within these limits: what a hold is made of."""
    dearest = _dearest(price, input_bound)
    lines = (
        Line("input", input_bound, dearest.input),
        Line("output", out_cap, dearest.output),
        Line("tool_call", tool_calls, price.dearest_tool_fee),
    )
    return tuple(line for line in lines if line.quantity)


def hold_nano_usd(price: Price, input_bound: int, out_cap: int, tool_calls: int = 0) -> int:
    return cost_nano_usd(bound_lines(price, input_bound, out_cap, tool_calls))


def out_cap_within(amount_nano_usd: int, price: Price, input_bound: int, tool_calls: int = 0) -> int:
    """The most output tokens that an amount pays for after the input; 0 where it does not cover the input."""
    dearest = _dearest(price, input_bound)
    left = amount_nano_usd * PICO_USD_PER_NANO_USD
    left -= input_bound * dearest.input + tool_calls * price.dearest_tool_fee
    if left < 0:
        return 0
    return min(NO_LIMIT, left // dearest.output) if dearest.output else NO_LIMIT


def out_cap(model: Model, input_bound: int, asked: int | None = None, provider: str | None = None) -> int:
    """The limit on output tokens: what was asked or our default, within the model and what its context
    leaves. Raises `TooLarge` where the prompt leaves no room for an answer."""
    context, most = model.context_tokens, model.max_output_tokens
    for route in model.providers:
        if provider == route.provider:
            context = min(context, route.context_tokens or context)
            most = min(most, route.max_output_tokens or most)
    room = context - input_bound
    if room < 1:
        raise TooLarge(
            f"The prompt is too long: it may have {input_bound:,} tokens or more, and {model.name} takes "
            f"{context:,} together with its answer."
        )
    default = DEFAULT_OUT_CAP_REASONING if model.reasons else DEFAULT_OUT_CAP
    return max(1, min(default if asked is None else asked, most, room))


def least_out_cap(model: Model, cap: int) -> int:
    """Below this many output tokens a request is refused rather than cut short, unless it asked for less."""
    return min(cap, LEAST_OUT_CAP_REASONING if model.reasons else LEAST_OUT_CAP)


def bound(
    model: Model, now_ms: int, input_bound: int, asked: int | None = None, provider: str | None = None
) -> Bound:
    """Everything to reserve with. Raises `ModelUnavailable` (no price) and `TooLarge`."""
    price = price_at(model, now_ms, provider)
    cap = out_cap(model, input_bound, asked, provider)
    least = least_out_cap(model, cap)
    return Bound(
        price=price,
        input_bound=input_bound,
        out_cap=cap,
        least_out_cap=least,
        amount_nano_usd=hold_nano_usd(price, input_bound, cap),
        least_nano_usd=hold_nano_usd(price, input_bound, least),
    )


def sane_usage(
    usage: Usage,
    input_bound: int,
    out_cap: int,
    context: int,
    instead: Usage | None = None,
    tool_calls: int = 0,
) -> tuple[Usage, bool]:
    """What a provider reported, and whether it was impossible.

    Impossible is a negative count, more cached than there was prompt (a negative rest, in disjoint
    buckets), more output than `out_cap`, more prompt than `context`. Then what is negative is taken
    from `instead` (our own count, where there is one), all is bounded by what the hold was reckoned
    with, and the result is marked estimated. A prompt above our bound but within the context is
    possible, and is billed as it was reported.
    """
    counts = (usage.input, usage.cached_input, usage.cache_write, usage.output, usage.tool_calls)
    negative = min(*counts, usage.reasoning) < 0
    if not negative and usage.output <= out_cap and prompt_tokens(usage) <= context:
        return replace(usage, reasoning=min(usage.reasoning, usage.output)), False
    own = instead or Usage(input=0, output=0)
    if min(usage.input, usage.cached_input, usage.cache_write) < 0:
        usage = replace(usage, input=own.input, cached_input=0, cache_write=0)
    room = min(input_bound, context)
    written = min(usage.cache_write, room)
    fresh = min(usage.input, room - written)
    output = min(usage.output if usage.output >= 0 else own.output, out_cap)
    return Usage(
        input=fresh,
        cached_input=min(usage.cached_input, room - written - fresh),
        cache_write=written,
        output=output,
        reasoning=max(0, min(usage.reasoning, output)),
        tool_calls=max(0, min(usage.tool_calls, tool_calls)),
        estimated=True,
    ), True


def cheapest_that_fits(
    models: Iterable[Model], available_nano_usd: int, now_ms: int, input_bound: Callable[[Model], int]
) -> tuple[Model, int] | None:
    """The cheapest model for which this much is enough, and the least it would hold.

    `models` are those that can answer here; simulated ones never count. `None` where none fits.
    """
    fitting: list[tuple[int, str, Model]] = []
    for model in models:
        if model.series == "simulated":
            continue
        try:
            least = bound(model, now_ms, input_bound(model)).least_nano_usd
        except (ModelUnavailable, TooLarge):
            continue
        if least <= available_nano_usd:
            fitting.append((least, model.id, model))
    if not fitting:
        return None
    least, _, model = min(fitting, key=lambda each: each[:2])
    return model, least


def _dearest(price: Price, input_bound: int) -> Rates:
    """The dearest rate for input and for output among the tiers that this many tokens can reach."""
    reached = [price.base, *(tier.rates for tier in price.tiers if input_bound > tier.above_input_tokens)]
    return Rates(
        input=max(rates.dearest_input for rates in reached), output=max(rates.output for rates in reached)
    )


def _or(rate: int | None, otherwise: int) -> int:
    return otherwise if rate is None else rate
