"""Anthropic's messages wire around the one use case.

POST /v1/messages, POST /v1/messages/count_tokens. `anthropic-version` and `anthropic-beta` are taken
with any value: what a request may say is what is documented here.
"""

from __future__ import annotations

import asyncio

from api.answering import answer
from api.authentication import principal_of
from api.exchange import Answer, Exchange
from api.wire.anthropic import read, read_count
from gateway.tokens import estimate_input_tokens


async def create(exchange: Exchange) -> Answer | None:
    principal = await principal_of(exchange)
    raw = await exchange.body()
    return await answer(exchange, principal, read(raw), raw)


async def count(exchange: Exchange) -> Answer:
    """Our own count: a provider may count a few tokens more or fewer. Costs nothing."""
    await principal_of(exchange)
    request = read_count(await exchange.body())
    model = exchange.services.catalog.resolve(request.model).model
    tokens = await asyncio.to_thread(estimate_input_tokens, request, model)
    return Answer(200, {"input_tokens": tokens})
