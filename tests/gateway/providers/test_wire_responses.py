import json
from typing import Any

import pytest

from gateway.errors import ProviderBroke, ProviderError, ProviderRefused
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
from gateway.providers.wire_responses import ResponsesAnswer, ResponsesUsage, usage_of
from gateway.providers.wire_responses_request import responses_body
from tests.gateway.providers.scripts import ResponsesScript

USER = Message.of("user", "Hello")


def body_of(*messages: Message, **fields: Any) -> dict[str, Any]:
    return responses_body(CompletionRequest("x", messages or (USER,), **fields), "m", 64)


def take(*frames: dict[str, object]) -> tuple[list[Event], ProviderError | None]:
    answer = ResponsesAnswer("lab")
    events: list[Event] = []
    try:
        for frame in frames:
            events += answer.take(json.dumps(frame).encode())
        events += answer.end()
    except ProviderError as error:
        return events, error
    return events, None


def completed(**parts: object) -> dict[str, object]:
    return {"type": "response.completed", "response": {"status": "completed", **parts}}


# --- the request ------------------------------------------------------------------------------------


def test_nothing_is_stored_and_what_the_caller_left_open_is_not_said() -> None:
    assert body_of() == {
        "model": "m",
        "input": [{"role": "user", "content": [{"type": "input_text", "text": "Hello"}]}],
        "stream": True,
        "store": False,
        "max_output_tokens": 64,
    }


def test_a_conversation_becomes_items() -> None:
    image = ImagePart("https://example.com/a.png")
    body = body_of(
        Message.of("system", "Be brief."),
        Message("user", (TextPart("What?"), image)),
        Message("assistant", (TextPart("Let me look."),), (ToolCall("call_1", "weather", "{}"),)),
        Message("tool", (TextPart("4 °C"),), tool_call_id="call_1"),
    )
    assert body["input"] == [
        {"role": "system", "content": [{"type": "input_text", "text": "Be brief."}]},
        {
            "role": "user",
            "content": [
                {"type": "input_text", "text": "What?"},
                {"type": "input_image", "image_url": "https://example.com/a.png", "detail": "auto"},
            ],
        },
        {"role": "assistant", "content": [{"type": "output_text", "text": "Let me look."}]},
        {"type": "function_call", "call_id": "call_1", "name": "weather", "arguments": "{}"},
        {"type": "function_call_output", "call_id": "call_1", "output": "4 °C"},
    ]


def test_tools_and_schemas_are_flatter_on_this_wire() -> None:
    schema = {"name": "answer", "schema": {"type": "object"}, "strict": True}
    body = body_of(
        tools=(Tool("weather", "Looks outside.", {"type": "object"}),),
        tool_choice={"type": "function", "function": {"name": "weather"}},
        response_format={"type": "json_schema", "json_schema": schema},
        sampling=Sampling(temperature=0.2, effort="high", stop=("END",), seed=3),
    )
    assert body["tools"] == [
        {
            "type": "function",
            "name": "weather",
            "description": "Looks outside.",
            "parameters": {"type": "object"},
            "strict": False,
        }
    ]
    assert body["tool_choice"] == {"type": "function", "name": "weather"}
    assert body["text"] == {"format": {"type": "json_schema", **schema}}
    assert body["reasoning"] == {"effort": "high"}
    assert not {"stop", "seed"} & set(body)


def test_summaries_and_sealed_thoughts_are_asked_for_where_the_model_reasons() -> None:
    request = CompletionRequest("x", (USER,), Sampling(reasoning_summary="auto", verbosity="low"))
    body = responses_body(request, "m", 64, frozenset({"reasoning"}))
    assert body["reasoning"] == {"summary": "auto"}
    assert body["text"] == {"verbosity": "low"}
    assert body["include"] == ["reasoning.encrypted_content"]


def test_the_openai_sdk_would_send_the_same_shape() -> None:
    from openai.types.responses.response_create_params import ResponseCreateParamsStreaming
    from pydantic import TypeAdapter

    body = body_of(Message.of("system", "Be brief."), USER, tools=(Tool("f", "", {"type": "object"}),))
    TypeAdapter(ResponseCreateParamsStreaming).validate_python(body)


# --- the answer -------------------------------------------------------------------------------------


def test_our_script_of_the_wire_is_what_the_openai_sdk_understands() -> None:
    from openai.types.responses import ResponseStreamEvent
    from pydantic import TypeAdapter

    script = ResponsesScript()
    parts = [*script.opening(), script.reasoning("Hm."), script.text("Hi"), *script.ending(9, 2, 4, 1)]
    parts += [script.error("server_error", "oh")]
    read = [TypeAdapter(ResponseStreamEvent).validate_json(part.partition(b"data: ")[2]) for part in parts]
    assert [event.type for event in read][-2:] == ["response.completed", "error"]


