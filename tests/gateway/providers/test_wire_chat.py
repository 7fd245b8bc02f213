import json
from typing import Any

import pytest

from gateway.errors import ProviderBroke
from gateway.messages import (
    CompletionRequest,
    Event,
    Finished,
    ImagePart,
    Message,
    ReasoningDelta,
    Sampling,
    TextDelta,
    TextPart,
    Tool,
    ToolCall,
    ToolCallDelta,
    Usage,
)
from gateway.providers.wire_chat import ChatAnswer, ChatUsage, usage_of
from gateway.providers.wire_chat_request import ChatDialect, chat_body
from tests.gateway.providers.scripts import ChatScript

USER = Message.of("user", "Hello")


def body_of(*messages: Message, **fields: Any) -> dict[str, Any]:
    return chat_body(CompletionRequest("x", messages or (USER,), **fields), "m", 64, ChatDialect())


def events_of(*frames: object, done: bool = True) -> list[Event]:
    answer = ChatAnswer("lab")
    events = [event for frame in frames for event in answer.take(json.dumps(frame).encode())]
    if done:
        assert answer.take(b"[DONE]") == []
    return events + answer.end()


def delta(finish_reason: str | None = None, **fields: object) -> dict[str, object]:
    return {"choices": [{"index": 0, "delta": fields, "finish_reason": finish_reason}]}


# --- the request ------------------------------------------------------------------------------------


def test_what_the_caller_left_open_is_not_in_the_body() -> None:
    assert body_of() == {
        "model": "m",
        "messages": [{"role": "user", "content": "Hello"}],
        "stream": True,
        "stream_options": {"include_usage": True},
        "max_tokens": 64,
    }


def test_a_server_that_refuses_stream_options_is_not_sent_them() -> None:
    asked = CompletionRequest("x", (USER,))
    assert "stream_options" in chat_body(asked, "m", 64, ChatDialect())
    assert "stream_options" not in chat_body(asked, "m", 64, ChatDialect(asks_for_usage=False))


def test_every_sampling_field_has_its_place() -> None:
    sampling = Sampling(
        max_output_tokens=9,
        temperature=0.0,
        top_p=0.9,
        frequency_penalty=0.1,
        presence_penalty=0.2,
        seed=0,
        stop=("END",),
        effort="low",
    )
    body = body_of(sampling=sampling)
    assert body["max_tokens"] == 64  # the hold's cap, not the caller's wish
    assert (body["temperature"], body["seed"], body["stop"]) == (0.0, 0, ["END"])
    assert (body["top_p"], body["frequency_penalty"], body["presence_penalty"]) == (0.9, 0.1, 0.2)
    assert body["reasoning_effort"] == "low"


def test_text_goes_as_plain_text_and_images_as_parts() -> None:
    image = ImagePart("data:image/png;base64,AA==", "low")
    body = body_of(
        Message("system", (TextPart("Be "), TextPart("brief."))), Message("user", (TextPart("What?"), image))
    )
    assert body["messages"] == [
        {"role": "system", "content": "Be brief."},
        {
            "role": "user",
            "content": [
                {"type": "text", "text": "What?"},
                {"type": "image_url", "image_url": {"url": "data:image/png;base64,AA==", "detail": "low"}},
            ],
        },
    ]


def test_a_conversation_with_tools_keeps_calls_and_their_results() -> None:
    asked = Message("assistant", tool_calls=(ToolCall("call_1", "weather", '{"city": "Oslo"}'),))
    told = Message("tool", (TextPart("4 °C"),), tool_call_id="call_1")
    tool = Tool("weather", "Looks outside.", {"type": "object"}, strict=True)
    body = body_of(
        USER, asked, told, tools=(tool,), tool_choice="auto", response_format={"type": "json_object"}
    )
    assert body["messages"][1:] == [
        {
            "role": "assistant",
            "content": None,
            "tool_calls": [
                {
                    "id": "call_1",
                    "type": "function",
                    "function": {"name": "weather", "arguments": '{"city": "Oslo"}'},
                }
            ],
        },
        {"role": "tool", "content": "4 °C", "tool_call_id": "call_1"},
    ]
    function = {
        "name": "weather",
        "description": "Looks outside.",
        "parameters": {"type": "object"},
        "strict": True,
    }
    assert body["tools"] == [{"type": "function", "function": function}]
    assert body["tool_choice"] == "auto"
    assert body["response_format"] == {"type": "json_object"}


