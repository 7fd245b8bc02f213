"""GET /v1/what-if?model=...: the team's last days re-rated on another model, provider or both."""

from __future__ import annotations

import asyncio
import time

from api.authentication import principal_of
from api.exchange import Answer, Exchange
from api.wire.values import instant
from billing.money import decimal_usd
from gateway.errors import BadRequest
from gateway.what_if import TargetOf, WhatIf, on_model, on_provider, re_rate
from identity.permissions import require

_DAY_MS = 24 * 60 * 60 * 1_000
_MOST_DAYS = 366


async def show(exchange: Exchange) -> Answer:
    principal = await principal_of(exchange)
    require(principal, "read_credits")
    now_ms = time.time_ns() // 1_000_000
    from_ms = now_ms - _days(exchange) * _DAY_MS
    target_of = _target(exchange, now_ms)
    runs = exchange.services.usage.settled(principal.team_id, from_ms, now_ms + 1)
    result = await asyncio.to_thread(re_rate, runs, target_of)
    return Answer(200, _body(result, from_ms, now_ms))


def _target(exchange: Exchange, now_ms: int) -> TargetOf:
    catalog = exchange.services.catalog
    model, provider = exchange.query("model"), exchange.query("provider")
    if model is not None:
        return on_model(catalog, model, now_ms, provider=provider, version=exchange.query("version"))
    if provider is not None:
        return on_provider(catalog, provider, now_ms)
    raise BadRequest("Name a `model`, a `provider` or both to re-rate on.", "model")


def _days(exchange: Exchange) -> int:
    text = exchange.query("days") or "30"
    if not (text.isascii() and text.isdigit() and len(text) < 5 and 1 <= int(text) <= _MOST_DAYS):
        raise BadRequest(f"`days` is a number from 1 to {_MOST_DAYS}.", "days")
    return int(text)


def _body(result: WhatIf, from_ms: int, to_ms: int) -> dict[str, object]:
    return {
        "object": "what_if",
        "from": instant(from_ms),
        "to": instant(to_ms),
        "currency": "USD",
        "runs": result.runs,
        "was": decimal_usd(result.was_nano_usd),
        "would_be": decimal_usd(result.would_nano_usd),
        "difference": decimal_usd(result.would_nano_usd - result.was_nano_usd),
        "estimated_runs": result.estimated,
        "tokens_rated_as_fresh": result.as_fresh_tokens,
        "left_out": {
            "runs": sum(result.left_out.values()),
            "cost": decimal_usd(result.left_out_nano_usd),
            "reasons": dict(result.left_out),
        },
        "models": [
            {
                "model": row.model,
                "series": row.series,
                "runs": row.runs,
                "was": decimal_usd(row.was_nano_usd),
                "would_be": decimal_usd(row.would_nano_usd),
                "difference": decimal_usd(row.difference_nano_usd),
            }
            for row in result.compared
        ],
    }
