"""What a caller asks of routing: which providers and models may answer, in which order, how dear, how late.

Values only. `api/wire/routing.py` reads them from a request's body, `gateway/routing.py` obeys them.
The default is what a request that says nothing gets: the catalog's order, every provider that is
configured here, and the next one where one fails before its first token.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

Sort = Literal["price", "first_token", "throughput"]
StandIn = Literal["operator", "successor", "never"]


@dataclass(frozen=True, slots=True)
class MaxPrice:
    """Pico-dollars a token (1 USD per million tokens is 1,000,000); None is no limit."""

    input_pico_usd: int | None = None
    output_pico_usd: int | None = None


@dataclass(frozen=True, slots=True)
class CallerDeadlines:
    """Seconds; None leaves it to the operator, whose own limits are never exceeded.

    `first_token_s` and `idle_s` hold for each attempt, `total_s` for all of them together.
    """

    first_token_s: float | None = None
    idle_s: float | None = None
    total_s: float | None = None


@dataclass(frozen=True, slots=True)
class RoutingPreferences:
    """Providers are named by their id, models by any name that the catalog resolves.

    `order` puts those providers first; without `allow_fallbacks` the first candidate that is left is
    the only one. `only` and `ignore` drop providers, as do `max_price`, `require_parameters` (those
    that lack a parameter which was asked for, instead of leaving it out with a note),
    `zero_data_retention` and `no_training` (those that do not say "yes" in the catalog: unknown is
    dropped too). `models` are asked, in order, where no provider of the model asked for answers.
    `stand_in` says who may answer for a retired model: whom the operator names, also the successor
    that the catalog names, or nobody.
    """

    order: tuple[str, ...] = ()
    only: tuple[str, ...] = ()
    ignore: tuple[str, ...] = ()
    sort: Sort | None = None
    max_price: MaxPrice | None = None
    require_parameters: bool = False
    zero_data_retention: bool = False
    no_training: bool = False
    allow_fallbacks: bool = True
    models: tuple[str, ...] = ()
    stand_in: StandIn = "operator"
    deadlines: CallerDeadlines = CallerDeadlines()


NO_PREFERENCES = RoutingPreferences()
