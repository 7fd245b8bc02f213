from __future__ import annotations

import asyncio

import pytest

from gateway.errors import ProviderBroke, ProviderRefused, ProviderTimeout
from gateway.messages import (
    Event,
    Finished,
    ReasoningDelta,
    TextDelta,
    ToolCallDelta,
    Usage,
)
from tests.api.conftest import KEY, OTHER_KEY, START_NANO_USD, World, chat

# "Hello" costs 9 x 100,000 + 3 x 400,000 pico-dollars: 2,100 nano-dollars.
COST, LEFT = "0.000002100", "4.999997900"


async def test_a_request_says_which_version_of_a_prompt_it_is(world: World) -> None:
    version_id = "prv_" + "a" * 32
    answered = await world.post(chat(), headers={"x-prompt-version": version_id})
    told = await world.get(f"/v1/generation?id={answered.headers['x-run-id']}")
    assert told.json["data"]["prompt_version_id"] == version_id
    refused = await world.post(chat(), headers={"x-prompt-version": "production"})
    assert (refused.status, refused.error["param"]) == (400, "X-Prompt-Version")


async def test_an_answer_in_one_body_has_openais_shape_and_the_ledgers_cost(world: World) -> None:
    answered = await world.post(chat())
    assert answered.status == 200
    body = answered.json
    assert body["object"] == "chat.completion"
    assert body["model"] == "lab/fast"
    assert body["id"].startswith("run_")
    assert body["choices"] == [
        {
            "index": 0,
            "message": {"role": "assistant", "content": "Hello \u2603", "refusal": None},
            "logprobs": None,
            "finish_reason": "stop",
        }
    ]
    usage = body["usage"]
    assert (usage["prompt_tokens"], usage["completion_tokens"], usage["total_tokens"]) == (9, 3, 12)
    assert (usage["cost"], usage["available_after"], usage["estimated"]) == (COST, LEFT, False)
    assert world.ledger.receipts[body["id"]].cost_nano_usd == 2_100
    assert answered.headers["x-run-id"] == body["id"]
    assert answered.headers["x-model"] == "lab/fast"
    assert answered.headers["cache-control"] == "no-store"
    assert answered.headers["x-request-id"] == world.rows[-1].request_id


async def test_a_stream_is_a_role_then_each_piece_then_a_finish_then_done(world: World) -> None:
    answered = await world.post(chat(stream=True))
    assert answered.status == 200
    assert answered.headers["content-type"] == "text/event-stream; charset=utf-8"
    assert answered.headers["cache-control"] == "no-store"
    assert "content-encoding" not in answered.headers
    *chunks, done = answered.events
    assert done == "[DONE]"
    assert [chunk["choices"][0]["delta"] for chunk in chunks] == [
        {"role": "assistant", "content": ""},
        {"content": "Hel"},
        {"content": "lo \u2603"},
        {},
    ]
    assert [chunk["choices"][0]["finish_reason"] for chunk in chunks] == [None, None, None, "stop"]
    assert {chunk["object"] for chunk in chunks} == {"chat.completion.chunk"}
    assert {chunk["id"] for chunk in chunks} == {answered.headers["x-run-id"]}
    assert all("usage" not in chunk for chunk in chunks)


async def test_usage_is_the_last_event_and_says_what_the_ledger_charged(world: World) -> None:
    answered = await world.post(chat(stream=True, stream_options={"include_usage": True}))
    *chunks, last, done = answered.events
    assert done == "[DONE]"
    assert all(chunk["usage"] is None for chunk in chunks)
    assert last["choices"] == []
    assert last["usage"]["cost"] == COST
    assert last["usage"]["available_after"] == LEFT
    assert last["usage"]["completion_tokens_details"] == {"reasoning_tokens": 0}
    assert world.ledger.receipts[last["id"]].cost_nano_usd == 2_100


async def test_the_first_token_is_sent_before_the_last_has_come(world: World) -> None:
    gate = asyncio.Event()
    world.provider.script = [TextDelta("a"), gate, TextDelta("b"), Finished("stop"), Usage(1, 2)]
    caller = world.caller()
    asking = asyncio.create_task(caller.ask("POST", "/v1/chat/completions", chat(stream=True)))
    async with asyncio.timeout(20):
        while '"content":"a"' not in caller.answered.text:
            await asyncio.sleep(0.005)
    assert '"content":"b"' not in caller.answered.text
    gate.set()
    assert '"content":"b"' in (await asking).text


