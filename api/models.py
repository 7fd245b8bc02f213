"""GET /v1/models and /v1/models/{id}: the catalog, what each model costs and whether it answers here."""

from __future__ import annotations

import time
from datetime import UTC, datetime

from api.authentication import principal_of
from api.exchange import Answer, Exchange
from api.wire.values import usd_of_pico
from gateway.catalog import Catalog, Model
from gateway.catalog_values import Lifecycle
from gateway.errors import ModelUnavailable
from gateway.pricing import price_at


async def list_all(exchange: Exchange) -> Answer:
    await principal_of(exchange)
    models = exchange.services.catalog.models()
    return Answer(200, {"object": "list", "data": [_entry(exchange, model) for model in models]})


async def show(exchange: Exchange) -> Answer:
    """Of a retired model too: what it was, and what follows it. Raises `UnknownModel`."""
    await principal_of(exchange)
    return Answer(200, _entry(exchange, _named(exchange.services.catalog, exchange.tail)))


def _named(catalog: Catalog, name: str) -> Model:
    for model in catalog.models():
        if name == model.id or name in model.aliases:
            return model
    return catalog.resolve(name).model  # one of its other names


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
        "providers": [route.provider for route in model.providers],
        "series": model.series,
        "available": unavailable is None and model.lifecycle.state != "retired",
        "unavailable_reason": unavailable,
    }


def pricing(model: Model) -> dict[str, object] | None:
    """Dollars a token. None where no price is in force, and so nothing can be asked of it."""
    try:
        price = price_at(model, time.time_ns() // 1_000_000)
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