def test_the_openai_sdk_would_send_the_same_shape() -> None:
    """The SDK's own types take our body as it is."""
    from openai.types.chat.completion_create_params import CompletionCreateParamsStreaming
    from pydantic import TypeAdapter

    body = body_of(Message.of("system", "Be brief."), USER, tools=(Tool("f", "", {"type": "object"}),))
    TypeAdapter(CompletionCreateParamsStreaming).validate_python(body)


# --- the answer -------------------------------------------------------------------------------------


def test_our_script_of_the_wire_is_what_the_openai_sdk_understands() -> None:
    from openai.types.chat import ChatCompletionChunk

    script = ChatScript()
    parts = [*script.opening(), script.text("Hi"), *script.ending(9, 2, 4, 1)[:-1]]
    chunks = [ChatCompletionChunk.model_validate_json(part.partition(b"data: ")[2]) for part in parts]
    assert chunks[1].choices[0].delta.content == "Hi"
    assert chunks[-1].usage is not None


def test_an_empty_role_frame_is_no_event() -> None:
    assert events_of(delta(role="assistant", content=""), done=False) == []


def test_text_reasoning_and_refusal_are_told_apart() -> None:
    events = events_of(
        delta(reasoning_content="Hm."),
        delta(reasoning=" So."),
        delta(content="Yes"),
        delta(refusal="No"),
        delta("stop"),
    )
    assert events == [
        ReasoningDelta("Hm."),
        ReasoningDelta(" So."),
        TextDelta("Yes"),
        TextDelta("No"),
        Finished("stop"),
    ]


def test_content_may_be_a_list_of_parts() -> None:
    parts = [
        {"type": "thinking", "thinking": [{"type": "text", "text": "Hm."}]},
        {"type": "text", "text": "Yes"},
    ]
    assert events_of(delta(content=parts), done=False) == [ReasoningDelta("Hm."), TextDelta("Yes")]


def test_tool_calls_come_by_their_index_name_first() -> None:
    first = {"index": 1, "id": "call_2", "type": "function", "function": {"name": "f", "arguments": ""}}
    more = {"index": 1, "function": {"arguments": '{"a"'}}
    events = events_of(delta(tool_calls=[first]), delta(tool_calls=[more]), delta("tool_calls"))
    assert events == [
        ToolCallDelta(1, "call_2", "f"),
        ToolCallDelta(1, arguments='{"a"'),
        Finished("tool_calls"),
    ]


def test_other_choices_than_the_first_are_not_ours() -> None:
    assert events_of({"choices": [{"index": 1, "delta": {"content": "x"}}]}, done=False) == []


@pytest.mark.parametrize(
    ("said", "meant"),
    [
        ("stop", "stop"),
        ("length", "length"),
        ("max_tokens", "length"),
        ("function_call", "tool_calls"),
        ("content_filter", "content_filter"),
        ("eos", "stop"),
    ],
)
def test_ends_are_translated(said: str, meant: str) -> None:
    assert events_of(delta(said)) == [Finished(meant)]  # type: ignore[arg-type]


def test_an_end_is_told_once() -> None:
    assert events_of(delta("stop"), delta("stop")) == [Finished("stop")]


def test_nothing_but_done_is_nothing() -> None:
    assert events_of() == []


