"""Who asks: the bearer credential of a request, or what Anthropic's clients send as `x-api-key`.

Cookies are never read here.
"""

from __future__ import annotations

from api.exchange import ANSWER_HEADERS, PRINCIPAL, Exchange
from api.wire.rates import rate_headers
from identity.errors import NotAuthenticated
from identity.principal import Principal

_SCHEME = "bearer "


async def principal_of(exchange: Exchange) -> Principal:
    """An API key of ours, or a token of an issuer that a team trusts. From here on each answer tells how
    this caller's limits stand.

    Raises `NotAuthenticated`, the same for a credential that is missing, unknown or revoked.
    """
    services = exchange.services
    principal = await services.people.principal_of(_credential(exchange))
    exchange.scope[PRINCIPAL] = principal
    if (rates := services.rates) is not None:
        await rates.look_up(principal.team_id, principal.key_id)
        exchange.scope[ANSWER_HEADERS] = lambda: rate_headers(rates, principal)
    return principal


def _credential(exchange: Exchange) -> str:
    """A bearer credential comes first: a client may send a key of its own making beside it."""
    authorization = exchange.header(b"authorization")
    if authorization:
        if authorization[: len(_SCHEME)].lower() != _SCHEME:
            raise NotAuthenticated
        return authorization[len(_SCHEME) :].strip()
    key = exchange.header(b"x-api-key")
    if not key:
        raise NotAuthenticated
    return key.strip()
