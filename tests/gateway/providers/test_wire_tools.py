"""Tools of every kind on the two OpenAI wires: native where the wire has them, disguised where not."""

from __future__ import annotations

import json
import random
from typing import Any

import pytest

from gateway.errors import ProviderError
from gateway.messages import (
    AnyTool,
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
    ReasoningProof,
    TextDelta,
    TextPart,
    Tool,
    ToolCall,
    ToolCallDelta,
)
from gateway.providers.base import Wire
from gateway.providers.wire_chat import ChatAnswer
from gateway.providers.wire_chat_request import ChatDialect, chat_body
from gateway.providers.wire_responses import ResponsesAnswer
from gateway.providers.wire_responses_request import responses_body
from gateway.providers.wire_tools import Unwrapped, disguises

USER = Message.of("user", "Hello")
GRAMMAR = {"type": "grammar", "syntax": "lark", "definition": "start: x"}
PATCH = CustomTool("apply_patch", "Edits files.", GRAMMAR)
SHELL = HostedTool("local_shell")
WEATHER = Tool("weather")
TOOLS: tuple[AnyTool, ...] = (PATCH, SHELL, WEATHER)
OPENAI = ChatDialect(
    "max_completion_tokens", True, frozenset({"custom_tools", "prompt_cache_key", "allowed_tools"})
)
CALLED = Message(
    "assistant",
    (),
    (
        ToolCall("c1", "apply_patch", "*** Begin", "custom"),
        ToolCall("c2", "local_shell", '{"command": ["ls"]}', "local_shell"),
    ),
)
RESULTS = (
    Message("tool", (TextPart("done"),), tool_call_id="c1"),
    Message("tool", (TextPart("a.txt"), ImagePart("data:image/png;base64,AAAA")), tool_call_id="c2"),
)
ALLOWED = {
    "type": "allowed_tools",
    "allowed_tools": {"mode": "auto", "tools": [{"type": "custom", "custom": {"name": "apply_patch"}}]},
}


def chat(*messages: Message, dialect: ChatDialect = OPENAI, **fields: Any) -> dict[str, Any]:
    return chat_body(CompletionRequest("x", messages or (USER,), **fields), "m", 64, dialect)


def responses(*messages: Message, features: frozenset[str] = frozenset(), **fields: Any) -> dict[str, Any]:
    return responses_body(CompletionRequest("x", messages or (USER,), **fields), "m", 64, features)


def said(answer: ChatAnswer | ResponsesAnswer, *frames: object) -> list[Event]:
    events = [event for frame in frames for event in answer.take(json.dumps(frame).encode())]
    return events + answer.end()


# --- chat completions -------------------------------------------------------------------------------


def test_openais_chat_has_custom_tools_of_its_own() -> None:
    body = chat(
        USER, CALLED, *RESULTS, tools=TOOLS, tool_choice=ALLOWED, cache_key="k", parallel_tool_calls=False
    )
    assert body["tools"][0] == {
        "type": "custom",
        "custom": {
            "name": "apply_patch",
            "description": "Edits files.",
            "format": {"type": "grammar", "grammar": {"syntax": "lark", "definition": "start: x"}},
        },
    }
    assert [tool["type"] for tool in body["tools"]] == ["custom", "function", "function"]
    assert body["tool_choice"] == ALLOWED
    assert (body["prompt_cache_key"], body["parallel_tool_calls"]) == ("k", False)
    patch, shell = body["messages"][1]["tool_calls"]
    assert patch == {"id": "c1", "type": "custom", "custom": {"name": "apply_patch", "input": "*** Begin"}}
    assert shell["function"] == {"name": "local_shell", "arguments": '{"command": ["ls"]}'}


def test_elsewhere_a_custom_tool_is_a_function_and_a_choice_of_tools_is_fewer_tools() -> None:
    body = chat(
        USER, CALLED, *RESULTS, tools=TOOLS, tool_choice=ALLOWED, cache_key="k", dialect=ChatDialect()
    )
    (patch,) = body["tools"]
    assert patch["type"] == "function"
    assert patch["function"]["parameters"]["required"] == ["input"]
    assert "lark grammar:\nstart: x" in patch["function"]["description"]
    assert body["tool_choice"] == "auto"
    assert "prompt_cache_key" not in body
    assert json.loads(body["messages"][1]["tool_calls"][0]["function"]["arguments"]) == {"input": "*** Begin"}


@pytest.mark.parametrize(("dialect", "kind"), [(OPENAI, "custom"), (ChatDialect(), "function")])
def test_a_named_custom_tool_is_named_as_what_it_is_there(dialect: ChatDialect, kind: str) -> None:
    choice = {"type": "custom", "custom": {"name": "apply_patch"}}
    body = chat(tools=(PATCH,), tool_choice=choice, dialect=dialect)
    assert body["tool_choice"] == {"type": kind, kind: {"name": "apply_patch"}}


