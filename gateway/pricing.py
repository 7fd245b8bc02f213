"""What a request may cost and what it did cost: from tokens and a price to lines and a hold.

Pure. Prices are pico-dollars a token and integers; a bill is rounded once, in `billing.money`. A hold
is the most that a request can cost while the provider keeps to `out_cap`, which always goes upstream:
the whole input at its dearest bucket, the whole output, at the dearest context tier within reach.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence

import msgspec
from msgspec.structs import replace

from billing.commands import Line
from billing.money import PICO_USD_PER_NANO_USD, cost_nano_usd
from gateway.catalog_values import Model, Price, Rates
from gateway.errors import ModelUnavailable, TooLarge
from gateway.messages import Usage

DEFAULT_OUT_CAP = 4_096
DEFAULT_OUT_CAP_REASONING = 16_384
LEAST_OUT_CAP = 256
LEAST_OUT_CAP_REASONING = 2_048
TOOL_RESULT_TOKENS = 8_192  # of input that one call of a provider's own tool may add to the prompt
NO_LIMIT = 1 << 31  # output tokens that a sum affords where output costs nothing


class Bound(msgspec.Struct, frozen=True):
    """The most a request can take of one model: tokens, and the money to reserve for them.

    `amount_nano_usd` pays for `out_cap` tokens of output, `least_nano_usd` for the `least_out_cap`
    below which an answer is not worth starting; both for `tool_calls` of the tools that the provider
    runs, at `fee_pico_usd` each.
    """

    price: Price
    input_bound: int
    out_cap: int
    least_out_cap: int
    amount_nano_usd: int
    least_nano_usd: int
    tool_calls: int = 0
    fee_pico_usd: int = 0

    def within(self, amount_nano_usd: int) -> int:
        """The limit on output tokens that a hold of this amount pays for."""
        affords = out_cap_within(
            amount_nano_usd, self.price, self.input_bound, self.tool_calls, self.fee_pico_usd
        )
        return min(self.out_cap, affords)


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
    """The bill for what was used: a line a bucket, none for an empty one. Reasoning is within the output;
    calls of tools have a line a kind, and those of no known kind cost as the dearest."""
    rates = price.rates_at(prompt_tokens(usage))
    lines = (
        Line("input", usage.input, rates.input),
        Line("cached_input", usage.cached_input, _or(rates.cached_input, rates.input)),
        Line("cache_write", usage.cache_write, _or(rates.cache_write, rates.input)),
        Line("output", usage.output, rates.output),
        *(_tool_lines(usage, price) if usage.tool_calls else ()),
    )
    return tuple(line for line in lines if line.quantity)


def _tool_lines(usage: Usage, price: Price) -> tuple[Line, ...]:
    fees, dearest = price.tool_fees or {}, price.dearest_tool_fee
    left = usage.tool_calls
    lines: list[Line] = []
    for kind, count in usage.tool_kinds:
        count = min(count, left)
        left -= count
        lines.append(Line("tool_call", count, fees.get(kind, dearest)))
    return (*lines, Line("tool_call", left, dearest))


def cost_of(usage: Usage, price: Price) -> int:
    """Nano-dollars for what was used."""
    return cost_nano_usd(lines_for(usage, price))


def prompt_tokens(usage: Usage) -> int:
    return usage.input + usage.cached_input + usage.cache_write


def bound_lines(
    price: Price, input_bound: int, out_cap: int, tool_calls: int = 0, fee_pico_usd: int | None = None
) -> tuple[Line, ...]:
    """The dearest bill within these limits: what a hold is made of. A call costs the dearest fee of the
    price list, where none is given."""
    dearest = _dearest(price, input_bound)
    lines = (
        Line("input", input_bound, dearest.input),
        Line("output", out_cap, dearest.output),
        Line("tool_call", tool_calls, price.dearest_tool_fee if fee_pico_usd is None else fee_pico_usd),
    )
    return tuple(line for line in lines if line.quantity)


def hold_nano_usd(
    price: Price, input_bound: int, out_cap: int, tool_calls: int = 0, fee_pico_usd: int | None = None
) -> int:
    """What `bound_lines` come to, rounded up once."""
    dearest = _dearest(price, input_bound)
    fee = price.dearest_tool_fee if fee_pico_usd is None else fee_pico_usd
    pico_usd = input_bound * dearest.input + out_cap * dearest.output + tool_calls * fee
    return -(-pico_usd // PICO_USD_PER_NANO_USD)


def out_cap_within(
    amount_nano_usd: int,
    price: Price,
    input_bound: int,
    tool_calls: int = 0,
    fee_pico_usd: int | None = None,
) -> int:
    """The most output tokens that an amount pays for after the input; 0 where it does not cover the input."""
    dearest = _dearest(price, input_bound)
    left = amount_nano_usd * PICO_USD_PER_NANO_USD
    fee = price.dearest_tool_fee if fee_pico_usd is None else fee_pico_usd
    left -= input_bound * dearest.input + tool_calls * fee
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
    model: Model,
    now_ms: int,
    input_bound: int,
    asked: int | None = None,
    provider: str | None = None,
    *,
    tool_calls: int = 0,
    fee_of: Callable[[Price], int] = lambda price: price.dearest_tool_fee,
) -> Bound:
    """Everything to reserve with. Raises `ModelUnavailable` (no price), `TooLarge` and what `fee_of`, which
    says what one of `tool_calls` costs at most, raises."""
    price = price_at(model, now_ms, provider)
    fee = fee_of(price) if tool_calls else 0
    cap = out_cap(model, input_bound, asked, provider)
    least = least_out_cap(model, cap)
    if tool_calls:
        input_bound = min(input_bound + tool_calls * TOOL_RESULT_TOKENS, model.context_tokens - cap)
    return Bound(
        price=price,
        input_bound=input_bound,
        out_cap=cap,
        least_out_cap=least,
        amount_nano_usd=hold_nano_usd(price, input_bound, cap, tool_calls, fee),
        least_nano_usd=hold_nano_usd(price, input_bound, least, tool_calls, fee),
        tool_calls=tool_calls,
        fee_pico_usd=fee,
    )


def sane_usage(
    usage: Usage,
    input_bound: int,
    out_cap: int,
    context: int,
    instead: Usage | None = None,
    tool_calls: int | None = None,
) -> tuple[Usage, bool]:
    """What a provider reported, and whether it was impossible.

    Impossible is a negative count, more cached than there was prompt (a negative rest, in disjoint
    buckets), more output than `out_cap`, more prompt than `context`, more calls of tools than
    `tool_calls`. Then what is negative is taken from `instead` (our own count, where there is one), all
    is bounded by what the hold was reckoned with, and the result is marked estimated. A prompt above our
    bound but within the context is possible, and is billed as it was reported.
    """
    counts = (usage.input, usage.cached_input, usage.cache_write, usage.output, usage.tool_calls)
    negative = min(*counts, usage.reasoning) < 0
    most_calls = usage.tool_calls if tool_calls is None else tool_calls
    within = usage.output <= out_cap and prompt_tokens(usage) <= context and usage.tool_calls <= most_calls
    if within and not negative:
        if usage.reasoning > usage.output:
            usage = replace(usage, reasoning=usage.output)
        return usage, False
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
        tool_calls=max(0, min(usage.tool_calls, tool_calls or 0)),
        estimated=True,
        tool_kinds=usage.tool_kinds,
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
    if not price.tiers:
        return price.base if price.base.input == price.base.dearest_input else _dearest_of((price.base,))
    reached = [price.base, *(tier.rates for tier in price.tiers if input_bound > tier.above_input_tokens)]
    return _dearest_of(reached)


def _dearest_of(reached: Sequence[Rates]) -> Rates:
    return Rates(
        input=max(rates.dearest_input for rates in reached), output=max(rates.output for rates in reached)
    )


def _or(rate: int | None, otherwise: int) -> int:
    return otherwise if rate is None else rate
