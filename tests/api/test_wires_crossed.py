"""Every wire in reaches every wire out: an image, a tool, a thought and its seal, there and back again."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any

import pytest

from gateway.providers.openai_compatible import OpenAICompatible
from tests.api.conftest import World
from tests.gateway.providers.scripts import DONE, AnthropicScript, ChatScript, ResponsesScript
from tests.gateway.providers.upstream import Reply, serving

IMAGE = "data:image/png;base64,iVBORw0KGgo="
SCHEMA = {"type": "object", "properties": {"q": {"type": "string"}}, "required": ["q"]}
ARGUMENTS = '{"q":"x"}'
SEAL = "c2VhbGVk"


def over_chat() -> Reply:
    chat = ChatScript()
    call = {"index": 0, "id": "call_1", "type": "function"}
    named = chat.delta(tool_calls=[{**call, "function": {"name": "find", "arguments": ARGUMENTS}}])
    ending = [chat.finish("tool_calls"), chat.usage(9, 7), DONE]
    return Reply([*chat.opening(), chat.reasoning("hm"), chat.text("I look."), named, *ending])


def over_responses() -> Reply:
    wire = ResponsesScript()
    thought = {"type": "reasoning", "id": "rs_1", "summary": []}
    summary = [{"type": "summary_text", "text": "hm"}]
    call = {"type": "function_call", "id": "fc_1", "call_id": "call_1", "name": "find"}

    def item(event: str, at: int, item: dict[str, Any]) -> bytes:
        return wire.event(f"response.output_item.{event}", output_index=at, item=item)

    return Reply(
        [
            *wire.opening(),
            item("added", 0, thought),
            wire.reasoning("hm"),
            item("done", 0, {**thought, "summary": summary, "encrypted_content": SEAL}),
            wire.text("I look."),
            item("added", 2, {**call, "arguments": ""}),
            wire.event(
                "response.function_call_arguments.delta", output_index=2, item_id="fc_1", delta=ARGUMENTS
            ),
            item("done", 2, {**call, "arguments": ARGUMENTS}),
            *wire.ending(9, 7),
        ]
    )


def over_anthropic() -> Reply:
    wire = AnthropicScript()
    return Reply(
        [
            *wire.opening(),
            wire.reasoning("hm"),
            wire.seal(SEAL),
            wire.text("I look."),
            wire.block("tool_use", id="call_1", name="find", input={}),
            wire.delta("input_json_delta", partial_json=ARGUMENTS),
            wire.finish("tool_use", usage=wire.usage(9, 7)),
            wire.event("message_stop"),
        ]
    )


OUT: dict[str, Callable[[], Reply]] = {
    "chat_completions": over_chat,
    "responses": over_responses,
    "anthropic_messages": over_anthropic,
}


@dataclass(frozen=True)
class In:
    """How a client of one wire asks, reads an answer, and goes on from it."""

    path: str
    first: Callable[[], dict[str, Any]]
    read: Callable[[dict[str, Any]], tuple[str, str, str, Any]]  # thought, text, call's name, arguments
    then: Callable[[dict[str, Any], dict[str, Any]], dict[str, Any]]


def _only(items: Iterable[dict[str, Any]], kind: str) -> dict[str, Any]:
    (found,) = [item for item in items if item["type"] == kind]
    return found


def chat_first() -> dict[str, Any]:
    content = [{"type": "text", "text": "look"}, {"type": "image_url", "image_url": {"url": IMAGE}}]
    function = {"name": "find", "parameters": SCHEMA}
    return {
        "messages": [{"role": "user", "content": content}],
        "tools": [{"type": "function", "function": function}],
    }


def chat_read(answer: dict[str, Any]) -> tuple[str, str, str, Any]:
    message = answer["choices"][0]["message"]
    (call,) = message["tool_calls"]
    function = call["function"]
    return (
        message["reasoning_content"],
        message["content"],
        function["name"],
        json.loads(function["arguments"]),
    )


def chat_then(asked: dict[str, Any], answer: dict[str, Any]) -> dict[str, Any]:
    result = {"role": "tool", "tool_call_id": "call_1", "content": "found"}
    return {**asked, "messages": [*asked["messages"], answer["choices"][0]["message"], result]}


def responses_first() -> dict[str, Any]:
    content = [{"type": "input_text", "text": "look"}, {"type": "input_image", "image_url": IMAGE}]
    return {
        "input": [{"role": "user", "content": content}],
        "tools": [{"type": "function", "name": "find", "parameters": SCHEMA}],
        "include": ["reasoning.encrypted_content"],
    }


def responses_read(answer: dict[str, Any]) -> tuple[str, str, str, Any]:
    items = answer["output"]
    call = _only(items, "function_call")
    (summary,) = _only(items, "reasoning")["summary"]
    (text,) = _only(items, "message")["content"]
    return summary["text"], text["text"], call["name"], json.loads(call["arguments"])


def responses_then(asked: dict[str, Any], answer: dict[str, Any]) -> dict[str, Any]:
    result = {"type": "function_call_output", "call_id": "call_1", "output": "found"}
    return {**asked, "input": [*asked["input"], *answer["output"], result]}


def messages_first() -> dict[str, Any]:
    source = {"type": "base64", "media_type": "image/png", "data": IMAGE.partition(",")[2]}
    content = [{"type": "text", "text": "look"}, {"type": "image", "source": source}]
    return {
        "max_tokens": 500,
        "messages": [{"role": "user", "content": content}],
        "tools": [{"name": "find", "input_schema": SCHEMA}],
    }


def messages_read(answer: dict[str, Any]) -> tuple[str, str, str, Any]:
    blocks = answer["content"]
    call = _only(blocks, "tool_use")
    return _only(blocks, "thinking")["thinking"], _only(blocks, "text")["text"], call["name"], call["input"]


def messages_then(asked: dict[str, Any], answer: dict[str, Any]) -> dict[str, Any]:
    result = {"type": "tool_result", "tool_use_id": "call_1", "content": "found"}
    turns = [{"role": "assistant", "content": answer["content"]}, {"role": "user", "content": [result]}]
    return {**asked, "messages": [*asked["messages"], *turns]}


IN = {
    "chat completions": In("/v1/chat/completions", chat_first, chat_read, chat_then),
    "responses": In("/v1/responses", responses_first, responses_read, responses_then),
    "messages": In("/v1/messages", messages_first, messages_read, messages_then),
}


@pytest.mark.parametrize("wire_out", OUT)
@pytest.mark.parametrize("wire_in", IN)
async def test_tools_images_thoughts_and_seals_cross_from_any_wire_to_any_other_and_back(
    world: World, wire_in: str, wire_out: str
) -> None:
    client = IN[wire_in]
    async with serving(OUT[wire_out](), OUT[wire_out]()) as upstream:
        provider = OpenAICompatible("lab", upstream.base_url, allow_private_address=True)
        world.provider.stream = provider.stream  # type: ignore[method-assign]  # the real one, in its place
        first = {"model": f"lab/over-{wire_out}", **client.first()}
        answered = await world.caller().ask("POST", client.path, first)
        assert answered.status == 200, answered.text
        assert client.read(answered.json) == ("hm", "I look.", "find", {"q": "x"})
        again = await world.caller().ask("POST", client.path, client.then(first, answered.json))
        assert again.status == 200, again.text
        await provider.close()
    asked, then = (json.dumps(request.body) for request in upstream.requests)
    assert IMAGE.partition(",")[2] in asked
    assert '"find"' in asked
    for sent in ("I look.", "found", "call_1", '\\"q\\"' if wire_out != "anthropic_messages" else '"q": "x"'):
        assert sent in then
    assert (SEAL in then) == (wire_out != "chat_completions")
    assert f"{wire_out}:" not in then  # a seal goes back as its maker wrote it
