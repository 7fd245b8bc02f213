"""POST /v1/messages, held against the anthropic SDK's own event types."""

from __future__ import annotations

import json
from typing import Any

import pytest
from anthropic.types import Message as AnthropicMessage, RawMessageStreamEvent
from pydantic import TypeAdapter

from gateway.errors import ProviderBroke, ProviderRefused
from gateway.messages import (
    Citation,
    Finished,
    HostedCall,
    HostedTool,
    ImagePart,
    Message,
    Reasoning,
    ReasoningDelta,
    ReasoningProof,
    TextDelta,
    TextPart,
    Tool,
    ToolCall,
    ToolCallDelta,
    Usage,
)
from tests.api.conftest import KEY, Answered, Step, World

_EVENT: TypeAdapter[Any] = TypeAdapter(RawMessageStreamEvent)
EVERYTHING: list[Step] = [
    ReasoningDelta("First "),
    ReasoningDelta("think."),
    ReasoningProof("sig==", "anthropic_messages"),
    ReasoningProof("hidden==", "anthropic_messages", redacted=True),
    HostedCall("web_search", "srvtoolu_1", {"action": {"type": "search", "query": "sky"}}),
    TextDelta("Hel"),
    TextDelta("lo \u2603"),
    Citation("https://sky.example", "Sky", 0, 5),
    ToolCallDelta(0, "toolu_a", "find", ""),
    ToolCallDelta(0, None, None, '{"q":'),
    ToolCallDelta(1, "toolu_b", "look", "{}"),
    ToolCallDelta(0, None, None, '"x"}'),
    ToolCallDelta(2, "toolu_c", "wait", ""),
    Finished("tool_calls"),
    Usage(input=9, output=30, cached_input=4, cache_write=2, reasoning=6),
]


def asked(content: Any = "hi", **more: Any) -> dict[str, Any]:
    return {
        "model": "lab/fast",
        "max_tokens": 100,
        "messages": [{"role": "user", "content": content}],
        **more,
    }


async def ask(world: World, body: dict[str, Any], path: str = "/v1/messages", **how: Any) -> Answered:
    return await world.caller().ask("POST", path, body, **how)


def events_of(text: str) -> list[dict[str, Any]]:
    events = []
    for frame in filter(None, text.split("\n\n")):
        name, data = frame.split("\n")
        event = json.loads(data.removeprefix("data: "))
        assert name == f"event: {event['type']}"
        if event["type"] != "error":
            assert _EVENT.validate_python(event).type == event["type"]
        events.append(event)
    return events


def put_together(events: list[dict[str, Any]]) -> dict[str, Any]:
    """The message that a client makes of a stream; blocks must follow one another."""
    message: dict[str, Any] = events[0]["message"]
    open_at: int | None = None
    for event in events[1:]:
        match event["type"]:
            case "content_block_start":
                assert open_at is None
                open_at = event["index"]
                assert open_at == len(message["content"])
                message["content"].append({**event["content_block"], "partial": ""})
            case "content_block_delta":
                assert event["index"] == open_at
                block, delta = message["content"][-1], event["delta"]
                match delta["type"]:
                    case "text_delta":
                        block["text"] += delta["text"]
                    case "thinking_delta":
                        block["thinking"] += delta["thinking"]
                    case "signature_delta":
                        block["signature"] = delta["signature"]
                    case "input_json_delta":
                        block["partial"] += delta["partial_json"]
                    case "citations_delta":
                        block.setdefault("citations", []).append(delta["citation"])
            case "content_block_stop":
                assert event["index"] == open_at
                open_at = None
                block = message["content"][-1]
                if partial := block.pop("partial"):
                    block["input"] = json.loads(partial)
            case "message_delta":
                message |= event["delta"] | {"usage": event["usage"]}
    assert open_at is None
    assert events[-1]["type"] == "message_stop"
    return message


async def test_a_stream_comes_to_the_same_message_as_a_whole_answer(world: World) -> None:
    world.provider.script = EVERYTHING
    answered = await ask(world, asked(stream=True))
    assert answered.status == 200
    streamed = put_together(events_of(answered.text))
    whole = (await ask(world, asked())).json
    for message in (streamed, whole):
        AnthropicMessage.model_validate(message)
        del message["id"]
        del message["usage"]["available_after"], message["usage"]["ledger_head"]
    assert streamed == whole
    kinds = [block["type"] for block in whole["content"]]
    assert kinds == [
        "thinking", "redacted_thinking", "server_tool_use", "web_search_tool_result", "text",
        "tool_use", "tool_use", "tool_use",
    ]  # fmt: skip
    thought, hidden, search, _, text, *calls = whole["content"]
    assert (thought["thinking"], thought["signature"], hidden["data"]) == (
        "First think.",
        "sig==",
        "hidden==",
    )
    assert search["input"] == {"query": "sky"}
    assert text["citations"][0]["cited_text"] == "Hello"
    assert [(call["id"], call["name"], call["input"]) for call in calls] == [
        ("toolu_a", "find", {"q": "x"}), ("toolu_b", "look", {}), ("toolu_c", "wait", {}),
    ]  # fmt: skip
    assert whole["stop_reason"] == "tool_use"
    usage = whole["usage"]
    assert (usage["input_tokens"], usage["cache_read_input_tokens"], usage["output_tokens"]) == (9, 4, 30)
    assert usage["cache_creation_input_tokens"] == 2


