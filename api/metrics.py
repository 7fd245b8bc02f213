"""GET /metrics: what Prometheus reads. Not for the world: with `TILTYARD_METRICS_TOKEN` for whoever sends it
as a bearer credential; without it for this machine alone, never through a proxy, with sign-in for nobody."""

from __future__ import annotations

import hmac
import ipaddress
from typing import Final

from api.exchange import Exchange
from identity.errors import NotAuthenticated
from telemetry.exposition import CONTENT_TYPE

_BEARER: Final = "Bearer "
_FORWARDED: Final = (b"forwarded", b"x-forwarded-for", b"x-real-ip", b"via")


async def show(exchange: Exchange) -> None:
    """Raises `NotAuthenticated`."""
    services = exchange.services
    if services.metrics is None or not _may_read(exchange, services.metrics_token):
        raise NotAuthenticated
    page = await services.metrics()
    exchange.started = True
    headers = [(b"content-type", CONTENT_TYPE.encode()), (b"content-length", str(len(page)).encode())]
    await exchange.send({"type": "http.response.start", "status": 200, "headers": headers})
    await exchange.send({"type": "http.response.body", "body": page if exchange.method != "HEAD" else b""})


def _may_read(exchange: Exchange, token: str | None) -> bool:
    if token is not None:
        said = exchange.header(b"authorization") or ""
        return said.startswith(_BEARER) and hmac.compare_digest(said[len(_BEARER) :].encode(), token.encode())
    client = exchange.scope.get("client")
    if not client:
        return True  # a socket of ours that only this user may open
    if not exchange.services.metrics_without_token:
        return False
    if any(exchange.header(name) is not None for name in _FORWARDED):
        return False
    try:
        return ipaddress.ip_address(client[0]).is_loopback
    except ValueError:
        return False
