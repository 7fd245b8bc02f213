"""GET /v1/me: who this credential speaks for, what it may do, and what it can still spend."""

from __future__ import annotations

from typing import get_args

from api.authentication import principal_of
from api.credits import credits_of
from api.exchange import Answer, Exchange
from gateway.rate_windows import Standing
from identity.permissions import Permission, may
from identity.principal import Principal

_PERMISSIONS: tuple[Permission, ...] = get_args(Permission)


async def show(exchange: Exchange) -> Answer:
    principal = await principal_of(exchange)
    credits = await credits_of(exchange, principal) if may(principal, "read_credits") else None
    return Answer(200, {**_who(principal), "credits": credits, "limits": _limits(exchange, principal)})


def _who(principal: Principal) -> dict[str, object]:
    """`scopes` null is all that the role has, `models` empty is every model."""
    key = {"id": principal.key_id, "name": principal.key_name} if principal.key_id is not None else None
    return {
        "object": "me",
        "team": {"id": principal.team_id, "name": principal.team_name},
        "user": None if principal.user_id is None else {"id": principal.user_id, "name": principal.user_name},
        "key": key,
        "role": principal.role,
        "scopes": principal.scopes,
        "models": principal.models,
        "tags": principal.tags,
        "permissions": [permission for permission in _PERMISSIONS if may(principal, permission)],
    }


def _limits(exchange: Exchange, principal: Principal) -> dict[str, object]:
    """Requests and tokens a minute, as far as this caller is limited."""
    rates = exchange.services.rates
    if rates is None:
        return {"requests": None, "tokens": None}
    requests, tokens = rates.standing(principal.team_id, principal.key_id)
    return {"requests": _limit(requests), "tokens": _limit(tokens)}


def _limit(standing: Standing | None) -> dict[str, object] | None:
    if standing is None:
        return None
    return {
        "limit": standing.limit,
        "remaining": standing.remaining,
        "reset_s": round(standing.reset_s, 3),
    }