@pytest.mark.parametrize(
    ("finish", "reason"),
    [
        ("stop", "end_turn"),
        ("length", "max_tokens"),
        ("content_filter", "refusal"),
        ("tool_calls", "tool_use"),
    ],
)
async def test_stop_reasons_are_anthropics(world: World, finish: Any, reason: str) -> None:
    world.provider.script = [TextDelta("Hel"), Finished(finish), Usage(9, 1)]
    assert (await ask(world, asked())).json["stop_reason"] == reason
    assert put_together(events_of((await ask(world, asked(stream=True))).text))["stop_reason"] == reason


async def test_everything_that_claude_clients_send_becomes_the_conversation(world: World) -> None:
    body = {
        "model": "lab/full",
        "max_tokens": 77,
        "system": [{"type": "text", "text": "Be brief.", "cache_control": {"type": "ephemeral"}}],
        "messages": [
            {"role": "user", "content": [
                {"type": "text", "text": "look"},
                {"type": "image", "source": {"type": "base64", "media_type": "image/png", "data": "AAAA"},
                 "cache_control": {"type": "ephemeral", "ttl": "1h"}},
                {"type": "document", "source": {"type": "text", "data": "plain"}, "title": "Notes"}]},
            {"role": "assistant", "content": [
                {"type": "thinking", "thinking": "hm", "signature": "sig=="},
                {"type": "redacted_thinking", "data": "hidden=="},
                {"type": "text", "text": "I look."},
                {"type": "server_tool_use", "id": "s", "name": "web_search", "input": {"query": "q"}},
                {"type": "web_search_tool_result", "tool_use_id": "s", "content": []},
                {"type": "tool_use", "id": "a", "name": "find", "input": {"q": 1}}]},
            {"role": "user", "content": [
                {"type": "tool_result", "tool_use_id": "a", "is_error": True,
                 "content": [{"type": "text", "text": "no"}]},
                {"type": "text", "text": "go on"}]},
        ],
        "tools": [
            {"name": "find", "input_schema": {"type": "object"}, "cache_control": {"type": "ephemeral"}},
            {"type": "web_search_20250305", "name": "web_search", "max_uses": 3,
             "allowed_domains": ["sky.example"]},
        ],
        "tool_choice": {"type": "any", "disable_parallel_tool_use": True},
        "thinking": {"type": "enabled", "budget_tokens": 1024},
        "stop_sequences": ["END"], "top_k": 5, "metadata": {"user_id": "u"},
    }  # fmt: skip
    answered = await ask(world, body)
    assert answered.status == 200, answered.text
    request = world.provider.calls[0].request
    assert request.messages == (
        Message("system", (TextPart("Be brief.", cached=True),), instructions=True),
        Message("user", (
            TextPart("look"),
            ImagePart("data:image/png;base64,AAAA", cached=True),
            TextPart("Notes\n\nplain"),
        )),
        Message("assistant", (TextPart("I look."),), (ToolCall("a", "find", '{"q":1}'),), reasoning=(
            Reasoning("hm", "sig==", "anthropic_messages"),
            Reasoning("", "hidden==", "anthropic_messages", redacted=True),
        )),
        Message("tool", (TextPart("no"),), tool_call_id="a", tool_failed=True),
        Message("user", (TextPart("go on"),)),
    )  # fmt: skip
    assert request.tools == (
        Tool("find", "", {"type": "object"}, cached=True),
        HostedTool("web_search", {"filters": {"allowed_domains": ["sky.example"]}}),
    )
    assert (request.tool_choice, request.parallel_tool_calls, request.max_tool_calls) == (
        "required",
        False,
        3,
    )
    assert request.sampling.max_output_tokens == 77
    for left_out in ("top_k", "stop", "reasoning_tokens"):
        assert f"{left_out} was left out" in answered.headers["x-run-notes"]


