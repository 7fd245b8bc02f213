"""/healthz: this process answers. /readyz: it can do its work, and if not, what is missing."""

from __future__ import annotations

from api.exchange import Answer, Exchange


async def alive(exchange: Exchange) -> Answer:
    return Answer(200, {"status": "ok"})


async def ready(exchange: Exchange) -> Answer:
    readiness = await exchange.services.readiness()
    status = "ready" if readiness.ready else "not_ready"
    return Answer(200 if readiness.ready else 503, {"status": status, **readiness.details})
