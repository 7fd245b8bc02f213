"""Anthropic's messages wire, both ways: what is asked in its words, and what its events mean."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import Any

import pytest
from msgspec import structs

from gateway.errors import ProviderBroke, ProviderError, ProviderRefused
from gateway.messages import (
    Citation,
    CompletionRequest,
    CustomTool,
    Event,
    FilePart,
    Finished,
    HostedCall,
    HostedTool,
    ImagePart,
    Message,
    Reasoning,
    ReasoningDelta,
    ReasoningProof,
    Sampling,
    TextDelta,
    TextPart,
    Tool,
    ToolCall,
    ToolCallDelta,
    Usage,
)
from gateway.providers.wire_anthropic import AnthropicAnswer
from gateway.providers.wire_anthropic_request import anthropic_body
from tests.gateway.providers.scripts import AnthropicScript

USER = Message.of("user", "Hello")
WEATHER = Tool("weather", "Looks out of the window.", {"properties": {"city": {"type": "string"}}})
REASONS = frozenset({"reasoning"})
ADAPTIVE = frozenset({"reasoning", "adaptive_thinking"})
SCHEMA: dict[str, Any] = {"type": "object", "properties": {"city": {"type": "string"}}}
FORMAT = {"type": "json_schema", "json_schema": {"name": "place", "schema": SCHEMA}}
CACHED = {"cache_control": {"type": "ephemeral"}}


def body_of(
    *messages: Message, features: frozenset[str] = frozenset(), out_cap: int = 4096, **fields: Any
) -> dict[str, Any]:
    return anthropic_body(CompletionRequest("x", messages or (USER,), **fields), "m", out_cap, features)


def take(*frames: bytes, by_tool: bool = False, **disguised: Any) -> tuple[list[Event], ProviderError | None]:
    answer = AnthropicAnswer("lab", disguised, by_tool=by_tool)
    events: list[Event] = []
    try:
        for frame in b"".join(frames).split(b"\n"):
            if frame.startswith(b"data: "):
                events += answer.take(frame[6:])
        events += answer.end()
    except ProviderError as error:
        return events, error
    return events, None


# --- the request ------------------------------------------------------------------------------------


def test_the_system_stands_apart_and_the_results_of_a_turn_are_one_message_of_the_users() -> None:
    picture = ImagePart("data:image/png;base64,AAAA")
    body = body_of(
        Message.of("system", "Be brief."),
        Message("user", (TextPart("Look: "), picture, ImagePart("https://example.com/a.png"))),
        Message(
            "assistant", (), (ToolCall("t1", "weather", '{"city": "Oslo"}'), ToolCall("t2", "weather", ""))
        ),
        Message("tool", (TextPart("4 °C"), picture), tool_call_id="t1"),
        Message("tool", (TextPart("no such place"),), tool_call_id="t2", tool_failed=True),
        Message.of("user", "And?"),
    )
    image = {"type": "image", "source": {"type": "base64", "media_type": "image/png", "data": "AAAA"}}
    assert body["system"] == [{"type": "text", "text": "Be brief."}]
    assert body["messages"] == [
        {
            "role": "user",
            "content": [
                {"type": "text", "text": "Look: "},
                image,
                {"type": "image", "source": {"type": "url", "url": "https://example.com/a.png"}},
            ],
        },
        {
            "role": "assistant",
            "content": [
                {"type": "tool_use", "id": "t1", "name": "weather", "input": {"city": "Oslo"}},
                {"type": "tool_use", "id": "t2", "name": "weather", "input": {}},
            ],
        },
        {
            "role": "user",
            "content": [
                {
                    "type": "tool_result",
                    "tool_use_id": "t1",
                    "content": [{"type": "text", "text": "4 °C"}, image],
                },
                {
                    "type": "tool_result",
                    "tool_use_id": "t2",
                    "content": [{"type": "text", "text": "no such place"}],
                    "is_error": True,
                },
                {"type": "text", "text": "And?"},
            ],
        },
    ]


def test_marks_of_a_prefix_to_cache_stand_where_the_caller_put_them() -> None:
    body = body_of(
        Message("system", (TextPart("Long rules.", cached=True),)),
        Message("user", (TextPart("Long text.", cached=True), TextPart("Short question."))),
        Message("assistant", (), (ToolCall("t1", "weather", "{}"),)),
        Message("tool", (TextPart("Long result.", cached=True),), tool_call_id="t1"),
        tools=(replace(WEATHER, cached=True),),
    )
    assert body["system"] == [{"type": "text", "text": "Long rules.", **CACHED}]
    assert body["messages"][0]["content"] == [
        {"type": "text", "text": "Long text.", **CACHED},
        {"type": "text", "text": "Short question."},
    ]
    assert body["messages"][2]["content"] == [
        {
            "type": "tool_result",
            "tool_use_id": "t1",
            "content": [{"type": "text", "text": "Long result."}],
            **CACHED,
        }
    ]
    assert body["tools"][0]["cache_control"] == {"type": "ephemeral"}


def test_thoughts_go_back_with_their_seal_and_only_to_who_gave_it() -> None:
    mine = Reasoning("So it is.", "sig", "anthropic_messages")
    hidden = Reasoning("", "blob", "anthropic_messages", redacted=True)
    others = (Reasoning("Elsewhere.", "x", "responses"), Reasoning("Unsealed."))
    body = body_of(USER, Message("assistant", (TextPart("Yes."),), reasoning=(mine, hidden, *others)), USER)
    assert body["messages"][1]["content"] == [
        {"type": "thinking", "thinking": "So it is.", "signature": "sig"},
        {"type": "redacted_thinking", "data": "blob"},
        {"type": "text", "text": "Yes."},
    ]


def test_documents_are_sent_as_what_they_are() -> None:
    pdf = FilePart("data:application/pdf;base64,JVBE", "application/pdf", "a.pdf")
    link = FilePart("https://example.com/b.pdf", "application/pdf")
    note = FilePart("data:text/plain,hello%20there", "text/plain")
    (message,) = body_of(Message("user", (pdf, link, note)))["messages"]
    assert message["content"] == [
        {
            "type": "document",
            "source": {"type": "base64", "media_type": "application/pdf", "data": "JVBE"},
            "title": "a.pdf",
        },
        {"type": "document", "source": {"type": "url", "url": "https://example.com/b.pdf"}},
        {"type": "document", "source": {"type": "text", "media_type": "text/plain", "data": "hello there"}},
    ]


@pytest.mark.parametrize(
    ("features", "sampling", "thinking", "effort"),
    [
        (frozenset(), Sampling(), None, None),
        (REASONS, Sampling(), None, None),
        (REASONS, Sampling(reasoning_tokens=2000), {"type": "enabled", "budget_tokens": 2000}, None),
        (REASONS, Sampling(reasoning_tokens=99_999), {"type": "enabled", "budget_tokens": 4095}, None),
        (REASONS, Sampling(effort="medium"), {"type": "enabled", "budget_tokens": 2048}, None),
        (REASONS, Sampling(effort="minimal"), {"type": "enabled", "budget_tokens": 1024}, None),
        (REASONS, Sampling(effort="none"), None, None),
        (ADAPTIVE, Sampling(), {"type": "adaptive", "display": "summarized"}, None),
        (ADAPTIVE, Sampling(effort="high"), {"type": "adaptive", "display": "summarized"}, "high"),
        (ADAPTIVE, Sampling(effort="none"), {"type": "disabled"}, None),
        (ADAPTIVE | {"thinks_between_tools"}, Sampling(effort="none"), {"type": "between_tools"}, None),
        (
            ADAPTIVE | {"always_thinks"},
            Sampling(effort="max"),
            {"type": "adaptive", "display": "summarized"},
            "max",
        ),
    ],
)
def test_how_much_it_thinks_is_said_as_the_model_wants_it(
    features: frozenset[str], sampling: Sampling, thinking: object, effort: str | None
) -> None:
    body = body_of(features=features, sampling=sampling)
    assert body.get("thinking") == thinking
    assert body.get("output_config", {}).get("effort") == effort


def test_a_budget_takes_the_place_of_a_temperature() -> None:
    sampling = Sampling(temperature=0.3, top_p=0.5, top_k=7, stop=("END", "\n"))
    plain = body_of(sampling=sampling, features=REASONS)
    assert (plain["temperature"], plain["top_p"], plain["top_k"]) == (0.3, 0.5, 7)
    assert plain["stop_sequences"] == ["END"]
    thinks = body_of(sampling=replace(sampling, reasoning_tokens=1024), features=REASONS)
    assert not {"temperature", "top_p", "top_k"} & set(thinks)


def test_there_are_no_thoughts_where_a_tool_is_forced_or_where_they_were_lost() -> None:
    sampling = Sampling(reasoning_tokens=2048)
    forced = body_of(sampling=sampling, features=REASONS, tools=(WEATHER,), tool_choice="required")
    assert "thinking" not in forced
    called = Message("assistant", (), (ToolCall("t1", "weather", "{}"),))
    result = Message("tool", (TextPart("4 °C"),), tool_call_id="t1")
    assert "thinking" not in body_of(USER, called, result, sampling=sampling, features=REASONS)
    sealed = structs.replace(called, reasoning=(Reasoning("Hm.", "sig", "anthropic_messages"),))
    assert "thinking" in body_of(USER, sealed, result, sampling=sampling, features=REASONS)
    high = body_of(
        sampling=Sampling(effort="max"), features=ADAPTIVE, tools=(WEATHER,), tool_choice="required"
    )
    assert (high["thinking"], high["output_config"]) == ({"type": "disabled"}, {"effort": "high"})


@pytest.mark.parametrize(
    ("choice", "parallel", "said"),
    [
        (None, None, None),
        ("auto", None, {"type": "auto"}),
        (None, False, {"type": "auto", "disable_parallel_tool_use": True}),
        ("none", False, {"type": "none"}),
        ("required", True, {"type": "any", "disable_parallel_tool_use": False}),
        ({"type": "function", "function": {"name": "weather"}}, None, {"type": "tool", "name": "weather"}),
        (
            {
                "type": "allowed_tools",
                "allowed_tools": {
                    "mode": "required",
                    "tools": [{"type": "function", "function": {"name": "weather"}}],
                },
            },
            None,
            {"type": "any"},
        ),
    ],
)
def test_which_tool_is_called_and_how_many_at_once(choice: Any, parallel: bool | None, said: object) -> None:
    body = body_of(tools=(WEATHER,), tool_choice=choice, parallel_tool_calls=parallel)
    assert body.get("tool_choice") == said
    assert [tool["name"] for tool in body["tools"]] == ["weather"]


def test_tools_of_other_kinds_become_functions_and_a_search_becomes_its_own() -> None:
    patch = CustomTool(
        "apply_patch", "Edits.", {"type": "grammar", "syntax": "lark", "definition": "start: x"}
    )
    search = HostedTool(
        "web_search", {"filters": {"allowed_domains": ["example.com"]}, "search_context_size": "low"}
    )
    body = body_of(
        USER,
        Message("assistant", (), (ToolCall("c1", "apply_patch", "*** Begin", "custom"),)),
        Message("tool", (TextPart("ok"),), tool_call_id="c1"),
        tools=(patch, HostedTool("local_shell"), search),
        max_tool_calls=3,
    )
    custom, shell, web = body["tools"]
    assert custom["name"] == "apply_patch"
    assert custom["description"] == "Edits.\n\nThe input must follow this lark grammar:\nstart: x"
    assert custom["input_schema"]["required"] == ["input"]
    assert (shell["name"], shell["input_schema"]["required"]) == ("local_shell", ["type", "command"])
    assert web == {
        "type": "web_search_20250305",
        "name": "web_search",
        "allowed_domains": ["example.com"],
        "max_uses": 3,
    }
    assert body["messages"][1]["content"][0]["input"] == {"input": "*** Begin"}


def test_a_schema_goes_natively_where_the_model_has_it_and_else_as_a_tool() -> None:
    native = body_of(response_format=FORMAT, features=frozenset({"structured_output"}))
    assert native["output_config"] == {"format": {"type": "json_schema", "schema": SCHEMA}}
    assert "tools" not in native
    forced = body_of(response_format=FORMAT, features=ADAPTIVE)
    assert [tool["input_schema"] for tool in forced["tools"]] == [SCHEMA]
    assert forced["tool_choice"] == {"type": "tool", "name": forced["tools"][0]["name"]}
    assert forced["thinking"] == {"type": "disabled"}


def test_the_anthropic_sdk_would_send_the_same_shape() -> None:
    from anthropic.types.message_create_params import MessageCreateParamsStreaming
    from pydantic import TypeAdapter

    body = body_of(
        Message.of("system", "Be brief."),
        Message("user", (TextPart("Look", cached=True), ImagePart("data:image/png;base64,AAAA"))),
        Message(
            "assistant",
            (TextPart("Hm."),),
            (ToolCall("t1", "weather", "{}"),),
            reasoning=(Reasoning("So.", "sig", "anthropic_messages"),),
        ),
        Message("tool", (TextPart("4 °C"),), tool_call_id="t1"),
        tools=(WEATHER, HostedTool("web_search")),
        tool_choice="auto",
        parallel_tool_calls=False,
        response_format=FORMAT,
        sampling=Sampling(effort="low", stop=("END",), top_k=4),
        features=ADAPTIVE | {"structured_output"},
    )
    TypeAdapter(MessageCreateParamsStreaming).validate_python(body)


# --- the answer -------------------------------------------------------------------------------------


def test_thoughts_come_with_their_seal_and_hidden_ones_as_a_seal_alone() -> None:
    script = AnthropicScript()
    events, error = take(
        *script.opening(),
        script.reasoning("Hm"),
        script.reasoning("."),
        script.seal("sig-"),
        script.seal("nature"),
        script.block("redacted_thinking", data="blob"),
        script.text("Yes."),
        *script.ending(),
    )
    assert error is None
    assert events == [
        ReasoningDelta("Hm"),
        ReasoningDelta("."),
        ReasoningProof("sig-nature", "anthropic_messages"),
        ReasoningProof("blob", "anthropic_messages", redacted=True),
        TextDelta("Yes."),
        Finished("stop"),
        Usage(input=9, output=2),
    ]


def test_calls_are_counted_among_themselves_and_their_input_is_a_functions_arguments() -> None:
    script = AnthropicScript()
    events, _ = take(
        *script.opening(),
        script.text("Let me look."),
        script.block("tool_use", id="t1", name="weather", input={}),
        script.delta("input_json_delta", partial_json=""),
        script.delta("input_json_delta", partial_json='{"city": '),
        script.delta("input_json_delta", partial_json='"Oslo"}'),
        script.block("tool_use", id="t2", name="now", input={}),
        script.finish("tool_use"),
    )
    assert events == [
        TextDelta("Let me look."),
        ToolCallDelta(0, "t1", "weather"),
        ToolCallDelta(0, arguments='{"city": '),
        ToolCallDelta(0, arguments='"Oslo"}'),
        ToolCallDelta(1, "t2", "now"),
        ToolCallDelta(1, arguments="{}"),
        Finished("tool_calls"),
    ]


def test_a_disguised_tool_comes_back_as_what_it_is() -> None:
    script = AnthropicScript()
    events, _ = take(
        *script.opening(),
        script.block("tool_use", id="t1", name="apply_patch", input={}),
        script.delta("input_json_delta", partial_json='{"input": "*** Be'),
        script.delta("input_json_delta", partial_json='gin\\n+x\\u00e9"}'),
        script.block("tool_use", id="t2", name="local_shell", input={}),
        script.delta("input_json_delta", partial_json='{"command": ["ls"]}'),
        script.finish("tool_use"),
        apply_patch="custom",
        local_shell="local_shell",
    )
    assert events == [
        ToolCallDelta(0, "t1", "apply_patch", kind="custom"),
        ToolCallDelta(0, arguments="*** Be", kind="custom"),
        ToolCallDelta(0, arguments="gin\n+xé", kind="custom"),
        ToolCallDelta(1, "t2", "local_shell", kind="local_shell"),
        ToolCallDelta(1, arguments='{"command": ["ls"]}', kind="local_shell"),
        Finished("tool_calls"),
    ]


def test_an_answer_that_is_a_tools_input_is_told_as_text() -> None:
    script = AnthropicScript()
    events, _ = take(
        *script.opening(),
        script.block("tool_use", id="t1", name="answer", input={}),
        script.delta("input_json_delta", partial_json='{"city":'),
        script.delta("input_json_delta", partial_json='"Oslo"}'),
        script.finish("tool_use"),
        by_tool=True,
    )
    assert events == [TextDelta('{"city":'), TextDelta('"Oslo"}'), Finished("stop")]


def test_a_search_of_the_providers_is_told_whole_with_what_it_cites() -> None:
    script = AnthropicScript()
    cited = {"type": "web_search_result_location", "url": "https://example.com/", "title": "Example"}
    events, _ = take(
        *script.opening(),
        script.block("server_tool_use", id="srv_1", name="web_search", input={}),
        script.delta("input_json_delta", partial_json='{"query": "oslo weather"}'),
        script.block("web_search_tool_result", tool_use_id="srv_1", content=[]),
        script.text("It is "),
        script.block("text", text=""),
        script.delta("citations_delta", citation=cited),
        script.text("4 °C"),
        script.finish(usage={"output_tokens": 7, "server_tool_use": {"web_search_requests": 1}}),
    )
    search = {"type": "search", "query": "oslo weather"}
    item = {"type": "web_search_call", "id": "srv_1", "status": "completed", "action": search}
    assert events == [
        HostedCall("web_search", "srv_1", item),
        TextDelta("It is "),
        TextDelta("4 °C"),
        Citation("https://example.com/", "Example", 6, 10),
        Finished("stop"),
        Usage(input=9, output=7, tool_calls=1),
    ]


@pytest.mark.parametrize(
    ("reason", "meant"),
    [
        ("end_turn", "stop"),
        ("stop_sequence", "stop"),
        ("pause_turn", "stop"),
        ("max_tokens", "length"),
        ("model_context_window_exceeded", "length"),
        ("refusal", "content_filter"),
        ("something_new", "stop"),
    ],
)
def test_why_it_ended(reason: str, meant: str) -> None:
    script = AnthropicScript()
    events, _ = take(*script.opening(), script.text("Hi"), script.finish(reason))
    assert events == [TextDelta("Hi"), Finished(meant)]  # type: ignore[arg-type]


def test_cached_tokens_are_counted_beside_the_input_and_what_is_left_unsaid_stands() -> None:
    script = AnthropicScript(input=3, cached=2000, written=400)
    usage = {"output_tokens": 12, "output_tokens_details": {"thinking_tokens": 5}}
    events, _ = take(*script.opening(), script.text("Hi"), script.finish(usage=usage))
    assert events[-1] == Usage(input=3, output=12, cached_input=2000, cache_write=400, reasoning=5)


def test_usage_that_only_the_beginning_told_is_not_the_answers() -> None:
    script = AnthropicScript()
    events, _ = take(*script.opening(), script.text("Hi"), script.finish())
    assert events == [TextDelta("Hi"), Finished("stop")]


@pytest.mark.parametrize("began", [False, True])
def test_an_error_event_is_named_and_tells_no_prose(began: bool) -> None:
    script = AnthropicScript()
    said = [script.text("Hi")] if began else []
    events, error = take(*script.opening(), *said, script.error("overloaded_error", "secret"))
    assert isinstance(error, ProviderBroke if began else ProviderRefused)
    assert error.status == 529
    assert "overloaded_error" in str(error) and "secret" not in str(error)
    assert events == ([TextDelta("Hi")] if began else [])


def test_the_sdks_own_stream_is_understood() -> None:
    """Events as the SDK types them, dumped: no field that we read has another name there."""
    from anthropic.types import RawMessageDeltaEvent, RawMessageStartEvent

    script = AnthropicScript()
    frames = [json.loads(line[6:]) for line in script.opening()[0].split(b"\n") if line.startswith(b"data: ")]
    frames[0]["message"] |= {"stop_reason": None, "stop_sequence": None}
    RawMessageStartEvent.model_validate(frames[0])
    ended = json.loads(script.ending()[0].split(b"data: ")[-1])
    RawMessageDeltaEvent.model_validate(ended)