async def test_reasoning_tools_and_cached_tokens_keep_their_names(world: World) -> None:
    script: list[Event] = [
        ReasoningDelta("hm"),
        ToolCallDelta(0, "call_1", "find", ""),
        ToolCallDelta(0, None, None, '{"q":'),
        ToolCallDelta(0, None, None, '"\\u2603"}'),
        Finished("tool_calls"),
        Usage(input=5, output=9, cached_input=4, reasoning=2),
    ]
    world.provider.script = script
    body = (await world.post(chat())).json
    message = body["choices"][0]["message"]
    assert message["reasoning_content"] == "hm"
    assert message["content"] is None
    assert message["tool_calls"] == [
        {"id": "call_1", "type": "function", "function": {"name": "find", "arguments": '{"q":"\\u2603"}'}}
    ]
    assert body["choices"][0]["finish_reason"] == "tool_calls"
    assert body["usage"]["prompt_tokens"] == 9
    assert body["usage"]["prompt_tokens_details"] == {"cached_tokens": 4}
    assert body["usage"]["completion_tokens_details"] == {"reasoning_tokens": 2}

    streamed = (await world.post(chat(stream=True))).events
    deltas = [chunk["choices"][0]["delta"] for chunk in streamed[1:-2]]
    assert deltas == [
        {"reasoning_content": "hm"},
        {
            "tool_calls": [
                {
                    "index": 0,
                    "id": "call_1",
                    "type": "function",
                    "function": {"name": "find", "arguments": ""},
                }
            ]
        },
        {"tool_calls": [{"index": 0, "function": {"arguments": '{"q":'}}]},
        {"tool_calls": [{"index": 0, "function": {"arguments": '"\\u2603"}'}}]},
    ]


@pytest.mark.parametrize("streamed", [False, True])
async def test_a_providers_rate_limit_reaches_the_caller_with_how_long_to_wait(
    world: World, streamed: bool
) -> None:
    world.provider.script = [ProviderRefused("lab", "Slow down.", status=429, retry_after_s=2.5)]
    answered = await world.post(chat(stream=streamed))
    assert (answered.status, answered.headers["retry-after"]) == (429, "3")
    assert answered.error["type"] == "rate_limit_error"
    assert answered.error["code"] == "provider_rate_limited"


@pytest.mark.parametrize("streamed", [False, True])
@pytest.mark.parametrize(
    ("error", "status", "code"),
    [
        (ProviderRefused("lab", "The provider refused.", status=503), 502, "provider_refused"),
        (ProviderTimeout("lab", "first_token", 2), 504, "provider_timeout"),
        (ProviderBroke("lab", "It sent nonsense."), 502, "provider_broke"),
        (RuntimeError("secret detail"), 500, "internal_error"),
    ],
)
async def test_a_provider_that_fails_before_its_first_word_is_a_proper_error(
    world: World, streamed: bool, error: Exception, status: int, code: str
) -> None:
    world.provider.script = [error]
    answered = await world.post(chat(stream=streamed))
    assert answered.status == status
    assert answered.headers["content-type"] == "application/json"
    assert answered.error["code"] == code
    assert answered.error["type"] == "server_error"
    assert answered.error["request_id"] == answered.headers["x-request-id"]
    assert answered.error["usage"]["cost"] == "0.000000000"
    assert "secret" not in answered.text
    assert world.ledger.available[1] == START_NANO_USD
    assert world.ledger.open == {}


async def test_a_failure_in_mid_stream_is_an_error_event_and_the_end(world: World) -> None:
    world.provider.script = [TextDelta("Hel"), ProviderBroke("lab", "It cut its answer.")]
    answered = await world.post(chat(stream=True, stream_options={"include_usage": True}))
    assert answered.status == 200
    *_, usage, last = answered.events
    assert usage["usage"]["estimated"] is True
    assert last["error"]["code"] == "provider_broke"
    assert last["error"]["run_id"] == answered.headers["x-run-id"]
    assert last["error"]["request_id"] == answered.headers["x-request-id"]
    assert last["error"]["usage"]["cost"] == usage["usage"]["cost"] != "0.000000000"
    assert "[DONE]" not in answered.text
    assert answered.complete
    assert world.ledger.open == {}


