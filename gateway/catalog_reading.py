"""From TOML tables to catalog values, and how an operator's tables lie over the catalog's own.

Both have the same shape (docs/catalog.md), so an override is a merge of tables, field by field, before
anything is read. Every mistake is noted and reading goes on; relations between models (aliases,
successors, stand-ins) are `catalog.py`'s to check.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, TypeGuard, cast, get_args
from urllib.parse import urlsplit

from gateway import catalog_values as values
from gateway.catalog_fields import Fields
from gateway.catalog_prices import (
    OPERATOR,
    PRICE_FIELDS,
    fact_of,
    marked_as_operators,
    overlaid_prices,
    prices_of,
)
from gateway.catalog_values import Conflict, Fact, Lifecycle, Model, Route

Tables = dict[str, dict[str, Any]]

MODEL_ID = r"[a-z0-9][a-z0-9._-]{0,62}/[A-Za-z0-9][A-Za-z0-9._:-]{0,126}"
PROVIDER_ID = r"[a-z0-9][a-z0-9_-]{0,62}"
DEFAULT_FRAME_TOKENS = 8
BUILT_IN = ("embedded", "simulated")  # live in this installation: no address, no key

_GROUP_OF = {
    "lifecycle": "lifecycle",
    "context_tokens": "limits", "max_output_tokens": "limits", "knowledge_cutoff": "limits",
    "tokenizer": "limits", "image_tokens": "limits", "page_tokens": "limits",
    "frame_tokens": "limits", "tools_frame_tokens": "limits",
    "vector_dimensions": "limits",
    "input_modalities": "capabilities", "output_modalities": "capabilities",
    "endpoints": "capabilities", "features": "capabilities", "sampling": "capabilities",
    "providers": "routes",
}  # fmt: skip
# What an operator leaves unsaid is passed on: their server will say what it cannot do.
_DEFAULT_FEATURES = ("streaming", "tools", "structured_output", "json_mode")
_DEFAULT_SAMPLING: dict[str, Any] = {
    "temperature": [0, 2], "top_p": [0, 1], "frequency_penalty": [-2, 2], "presence_penalty": [-2, 2],
    "seed": True, "stop": True, "top_k": True,
}  # fmt: skip


# --- laying an operator's table over the catalog's -------------------------------------------------


def overlaid(base: Mapping[str, Any], over: Mapping[str, Any]) -> dict[str, Any]:
    """`over` on `base`, field by field; tables within are merged too, lists are replaced."""
    merged = dict(base)
    for key, value in over.items():
        below = merged.get(key)
        merged[key] = overlaid(below, value) if _is_table(below) and _is_table(value) else value
    return merged


def overlaid_model(base: Mapping[str, Any], over: Mapping[str, Any]) -> dict[str, Any]:
    """A model's table with an operator's over it. Prices go by version, and hold for every provider that
    the operator does not price apart; the sources say whose the fields are."""
    flat = {key: value for key, value in over.items() if key in PRICE_FIELDS}
    rest = {key: value for key, value in over.items() if key not in PRICE_FIELDS}
    merged = overlaid(base, rest)
    if "prices" in over:
        merged |= flat  # were both given, reading says so
        merged["prices"] = marked_as_operators(over["prices"])
    elif flat and base:
        merged["prices"] = overlaid_prices(base.get("prices", []), flat)
    else:
        merged |= flat
    if (flat or "prices" in over) and "providers" not in over:
        merged["providers"] = [_without_prices(route) for route in merged.get("providers", [])]
    own = ("id", "prices", "sources", "source", "as_of", "via")
    touched = {_GROUP_OF.get(key, "about") for key in rest if key not in own} if base else values.FACT_GROUPS
    below, given = base.get("sources", {}), over.get("sources", {})
    if _is_table(below) and _is_table(given):
        merged["sources"] = {**below, **{group: {"source": OPERATOR} for group in touched}, **given}
    return merged


def _without_prices(route: Any) -> Any:
    if not _is_table(route):
        return route
    return {key: value for key, value in route.items() if key not in (*PRICE_FIELDS, "prices")}


def _is_table(value: object) -> TypeGuard[Mapping[str, Any]]:
    return isinstance(value, Mapping)


# --- providers ------------------------------------------------------------------------------------


def provider_of(provider_id: str, table: Mapping[str, Any], problems: list[str]) -> values.ListedProvider:
    fields = Fields(table, f"providers.{provider_id}", problems)
    wire = fields.choice("wire", get_args(values.Wire), "chat_completions")
    limit_field = fields.choice("output_limit_field", ("max_tokens", "max_completion_tokens"), "max_tokens")
    private = fields.flag("allow_private_address")
    listed = values.ListedProvider(
        id=provider_id,
        name=fields.text("name") or provider_id,
        base_url=_base_url(fields, provider_id, private),
        api_key_env=fields.text("api_key_env", r"[A-Z_][A-Z0-9_]*"),
        wire=cast(values.Wire, wire),
        allow_private_address=private,
        asks_for_usage=not fields.has("asks_for_usage") or fields.flag("asks_for_usage"),
        output_limit_field=cast(Any, limit_field),
        chat_completions_take=fields.names("chat_completions_take", allowed=values.CHAT_FIELDS),
        key_header=fields.choice("key_header", values.KEY_HEADERS, "") or None,
        deployments=fields.flag("deployments"),
        api_version=fields.text("api_version", r"[A-Za-z0-9.-]{1,40}"),
        terms_url=_web_address(fields, "terms_url"),
        privacy_url=_web_address(fields, "privacy_url"),
        pricing_url=_web_address(fields, "pricing_url"),
        policy=_policy(fields.table("policy")),
        fact=fact_of(fields),
    )
    fields.finish()
    return listed


def _base_url(fields: Fields, provider_id: str, private: bool) -> str | None:
    url = fields.text("base_url")
    if url is None:
        if provider_id not in BUILT_IN:
            fields.wrong("base_url", "is missing")
        return None
    if not _is_api_address(url):
        fields.wrong("base_url", f"{url[:80]!r} is not the address of an API, as https://host/v1")
    elif url.startswith("http:") and not private:
        fields.wrong("base_url", "must be https, unless allow_private_address is true")
    return url.rstrip("/")


def _is_api_address(url: str) -> bool:
    try:
        parts = urlsplit(url)
        named = bool(parts.hostname) and parts.port != 0
    except ValueError:
        return False
    secret = parts.username or parts.password or parts.query or parts.fragment
    return named and parts.scheme in ("http", "https") and not secret


def _web_address(fields: Fields, key: str) -> str | None:
    return fields.text(key, r"https://\S+")


def _policy(fields: Fields) -> values.DataPolicy:
    known = get_args(values.Supported)
    policy = values.DataPolicy(
        zero_data_retention=cast(values.Supported, fields.choice("zero_data_retention", known, "unknown")),
        trains_on_data=cast(values.Supported, fields.choice("trains_on_data", known, "unknown")),
        retention_days=fields.whole("retention_days"),
        regions=fields.names("regions"),
        note=fields.text("note") or "",
        fact=fact_of(fields),
    )
    fields.finish()
    return policy


# --- models ---------------------------------------------------------------------------------------


def model_of(
    table: Mapping[str, Any], providers: Mapping[str, values.ListedProvider], problems: list[str]
) -> Model:
    """One model from its table (the operator's already laid over it)."""
    model_id = str(table.get("id", ""))[:200]
    fields = Fields(table, f"models.{model_id or '(no id)'}", problems)
    fields.need_text("id", MODEL_ID)
    endpoints = fields.names("endpoints", ("chat_completions",), values.ENDPOINTS)
    context = fields.need_whole("context_tokens", 256, 100_000_000)
    most_output = fields.need_whole("max_output_tokens", 1, 100_000_000)
    if most_output > context:
        fields.wrong("max_output_tokens", "is more than context_tokens")
    features = fields.names("features", _DEFAULT_FEATURES, values.FEATURES)
    if ("image_input" in features) != fields.has("image_tokens"):
        fields.wrong("image_tokens", "goes with the feature image_input: how much one image can cost")
    if ("file_input" in features) != fields.has("page_tokens"):
        fields.wrong("page_tokens", "goes with the feature file_input: how much one page can cost")
    if ("embeddings" in endpoints) != fields.has("vector_dimensions"):
        fields.wrong("vector_dimensions", "goes with the endpoint embeddings: how long its vectors are")
    routes = _routes(fields, endpoints, providers)
    prices = prices_of(fields, context)
    if not fields.has_any(*PRICE_FIELDS, "prices") and not all(route.prices for route in routes):
        fields.wrong("", "has no price: give input_usd_per_million and output_usd_per_million")
    model = Model(
        id=model_id,
        name=fields.text("name") or model_id.partition("/")[2],
        creator=fields.text("creator") or model_id.partition("/")[0],
        summary=fields.text("summary") or "",
        aliases=fields.names("aliases"),
        series=cast(values.Series, fields.choice("series", get_args(values.Series), "paid")),
        lifecycle=_lifecycle(fields.table("lifecycle")),
        context_tokens=context,
        max_output_tokens=most_output,
        knowledge_cutoff=fields.text("knowledge_cutoff", r"\d{4}-\d{2}(-\d{2})?"),
        input_modalities=fields.names("input_modalities", ("text",), values.MODALITIES),
        output_modalities=fields.names("output_modalities", ("text",), values.MODALITIES),
        endpoints=endpoints,
        features=frozenset(features),
        sampling=_sampling(fields, most_output),
        tokenizer=cast(
            values.Tokenizer, fields.choice("tokenizer", get_args(values.Tokenizer), "approximate")
        ),
        image_tokens=fields.whole("image_tokens", 1, 1_000_000),
        page_tokens=fields.whole("page_tokens", 1, 1_000_000),
        frame_tokens=fields.whole("frame_tokens", 0, 100_000) or DEFAULT_FRAME_TOKENS,
        tools_frame_tokens=fields.whole("tools_frame_tokens", 0, 100_000) or 0,
        vector_dimensions=fields.whole("vector_dimensions", 1, 100_000),
        prices=prices,
        providers=routes,
        badges=fields.mapping("badges"),
        notes=fields.names("notes"),
        licence=fields.text("licence"),
        best_for=fields.names("best_for"),
        consider_others_for=fields.names("consider_others_for"),
        facts=_facts(fields),
        conflicts=tuple(_conflict(each) for each in fields.tables("conflicts")),
    )
    fields.finish()
    return model


def _routes(
    fields: Fields, endpoints: Sequence[str], providers: Mapping[str, values.ListedProvider]
) -> tuple[Route, ...]:
    routes = tuple(_route(each, endpoints, providers) for each in fields.tables("providers"))
    if not routes:
        fields.wrong("providers", 'is missing: name who serves it, as [{ id = "lab", model = "fast-1" }]')
    if len({route.provider for route in routes}) != len(routes):
        fields.wrong("providers", "names a provider twice")
    return routes


def _route(fields: Fields, endpoints: Sequence[str], providers: Mapping[str, values.ListedProvider]) -> Route:
    provider_id = fields.need_text("id")
    listed = providers.get(provider_id)
    if provider_id and listed is None:
        fields.wrong("id", f"there is no provider {provider_id[:80]!r}: add [providers.{provider_id[:80]}]")
    spoken = [wire for wire in get_args(values.Wire) if values.ENDPOINT_OF_WIRE[wire] in endpoints]
    usual = listed.wire if listed is not None else "chat_completions"
    wire = fields.choice("wire", get_args(values.Wire), usual if usual in spoken or not spoken else spoken[0])
    if not spoken and "embeddings" not in endpoints:
        fields.wrong(
            "", "this model has none of the endpoints chat_completions, responses, messages and embeddings"
        )
    tools_wire = fields.choice("tools_wire", get_args(values.Wire), "") or None
    route = Route(
        provider=provider_id,
        model=fields.need_text("model"),
        wire=cast(values.Wire, wire),
        prices=prices_of(fields, None),
        snapshots=fields.names("snapshots"),
        context_tokens=fields.whole("context_tokens", 256),
        max_output_tokens=fields.whole("max_output_tokens", 1),
        without=fields.names("without", allowed=(*values.SAMPLING_FIELDS[1:], *values.FEATURES)),
        tools_wire=cast("values.Wire | None", tools_wire),
    )
    fields.finish()
    return route


def _lifecycle(fields: Fields) -> Lifecycle:
    fixed = fields.choice("state", get_args(values.State), "") if fields.has("state") else None
    lifecycle = Lifecycle(
        released_on=fields.day("released_on"),
        deprecated_on=fields.day("deprecated_on"),
        retired_on=fields.day("retired_on"),
        successor=fields.text("successor", MODEL_ID),
        successor_is_external=fields.flag("successor_is_external"),
        fixed_state=cast("values.State | None", fixed or None),
    )
    days = [lifecycle.released_on, lifecycle.deprecated_on, lifecycle.retired_on]
    known = [day for day in days if day is not None]
    if known != sorted(known):
        fields.wrong("", "released_on, deprecated_on and retired_on must follow each other")
    fields.finish()
    return lifecycle


def _sampling(fields: Fields, most_output: int) -> tuple[values.SamplingField, ...]:
    """`name = [least, most]` for numbers, a list of texts for choices, `true` for what is simply taken."""
    if not fields.has("sampling"):
        table = Fields(_DEFAULT_SAMPLING, f"{fields.where}.sampling", fields.problems)
    else:
        table = fields.table("sampling")
    taken = [values.SamplingField("max_output_tokens", 1, most_output)]
    for name in table.keys:
        value = table.raw(name)
        if name not in values.SAMPLING_FIELDS or name == "max_output_tokens":
            table.wrong(name, f"is not one of {', '.join(values.SAMPLING_FIELDS[1:])}")
        elif value is True:
            taken.append(values.SamplingField(name))
        elif value is False:
            continue  # an operator's way to take one away
        elif isinstance(value, list | tuple) and value and all(isinstance(each, str) for each in value):
            taken.append(values.SamplingField(name, choices=table.names(name)))
        elif (limits := table.limits(name)) is not None:
            taken.append(values.SamplingField(name, *limits))
    return tuple(sorted(taken, key=lambda field: values.SAMPLING_FIELDS.index(field.name)))


def _facts(fields: Fields) -> dict[str, Fact]:
    """The model's own source for every group, unless `sources` names another for one."""
    usual = fact_of(fields)
    groups = fields.table("sources")
    facts = dict.fromkeys(values.FACT_GROUPS, usual) | {
        group: fact_of(groups.table(group)) for group in groups.keys if group in values.FACT_GROUPS
    }
    groups.finish()
    return {group: fact for group, fact in facts.items() if fact is not None}


def _conflict(fields: Fields) -> Conflict:
    conflict = Conflict(
        field=fields.need_text("field"),
        value=fields.need_text("value"),
        source=fields.need_text("source"),
        as_of=fields.day("as_of") or "",
    )
    if not conflict.as_of:
        fields.wrong("as_of", "is missing")
    fields.finish()
    return conflict
