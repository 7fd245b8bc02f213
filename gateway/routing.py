"""Who could answer a request, in the order to ask them, and why each of the others could not.

A plan is made of the catalog's routes whose provider is configured here, of the model that was asked
for and then of each fallback model; what the caller prefers (`preferences.py`) drops some and puts the
rest in order. Nothing is asked, held or read from a database: prices are the catalog's, paces are what
telemetry last counted. How a request fits each candidate is `options.py`'s; who is resting is decided
when an attempt begins (`health.py`).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from types import MappingProxyType
from typing import Protocol

import msgspec

from gateway.catalog import Catalog, Model, Resolution, Route
from gateway.errors import GatewayError, ModelUnavailable, NoProviderLeft, RetiredModel, UnknownModel
from gateway.messages import CompletionRequest
from gateway.parameters import lacking
from gateway.preferences import NO_PREFERENCES, MaxPrice, RoutingPreferences, Sort
from gateway.pricing import price_at
from gateway.provider_keys import OwnKey
from gateway.providers.base import Provider
from telemetry.paces import Pace

_LONGEST_SUCCESSION = 8
_PICO_PER_USD_PER_MILLION = 1_000_000


class Paces(Protocol):
    """What is known of how fast routes answer (`telemetry.paces`)."""

    def of(self, model_id: str, provider_id: str) -> Pace | None: ...
    async def refresh(self) -> None: ...


class Candidate(msgspec.Struct, frozen=True):
    """A route that may be asked. `stand_in_for` is the retired model that its model answers for."""

    model: Model
    provider: Provider
    route: Route
    stand_in_for: str | None = None
    own_key_of: int | None = None  # the team whose own key reaches the provider; None is ours

    @property
    def key(self) -> tuple[str, str]:
        """What rests or answers as one: a provider as it is reached with one key, for one model."""
        if self.own_key_of is None:
            return self.provider.id, self.model.id
        return f"{self.provider.id} for team {self.own_key_of}", self.model.id


class Dropped(msgspec.Struct, frozen=True):
    """A provider that is not asked, and why in words. `provider` is "" where the model itself fell out."""

    model: str
    provider: str
    reason: str

    def __str__(self) -> str:
        who = f"{self.model} at {self.provider}" if self.provider else self.model
        return f"{who}: {self.reason}"


class Plan(msgspec.Struct, frozen=True):
    """Never without a candidate."""

    candidates: tuple[Candidate, ...]
    dropped: tuple[Dropped, ...] = ()


OwnKeys = Mapping[str, OwnKey]
NO_OWN_KEYS: OwnKeys = MappingProxyType({})


class Routing:
    """`providers` by id; `absent` says for an id why it is not there, in words a person can act on.

    `paces` is asked only where a request wants to be sorted by pace, or somebody looks.
    """

    def __init__(
        self,
        catalog: Catalog,
        providers: Mapping[str, Provider],
        absent: Mapping[str, str],
        paces: Paces | None = None,
    ) -> None:
        self._catalog = catalog
        self._providers = providers
        self._absent = absent
        self._paces = paces

    async def refresh_paces(self) -> None:
        """Before a plan that sorts by pace: make what is known of it a few seconds old at most."""
        if self._paces is not None:
            await self._paces.refresh()

    def plan(self, request: CompletionRequest, now_ms: int, own: OwnKeys = NO_OWN_KEYS) -> Plan:
        """`own` are the asking team's own keys.

        Raises `UnknownModel`, `RetiredModel`, `ModelUnavailable` and `NoProviderLeft`.
        """
        wants = request.routing
        if wants is NO_PREFERENCES or wants == NO_PREFERENCES:
            return self._plain_plan(self._catalog.resolve(request.model, now_ms), own)
        found: list[Candidate] = []
        dropped: list[Dropped] = []
        unknown: GatewayError | None = None
        for name in dict.fromkeys((request.model, *wants.models)):
            try:
                resolution = self._resolved(name, wants, now_ms)
            except (UnknownModel, RetiredModel) as error:
                unknown = error if name == request.model else unknown
                dropped.append(Dropped(name, "", str(error)))
                continue
            found += self._of_model(resolution, request, now_ms, own, dropped)
        if not found:
            raise unknown or self._nobody(request.model, own, dropped)
        return Plan(_once(found), tuple(dropped))

    def connected(self) -> frozenset[str]:
        return frozenset(self._providers)

    def why_not(self, model: Model) -> str | None:
        """Why nobody answers for this model here; None where somebody does."""
        if any(route.provider in self._providers for route in model.providers):
            return None
        return self._why(model)

    # --- one model ----------------------------------------------------------------------------

    def _plain_plan(self, resolution: Resolution, own: OwnKeys) -> Plan:
        """Nothing is asked for: the catalog's order."""
        model = resolution.model
        found: list[Candidate] = []
        dropped: list[Dropped] = []
        for route in self._catalog.routes(model, resolution.snapshot):
            reached = self._reached(resolution, route, own)
            found += reached
            if not reached:
                dropped.append(Dropped(model.id, route.provider, self._why_absent(route.provider)))
        if not found:
            raise ModelUnavailable(model.id, self._why(model))
        return Plan(tuple(found), tuple(dropped))

    def _resolved(self, name: str, wants: RoutingPreferences, now_ms: int) -> Resolution:
        """As the catalog resolves it, but for what the caller says of stand-ins."""
        try:
            found = self._catalog.resolve(name, now_ms)
        except RetiredModel:
            if wants.stand_in != "successor":
                raise
            return self._succeeded(name, now_ms)
        if found.stand_in_for is not None and wants.stand_in == "never":
            retired = self._catalog.get(found.stand_in_for).lifecycle
            raise RetiredModel(name, retired.successor, retired.retired_on)
        return found

    def _succeeded(self, name: str, now_ms: int) -> Resolution:
        """The first living successor of a retired model. Raises `RetiredModel` where there is none."""
        retired = self._catalog.named(name)
        heir = retired.lifecycle.successor
        for _ in range(_LONGEST_SUCCESSION):
            if heir is None:
                break
            try:
                found = self._catalog.resolve(heir, now_ms)
            except RetiredModel as error:
                heir = error.successor
            except UnknownModel:
                break  # a successor that the catalog names and does not have
            else:
                return Resolution(found.model, name, stand_in_for=retired.id)
        raise RetiredModel(name, retired.lifecycle.successor, retired.lifecycle.retired_on)

    def _of_model(
        self,
        resolution: Resolution,
        request: CompletionRequest,
        now_ms: int,
        own: OwnKeys,
        dropped: list[Dropped],
    ) -> list[Candidate]:
        """What is left of a model's routes, in order; the others are added to `dropped`."""
        model, wants = resolution.model, request.routing
        kept: list[Candidate] = []
        for route in self._catalog.routes(model, resolution.snapshot):
            reached = self._reached(resolution, route, own)
            if wants.zero_data_retention and any(one.own_key_of for one in reached):
                reached = [one for one in reached if one.own_key_of is None]
                dropped.append(Dropped(model.id, route.provider, _OWN_KEY_RETENTION))
            reason = self._why_dropped(model, route, request, now_ms)
            if reached and reason is None:
                kept += reached
            elif reason is not None or not own:
                dropped.append(Dropped(model.id, route.provider, reason or self._why_absent(route.provider)))
        kept = self._ordered(kept, wants, now_ms)
        if kept and not wants.allow_fallbacks:
            dropped += (Dropped(model.id, late.provider.id, "fallbacks are off.") for late in kept[1:])
            kept = kept[:1]
        return kept

    def _why_dropped(self, model: Model, route: Route, request: CompletionRequest, now_ms: int) -> str | None:
        """The first reason for which this route is not asked; None where there is none."""
        wants = request.routing
        if wants.only and route.provider not in wants.only:
            return "it is not among `only`."
        if route.provider in wants.ignore:
            return "it is among `ignore`."
        if wants.zero_data_retention or wants.no_training:
            reason = self._against_policy(route.provider, wants)
            if reason is not None:
                return reason
        if wants.max_price is not None:
            reason = _too_dear(model, route.provider, wants.max_price, now_ms)
            if reason is not None:
                return reason
        if wants.require_parameters and (missing := lacking(request, model, route)):
            return f"it does not take {', '.join(missing)}."
        return None

    def _reached(self, resolution: Resolution, route: Route, own: OwnKeys) -> list[Candidate]:
        """How a route's provider can be asked: over the team's own key where it has one, and then over
        ours only if the team says so."""
        reached: list[Candidate] = []
        key, ours = own.get(route.provider), self._providers.get(route.provider)
        if key is not None:
            reached.append(
                Candidate(resolution.model, key.provider, route, resolution.stand_in_for, key.team_id)
            )
        if ours is not None and (key is None or key.falls_back):
            reached.append(Candidate(resolution.model, ours, route, resolution.stand_in_for))
        return reached

    def _against_policy(self, provider_id: str, wants: RoutingPreferences) -> str | None:
        listed = self._catalog.provider(provider_id)
        policy = listed.policy if listed is not None else None
        retention = policy.zero_data_retention if policy is not None else "unknown"
        trains = policy.trains_on_data if policy is not None else "unknown"
        if wants.zero_data_retention and retention != "yes":
            return _ZERO_RETENTION[retention]
        if wants.no_training and trains != "no":
            return _TRAINING[trains]
        return None

    def _ordered(
        self, candidates: list[Candidate], wants: RoutingPreferences, now_ms: int
    ) -> list[Candidate]:
        """Those that `order` names first, as it names them; the others by `sort`, else as the catalog."""
        ordered = candidates
        if wants.sort is not None:
            ordered = sorted(candidates, key=lambda one: self._rank(one, wants.sort, now_ms))
        if not wants.order:
            return ordered
        place = {provider: at for at, provider in enumerate(wants.order)}
        return sorted(ordered, key=lambda one: place.get(one.provider.id, len(place)))

    def _rank(self, candidate: Candidate, by: Sort | None, now_ms: int) -> tuple[bool, float]:
        """Lower is earlier; what is not known comes after what is."""
        if by == "price":
            try:
                rates = price_at(candidate.model, now_ms, candidate.provider.id).base
            except ModelUnavailable:
                return True, 0.0
            return False, float(rates.input + rates.output)
        pace = self.pace_of(candidate)
        figure = None
        if pace is not None:
            figure = pace.slow_first_token_ms if by == "first_token" else pace.slow_tokens_per_s
        if figure is None:
            return True, 0.0
        return False, figure if by == "first_token" else -figure

    def pace_of(self, candidate: Candidate) -> Pace | None:
        return self.pace_at(candidate.model.id, candidate.provider.id)

    def pace_at(self, model_id: str, provider_id: str) -> Pace | None:
        return None if self._paces is None else self._paces.of(model_id, provider_id)

    def name_of(self, provider_id: str) -> str:
        listed = self._catalog.provider(provider_id)
        return listed.name if listed is not None else provider_id

    # --- in words -----------------------------------------------------------------------------

    def _nobody(self, model: str, own: OwnKeys, dropped: Sequence[Dropped]) -> GatewayError:
        """Everybody was dropped: by what the caller prefers, or because nobody is configured."""
        if all(one.provider not in self._providers and one.provider not in own for one in dropped):
            return ModelUnavailable(model, dropped[0].reason if dropped else _NOBODY)
        return NoProviderLeft(model, tuple(str(one) for one in dropped))

    def _why_absent(self, provider_id: str) -> str:
        return self._absent.get(provider_id, "it is not configured here.")

    def _why(self, model: Model) -> str:
        for route in model.providers:
            if route.provider in self._absent:
                return self._absent[route.provider]
        return _NOBODY


