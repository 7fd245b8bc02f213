"""Through a real server on loopback: OpenAI's own SDK, and connections that break."""

from __future__ import annotations

import asyncio
import contextlib
import json
import socket
from collections.abc import AsyncIterator
from typing import cast

import httpx
import openai
import pytest
import uvicorn
from openai.types.chat import ChatCompletionMessageParam

from gateway.errors import ProviderBroke
from gateway.messages import Finished, TextDelta, ToolCallDelta, Usage
from tests.api.conftest import KEY, START_NANO_USD, World, chat

ASKED: list[ChatCompletionMessageParam] = [{"role": "user", "content": "hi"}]

HEAD = f"1:1:{'01' * 32}"


@pytest.fixture
async def url(world: World) -> AsyncIterator[str]:
    listening = socket.create_server(("127.0.0.1", 0))
    config = uvicorn.Config(world.app, log_level="critical", lifespan="off", ws="none")
    server = uvicorn.Server(config)
    serving = asyncio.create_task(server.serve([listening]))
    async with asyncio.timeout(5):
        while not server.started:
            await asyncio.sleep(0.005)
    yield f"http://127.0.0.1:{listening.getsockname()[1]}"
    server.should_exit = True
    await serving


@pytest.fixture
async def sdk(url: str) -> AsyncIterator[openai.AsyncOpenAI]:
    async with openai.AsyncOpenAI(api_key=KEY, base_url=f"{url}/v1", max_retries=0, timeout=5) as client:
        yield client


async def test_the_sdk_gets_a_completion(sdk: openai.AsyncOpenAI) -> None:
    answer = await sdk.chat.completions.create(model="lab/fast", messages=ASKED)
    assert answer.choices[0].message.content == "Hello \u2603"
    assert answer.choices[0].finish_reason == "stop"
    assert answer.usage is not None
    assert (answer.usage.total_tokens, answer.usage.model_extra) == (
        12,
        {"cost": "0.000002100", "available_after": "4.999997900", "estimated": False, "ledger_head": HEAD},
    )


async def test_the_sdk_streams_with_usage(sdk: openai.AsyncOpenAI) -> None:
    stream = await sdk.chat.completions.create(
        model="lab/fast", messages=ASKED, stream=True, stream_options={"include_usage": True}
    )
    chunks = [chunk async for chunk in stream]
    assert (
        "".join(chunk.choices[0].delta.content or "" for chunk in chunks if chunk.choices) == "Hello \u2603"
    )
    assert chunks[-1].usage is not None
    assert chunks[-1].usage.prompt_tokens == 9
    assert chunks[-1].usage.model_extra == {
        "cost": "0.000002100",
        "available_after": "4.999997900",
        "estimated": False,
        "ledger_head": HEAD,
    }


async def test_the_sdks_stream_helper_assembles_text_and_tool_calls(
    world: World, sdk: openai.AsyncOpenAI
) -> None:
    world.provider.script = [
        TextDelta("Let me look."),
        ToolCallDelta(0, "call_1", "find", ""),
        ToolCallDelta(0, arguments='{"q": 1}'),
        Finished("tool_calls"),
        Usage(1, 1),
    ]
    async with sdk.chat.completions.stream(model="lab/fast", messages=ASKED) as stream:
        answer = await stream.get_final_completion()
    message = answer.choices[0].message
    assert message.content == "Let me look."
    assert message.tool_calls is not None
    assert message.tool_calls[0].function.name == "find"
    assert json.loads(message.tool_calls[0].function.arguments) == {"q": 1}


async def test_the_sdk_can_send_its_answer_back(world: World, sdk: openai.AsyncOpenAI) -> None:
    world.provider.script = [ToolCallDelta(0, "call_1", "find", "{}"), Finished("tool_calls"), Usage(1, 1)]
    first = await sdk.chat.completions.create(model="lab/fast", messages=ASKED)
    said = first.choices[0].message
    history = [
        *ASKED,
        cast(ChatCompletionMessageParam, said.model_dump()),
        {"role": "tool", "tool_call_id": "call_1", "content": "42"},
    ]
    await sdk.chat.completions.create(
        model="lab/fast", messages=cast(list[ChatCompletionMessageParam], history)
    )
    roles = [message.role for message in world.provider.calls[-1].request.messages]
    assert roles == ["user", "assistant", "tool"]
    assert world.provider.calls[-1].request.messages[1].tool_calls[0].name == "find"


