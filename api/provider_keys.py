"""A team's own keys for providers. What a key is, is never answered: only its last letters.

GET /v1/provider-keys, PUT and DELETE /v1/provider-keys/{provider}.
"""

from __future__ import annotations

import msgspec

from api.authentication import principal_of
from api.exchange import Answer, Exchange
from api.wire.values import instant
from gateway.errors import BadRequest
from gateway.provider_keys import TeamKey
from identity.permissions import require


class PutBody(msgspec.Struct, forbid_unknown_fields=True):
    api_key: str
    falls_back: bool = False


async def list_all(exchange: Exchange) -> Answer:
    principal = await principal_of(exchange)
    require(principal, "read_keys")
    keys = exchange.services.provider_keys.listed(principal)
    return Answer(200, {"object": "list", "data": [_shown(key) for key in keys]})


async def put(exchange: Exchange) -> Answer:
    principal = await principal_of(exchange)
    require(principal, "connect_models")
    try:
        asked = msgspec.json.decode(await exchange.body(), type=PutBody)
    except (msgspec.DecodeError, UnicodeDecodeError):
        raise BadRequest('Send {"api_key": "...", "falls_back": false}.', "api_key") from None
    key = await exchange.services.provider_keys.put(
        principal, exchange.tail, asked.api_key, falls_back=asked.falls_back
    )
    return Answer(200, _shown(key))


async def remove(exchange: Exchange) -> Answer:
    principal = await principal_of(exchange)
    require(principal, "connect_models")
    await exchange.services.provider_keys.remove(principal, exchange.tail)
    return Answer(204, None)


def _shown(key: TeamKey) -> dict[str, object]:
    return {
        "provider": key.provider_id,
        "key_ends_with": key.hint.removeprefix("..."),
        "falls_back": key.falls_back,
        "created_at": instant(key.created_ms),
        "problem": key.problem,
    }