async def test_a_failure_after_some_text_without_a_stream_says_what_was_billed(world: World) -> None:
    world.provider.script = [TextDelta("Hel"), ProviderBroke("lab", "It cut its answer.")]
    answered = await world.post(chat())
    assert answered.status == 502
    assert answered.error["usage"]["estimated"] is True
    run_id = answered.error["run_id"]
    assert world.ledger.receipts[run_id].estimated


@pytest.mark.parametrize("streamed", [False, True])
async def test_a_caller_who_leaves_stops_the_run_and_pays_for_what_was_sent(
    world: World, streamed: bool
) -> None:
    world.provider.script = [TextDelta("one "), TextDelta("two "), 9.0, TextDelta("three"), Finished("stop")]
    caller = world.caller()
    asking = asyncio.create_task(caller.ask("POST", "/v1/chat/completions", chat(stream=streamed)))
    async with asyncio.timeout(20):
        while not any(run.text == "one two " for run in world.gateway.runs):
            await asyncio.sleep(0.005)
    caller.leave()
    await asyncio.wait_for(asking, 5)
    await world.settled()
    (run,) = world.gateway.runs
    assert (run.state, run.stop_reason) == ("stopped", "caller_left")
    assert world.provider.dropped == 1
    assert run.receipt is not None
    assert run.receipt.estimated
    assert run.receipt.cost_nano_usd > 0
    assert not caller.answered.complete


async def test_a_caller_who_leaves_before_the_first_word_pays_nothing(world: World) -> None:
    world.provider.script = [9.0]
    caller = world.caller()
    asking = asyncio.create_task(caller.ask("POST", "/v1/chat/completions", chat(stream=True)))
    async with asyncio.timeout(20):
        while not world.gateway.runs.running():
            await asyncio.sleep(0.005)
    caller.leave()
    await asyncio.wait_for(asking, 5)
    await world.settled()
    assert world.ledger.available[1] == START_NANO_USD
    assert caller.answered.status == 0


async def test_a_stopped_run_tells_its_streaming_caller(world: World) -> None:
    world.provider.script = [TextDelta("one"), 9.0]
    caller = world.caller()
    asking = asyncio.create_task(caller.ask("POST", "/v1/chat/completions", chat(stream=True)))
    await asyncio.wait_for(caller.arrived.wait(), 20)
    while '"one"' not in caller.answered.text:
        await asyncio.sleep(0.005)
    (run,) = world.gateway.runs.running()
    run.stop("user")
    answered = await asyncio.wait_for(asking, 5)
    assert answered.events[-1]["error"]["code"] == "run_stopped"
    assert answered.complete


@pytest.mark.parametrize("streamed", [False, True])
async def test_draining_cuts_a_long_answer_with_503_and_refuses_new_ones(
    world: World, streamed: bool
) -> None:
    world.provider.script = [TextDelta("one"), 9.0]
    caller = world.caller()
    asking = asyncio.create_task(caller.ask("POST", "/v1/chat/completions", chat(stream=streamed)))
    async with asyncio.timeout(20):
        while not any(run.text for run in world.gateway.runs):
            await asyncio.sleep(0.005)
    await world.gateway.drain(0.01)
    answered = await asyncio.wait_for(asking, 5)
    error = answered.events[-1]["error"] if streamed else answered.error
    assert error["code"] == "server_draining"
    refused = await world.post(chat())
    assert refused.status == 503
    assert int(refused.headers["retry-after"]) >= 1