def test_usage_waits_for_the_end_and_is_unknown_without_one() -> None:
    usage = {"choices": [], "usage": {"prompt_tokens": 3, "completion_tokens": 1}}
    assert events_of(delta(content="x"), usage, done=False) == [TextDelta("x")]
    assert events_of(delta(content="x"), usage)[1:] == [Finished("stop"), Usage(3, 1)]


def test_half_a_character_becomes_the_replacement_character() -> None:
    answer = ChatAnswer("lab")
    frames = [
        rb'{"choices":[{"delta":{"content":"a\ud83d"}}]}',
        rb'{"choices":[{"delta":{"content":"\ude00b"}}]}',
    ]
    assert [answer.take(frame) for frame in frames] == [[TextDelta("a\ufffd")], [TextDelta("\ufffdb")]]
    whole = rb'{"choices":[{"delta":{"content":"\ud83d\ude00 \\ud83d"}}]}'
    assert answer.take(whole) == [TextDelta("😀 \\ud83d")]


@pytest.mark.parametrize("frame", [b"{", b"[]", b"7", b'{"choices": 1}', b"[" * 100_000])
def test_what_is_no_chunk_breaks_the_answer(frame: bytes) -> None:
    with pytest.raises(ProviderBroke):
        ChatAnswer("lab").take(frame)


# --- usage ------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("said", "meant"),
    [
        ({"prompt_tokens": 10, "completion_tokens": 4}, Usage(10, 4)),
        ({"prompt_tokens": 10.0, "completion_tokens": 4.0}, Usage(10, 4)),
        (
            {"prompt_tokens": 10, "completion_tokens": 4, "prompt_tokens_details": {"cached_tokens": 8}},
            Usage(2, 4, cached_input=8),
        ),
        (
            {
                "prompt_tokens": 10,
                "completion_tokens": 4,
                "prompt_tokens_details": {"cached_tokens": 6, "cache_write_tokens": 3},
            },
            Usage(1, 4, cached_input=6, cache_write=3),
        ),
        (
            {"prompt_tokens": 10, "completion_tokens": 4, "prompt_cache_hit_tokens": 8},
            Usage(2, 4, cached_input=8),
        ),
        (
            {
                "prompt_tokens": 10,
                "completion_tokens": 9,
                "total_tokens": 19,
                "completion_tokens_details": {"reasoning_tokens": 5},
            },
            Usage(10, 9, reasoning=5),
        ),
        (
            {
                "prompt_tokens": 10,
                "completion_tokens": 4,
                "total_tokens": 19,
                "completion_tokens_details": {"reasoning_tokens": 5},
            },
            Usage(10, 9, reasoning=5),
        ),
        (  # reasoning counted beside the output, and no total to tell
            {
                "prompt_tokens": 12,
                "completion_tokens": 1,
                "completion_tokens_details": {"reasoning_tokens": 386},
            },
            Usage(12, 387, reasoning=386),
        ),
        (  # thoughts counted in the total alone
            {"prompt_tokens": 20, "completion_tokens": 198, "total_tokens": 623},
            Usage(20, 603, reasoning=405),
        ),
        (  # a total that is wrong says nothing where the details speak
            {
                "prompt_tokens": 10,
                "completion_tokens": 4,
                "total_tokens": 99,
                "completion_tokens_details": {"reasoning_tokens": 0},
            },
            Usage(10, 4),
        ),
        ({"prompt_tokens": 10, "completion_tokens": 4, "total_tokens": 4}, Usage(10, 4)),
        ({"prompt_tokens": 0, "completion_tokens": 0}, Usage(0, 0)),
        ({"prompt_tokens": 10}, None),
        ({"completion_tokens": 4}, None),
        ({"prompt_tokens": None, "completion_tokens": 4, "total_tokens": 14}, None),
        ({}, None),
    ],
)
def test_usage_is_put_into_buckets_that_share_no_token(said: dict[str, Any], meant: Usage | None) -> None:
    import msgspec

    assert usage_of(msgspec.convert(said, ChatUsage)) == meant
