"""POST /v1/embeddings: vectors on the same path as answers, paid to the nano-dollar."""

from __future__ import annotations

import asyncio
import base64
import struct
from array import array
from typing import Any

import pytest
from openai.types import CreateEmbeddingResponse

from gateway.errors import ProviderRefused
from gateway.messages import Usage
from gateway.providers.base import Embedded
from tests.api.conftest import START_NANO_USD, Answered, World

TWO = Embedded((array("f", [0.5, -1.0, 0.25]), array("f", [0.0, 1.0, 0.0])), Usage(input=7, output=0))


def asked(input: Any = ("a", "b"), **more: Any) -> dict[str, Any]:
    return {"model": "lab/vectors", "input": input, **more}


async def ask(world: World, body: dict[str, Any], **how: Any) -> Answered:
    return await world.caller().ask("POST", "/v1/embeddings", body, **how)


async def test_a_vector_an_input_and_the_ledgers_cost(world: World) -> None:
    world.provider.vectors = TWO
    answered = await ask(world, asked(dimensions=3), headers={"x-tags": "nightly"})
    assert answered.status == 200, answered.text
    body = answered.json
    CreateEmbeddingResponse.model_validate(body)
    assert [one["embedding"] for one in body["data"]] == [[0.5, -1.0, 0.25], [0.0, 1.0, 0.0]]
    assert [one["index"] for one in body["data"]] == [0, 1]
    assert (body["usage"]["prompt_tokens"], body["usage"]["total_tokens"]) == (7, 7)
    assert body["usage"]["cost"] == "0.000000700"
    assert world.ledger.receipts[body["id"]].cost_nano_usd == 700
    assert (answered.headers["x-run-id"], answered.headers["x-provider"]) == (body["id"], "lab")
    (row,) = world.rows
    assert (row.outcome, row.cost_nano_usd, row.tags, row.output_tokens) == ("ok", 700, ("nightly",), 0)
    (call,) = world.provider.embedded
    assert (call.model, call.inputs, call.dimensions) == ("vectors-1", ("a", "b"), 3)
    assert world.ledger.open == {}


async def test_base64_holds_the_same_numbers(world: World) -> None:
    world.provider.vectors = TWO
    body = (await ask(world, asked(encoding_format="base64"))).json
    raw = base64.b64decode(body["data"][0]["embedding"])
    assert struct.unpack("<3f", raw) == (0.5, -1.0, 0.25)


async def test_tokens_and_one_text_are_inputs_too(world: World) -> None:
    world.provider.vectors = Embedded((array("f", [1.0]),), None)
    assert (await ask(world, asked([1, 2, 3]))).json["usage"]["prompt_tokens"] == 3
    assert (await ask(world, asked("sky"))).json["usage"]["estimated"] is True
    assert [call.inputs for call in world.provider.embedded] == [((1, 2, 3),), ("sky",)]


@pytest.mark.parametrize(
    ("body", "status", "param"),
    [
        (asked([]), 400, "input"),
        (asked(""), 400, "input"),
        (asked(["a", ""]), 400, "input[1]"),
        (asked(["a", 1]), 400, "input[1]"),
        (asked([[-1]]), 400, "input[0]"),
        (asked(["a"] * 2_049), 400, "input"),
        (asked(encoding_format="hex"), 400, "encoding_format"),
        (asked(dimensions=4), 400, "dimensions"),
        (asked(messages=[]), 400, "messages"),
        (asked(model="lab/fast"), 400, "model"),
        (asked(["word " * 600]), 413, None),
        (asked([[7] * 513]), 413, None),
        (asked(model="nobody/knows"), 404, None),
    ],
)  # fmt: skip
async def test_what_cannot_be_embedded_is_refused_by_name_and_costs_nothing(
    world: World, body: dict[str, Any], status: int, param: str | None
) -> None:
    answered = await ask(world, body)
    assert (answered.status, answered.error["param"]) == (status, param), answered.text
    assert world.provider.embedded == []
    assert world.ledger.available[1] == START_NANO_USD


async def test_a_batch_may_be_longer_than_the_window_that_each_input_has(world: World) -> None:
    vector = array("f", [1.0])
    world.provider.vectors = Embedded((vector,) * 4, Usage(input=1_600, output=0))
    answered = await ask(world, asked([[7] * 400] * 4))
    assert answered.status == 200, answered.text
    assert answered.json["usage"]["prompt_tokens"] == 1_600
    assert answered.json["usage"]["estimated"] is False


async def test_a_model_that_answers_no_prompts_says_so(world: World) -> None:
    body = {"model": "lab/vectors", "messages": [{"role": "user", "content": "hi"}]}
    assert (await world.post(body)).error["param"] == "model"


async def test_a_failed_provider_is_a_proper_error_and_costs_nothing(world: World) -> None:
    world.provider.vectors = ProviderRefused("lab", "Slow down.", status=429, retry_after_s=2.0)
    answered = await ask(world, asked())
    assert (answered.status, answered.headers["retry-after"]) == (429, "2")
    assert world.ledger.available[1] == START_NANO_USD
    assert world.ledger.open == {}


async def test_a_caller_who_leaves_stops_the_run(world: World) -> None:
    caller = world.caller()
    asking = asyncio.create_task(caller.ask("POST", "/v1/embeddings", asked()))
    async with asyncio.timeout(20):
        while not world.provider.embedded:
            await asyncio.sleep(0.005)
    caller.leave()
    await asyncio.wait_for(asking, 5)
    await world.settled()
    assert world.ledger.available[1] == START_NANO_USD


async def test_the_same_idempotency_key_gets_the_receipt_and_pays_once(world: World) -> None:
    world.provider.vectors = TWO
    first = await ask(world, asked(), headers={"idempotency-key": "e-1"})
    again = await ask(world, asked(), headers={"idempotency-key": "e-1"})
    assert (again.status, again.error["code"]) == (409, "request_replayed")
    assert again.error["usage"]["cost"] == first.json["usage"]["cost"]
    assert len(world.provider.embedded) == 1
