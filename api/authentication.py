"""Who asks: the bearer credential of a request, and nothing else. Cookies are never read here."""

from __future__ import annotations

from api.exchange import Exchange
from identity.errors import NotAuthenticated
from identity.principal import Principal

_SCHEME = "bearer "


async def principal_of(exchange: Exchange) -> Principal:
    """Raises `NotAuthenticated`, the same for a credential that is missing, unknown or revoked."""
    authorization = exchange.header(b"authorization")
    if authorization is None or authorization[: len(_SCHEME)].lower() != _SCHEME:
        raise NotAuthenticated
    return await exchange.services.api_keys.principal_of(authorization[len(_SCHEME) :].strip())