async def test_a_reader_who_is_stuck_gets_its_connection_closed(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("gateway.pump.STUCK_LISTENER_S", 0.05)
    world.provider.script = [TextDelta("one"), 0.05, *[TextDelta("x")] * 50, Finished("stop")]
    caller = world.caller()
    asking = asyncio.create_task(caller.ask("POST", "/v1/chat/completions", chat(stream=True)))
    await asyncio.wait_for(caller.arrived.wait(), 20)
    caller.stop_reading()
    await asyncio.wait_for(asking, 4)
    await world.settled()
    (run,) = world.gateway.runs
    assert run.stop_reason == "caller_left"
    assert not caller.answered.complete


async def test_a_stand_in_is_named_in_a_header(world: World) -> None:
    answered = await world.post({**chat(), "model": "lab/older"})
    assert answered.json["model"] == answered.headers["x-model"] == "lab/fast"
    assert answered.headers["x-stand-in-for"] == "lab/older"
    plain = await world.post({**chat(), "model": "fast"})
    assert plain.headers["x-model"] == "lab/fast"
    assert "x-stand-in-for" not in plain.headers


async def test_a_field_that_the_model_does_not_take_is_named_in_a_header(world: World) -> None:
    answered = await world.post(chat(reasoning_effort="high"))
    assert answered.status == 200
    assert "effort" in answered.headers["x-run-notes"]
    assert answered.headers["x-run-notes"].isprintable()


# --- idempotency -----------------------------------------------------------------------------


async def test_the_same_key_and_request_get_the_kept_answer_and_pay_once(world: World) -> None:
    headers = {"idempotency-key": "order-7"}
    first = await world.post(chat(), headers=headers)
    spelled_otherwise = b'{"messages":[{"content":"hi", "role":"user"}], "model":"lab/fast"}'
    again = await world.post(spelled_otherwise, headers=headers)
    assert again.status == 200
    assert again.headers["x-replayed"] == "true"
    assert again.json == first.json
    assert len(world.provider.calls) == 1
    assert world.ledger.used[1] == 2_100


async def test_a_replayed_stream_is_a_whole_stream(world: World) -> None:
    headers = {"idempotency-key": "order-8"}
    ask = chat(stream=True, stream_options={"include_usage": True})
    first = await world.post(ask, headers=headers)
    again = await world.post(ask, headers=headers)
    *chunks, usage, done = again.events
    assert done == "[DONE]"
    assert usage["usage"] == first.events[-2]["usage"]
    text = "".join(chunk["choices"][0]["delta"].get("content", "") for chunk in chunks)
    assert text == "Hello \u2603"
    assert chunks[-1]["choices"][0]["finish_reason"] == "stop"


async def test_the_same_key_for_another_request_is_a_conflict(world: World) -> None:
    headers = {"idempotency-key": "order-9"}
    first = await world.post(chat(), headers=headers)
    other = await world.post(chat("something else"), headers=headers)
    assert other.status == 409
    assert other.error["code"] == "idempotency_key_reused"
    assert other.error["run_id"] == first.json["id"]
    assert other.headers["x-should-retry"] == "false"


async def test_the_same_key_of_another_team_is_another_key(world: World) -> None:
    headers = {"idempotency-key": "order-10"}
    first = await world.post(chat(), headers=headers, key=KEY)
    other = await world.post(chat(), headers=headers, key=OTHER_KEY)
    assert other.status == 200
    assert other.json["id"] != first.json["id"]


async def test_a_replay_of_a_running_request_is_told_to_wait(world: World) -> None:
    gate = asyncio.Event()
    world.provider.script = [TextDelta("a"), gate, Finished("stop"), Usage(1, 1)]
    headers = {"idempotency-key": "order-11"}
    first = asyncio.create_task(world.post(chat(), headers=headers))
    async with asyncio.timeout(20):
        while not world.gateway.runs.running():
            await asyncio.sleep(0.005)
    (run,) = world.gateway.runs.running()
    again = await world.post(chat(), headers=headers)
    assert again.status == 409
    assert again.error["code"] == "still_running"
    assert again.error["run_id"] == run.id
    assert int(again.headers["retry-after"]) >= 1
    gate.set()
    assert (await first).status == 200


async def test_a_replay_of_a_failed_request_gets_its_receipt(world: World) -> None:
    world.provider.script = [TextDelta("Hel"), ProviderBroke("lab", "It cut its answer.")]
    headers = {"idempotency-key": "order-12"}
    first = await world.post(chat(), headers=headers)
    again = await world.post(chat(), headers=headers)
    assert again.status == 409
    assert again.error["code"] == "request_replayed"
    assert again.error["state"] == "failed"
    assert again.error["run_id"] == first.error["run_id"]
    assert again.error["usage"]["cost"] == first.error["usage"]["cost"]


@pytest.mark.parametrize("key", ["x" * 256, "a\tb", "a\u00a0b"])
async def test_an_idempotency_key_is_short_and_printable(world: World, key: str) -> None:
    answered = await world.post(chat(), headers={"idempotency-key": key})
    assert answered.status == 400
    assert answered.error["param"] == "Idempotency-Key"
    assert world.provider.calls == []