def test_paragraphs_of_a_reasoning_summary_stay_apart() -> None:
    def summary(text: str, part: int) -> dict[str, object]:
        at = {"output_index": 0, "summary_index": part}
        return {"type": "response.reasoning_summary_text.delta", "delta": text, **at}

    events, _ = take(summary("First", 0), summary(" thought.", 0), summary("Second.", 1))
    assert events == [ReasoningDelta("First"), ReasoningDelta(" thought."), ReasoningDelta("\n\nSecond.")]


def test_open_reasoning_is_reasoning_too() -> None:
    events, _ = take({"type": "response.reasoning_text.delta", "delta": "Hm.", "output_index": 0})
    assert events == [ReasoningDelta("Hm.")]


def test_calls_are_counted_among_themselves_whatever_stands_between() -> None:
    def added(at: int, name: str) -> dict[str, object]:
        item = {"type": "function_call", "call_id": f"call_{name}", "name": name, "arguments": ""}
        return {"type": "response.output_item.added", "output_index": at, "item": item}

    def argued(at: int, text: str) -> dict[str, object]:
        return {"type": "response.function_call_arguments.delta", "output_index": at, "delta": text}

    events, _ = take(added(1, "f"), argued(1, "{}"), added(3, "g"), argued(3, "[]"), completed())
    assert events == [
        ToolCallDelta(0, "call_f", "f"),
        ToolCallDelta(0, arguments="{}"),
        ToolCallDelta(1, "call_g", "g"),
        ToolCallDelta(1, arguments="[]"),
        Finished("tool_calls"),
    ]


@pytest.mark.parametrize("announced", [True, False])
def test_arguments_that_come_whole_are_not_lost(announced: bool) -> None:
    item = {"type": "function_call", "call_id": "call_1", "name": "f", "arguments": ""}
    added: dict[str, object] = {"type": "response.output_item.added", "output_index": 0, "item": item}
    done = {"type": "response.output_item.done", "output_index": 0, "item": {**item, "arguments": "{}"}}
    events, _ = take(*([added] if announced else []), done, completed())
    said = [event for event in events if isinstance(event, ToolCallDelta)]
    assert "".join(event.arguments for event in said) == "{}"
    assert [event.name for event in said if event.name] == ["f"]


@pytest.mark.parametrize(
    ("reason", "meant"), [("max_output_tokens", "length"), ("content_filter", "content_filter")]
)
def test_an_incomplete_answer_says_why_and_what_it_cost(reason: str, meant: str) -> None:
    response = {
        "status": "incomplete",
        "incomplete_details": {"reason": reason},
        "usage": {"input_tokens": 9, "output_tokens": 64},
    }
    events, _ = take({"type": "response.incomplete", "response": response})
    assert events == [Finished(meant), Usage(9, 64)]  # type: ignore[arg-type]


def test_a_server_that_sends_no_deltas_is_heard_at_the_end() -> None:
    output = [{"type": "message", "content": [{"type": "output_text", "text": "All at once."}]}]
    events, _ = take(completed(output=output))
    assert events == [TextDelta("All at once."), Finished("stop")]


def test_a_failure_before_the_first_word_is_a_refusal_after_it_a_break() -> None:
    failed: dict[str, object] = {
        "type": "response.failed",
        "response": {"status": "failed", "error": {"code": "rate_limit_exceeded", "message": "secret prose"}},
    }
    text: dict[str, object] = {"type": "response.output_text.delta", "delta": "Hi"}
    _, first = take(failed)
    assert isinstance(first, ProviderRefused)
    assert first.status == 429
    events, later = take(text, failed)
    assert events == [TextDelta("Hi")]
    assert isinstance(later, ProviderBroke)
    assert "secret" not in f"{first}{later}"


def test_events_of_other_kinds_are_passed_over() -> None:
    events, error = take({"type": "response.web_search_call.searching"}, {"type": "keepalive"}, {})
    assert (events, error) == ([], None)


# --- usage ------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("said", "meant"),
    [
        (ResponsesUsage(10, 4), Usage(10, 4)),
        (ResponsesUsage(10, None), None),
        (ResponsesUsage(None, 4), None),
    ],
)
def test_usage_with_a_missing_count_is_unknown(said: ResponsesUsage, meant: Usage | None) -> None:
    assert usage_of(said) == meant


def test_cached_and_reasoning_tokens_are_taken_from_their_details() -> None:
    said = {
        "input_tokens": 20,
        "output_tokens": 9,
        "input_tokens_details": {"cached_tokens": 16},
        "output_tokens_details": {"reasoning_tokens": 4},
    }
    assert take(completed(usage=said))[0][-1] == Usage(4, 9, cached_input=16, reasoning=4)