def test_images_of_a_result_follow_the_last_result_as_the_users() -> None:
    body = chat(USER, CALLED, *RESULTS)
    assert [message["role"] for message in body["messages"]] == ["user", "assistant", "tool", "tool", "user"]
    assert body["messages"][3] == {"role": "tool", "content": "a.txt", "tool_call_id": "c2"}
    assert [part["type"] for part in body["messages"][4]["content"]] == ["image_url"]


def test_thoughts_go_back_only_where_the_server_wants_them() -> None:
    message = Message("assistant", (TextPart("Yes."),), reasoning=(Reasoning("Hm."), Reasoning("So.")))
    wants = ChatDialect(takes=frozenset({"reasoning_content"}))
    assert chat(USER, message, dialect=wants)["messages"][1]["reasoning_content"] == "Hm.\n\nSo."
    assert "reasoning_content" not in chat(USER, message)["messages"][1]


def test_a_file_is_sent_with_its_name() -> None:
    pdf = FilePart("data:application/pdf;base64,JVBE", "application/pdf", "a.pdf")
    (message,) = chat(Message("user", (TextPart("Read"), pdf)))["messages"]
    assert message["content"][1] == {
        "type": "file",
        "file": {"filename": "a.pdf", "file_data": "data:application/pdf;base64,JVBE"},
    }


def chunk(**delta: object) -> dict[str, object]:
    return {"choices": [{"index": 0, "delta": delta, "finish_reason": None}]}


def test_a_custom_call_of_openais_is_read_as_one() -> None:
    first = {"index": 0, "id": "c1", "type": "custom", "custom": {"name": "apply_patch", "input": ""}}
    more = {"index": 0, "custom": {"input": "*** Begin"}}
    events = said(ChatAnswer("lab"), chunk(tool_calls=[first]), chunk(tool_calls=[more]))
    assert events == [
        ToolCallDelta(0, "c1", "apply_patch", "", "custom"),
        ToolCallDelta(0, arguments="*** Begin", kind="custom"),
    ]


def test_a_disguised_call_is_unwrapped_while_it_streams() -> None:
    pieces = ['{"inp', 'ut": "a\\', 'nb"}']
    first = {"index": 0, "id": "c1", "function": {"name": "apply_patch", "arguments": pieces[0]}}
    more = [chunk(tool_calls=[{"index": 0, "function": {"arguments": piece}}]) for piece in pieces[1:]]
    events = said(ChatAnswer("lab", disguises(TOOLS)), chunk(tool_calls=[first]), *more)
    calls = [event for event in events if isinstance(event, ToolCallDelta)]
    assert [call.arguments for call in calls] == ["", "a", "\nb"]
    assert {call.kind for call in calls} == {"custom"}


def test_what_an_answer_cites_is_told() -> None:
    where = {"url": "https://a.example", "title": "A", "start_index": 2, "end_index": 9}
    cited = {"type": "url_citation", "url_citation": where}
    assert said(ChatAnswer("lab"), chunk(content="Hi", annotations=[cited])) == [
        TextDelta("Hi"),
        Citation("https://a.example", "A", 2, 9),
    ]


def test_whatever_the_pieces_the_input_comes_out_as_it_went_in() -> None:
    chance = random.Random(5)
    for _ in range(300):
        text = "".join(chance.choices(['"', "\\", "\n", "é", "😀", "{", "x", "\t", "\x00"], k=12))
        wrapped = json.dumps({"input": text}, ensure_ascii=chance.random() < 0.5)
        unwrapped, out = Unwrapped(), ""
        while wrapped:
            at = chance.randrange(1, 8)
            out, wrapped = out + unwrapped.feed(wrapped[:at]), wrapped[at:]
        assert out == text


def test_arguments_of_another_shape_pass_as_they_are() -> None:
    assert Unwrapped().feed('{"patch": "x"}') == '{"patch": "x"}'


# --- responses --------------------------------------------------------------------------------------


def test_the_responses_wire_has_every_kind() -> None:
    search = HostedTool("web_search", {"search_context_size": "low"})
    features = frozenset({"local_shell", "reasoning"})
    thought = Reasoning("Hm.", "sealed", "responses", "rs_1")
    body = responses(
        USER,
        Message("assistant", (), CALLED.tool_calls, reasoning=(thought, Reasoning("No seal."))),
        *RESULTS,
        features=features,
        tools=(*TOOLS, search),
        tool_choice=ALLOWED,
        parallel_tool_calls=False,
        max_tool_calls=4,
        cache_key="k",
    )
    assert body["tools"][0] == {
        "type": "custom",
        "name": "apply_patch",
        "description": "Edits files.",
        "format": GRAMMAR,
    }
    assert body["tools"][1] == {"type": "local_shell"}
    assert body["tools"][3] == {"type": "web_search", "search_context_size": "low"}
    assert body["tool_choice"] == {
        "type": "allowed_tools",
        "mode": "auto",
        "tools": [{"type": "custom", "name": "apply_patch"}],
    }
    assert (body["parallel_tool_calls"], body["max_tool_calls"], body["prompt_cache_key"]) == (False, 4, "k")
    assert body["include"] == ["reasoning.encrypted_content"]
    assert [item.get("type") for item in body["input"]] == [
        None,
        "reasoning",
        "custom_tool_call",
        "local_shell_call",
        "custom_tool_call_output",
        "local_shell_call_output",
    ]
    assert body["input"][1] == {
        "type": "reasoning",
        "id": "rs_1",
        "summary": [{"type": "summary_text", "text": "Hm."}],
        "encrypted_content": "sealed",
    }
    assert body["input"][3]["action"] == {"type": "exec", "env": {}, "command": ["ls"]}