_OWN_KEY_RETENTION = "zero data retention is not promised over the team's own key."
_NOBODY = "no provider is known to serve it."
_ZERO_RETENTION = {
    "no": "it keeps what it is sent.",
    "unknown": "it does not say that it keeps nothing.",
}
_TRAINING = {
    "yes": "it trains on what it is sent.",
    "unknown": "it does not say that it never trains on what it is sent.",
}


def _too_dear(model: Model, provider_id: str, most: MaxPrice, now_ms: int) -> str | None:
    try:
        price = price_at(model, now_ms, provider_id)
    except ModelUnavailable as error:
        return error.reason
    for what, limit, rate in (
        ("input", most.input_pico_usd, price.base.input),
        ("output", most.output_pico_usd, price.base.output),
    ):
        if limit is not None and rate > limit:
            return f"its {what} costs {_usd(rate)} a million tokens, more than {_usd(limit)}."
    return None


def _usd(pico_usd: int) -> str:
    return f"${pico_usd / _PICO_PER_USD_PER_MILLION:,.6f}".rstrip("0").rstrip(".")


def _once(candidates: list[Candidate]) -> tuple[Candidate, ...]:
    """The same route may be reached by two names."""
    first: dict[tuple[str, str], Candidate] = {}
    for candidate in candidates:
        first.setdefault(candidate.key, candidate)
    return tuple(first.values())
