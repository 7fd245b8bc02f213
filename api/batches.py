"""/v1/batches: a prompt put to lanes over rows, durable: it goes on when nobody looks, and after a crash.

Not OpenAI's batch API, whose shape has no lanes, checks or votes: this one is ours (docs/batches.md).
"""

from __future__ import annotations

import asyncio
import hashlib
from collections.abc import Callable
from typing import Any, TypeVar

import msgspec

from api.authentication import principal_of
from api.exchange import Answer, Exchange, Text
from api.wire.batches import BatchBody, BatchChange, BatchLane, around, batch_shape, lane_of, report_shape
from api.wire.reading import Strict
from battles.batch_files import as_csv, as_lines
from battles.batch_models import BatchSpec, BatchWish, Judge
from battles.batch_rows import Upload, read_rows, rows_of
from battles.errors import BadBattle
from battles.models import LaneWish
from billing.commands import MAX_AMOUNT_NANO_USD
from billing.money import parse_usd
from gateway.errors import BadRequest
from identity.permissions import may, require
from identity.principal import Principal

S = TypeVar("S", bound=Strict)

_LONGEST_KEY = 255


async def create(exchange: Exchange) -> Answer:
    """An `Idempotency-Key` opens it once, however often it is sent."""
    principal = await principal_of(exchange)
    require(principal, "run_models")
    asked = await _body(exchange, BatchBody)
    upload = await asyncio.to_thread(_upload, asked)
    lanes = [await _lane(exchange, principal, asked.request, lane) for lane in asked.lanes]
    spec = BatchSpec(
        template="",
        lanes=tuple(lanes),
        checks=tuple(asked.checks),
        judge=Judge(asked.judge.model, asked.judge.criteria) if asked.judge is not None else None,
        at_once=asked.at_once,
        cost_cap_nano_usd=_usd(asked.cost_cap_usd),
        category=asked.category,
        tags=tuple(asked.tags),
    )
    batches = exchange.services.batches
    wish = BatchWish(asked.name, spec, upload)
    batch = await batches.open(principal, wish, surface="api", request_key=_request_key(exchange))
    if asked.open_votes and not batch.votes_open:
        await asyncio.to_thread(batches.open_votes, principal, batch.id, are_open=True)
    return await _shown(exchange, principal, batch.id, 201)


async def list_all(exchange: Exchange) -> Answer:
    principal = await principal_of(exchange)
    require(principal, "read_runs")
    found = await asyncio.to_thread(
        exchange.services.batches.listed, principal, 100, exchange.query("before")
    )
    return Answer(200, {"object": "list", "data": [batch_shape(*each) for each in found]})


async def show(exchange: Exchange) -> Answer:
    """With what it comes to so far."""
    principal = await principal_of(exchange)
    require(principal, "read_runs")
    return await _shown(exchange, principal, exchange.params["batch"], 200)


async def change(exchange: Exchange) -> Answer:
    principal = await principal_of(exchange)
    require(principal, "run_models")
    batches, id_ = exchange.services.batches, exchange.params["batch"]
    await asyncio.to_thread(batches.show, principal, id_)
    asked = await _body(exchange, BatchChange)
    limit = _usd(asked.cost_cap_usd)
    if limit is not None:
        await batches.set_cap(principal, id_, limit)
    if asked.open_votes is not None:
        await asyncio.to_thread(batches.open_votes, principal, id_, are_open=asked.open_votes)
    return await _shown(exchange, principal, id_, 200)


async def pause(exchange: Exchange) -> Answer:
    return await _moved(exchange, lambda batches: batches.pause)


async def resume(exchange: Exchange) -> Answer:
    return await _moved(exchange, lambda batches: batches.resume)


async def stop(exchange: Exchange) -> Answer:
    return await _moved(exchange, lambda batches: batches.stop)


async def retry(exchange: Exchange) -> Answer:
    """Ask again for what failed or was cut."""
    return await _moved(exchange, lambda batches: batches.ask_again)


async def results(exchange: Exchange) -> Answer:
    """Every row on every lane, as JSON lines or, with `format=csv`, as CSV."""
    principal = await principal_of(exchange)
    require(principal, "read_runs")
    exported = exchange.services.batches.export(principal, exchange.params["batch"])
    if exchange.query("format") == "csv":
        return Answer(200, Text(await asyncio.to_thread(as_csv, exported), "text/csv; charset=utf-8"))
    return Answer(200, Text(await asyncio.to_thread(as_lines, exported), "application/jsonl"))


async def _moved(exchange: Exchange, move: Callable[[Any], Callable[[Principal, str], object]]) -> Answer:
    principal = await principal_of(exchange)
    require(principal, "run_models")
    id_ = exchange.params["batch"]
    await asyncio.to_thread(move(exchange.services.batches), principal, id_)
    return await _shown(exchange, principal, id_, 200)


async def _shown(exchange: Exchange, principal: Principal, batch_id: str, status: int) -> Answer:
    batches = exchange.services.batches
    if not may(principal, "read_runs"):  # a key that may only send learns what it sent, and no more
        return Answer(status, {"object": "batch", "id": batch_id})
    shape = batch_shape(*await asyncio.to_thread(batches.show, principal, batch_id))
    return Answer(
        status, shape | {"report": report_shape(await asyncio.to_thread(batches.report, principal, batch_id))}
    )


async def _lane(
    exchange: Exchange, principal: Principal, shared: dict[str, Any], lane: BatchLane
) -> LaneWish:
    if lane.prompt is None:
        return lane_of(shared, lane)
    version = await asyncio.to_thread(
        exchange.services.prompts.served, principal, lane.prompt, label=lane.label, no=lane.version
    )
    model = lane.model or version.model or shared.get("model")
    if not isinstance(model, str):
        raise BadRequest(f"The prompt {lane.prompt!r} names no model, and neither does its lane.", "lanes")
    settings = around(version.settings, shared)
    return LaneWish(model, lane.provider or version.provider, version.id, settings, ("prompt",))


def _upload(asked: BatchBody) -> Upload:
    if (asked.rows is None) is (asked.data is None):
        raise BadBattle("Send either `rows` or `data`.", "rows")
    if asked.rows is not None:
        return rows_of(asked.rows)
    return read_rows((asked.data or "").encode("utf-8", "surrogatepass"))


def _usd(said: str | None) -> int | None:
    if said is None:
        return None
    try:
        nano_usd = parse_usd(said)
    except ValueError:
        nano_usd = 0
    if not 0 < nano_usd <= MAX_AMOUNT_NANO_USD:
        raise BadRequest("A cost cap is a number of dollars above zero, such as 2.50.", "cost_cap_usd")
    return nano_usd


def _request_key(exchange: Exchange) -> str | None:
    key = exchange.header(b"idempotency-key")
    if key is None:
        return None
    if not 0 < len(key) <= _LONGEST_KEY or not key.isprintable():
        raise BadRequest(
            f"`Idempotency-Key` has 1 to {_LONGEST_KEY} printable characters.", "Idempotency-Key"
        )
    return hashlib.sha256(key.encode()).hexdigest()


async def _body(exchange: Exchange, kind: type[S]) -> S:
    try:
        return msgspec.json.decode(await exchange.body(), type=kind)
    except msgspec.ValidationError as error:
        raise BadRequest(f"The body does not fit: {error}.") from None
    except (msgspec.DecodeError, UnicodeDecodeError):
        raise BadRequest("The body is not JSON.") from None
