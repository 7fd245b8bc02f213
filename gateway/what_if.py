"""What settled runs would have cost elsewhere: re-rated on another model, provider or price list; pure.

The tokens are those that the original model was billed for: another model would have counted and
answered differently, which no ledger can know. A token that the other list has no rate of its own for
(a cached read, a cache write) is rated as fresh input, and counted. What the other list cannot rate at
all (tool calls without a fee, images, a fee a request), and what the other model could not have taken
(a longer prompt than its context, a longer answer than its limit), is left out of both sums, with the
reason: the two sums always compare the same runs.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from typing import Literal

from billing.commands import Line
from billing.usage import SettledRun
from gateway.catalog import Catalog, Model
from gateway.catalog_values import Price, Rates
from gateway.errors import BadRequest, GatewayError
from gateway.messages import Usage
from gateway.pricing import cost_of, price_at, prompt_tokens

LeftOut = Literal[
    "no_such_route", "prompt_too_long", "answer_too_long", "tool_calls_not_priced", "bucket_not_priced"
]
TOKENS = ("input", "cached_input", "cache_write", "output")


@dataclass(frozen=True, slots=True)
class Target:
    """What a run is re-rated on. `model` is None where only rates are known: then everything fits."""

    price: Price
    model: Model | None = None


TargetOf = Callable[[SettledRun], Target | None]


@dataclass(slots=True)
class Compared:
    """The compared runs of one model: what they cost, and what they would have."""

    model: str
    series: str
    runs: int = 0
    was_nano_usd: int = 0
    would_nano_usd: int = 0

    @property
    def difference_nano_usd(self) -> int:
        return self.would_nano_usd - self.was_nano_usd


@dataclass(slots=True)
class WhatIf:
    """`as_fresh_tokens` were cached or written to a cache, and are rated as fresh input for want of a
    rate. `estimated` of the runs were billed by our own count. `left_out` counts runs by reason, and
    `left_out_nano_usd` is what they cost."""

    compared: list[Compared] = field(default_factory=list)
    left_out: Counter[LeftOut] = field(default_factory=Counter)
    left_out_nano_usd: int = 0
    as_fresh_tokens: int = 0
    estimated: int = 0

    @property
    def runs(self) -> int:
        return sum(row.runs for row in self.compared)

    @property
    def was_nano_usd(self) -> int:
        return sum(row.was_nano_usd for row in self.compared)

    @property
    def would_nano_usd(self) -> int:
        return sum(row.would_nano_usd for row in self.compared)


def re_rate(runs: Iterable[SettledRun], target_of: TargetOf) -> WhatIf:
    """Compare runs one by one; the dearest present model comes first."""
    result = WhatIf()
    rows: dict[tuple[str, str], Compared] = {}
    for run in runs:
        target = target_of(run)
        reason: LeftOut | None = "no_such_route" if target is None else _why_not(run.lines, target)
        if target is None or reason is not None:
            result.left_out[reason or "no_such_route"] += 1
            result.left_out_nano_usd += run.cost_nano_usd
            continue
        usage = usage_of(run.lines)
        row = rows.setdefault((run.model, run.series), Compared(run.model, run.series))
        row.runs += 1
        row.was_nano_usd += run.cost_nano_usd
        row.would_nano_usd += cost_of(usage, target.price)
        result.estimated += run.estimated
        result.as_fresh_tokens += _as_fresh(usage, target.price)
    result.compared = sorted(rows.values(), key=lambda row: (-row.was_nano_usd, row.model, row.series))
    return result


def usage_of(lines: Sequence[Line]) -> Usage:
    """A bill's quantities, as a provider would have reported them."""
    counted: Counter[str] = Counter()
    for line in lines:
        counted[line.bucket] += line.quantity
    return Usage(
        input=counted["input"],
        output=counted["output"],
        cached_input=counted["cached_input"],
        cache_write=counted["cache_write"],
        tool_calls=counted["tool_call"],
    )


def _why_not(lines: Sequence[Line], target: Target) -> LeftOut | None:
    if any(line.quantity and line.bucket not in (*TOKENS, "tool_call") for line in lines):
        return "bucket_not_priced"
    usage = usage_of(lines)
    if usage.tool_calls and not target.price.tool_fees:
        return "tool_calls_not_priced"
    model = target.model
    if model is None:
        return None
    if prompt_tokens(usage) > model.context_tokens:
        return "prompt_too_long"
    if usage.output > model.max_output_tokens:
        return "answer_too_long"
    return None


def _as_fresh(usage: Usage, price: Price) -> int:
    rates = price.rates_at(prompt_tokens(usage))
    cached = usage.cached_input if rates.cached_input is None else 0
    return cached + (usage.cache_write if rates.cache_write is None else 0)


# --- what to re-rate on -----------------------------------------------------------------------


def on_model(
    catalog: Catalog, name: str, now_ms: int, *, provider: str | None = None, version: str | None = None
) -> TargetOf:
    """Every run on one model, at its price today or at the version of that name; a retired one too.

    Raises `UnknownModel`, `ModelUnavailable` (no price) and `BadRequest` (no such route or version).
    """
    model = _named(catalog, name)
    if provider is not None and all(route.provider != provider for route in model.providers):
        raise BadRequest(f"{model.id} is not served by {provider!r}.", "provider")
    price = _price(model, now_ms, provider, version)
    return lambda run: Target(price, model)


def on_provider(catalog: Catalog, provider: str, now_ms: int) -> TargetOf:
    """Every run on its own model, at another provider; None where that one does not serve it.

    Raises `BadRequest` where no model is served there.
    """
    known: dict[str, Target | None] = {}
    if all(route.provider != provider for model in catalog.models() for route in model.providers):
        raise BadRequest(f"No model is served by {provider!r}.", "provider")

    def target_of(run: SettledRun) -> Target | None:
        if run.model not in known:
            known[run.model] = _at_provider(catalog, run.model, provider, now_ms)
        return known[run.model]

    return target_of


def on_rates(rates: Rates) -> TargetOf:
    """Every run on a price list of one's own."""
    target = Target(Price(version="what-if", valid_from_ms=0, base=rates))
    return lambda run: target


def _at_provider(catalog: Catalog, model_id: str, provider: str, now_ms: int) -> Target | None:
    try:
        model = catalog.get(model_id)
        if all(route.provider != provider for route in model.providers):
            return None
        return Target(price_at(model, now_ms, provider), model)
    except GatewayError:  # gone from the catalog since, or without a price there
        return None


def _named(catalog: Catalog, name: str) -> Model:
    """By id, retired or not, or by whatever else leads to it."""
    known = next((model for model in catalog.models() if model.id == name), None)
    return known or catalog.resolve(name).model


def _price(model: Model, now_ms: int, provider: str | None, version: str | None) -> Price:
    if version is None:
        return price_at(model, now_ms, provider)
    lists = [route.prices for route in model.providers if provider in (None, route.provider)]
    found = [price for prices in (*lists, model.prices) for price in prices if price.version == version]
    if not found:
        raise BadRequest(f"{model.id} has no price list {version!r}.", "version")
    return found[0]


__all__ = [
    "Compared",
    "Target",
    "WhatIf",
    "on_model",
    "on_provider",
    "on_rates",
    "re_rate",
    "usage_of",
]
