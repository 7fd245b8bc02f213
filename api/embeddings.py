"""POST /v1/embeddings: OpenAI's wire around vectors; and what any wire does with them (`embedded`)."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from dataclasses import replace
from functools import partial

from api.answering import (
    answered_of_run,
    caller_leaves,
    conflict_of,
    headers_of,
    idempotency_of,
    refusal_of,
    tags_of,
)
from api.authentication import principal_of
from api.exchange import Answer, CallerLeft, Exchange
from api.wire.openai_embeddings import read, whole
from api.wire.shapes import Answered
from billing.errors import Replayed
from gateway.embeddings import Embedding, EmbeddingRequest, admit
from gateway.providers.base import Vector
from identity.principal import Principal

Written = Callable[[Answered, Sequence[Vector]], dict[str, object]]


async def create(exchange: Exchange) -> Answer:
    principal = await principal_of(exchange)
    raw = await exchange.body()
    asked = read(raw)
    return await embedded(exchange, principal, raw, asked.request, partial(whole, asked))


async def embedded(
    exchange: Exchange, principal: Principal, raw: bytes, request: EmbeddingRequest, written: Written
) -> Answer:
    """Run it; `written` makes the body of what came. Raises what admitting raises, and `CallerLeft`."""
    request = replace(request, tags=(*request.tags, *tags_of(exchange)))
    try:
        embedding = await admit(
            exchange.services.gateway,
            principal,
            request,
            idempotency=idempotency_of(exchange, raw),
            request_id=exchange.request_id,
            accepted_ns=exchange.accepted_ns,
        )
    except Replayed as replayed:
        return await conflict_of(exchange, principal, replayed.run_id)
    await _until_ended(exchange, embedding)
    run = embedding.run
    answered = answered_of_run(run, ())
    if run.state != "done":
        return refusal_of(exchange, run, answered)
    return Answer(200, written(answered, embedding.vectors), headers_of(exchange, request.model, run))


async def _until_ended(exchange: Exchange, embedding: Embedding) -> None:
    """Whoever leaves stops the run."""
    run = embedding.run
    leaving = asyncio.ensure_future(caller_leaves(exchange))
    ending = asyncio.ensure_future(run.ended.wait())
    try:
        await asyncio.wait((leaving, ending), return_when=asyncio.FIRST_COMPLETED)
        if not run.ended.is_set():
            run.stop("caller_left")
            raise CallerLeft
    finally:
        leaving.cancel()
        ending.cancel()
