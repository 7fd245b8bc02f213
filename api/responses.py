"""OpenAI's responses wire around the one use case; a response is a run, and its id is the run's.

POST /v1/responses; GET and DELETE /v1/responses/{id}; GET /v1/responses/{id}/input_items;
POST /v1/responses/{id}/cancel.
"""

from __future__ import annotations

from api.answering import answer, answered_of
from api.authentication import principal_of
from api.errors import PathNotFound, StillRunning
from api.exchange import Answer, Exchange
from api.wire.openai_responses import ENCRYPTED, Earlier, asked_of, read
from api.wire.openai_responses_answer import ResponseShape
from api.wire.openai_responses_kept import MOST_LISTED, answer_of, echo_of, input_items as kept_items, listed
from gateway.errors import BadRequest, RunNotFound, Unsupported
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
    return Earlier(run_id, (*record.messages, *answer_of(record)))


async def show(exchange: Exchange) -> Answer:
    """Raises `RunNotFound`, for another team's response too."""
    principal = await principal_of(exchange)
    require(principal, "read_runs")
    if exchange.query("stream") not in (None, "false"):
        raise Unsupported("A response is read again whole, and not as a stream.", "stream")
    return await _shown(exchange, principal, exchange.tail)


async def input_items(exchange: Exchange) -> Answer:
    """What a response was given, newest first where nothing else is asked. Raises `RunNotFound`, for another
    team's response and for one whose text is gone too."""
    principal = await principal_of(exchange)
    require(principal, "read_runs")
    run_id, after = exchange.params["response"], exchange.query("after")
    limit, order = exchange.query("limit") or "20", exchange.query("order") or "desc"
    if not limit.isdecimal() or not 0 < int(limit[:9]) <= MOST_LISTED or order not in ("asc", "desc"):
        at_fault = "order" if order not in ("asc", "desc") else "limit"
        raise BadRequest(f"`limit` is 1 to {MOST_LISTED}, `order` asc or desc.", at_fault)
    record = await exchange.services.gateway.record(principal, run_id)
    if not record.messages:
        raise RunNotFound(f"The text of {run_id!r} is not kept.")
    items = kept_items(record, with_seals=_asks_for_seals(exchange))
    try:
        page = listed(items, after=after, limit=int(limit), newest_first=order == "desc")
    except KeyError:
        raise BadRequest("`after` is the id of one of these items.", "after") from None
    return Answer(200, page)


def _asks_for_seals(exchange: Exchange) -> bool:
    """SDKs write a list as `include[]`, or as `include[0]`."""
    asked = (value for name, value in exchange.queries() if name.partition("[")[0] == "include")
    return ENCRYPTED in asked


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
    shape = ResponseShape(echo_of(record), _asks_for_seals(exchange))
    return Answer(200, shape.whole(answered))
