"""GET /v1/battles/{battle}/pack: a battle to take away, signed; GET /v1/pack-key: what packs of this
installation are signed with, for whoever holds one."""

from __future__ import annotations

import asyncio

from api.authentication import principal_of
from api.exchange import Answer, Exchange, Text
from battles.pack_format import opened
from battles.pack_reading import as_html, as_markdown
from gateway.errors import BadRequest
from identity.permissions import require

_FORMS = {"json": "application/json", "markdown": "text/markdown", "html": "text/html"}


async def show(exchange: Exchange) -> Answer:
    """Raises `BattleNotFound` and `StillBlind`."""
    principal = await principal_of(exchange)
    require(principal, "read_runs")
    form = exchange.query("format") or "json"
    if form not in _FORMS:
        raise BadRequest(f"`format` is {', '.join(_FORMS)}.", "format")
    battle_id = exchange.params["battle"]
    file = await exchange.services.packs.pack(principal, battle_id)
    text = await asyncio.to_thread(_as, form, file)
    name = f"{battle_id}.{'md' if form == 'markdown' else form}"
    # Always as a file to keep: shown in place, it would run with this server's name above it.
    headers = ((b"content-disposition", f'attachment; filename="{name}"'.encode()),)
    return Answer(200, Text(text, f"{_FORMS[form]}; charset=utf-8"), headers)


async def key(exchange: Exchange) -> Answer:
    packs = exchange.services.packs
    return Answer(200, {"algorithm": "Ed25519", "key_id": packs.key_id, "public_key": packs.public_key})


def _as(form: str, file: bytes) -> str:
    if form == "json":
        return file.decode()
    pack = opened(file)
    return as_html(pack) if form == "html" else as_markdown(pack)
