"""What a body asks of routing, in the words of the gateways that clients come from, into our own.

    provider                   OpenRouter's object: order, only, ignore, sort, max_price, zdr, ...
    models, route              OpenRouter's list of models to fall back to
    providerOptions.gateway    Vercel's AI Gateway: order, only, models, sort, zeroDataRetention, ...

Both may be there, where they do not say different things. What is not carried is refused by name, but
for what changes no answer. Deadlines and stand-ins are ours: `provider.deadlines`, `provider.stand_in`.
"""

from __future__ import annotations

from collections.abc import Mapping
from decimal import Decimal, InvalidOperation
from typing import Annotated, Literal, Protocol, TypeVar

import msgspec
from msgspec import UNSET, Meta, Raw, UnsetType

from api.wire.reading import NONE, ModelName, Strict, decode_at
from gateway.errors import BadRequest
from gateway.preferences import (
    NO_PREFERENCES,
    CallerDeadlines,
    MaxPrice,
    RoutingPreferences,
    Sort,
    StandIn,
)

T = TypeVar("T")

_PICO_USD = 1_000_000  # a token, of a dollar per million tokens
_MOST_USD = 1_000_000

Provider = Annotated[str, Meta(min_length=1, max_length=64)]
Providers = Annotated[list[Provider], Meta(max_length=64)]
Models = Annotated[list[ModelName], Meta(max_length=16)]
Tags = Annotated[list[Annotated[str, Meta(min_length=1, max_length=64)]], Meta(max_length=8)]
Seconds = Annotated[float, Meta(gt=0, le=86_400)]
Milliseconds = Annotated[float, Meta(gt=0, le=86_400_000)]
Dollars = Annotated[str, Meta(max_length=40)] | float

_SORTS: dict[str, Sort] = {
    "price": "price", "cost": "price",
    "latency": "first_token", "ttft": "first_token", "first_token": "first_token",
    "throughput": "throughput", "tps": "throughput",
}  # fmt: skip
_SortName = Literal["price", "cost", "latency", "ttft", "first_token", "throughput", "tps"]


class RoutingFields(Protocol):
    """The fields of a body that are read here; each is `Raw`, and empty where it is not there. On the wire
    the last one is `providerOptions`."""

    @property
    def provider(self) -> Raw: ...
    @property
    def models(self) -> Raw: ...
    @property
    def route(self) -> Raw: ...
    @property
    def provider_options(self) -> Raw: ...


class _MaxPrice(Strict):
    """Dollars a million tokens."""

    prompt: Dollars | None = None
    completion: Dollars | None = None
    input: Dollars | None = None
    output: Dollars | None = None


class _Deadlines(Strict):
    first_token: Seconds | None = None
    idle: Seconds | None = None
    total: Seconds | None = None


class _Provider(Strict):
    order: Providers | None = None
    only: Providers | None = None
    ignore: Providers | None = None
    sort: _SortName | None = None
    max_price: _MaxPrice | None = None
    require_parameters: bool | None = None
    zdr: bool | None = None
    data_collection: Literal["allow", "deny"] | None = None
    allow_fallbacks: bool | None = None
    deadlines: _Deadlines | None = None
    stand_in: StandIn | None = None


class GatewayOptions(Strict, rename="camel"):
    """`tags`: what the run is reported under. `caching`: mark what stays the same from request to request,
    for providers that must be told. `ignore`, `allow_fallbacks`, `require_parameters` and `stand_in` are
    ours: the AI SDK lets them through."""

    order: Providers | None = None
    only: Providers | None = None
    ignore: Providers | None = None
    models: Models | None = None
    sort: _SortName | None = None
    zero_data_retention: bool | None = None
    disallow_prompt_training: bool | None = None
    allow_fallbacks: bool | None = None
    require_parameters: bool | None = None
    stand_in: StandIn | None = None
    tags: Tags | None = None
    caching: Literal["auto"] | None = None
    byok: None = None  # providers' keys are kept with the team, not sent with a request
    # Of no meaning here.
    user: Raw = NONE
    quota_entity_id: Raw = NONE
    project_id: Raw = NONE
    provider_timeouts: Raw = NONE
    service_tier: Raw = NONE


class _ProviderOptions(msgspec.Struct):
    """By provider: what is for others than the gateway is not ours to judge."""

    gateway: Raw | UnsetType = UNSET


class _DescribedOptions(msgspec.Struct):
    gateway: GatewayOptions | None = None


