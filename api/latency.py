"""GET /v1/latency: the figures of the latency page for scripts, by model, provider, key, tag or length.

Of the caller's team, over whole slots of time (docs/figures.md): `from` and `to` say which. A figure with
fewer than 20 samples is there with `enough` false; one without any is null.
"""

from __future__ import annotations

import asyncio
import time
from typing import Any

from api.authentication import principal_of
from api.exchange import Answer, Exchange
from api.wire.values import instant
from gateway.errors import BadRequest
from identity.permissions import require
from telemetry import spreads
from telemetry.slices import By, Slice, name_of, read_slice
from telemetry.spreads import Share
from telemetry.views import Found, Group

_HOUR_S = 3_600
_NAMES = ("by", "model", "provider", "tag")
_NUMBERS = ("from_ms", "to_ms", "key_id")


async def show(exchange: Exchange) -> Answer:
    principal = await principal_of(exchange)
    require(principal, "read_credits")
    asked = _asked(exchange, principal.team_id)
    found = await asyncio.to_thread(exchange.services.views.groups, asked)
    names = {model.id: model.name for model in exchange.services.catalog.models()}
    return Answer(200, _written(asked.by, found, names))


def _asked(exchange: Exchange, team_id: int) -> Slice:
    params: dict[str, Any] = {name: said for name in _NAMES if (said := exchange.query(name)) is not None}
    params |= {name: _number(exchange, name) for name in _NUMBERS if exchange.query(name) is not None}
    if "from_ms" not in params and "to_ms" not in params:
        params["window_ms"] = 1_000 * (
            _number(exchange, "window_s") if exchange.query("window_s") else _HOUR_S
        )
    params["simulated"] = exchange.query("simulated") == "true"
    try:
        return read_slice(team_id, params, time.time_ns() // 1_000_000)
    except ValueError as error:
        raise BadRequest(str(error)) from None


def _number(exchange: Exchange, name: str) -> int:
    try:
        return int(exchange.query(name) or "")
    except ValueError:
        raise BadRequest(f"`{name}` is a whole number.", name) from None


def _written(by: By, found: Found, names: dict[str, str]) -> dict[str, object]:
    return {
        "object": "latency",
        "by": by,
        "from": instant(found.from_ms),
        "to": instant(found.to_ms),
        "cut": found.cut,
        "beyond": found.beyond,
        "groups": [_group(by, group, names) for group in found.groups],
    }


def _group(by: By, group: Group, names: dict[str, str]) -> dict[str, object]:
    return {
        "group": group.group,
        "name": name_of(by, group.group, names),
        "series": group.series,
        "requests": group.requests,
        "figures": {each: _figure(each, group) for each in spreads.FIGURES},
    }


def _figure(figure_id: str, group: Group) -> dict[str, object] | None:
    figure = spreads.figure_of(figure_id, group.total)
    if not figure.n:
        return None
    told: dict[str, object] = {"n": figure.n, "enough": figure.enough}
    if isinstance(figure, Share):
        return {"value": figure.value, **told}
    return {**{f"p{percent}": figure.at(percent) for percent in spreads.PERCENTS}, **told}