async def test_the_sdk_raises_its_own_errors(world: World, sdk: openai.AsyncOpenAI) -> None:
    with pytest.raises(openai.NotFoundError) as unknown:
        await sdk.chat.completions.create(model="lab/fasst", messages=ASKED)
    assert unknown.value.code == "model_not_found"
    assert unknown.value.request_id is not None
    assert unknown.value.request_id.startswith("req_")
    with pytest.raises(openai.AuthenticationError):
        await sdk.with_options(api_key="ty_wrong").models.list()
    with pytest.raises(openai.BadRequestError) as refused:
        await sdk.chat.completions.create(model="lab/fast", messages=ASKED, n=3)
    assert refused.value.param == "n"
    world.ledger.available[1] = 0
    with pytest.raises(openai.APIStatusError) as broke:
        await sdk.chat.completions.create(model="lab/fast", messages=ASKED)
    assert broke.value.status_code == 402
    assert cast(dict[str, object], broke.value.body)["limit_scope"] == "team"


async def test_the_sdk_raises_on_a_failure_in_mid_stream(world: World, sdk: openai.AsyncOpenAI) -> None:
    world.provider.script = [TextDelta("Hel"), ProviderBroke("lab", "It cut its answer.")]
    stream = await sdk.chat.completions.create(model="lab/fast", messages=ASKED, stream=True)
    pieces: list[str | None] = []

    async def read() -> None:
        async for chunk in stream:
            pieces.append(chunk.choices[0].delta.content)

    with pytest.raises(openai.APIError, match="It cut its answer"):
        await read()
    assert pieces == ["", "Hel"]


async def test_the_sdk_does_not_retry_what_cannot_get_better(world: World, url: str) -> None:
    async with openai.AsyncOpenAI(api_key=KEY, base_url=f"{url}/v1", max_retries=2, timeout=5) as client:
        with pytest.raises(openai.InternalServerError):
            await client.chat.completions.create(model="far/away", messages=ASKED)
    assert len(world.rows) == 1


async def test_the_sdk_lists_and_finds_models(sdk: openai.AsyncOpenAI) -> None:
    listed = [model.id async for model in sdk.models.list()]
    assert "lab/fast" in listed
    assert (await sdk.models.retrieve("lab/fast")).owned_by == "lab"


async def test_a_connection_that_breaks_in_mid_stream_stops_the_run(world: World, url: str) -> None:
    world.provider.script = [TextDelta("one"), 9.0]
    async with (
        httpx.AsyncClient(base_url=url, headers={"authorization": f"Bearer {KEY}"}) as client,
        client.stream("POST", "/v1/chat/completions", json=chat(stream=True)) as answer,
    ):
        async for line in answer.aiter_lines():
            if '"one"' in line:
                break
    await world.settled()
    (run,) = world.gateway.runs
    assert (run.state, run.stop_reason) == ("stopped", "caller_left")
    assert run.receipt is not None


async def test_a_caller_who_waits_for_one_body_and_leaves_stops_the_run(world: World, url: str) -> None:
    world.provider.script = [9.0]
    async with httpx.AsyncClient(base_url=url, headers={"authorization": f"Bearer {KEY}"}) as client:
        with contextlib.suppress(httpx.ReadTimeout):
            await client.post("/v1/chat/completions", json=chat(), timeout=0.3)
    await world.settled()
    assert world.ledger.available[1] == START_NANO_USD


async def test_ten_megabytes_get_their_413_and_the_server_goes_on(world: World, url: str) -> None:
    async with httpx.AsyncClient(base_url=url, headers={"authorization": f"Bearer {KEY}"}) as client:

        async def pieces() -> AsyncIterator[bytes]:
            for _ in range(160):
                yield b"x" * 65_536

        assert (await client.post("/v1/chat/completions", content=b"x" * 10_000_000)).status_code == 413
        assert (await client.post("/v1/chat/completions", content=pieces())).status_code == 413
        assert (await client.post("/v1/chat/completions", json=chat())).status_code == 200
    assert world.ledger.open == {}


async def test_headers_cannot_be_injected_through_what_a_caller_sends(world: World, url: str) -> None:
    reader, writer = await asyncio.open_connection("127.0.0.1", int(url.rsplit(":", 1)[1]))
    body = json.dumps({**chat(), "model": "lab/fast\r\nx-evil: 1"})
    head = f"POST /v1/chat/completions HTTP/1.1\r\nhost: localhost\r\nauthorization: Bearer {KEY}\r\n"
    writer.write(f"{head}connection: close\r\ncontent-length: {len(body)}\r\n\r\n{body}".encode())
    raw = await reader.read()
    writer.close()
    headers, _, _ = raw.partition(b"\r\n\r\n")
    assert headers.startswith(b"HTTP/1.1 400")
    assert b"x-evil" not in headers


async def test_many_streams_at_once_each_get_their_own_answer(world: World, sdk: openai.AsyncOpenAI) -> None:
    async def one() -> str:
        stream = await sdk.chat.completions.create(model="lab/fast", messages=ASKED, stream=True)
        return "".join([chunk.choices[0].delta.content or "" async for chunk in stream])

    answers = await asyncio.gather(*(one() for _ in range(50)))
    assert set(answers) == {"Hello \u2603"}
    assert world.ledger.used[1] == 50 * 2_100
    assert world.ledger.open == {}