def test_a_model_without_a_shell_gets_it_as_a_function() -> None:
    body = responses(USER, CALLED, *RESULTS, tools=TOOLS)
    assert [tool["type"] for tool in body["tools"]] == ["custom", "function", "function"]
    assert [item.get("type") for item in body["input"]][2:] == [
        "function_call",
        "custom_tool_call_output",
        "function_call_output",
    ]
    assert body["input"][-1]["output"][1]["type"] == "input_image"


def test_files_are_sent_by_content_or_by_link() -> None:
    pdf = FilePart("data:application/pdf;base64,JVBE", "application/pdf", "a.pdf")
    link = FilePart("https://example.com/b.pdf", "application/pdf")
    (item,) = responses(Message("user", (pdf, link)))["input"]
    assert item["content"] == [
        {"type": "input_file", "filename": "a.pdf", "file_data": "data:application/pdf;base64,JVBE"},
        {"type": "input_file", "file_url": "https://example.com/b.pdf"},
    ]


def test_the_openai_sdk_knows_every_item_and_tool_that_is_sent() -> None:
    from openai.types.responses.response_create_params import ResponseCreateParamsStreaming
    from pydantic import TypeAdapter

    body = responses(
        USER,
        Message(
            "assistant",
            (),
            CALLED.tool_calls,
            reasoning=(Reasoning("", "x", "responses", "rs"),),
        ),
        *RESULTS,
        features=frozenset({"local_shell", "reasoning"}),
        tools=(*TOOLS, HostedTool("web_search")),
        tool_choice=ALLOWED,
    )
    TypeAdapter(ResponseCreateParamsStreaming).validate_python(body)


def done(at: int, **item: object) -> dict[str, object]:
    return {"type": "response.output_item.done", "output_index": at, "item": item}


def added(at: int, **item: object) -> dict[str, object]:
    return {"type": "response.output_item.added", "output_index": at, "item": item}


def test_items_of_every_type_become_what_they_are() -> None:
    search = {
        "type": "web_search_call",
        "id": "ws_1",
        "status": "completed",
        "action": {"type": "search", "query": "x"},
    }
    shell = {
        "type": "local_shell_call",
        "id": "ls_1",
        "call_id": "c2",
        "action": {"type": "exec", "command": ["ls"]},
    }
    custom = {"type": "custom_tool_call", "call_id": "c1", "name": "apply_patch", "input": ""}
    events = said(
        ResponsesAnswer("lab"),
        added(0, type="reasoning", id="rs_1", summary=[]),
        done(0, type="reasoning", id="rs_1", summary=[], encrypted_content="sealed"),
        added(1, **search),
        done(1, **search),
        added(2, **custom),
        {"type": "response.custom_tool_call_input.delta", "output_index": 2, "delta": "*** Begin"},
        done(2, **{**custom, "input": "*** Begin"}),
        added(3, **shell),
        done(3, **shell),
        {"type": "response.completed", "response": {"status": "completed", "output": [search, shell]}},
    )
    assert events == [
        ReasoningProof("sealed", "responses", "rs_1", redacted=True),
        HostedCall("web_search", "ws_1", search),
        ToolCallDelta(0, "c1", "apply_patch", "", "custom"),
        ToolCallDelta(0, arguments="*** Begin", kind="custom"),
        ToolCallDelta(1, "c2", "local_shell", '{"type": "exec", "command": ["ls"]}', "local_shell"),
        Finished("tool_calls"),
    ]


def test_an_annotation_is_a_citation() -> None:
    cited = {
        "type": "url_citation",
        "url": "https://a.example",
        "title": "A",
        "start_index": 0,
        "end_index": 4,
    }
    frame = {"type": "response.output_text.annotation.added", "output_index": 0, "annotation": cited}
    assert said(ResponsesAnswer("lab"), frame) == [Citation("https://a.example", "A", 0, 4)]


@pytest.mark.parametrize("wire", ["chat_completions", "responses"])
def test_an_item_that_is_no_object_is_the_providers_fault(wire: Wire) -> None:
    answer = ResponsesAnswer("lab") if wire == "responses" else ChatAnswer("lab")
    with pytest.raises(ProviderError):
        said(answer, {"type": "response.output_item.done", "item": [1], "choices": "no"})
