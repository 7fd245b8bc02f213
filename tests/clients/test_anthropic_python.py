"""Anthropic's Python SDK, as it is, whatever wire the model behind speaks."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import anthropic
import pytest
from anthropic.types import MessageParam, ToolParam

from tests.clients.scripted import TEXT, THOUGHT
from tests.server import API_KEY, Server

TOOL: ToolParam = {
    "name": "weather",
    "description": "The weather in a city",
    "input_schema": {"type": "object", "properties": {"city": {"type": "string"}}, "required": ["city"]},
}
ON_EITHER_WIRE = pytest.mark.parametrize("model", ["lab/fast", "lab/native"])
WHY: list[MessageParam] = [{"role": "user", "content": "Why?"}]


@pytest.fixture(scope="module")
def client(server: Server) -> Iterator[anthropic.Anthropic]:
    with anthropic.Anthropic(base_url=server.url, api_key=API_KEY, max_retries=0) as client:
        yield client


def test_the_pages_snippet_runs(run_snippet: Callable[[str], str]) -> None:
    assert run_snippet("anthropic_messages.py") == TEXT


@ON_EITHER_WIRE
def test_a_message_is_answered_whole_and_streamed(
    client: anthropic.Anthropic, model: str, spent: Callable[[], int]
) -> None:
    whole = client.messages.create(model=model, max_tokens=100, messages=WHY)
    assert [block.text for block in whole.content if block.type == "text"] == [TEXT]
    assert (whole.usage.input_tokens, whole.usage.output_tokens) == (12, 5)
    assert whole.stop_reason == "end_turn"
    with client.messages.stream(model=model, max_tokens=100, messages=WHY) as stream:
        pieces = list(stream.text_stream)
        final = stream.get_final_message()
    assert ("".join(pieces), len(pieces)) == (TEXT, 3)
    assert final.usage.output_tokens == 5
    assert spent() == 2 * 32_000


@pytest.mark.parametrize("model", ["lab/thinker", "lab/native-thinker"])
def test_thoughts_are_blocks_of_their_own_and_may_be_sent_back(
    client: anthropic.Anthropic, model: str
) -> None:
    answer = client.messages.create(
        model=model, max_tokens=4096, messages=WHY, thinking={"type": "enabled", "budget_tokens": 1024}
    )
    assert [block.type for block in answer.content] == ["thinking", "text"]
    thought = answer.content[0]
    assert thought.type == "thinking"
    assert thought.thinking == THOUGHT
    again = client.messages.create(
        model=model,
        max_tokens=4096,
        thinking={"type": "enabled", "budget_tokens": 1024},
        messages=[*WHY, {"role": "assistant", "content": answer.content}, {"role": "user", "content": "So?"}],
    )
    assert again.content[-1].type == "text"


@ON_EITHER_WIRE
def test_a_tool_is_called_and_answered(client: anthropic.Anthropic, model: str) -> None:
    first = client.messages.create(model=model, max_tokens=100, messages=WHY, tools=[TOOL])
    assert first.stop_reason == "tool_use"
    call = first.content[-1]
    assert call.type == "tool_use"
    assert (call.name, call.input) == ("weather", {"city": "Oslo"})
    second = client.messages.create(
        model=model,
        max_tokens=100,
        tools=[TOOL],
        messages=[
            *WHY,
            {"role": "assistant", "content": first.content},
            {
                "role": "user",
                "content": [{"type": "tool_result", "tool_use_id": call.id, "content": "sunny"}],
            },
        ],
    )
    assert [block.text for block in second.content if block.type == "text"] == ["The tool said: sunny"]


def test_refusals_arrive_as_the_sdks_own_errors(client: anthropic.Anthropic) -> None:
    with pytest.raises(anthropic.NotFoundError):
        client.messages.create(model="lab/nothing", max_tokens=10, messages=WHY)
    with pytest.raises(anthropic.RateLimitError):
        client.messages.create(model="lab/busy", max_tokens=10, messages=WHY)
    stranger = client.with_options(api_key="ty_" + "x" * 40)
    with pytest.raises(anthropic.AuthenticationError):
        stranger.messages.create(model="lab/fast", max_tokens=10, messages=WHY)