BAD: list[tuple[dict[str, Any], str]] = [
    ({"model": "lab/fast", "messages": [{"role": "user", "content": "a"}]}, "max_tokens"),
    (asked(temperature=1.5), "temperature"),
    (asked(mcp_servers=[]), "mcp_servers"),
    (asked(n=1), "n"),
    (asked([{"type": "search_result"}]), "messages[0].content[0].type"),
    (asked([{"type": "tool_use", "id": "a", "name": "f", "input": {}}]), "messages[0].content[0].type"),
    (asked([{"type": "image", "source": {"type": "file", "file_id": "f"}}]),
     "messages[0].content[0].source.type"),
    (asked([{"type": "image", "source": {"type": "url", "url": "http://x/y.png"}}]),
     "messages[0].content[0].source.url"),
    (asked([{"type": "tool_result", "tool_use_id": "a", "content": [{"type": "tool_result"}]}]),
     "messages[0].content[0].content[0].type"),
    (asked(tools=[{"type": "code_execution_20250522", "name": "x"}]), "tools[0].type"),
    (asked(tools=[{"name": "f"}]), "tools[0].input_schema"),
    (asked(tool_choice={"type": "tool", "name": "g"}), "tool_choice"),
    (asked(tool_choice={"type": "tool"}), "tool_choice.name"),
    (asked(thinking={"type": "enabled"}), "thinking.budget_tokens"),
    (asked(thinking={"type": "adaptive", "display": "hidden"}), "thinking.display"),
    (asked(context_management={"edits": [{"type": "clear_tool_uses_20250919"}]}),
     "context_management.edits[0].type"),
    (asked(tools=[{"name": "f", "input_schema": {}, "defer_loading": True}]), "tools[0].defer_loading"),
]  # fmt: skip


@pytest.mark.parametrize(("body", "param"), BAD, ids=[param for _, param in BAD])
async def test_what_cannot_be_carried_is_refused_by_name_in_anthropics_shape(
    world: World, body: dict[str, Any], param: str
) -> None:
    answered = await ask(world, body)
    assert answered.status == 400, answered.text
    assert answered.json["type"] == "error"
    assert answered.error["type"] == "invalid_request_error"
    assert answered.error["param"] == param
    assert answered.json["request_id"] == answered.headers["x-request-id"]
    assert world.provider.calls == []


async def test_what_agents_say_on_the_way_and_thoughts_that_nobody_wants_to_see(world: World) -> None:
    body = asked(
        thinking={"type": "adaptive", "display": "omitted"},
        context_management={"edits": [{"type": "clear_thinking_20251015", "keep": "all"}]},
    )
    body["messages"].append({"role": "system", "content": [{"type": "text", "text": "The shell is bash."}]})
    answered = await ask(world, body)
    assert answered.status == 200, answered.text
    request = world.provider.calls[0].request
    assert [(message.role, message.text) for message in request.messages] == [
        ("user", "hi"),
        ("system", "The shell is bash."),
    ]


async def test_thoughts_that_nobody_wants_to_see_are_given_out_as_their_seals(world: World) -> None:
    thought = (ReasoningDelta("Hush"), ReasoningDelta("!"), ReasoningProof("seal", "anthropic_messages"))
    world.provider.script = (*thought, TextDelta("Hi"), Finished("stop"), Usage(input=9, output=3))
    thinking = {"type": "adaptive", "display": "omitted"}
    told = [{"type": "thinking", "thinking": "", "signature": "seal"}, {"type": "text", "text": "Hi"}]
    whole = await ask(world, asked(thinking=thinking, model="lab/full"))
    assert whole.json["content"] == told
    assert world.provider.calls[0].request.sampling.reasoning_summary is None
    streamed = await ask(world, asked(thinking=thinking, model="lab/full", stream=True))
    assert put_together(events_of(streamed.text))["content"] == told
    assert "Hush" not in streamed.text


async def test_errors_have_anthropics_types(world: World) -> None:
    world.provider.script = [ProviderRefused("lab", "Slow down.", status=429, retry_after_s=2.5)]
    limited = await ask(world, asked())
    assert (limited.status, limited.error["type"]) == (429, "rate_limit_error")
    assert (await ask(world, asked(), key="ty_no")).error["type"] == "authentication_error"
    assert (await ask(world, {**asked(), "model": "nobody/knows"})).error["type"] == "not_found_error"
    wrong = await world.get("/v1/messages")
    assert (wrong.status, wrong.json["type"]) == (405, "error")


async def test_a_failure_in_mid_stream_is_an_error_event_and_the_end(world: World) -> None:
    world.provider.script = [TextDelta("Hel"), ProviderBroke("lab", "It cut its answer.")]
    *_, last = events_of((await ask(world, asked(stream=True))).text)
    assert (last["type"], last["error"]["type"]) == ("error", "api_error")
    assert last["error"]["message"] == "It cut its answer."
    assert last["error"]["usage"]["estimated"] is True


async def test_a_count_of_tokens_costs_nothing(world: World) -> None:
    body = {"model": "lab/fast", "messages": [{"role": "user", "content": "Why is the sky blue?"}]}
    counted = await ask(world, body, "/v1/messages/count_tokens", headers={"anthropic-version": "2023-06-01"})
    assert counted.status == 200
    assert 6 <= counted.json["input_tokens"] <= 20
    assert world.provider.calls == []
    assert world.ledger.used[1] == 0


async def test_anthropics_own_header_is_a_credential(world: World) -> None:
    headers = {"authorization": "", "x-api-key": KEY, "anthropic-version": "2023-06-01"}
    assert (await ask(world, asked(), headers=headers)).status == 200
