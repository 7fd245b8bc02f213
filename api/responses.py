"""OpenAI's responses wire around the one use case; a response is a run, and its id is the run's.

POST /v1/responses, GET and DELETE /v1/responses/{id}, POST /v1/responses/{id}/cancel.
"""

from __future__ import annotations

from api.answering import answer, answered_of
from api.authentication import principal_of
from api.errors import PathNotFound, StillRunning
from api.exchange import Answer, Exchange
from api.wire.openai_responses import Earlier, asked_of, read
from api.wire.openai_responses_answer import ResponseShape
from gateway.errors import RunNotFound
from gateway.messages import Message, TextPart
from gateway.records import RunRecord
from identity.permissions import require
from identity.principal import Principal


async def create(exchange: Exchange) -> Answer | None:
    """Raises `RunNotFound` for a `previous_response_id` whose text is not there."""
    principal = await principal_of(exchange)
    raw = await exchange.body()
    body = read(raw)
    earlier = None
    if body.previous_response_id is not None:
        earlier = await _earlier(exchange, principal, body.previous_response_id)
    return await answer(exchange, principal, asked_of(body, earlier), raw)


async def _earlier(exchange: Exchange, principal: Principal, run_id: str) -> Earlier:
    require(principal, "read_runs")
    record = await exchange.services.gateway.record(principal, run_id)
    if record.state == "running":
        raise StillRunning(run_id)
    if not record.messages:
        raise RunNotFound(
            f"The text of {run_id!r}, which `previous_response_id` names, is not kept: send the conversation."
        )
    return Earlier(run_id, (*record.messages, *_answer_of(record)))


def _answer_of(record: RunRecord) -> tuple[Message, ...]:
    parts = (TextPart(record.text),) if record.text else ()
    if not parts and not record.tool_calls:
        return ()
    return (Message("assistant", parts, tool_calls=record.tool_calls),)


async def show(exchange: Exchange) -> Answer:
    """Raises `RunNotFound`, for another team's response too."""
    principal = await principal_of(exchange)
    require(principal, "read_runs")
    return await _shown(exchange, principal, exchange.tail)


async def remove(exchange: Exchange) -> Answer:
    """Its text is gone, from memory too; the request's facts and its entry in the ledger stay."""
    principal = await principal_of(exchange)
    require(principal, "run_models")
    await exchange.services.gateway.forget_text(principal, exchange.tail)
    return Answer(200, {"id": exchange.tail, "object": "response", "deleted": True})


async def cancel(exchange: Exchange) -> Answer:
    """Stops a run that still runs; what had arrived is billed. An ended one is answered as it is."""
    principal = await principal_of(exchange)
    run_id, _, what = exchange.tail.partition("/")
    if what != "cancel":
        raise PathNotFound("POST", exchange.scope["path"])
    require(principal, "run_models")
    await exchange.services.gateway.stop(principal, run_id)
    return await _shown(exchange, principal, run_id)


async def _shown(exchange: Exchange, principal: Principal, run_id: str) -> Answer:
    record = await exchange.services.gateway.record(principal, run_id)
    answered = await answered_of(exchange, principal, record)
    return Answer(200, ResponseShape().whole(answered))
