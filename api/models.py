"""GET /v1/models and /v1/models/{id}: the catalog, what each model costs, whether it answers here, how fast.

Figures are this installation's own, of the last hour or day, null where fewer than 20 answers say them.
"""

from __future__ import annotations

import time
from datetime import UTC, datetime

from api.authentication import principal_of
from api.exchange import Answer, Exchange
from api.wire.values import usd_of_pico
from gateway.catalog import Model, Route
from gateway.catalog_values import DataPolicy, Lifecycle
from gateway.errors import ModelUnavailable
from gateway.pricing import price_at


async def list_all(exchange: Exchange) -> Answer:
    await principal_of(exchange)
    await exchange.services.gateway.refresh_paces()
    models = exchange.services.catalog.models()
    return Answer(200, {"object": "list", "data": [_entry(exchange, model) for model in models]})


async def show(exchange: Exchange) -> Answer:
    """Of a retired model too: what it was, and what follows it. Raises `UnknownModel`."""
    await principal_of(exchange)
    await exchange.services.gateway.refresh_paces()
    return Answer(200, _entry(exchange, exchange.services.catalog.named(exchange.tail)))


def _entry(exchange: Exchange, model: Model) -> dict[str, object]:
    unavailable = exchange.services.gateway.routable(model)
    return {
        "id": model.id,
        "object": "model",
        "created": _seconds(model.lifecycle.released_on),
        "owned_by": model.creator,
        "name": model.name,
        "description": model.summary,
        "aliases": model.aliases,
        "context_window": model.context_tokens,
        "max_tokens": model.max_output_tokens,
        "knowledge_cutoff": model.knowledge_cutoff,
        "input_modalities": model.input_modalities,
        "output_modalities": model.output_modalities,
        "features": sorted(model.features),
        "sampling": [taken.name for taken in model.sampling],
        "pricing": pricing(model),
        "lifecycle": _lifecycle(model.lifecycle),
        "endpoints": model.endpoints,
        "vector_dimensions": model.vector_dimensions,
        "snapshots": model.snapshots,
        "licence": model.licence,
        "providers": [_provider(exchange, model, route) for route in model.providers],
        "series": model.series,
        "available": unavailable is None and model.lifecycle.state != "retired",
        "unavailable_reason": unavailable,
    }


def _provider(exchange: Exchange, model: Model, route: Route) -> dict[str, object]:
    """Who serves it: its own price, what it says it does with data, how it did here lately."""
    listed = exchange.services.catalog.provider(route.provider)
    policy = DataPolicy() if listed is None else listed.policy
    return {
        "id": route.provider,
        "name": route.provider if listed is None else listed.name,
        "model": route.model,
        "wire": route.wire,
        "context_window": route.context_tokens or model.context_tokens,
        "max_tokens": route.max_output_tokens or model.max_output_tokens,
        "pricing": pricing(model, route.provider),
        "zero_data_retention": policy.zero_data_retention,
        "trains_on_data": policy.trains_on_data,
        "terms_url": None if listed is None else listed.terms_url,
        **_live(exchange, model, route),
    }


def _live(exchange: Exchange, model: Model, route: Route) -> dict[str, object]:
    gateway = exchange.services.gateway
    pace = gateway.pace_of(model.id, route.provider)
    return {
        "standing": gateway.health.look((route.provider, model.id)).standing,
        "first_token_ms_p50": pace and pace.first_token_ms,
        "tokens_per_s_p50": pace and pace.tokens_per_s,
        "success": pace and pace.success,
        "window_hours": pace and pace.hours,
        "n": pace.n if pace else 0,
    }


def pricing(model: Model, provider: str | None = None) -> dict[str, object] | None:
    """Dollars a token, and a call of a tool. None where no price is in force, and so nothing can be asked
    of it."""
    try:
        price = price_at(model, time.time_ns() // 1_000_000, provider)
    except ModelUnavailable:
        return None
    rates = price.base
    named = {
        "input": rates.input,
        "output": rates.output,
        "input_cache_read": rates.cached_input,
        "input_cache_write": rates.cache_write,
    }
    return {
        "currency": "USD",
        "version": price.version,
        **{name: None if rate is None else usd_of_pico(rate) for name, rate in named.items()},
        "tool_calls": {tool: usd_of_pico(fee) for tool, fee in (price.tool_fees or {}).items()},
        "tiers": [
            {
                "above_input_tokens": tier.above_input_tokens,
                "input": usd_of_pico(tier.rates.input),
                "output": usd_of_pico(tier.rates.output),
            }
            for tier in price.tiers
        ],
    }


def _lifecycle(lifecycle: Lifecycle) -> dict[str, object]:
    return {
        "state": lifecycle.state,
        "released_on": lifecycle.released_on,
        "deprecated_on": lifecycle.deprecated_on,
        "retired_on": lifecycle.retired_on,
        "successor": lifecycle.successor,
    }


def _seconds(day: str | None) -> int:
    """OpenAI's `created`; 0 where the day is not known, or only the month is."""
    try:
        return int(datetime.strptime(day or "", "%Y-%m-%d").replace(tzinfo=UTC).timestamp())
    except ValueError:
        return 0
