"""Who asks: the bearer credential of a request, and nothing else. Cookies are never read here."""

from __future__ import annotations

from api.exchange import ANSWER_HEADERS, PRINCIPAL, Exchange
from api.wire.rates import rate_headers
from identity.errors import NotAuthenticated
from identity.principal import Principal

_SCHEME = "bearer "


async def principal_of(exchange: Exchange) -> Principal:
    """From here on each answer tells how this caller's limits stand.

    Raises `NotAuthenticated`, the same for a credential that is missing, unknown or revoked."""
    authorization = exchange.header(b"authorization")
    if authorization is None or authorization[: len(_SCHEME)].lower() != _SCHEME:
        raise NotAuthenticated
    services = exchange.services
    principal = await services.api_keys.principal_of(authorization[len(_SCHEME) :].strip())
    exchange.scope[PRINCIPAL] = principal
    if (rates := services.rates) is not None:
        await rates.look_up(principal.team_id, principal.key_id)
        exchange.scope[ANSWER_HEADERS] = lambda: rate_headers(rates, principal)
    return principal
