"""What a request becomes for each candidate that could answer it: fitted, bounded, priced.

An option is ready to be sent. A candidate for which a request does not fit (no price today, a prompt
too long, a tool it does not call) falls out with its reason, as long as another one is left; where
none is, the first candidate's error is the answer. One hold covers every option: it is made for the
dearest, and no more is taken from one than it affords.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterable
from dataclasses import replace

import msgspec
from msgspec import structs

from billing.commands import Facts
from gateway.catalog_values import Model, Price, Wire
from gateway.errors import BadRequest, GatewayError, ModelUnavailable, TooLarge
from gateway.fitting import fit
from gateway.messages import CompletionRequest
from gateway.parameters import leave_out
from gateway.pricing import Bound, bound
from gateway.provider_keys import unpaid
from gateway.providers.base import Provider
from gateway.routing import Candidate, Dropped, Plan
from gateway.tokens import bound_input
from gateway.tool_fees import dearest_fee, hosted_tools, most_calls
from telemetry.rows import Series


class Option(msgspec.Struct, frozen=True):
    """`request` is what is sent there; `notes` say what was left out of it, and for whom the model stands
    in."""

    candidate: Candidate
    request: CompletionRequest
    most: Bound
    notes: tuple[str, ...] = ()
    listed: Price | None = None  # over a team's own key: what it would have cost

    @property
    def series(self) -> Series:
        return self.model.series if self.candidate.own_key_of is None else "byok"

    @property
    def model(self) -> Model:
        return self.candidate.model

    @property
    def provider(self) -> Provider:
        return self.candidate.provider


class Options(msgspec.Struct, frozen=True):
    """Never empty, in the order to ask them. `amount_nano_usd` pays for the dearest; below
    `least_nano_usd` not even the cheapest gives an answer worth starting."""

    options: tuple[Option, ...]
    dropped: tuple[Dropped, ...]

    @property
    def first(self) -> Option:
        return self.options[0]

    @property
    def amount_nano_usd(self) -> int:
        return max(option.most.amount_nano_usd for option in self.options)

    @property
    def least_nano_usd(self) -> int:
        """Of those that cost anything: only where all are free may a hold be of nothing."""
        paid = [option.most.least_nano_usd for option in self.options if option.most.amount_nano_usd]
        return min(paid, default=0)

    def only_free(self) -> Options | None:
        """Those that cost nothing, for a team whose credit is spent; None where that leaves nobody, or
        everybody."""
        free = tuple(option for option in self.options if not option.most.amount_nano_usd)
        if not free or len(free) == len(self.options):
            return None
        paid = (option for option in self.options if option.most.amount_nano_usd)
        return Options(free, self.dropped + _unaffordable(paid))

    def within(self, amount_nano_usd: int) -> Options:
        """Those of which a hold of this amount affords an answer."""
        if len(self.options) == 1 or amount_nano_usd >= self.amount_nano_usd:
            return self
        kept = tuple(option for option in self.options if option.most.least_nano_usd <= amount_nano_usd)
        late = (option for option in self.options if option.most.least_nano_usd > amount_nano_usd)
        return Options(kept, self.dropped + _unaffordable(late))


async def options_for(asked: CompletionRequest, plan: Plan, at_ms: int) -> Options:
    """Raises what `fit` and `bound` raise, where no candidate is left."""
    fitted: _Fitted | None = None
    tools = bool(asked.tools and hosted_tools(asked))

    async def option(candidate: Candidate) -> Option:
        nonlocal fitted
        if tools and candidate.route.tools_wire is not None:
            route = replace(candidate.route, wire=candidate.route.tools_wire)
            candidate = structs.replace(candidate, route=route)
        if fitted is None or not fitted.suits(candidate):
            fitted = None  # a model's routes follow each other: a prompt is fitted and counted once
            fitted = await _fitted(asked, candidate.model, candidate.route.wire)
        return _option(fitted, candidate, at_ms)

    return await options_of(plan, option)


async def options_of(plan: Plan, option: Callable[[Candidate], Awaitable[Option]]) -> Options:
    """What `option` makes of each candidate. Raises its first error, where no candidate is left."""
    found: list[Option] = []
    dropped: list[Dropped] = []
    first_error: GatewayError | None = None
    for candidate in plan.candidates:
        try:
            found.append(await option(candidate))
        except (BadRequest, TooLarge, ModelUnavailable) as error:
            first_error = first_error or error
            dropped.append(Dropped(candidate.model.id, candidate.provider.id, str(error)))
    if not found:
        assert first_error is not None  # a plan has candidates
        raise first_error
    return Options(tuple(found), plan.dropped + tuple(dropped) if dropped else plan.dropped)


class _Fitted(msgspec.Struct, frozen=True):
    """A request as a model takes it on a wire; with the limit on calls of tools that its provider runs."""

    model: Model
    wire: Wire
    request: CompletionRequest
    notes: tuple[str, ...]
    input_bound: int
    tools: tuple[str, ...]
    calls: int

    def suits(self, candidate: Candidate) -> bool:
        return self.model is candidate.model and self.wire == candidate.route.wire


async def _fitted(asked: CompletionRequest, model: Model, wire: Wire) -> _Fitted:
    request, notes = fit(asked, model, wire)
    tools = hosted_tools(request)
    calls = most_calls(request) if tools else 0
    if tools:
        request = structs.replace(request, max_tool_calls=calls)
    return _Fitted(model, wire, request, notes, await bound_input(request, model), tools, calls)


def _option(fitted: _Fitted, candidate: Candidate, at_ms: int) -> Option:
    model, route = candidate.model, candidate.route
    request, lost = leave_out(fitted.request, route)
    most = bound(
        model,
        at_ms,
        fitted.input_bound,
        request.sampling.max_output_tokens,
        route.provider,
        tool_calls=fitted.calls,
        fee_of=lambda price: dearest_fee(fitted.tools, price, model.name),
    )
    notes = fitted.notes + lost + _stand_in_note(candidate)
    if candidate.own_key_of is None:
        return Option(candidate, request, most, notes)
    nothing = structs.replace(
        most, price=unpaid(most.price), amount_nano_usd=0, least_nano_usd=0, fee_pico_usd=0
    )
    return Option(candidate, request, nothing, notes, most.price)


def facts_of(option: Option, whose: Facts) -> Facts:
    """What a bill says of this option, for whom `whose` names."""
    series = option.series
    return structs.replace(
        whose,
        model=option.model.id,
        provider=option.provider.id,
        price_version=option.most.price.version,
        series="demonstration" if series == "simulated" else series,
    )


def _stand_in_note(candidate: Candidate) -> tuple[str, ...]:
    if candidate.stand_in_for is None:
        return ()
    return (f"{candidate.model.id} answers for {candidate.stand_in_for}, which was retired.",)


def _unaffordable(options: Iterable[Option]) -> tuple[Dropped, ...]:
    return tuple(
        Dropped(option.model.id, option.provider.id, "credit does not reach for its shortest answer.")
        for option in options
    )
