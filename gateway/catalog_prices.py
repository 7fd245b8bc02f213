"""Prices from TOML tables: dated versions in pico-dollars, and an operator's fields over them.

A version is named by the day it starts and a digest of its figures, so that no hold or bill can mean
two prices by one name. Rates outside a band are refused: the unit was mistaken.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from typing import Any

from gateway.catalog_fields import Fields, first_instant_ms
from gateway.catalog_values import ContextTier, Fact, Price, Rates

OPERATOR = "tiltyard.toml"
TOOLS_FROM, TOOLS_TO = "0.01", "1000"  # dollars a thousand calls
RATES_FROM, RATES_TO = "0.0001", "10000"  # dollars a million tokens: outside, the unit was mistaken

_RATES = ("input_usd_per_million", "cached_input_usd_per_million", "cache_write_usd_per_million",
          "output_usd_per_million")  # fmt: skip
PRICE_FIELDS = (*_RATES, "tiers", "tool_fees_usd_per_thousand_calls", "valid_from")


def fact_of(fields: Fields) -> Fact | None:
    source, as_of, via = fields.text("source"), fields.day("as_of"), fields.text("via")
    if source is None:
        return None
    if source != OPERATOR and as_of is None:
        fields.wrong("as_of", "is missing: say on which day the source was read")
    return Fact(source, as_of, via)


def prices_of(fields: Fields, context: int | None) -> tuple[Price, ...]:
    """Dated versions, oldest first, from `prices` or from the flat fields of one version, which is how
    an operator writes it."""
    flat = {key: fields.raw(key) for key in PRICE_FIELDS if fields.has(key)}
    if flat and fields.has("prices"):
        fields.wrong("prices", "give either prices or the single fields, not both")
    elif flat:
        price = _price(Fields({**flat, "source": OPERATOR}, fields.where, fields.problems), context)
        return () if price is None else (price,)
    read = [_price(each, context) for each in fields.tables("prices")]
    prices = sorted((price for price in read if price is not None), key=lambda price: price.valid_from_ms)
    if len({price.valid_from_ms for price in prices}) != len(prices):
        fields.wrong("prices", "two versions start on the same day")
    return tuple(prices)


def _price(fields: Fields, context: int | None) -> Price | None:
    valid_from = fields.day("valid_from")
    base = _rates(fields)
    tiers = tuple(_tier(each) for each in fields.tables("tiers"))
    starts = [tier.above_input_tokens for tier in tiers]
    if starts != sorted(set(starts)) or (context is not None and starts and starts[-1] >= context):
        fields.wrong("tiers", "must rise, and stay within the context")
    fees = fields.table("tool_fees_usd_per_thousand_calls")
    tool_fees = {tool: fees.pico_usd(tool, 1000, TOOLS_FROM, TOOLS_TO) or 0 for tool in fees.keys}
    fact = fact_of(fields)
    fields.finish()
    if base is None:
        return None
    return Price(
        version=_version(valid_from, base, tiers, tool_fees),
        valid_from_ms=0 if valid_from is None else first_instant_ms(valid_from),
        base=base,
        tiers=tiers,
        tool_fees=tool_fees,
        fact=fact,
    )


def _tier(fields: Fields) -> ContextTier:
    above = fields.need_whole("above_input_tokens", 1)
    rates = _rates(fields) or Rates(0, 0)
    fields.finish()
    return ContextTier(above, rates)


def _rates(fields: Fields) -> Rates | None:
    fresh, cached, written, output = (
        fields.pico_usd(name, 1_000_000, RATES_FROM, RATES_TO) for name in _RATES
    )
    for name in ("input_usd_per_million", "output_usd_per_million"):
        if not fields.has(name):
            fields.wrong(name, "is missing")
    if fresh is None or output is None:
        return None
    if cached is not None and cached > fresh:
        fields.wrong("cached_input_usd_per_million", "is more than fresh input costs")
    if written is not None and written > 4 * fresh:
        fields.wrong("cache_write_usd_per_million", "is more than four times fresh input")
    return Rates(input=fresh, output=output, cached_input=cached, cache_write=written)


def _version(
    valid_from: str | None, base: Rates, tiers: Sequence[ContextTier], tool_fees: Mapping[str, int]
) -> str:
    """A name that changes with any figure: the day it starts and a digest of all that it charges."""
    said = {
        "base": _listed(base),
        "tiers": [[tier.above_input_tokens, _listed(tier.rates)] for tier in tiers],
        "tool_fees": dict(sorted(tool_fees.items())),
    }
    digest = hashlib.sha256(json.dumps(said, sort_keys=True, separators=(",", ":")).encode()).hexdigest()
    return f"{valid_from or 'always'}-{digest[:8]}"


def _listed(rates: Rates) -> list[int | None]:
    return [rates.input, rates.cached_input, rates.cache_write, rates.output]


def overlaid_prices(versions: Sequence[Any], flat: Mapping[str, Any]) -> Sequence[Any]:
    """Price versions with an operator's fields over them.

    Without `valid_from` the fields go over every version; with it, they make a version that starts
    that day, and what they leave open is as in the version before.
    """
    tables = [dict(version) for version in versions if isinstance(version, Mapping)]
    if "valid_from" not in flat:
        everywhere: Sequence[Any] = marked_as_operators([{**version, **flat} for version in tables] or [flat])
        return everywhere
    starts = str(flat["valid_from"])
    before = [version for version in tables if _starts(version) < starts]
    after = [version for version in tables if _starts(version) > starts]
    below = max(before, key=_starts) if before else {}
    return [*before, *marked_as_operators([{**below, **flat}]), *after]


def marked_as_operators(versions: Any) -> Any:
    """The same versions, with the operator's file for their source; anything else is reading's to refuse."""
    if not isinstance(versions, list | tuple):
        return versions
    said = ("source", "as_of", "via")
    return [
        {**{key: value for key, value in version.items() if key not in said}, "source": OPERATOR}
        if isinstance(version, Mapping)
        else version
        for version in versions
    ]


def _starts(version: Mapping[str, Any]) -> str:
    return str(version.get("valid_from", ""))
