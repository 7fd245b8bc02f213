"""POST /v1/chat/completions: OpenAI's older wire around the one use case."""

from __future__ import annotations

from api.answering import answer
from api.authentication import principal_of
from api.exchange import Answer, Exchange
from api.wire.openai_chat import read


async def create(exchange: Exchange) -> Answer | None:
    principal = await principal_of(exchange)
    raw = await exchange.body()
    return await answer(exchange, principal, read(raw), raw)