_PROVIDER = msgspec.json.Decoder(_Provider)
_GATEWAY = msgspec.json.Decoder(GatewayOptions)
_OPTIONS = msgspec.json.Decoder(_ProviderOptions)
_MODELS = msgspec.json.Decoder(Models)
_ROUTE = msgspec.json.Decoder(Literal["fallback"] | None)


def read_preferences(body: RoutingFields) -> RoutingPreferences:
    """Raises `BadRequest` and `Unsupported`, with `param` the field that is at fault."""
    if not (len(body.provider) or len(body.models) or len(body.route) or len(body.provider_options)):
        return NO_PREFERENCES
    if len(body.route):
        decode_at(_ROUTE, body.route, "route")
    models = decode_at(_MODELS, body.models, "models") if _is_there(body.models) else None
    provider = decode_at(_PROVIDER, body.provider, "provider") if _is_there(body.provider) else _Provider()
    return _preferences(provider, gateway_options(body.provider_options), models)


def gateway_options(options: Raw) -> GatewayOptions:
    """What `providerOptions` says to the gateway."""
    if not _is_there(options):
        return GatewayOptions()
    found = decode_at(_OPTIONS, options, "providerOptions").gateway
    if isinstance(found, UnsetType) or not _is_there(found):
        return GatewayOptions()
    return decode_at(_GATEWAY, found, "providerOptions.gateway")


def tags_asked(options: Raw) -> tuple[str, ...]:
    """What `providerOptions.gateway.tags` names. Raises as `read_preferences` does."""
    return tuple(gateway_options(options).tags or ())


def _preferences(
    provider: _Provider, gateway: GatewayOptions, models: list[str] | None
) -> RoutingPreferences:
    sort: Sort | None = _one("sort", _sort(provider.sort), _sort(gateway.sort))
    fallbacks = _one("allow_fallbacks", provider.allow_fallbacks, gateway.allow_fallbacks)
    deadlines = provider.deadlines or _Deadlines()
    preferences = RoutingPreferences(
        order=_ids(_one("order", provider.order, gateway.order)),
        only=_ids(_one("only", provider.only, gateway.only)),
        ignore=_ids(_one("ignore", provider.ignore, gateway.ignore)),
        sort=sort,
        max_price=_max_price(provider.max_price),
        require_parameters=bool(provider.require_parameters or gateway.require_parameters),
        zero_data_retention=bool(provider.zdr or gateway.zero_data_retention),
        no_training=provider.data_collection == "deny" or bool(gateway.disallow_prompt_training),
        allow_fallbacks=fallbacks is not False,
        models=tuple(_one("models", models, gateway.models) or ()),
        stand_in=_one("stand_in", provider.stand_in, gateway.stand_in) or "operator",
        deadlines=CallerDeadlines(deadlines.first_token, deadlines.idle, deadlines.total),
    )
    return NO_PREFERENCES if preferences == NO_PREFERENCES else preferences


def _one(name: str, said: T | None, also_said: T | None) -> T | None:
    """What either of the two dialects says. Raises `BadRequest` where they differ."""
    if said is not None and also_said is not None and said != also_said:
        where = "models" if name == "models" else f"provider.{name}"
        raise BadRequest(f"`{where}` and `providerOptions.gateway` differ; send one.", where)
    return also_said if said is None else said


def _sort(name: str | None) -> Sort | None:
    return None if name is None else _SORTS[name]


def _ids(names: list[str] | None) -> tuple[str, ...]:
    """Provider ids have no capitals; what follows a slash elsewhere names a variant that is not here."""
    return tuple(dict.fromkeys(name.lower() for name in names or ()))


def _max_price(most: _MaxPrice | None) -> MaxPrice | None:
    if most is None:
        return None
    into = _pico_usd(most.input if most.prompt is None else most.prompt, "prompt")
    out = _pico_usd(most.output if most.completion is None else most.completion, "completion")
    return None if into is None and out is None else MaxPrice(into, out)


def _pico_usd(dollars: str | float | None, name: str) -> int | None:
    if dollars is None:
        return None
    where = f"provider.max_price.{name}"
    try:
        amount = Decimal(str(dollars))
    except InvalidOperation:
        raise BadRequest(f"`{where}` is not a number of dollars.", where) from None
    if not amount.is_finite() or not 0 <= amount <= _MOST_USD:
        raise BadRequest(f"`{where}` is from 0 to {_MOST_USD:,} dollars a million tokens.", where)
    return int(amount * _PICO_USD)


def _is_there(raw: Raw) -> bool:
    return bool(len(raw)) and bytes(raw) != b"null"


# What these fields hold, for the API's description.
DESCRIBED: Mapping[str, type] = {
    "provider": _Provider,
    "providerOptions": _DescribedOptions,
}
