"""What the AI SDK's call options become: pure reading, no server."""

from __future__ import annotations

import json
from typing import Any

import pytest

from api.wire.ai_gateway import read
from api.wire.ai_gateway_answer import AiSdkShape
from api.wire.shapes import Asked
from gateway.errors import BadRequest, Unsupported
from gateway.messages import CustomTool, FilePart, HostedTool, ImagePart, Message, Reasoning, TextPart, Tool


def asked(body: dict[str, Any], *, creator: str = "openai", version: int = 3) -> Asked:
    return read(
        json.dumps(body).encode(),
        model="openai/gpt-x",
        creator=creator,
        streaming="true",
        version=str(version),
    )


def said(*parts: dict[str, Any], role: str = "user") -> dict[str, Any]:
    return {"prompt": [{"role": role, "content": list(parts)}]}


def warned(asked: Asked) -> list[dict[str, str]]:
    assert isinstance(asked.shape, AiSdkShape)
    return asked.shape.warnings.written(3)


HELLO = {"prompt": [{"role": "user", "content": [{"type": "text", "text": "Hello"}]}]}


def test_what_the_sdk_sends_beside_the_call_is_passed_over() -> None:
    body = HELLO | {"headers": {"user-agent": "ai/6.0"}, "includeRawChunks": False, "providerOptions": {}}
    request = asked(body).request
    assert request.messages == (Message.of("user", "Hello"),)
    assert request.model == "openai/gpt-x"


def test_a_conversation_with_a_thought_a_call_and_its_result_comes_across_whole() -> None:
    prompt = [
        {"role": "system", "content": "Be brief."},
        {"role": "user", "content": [{"type": "text", "text": "Weather?"}]},
        {
            "role": "assistant",
            "content": [
                {
                    "type": "reasoning",
                    "text": "Look it up.",
                    "providerOptions": {"openai": {"itemId": "rs_1", "reasoningEncryptedContent": "seal"}},
                },
                {"type": "text", "text": "One moment."},
                {"type": "tool-call", "toolCallId": "c1", "toolName": "weather", "input": {"city": "Oslo"}},
            ],
        },
        {
            "role": "tool",
            "content": [
                {
                    "type": "tool-result",
                    "toolCallId": "c1",
                    "toolName": "weather",
                    "output": {"type": "error-json", "value": {"no": "city"}},
                }
            ],
        },
    ]
    _, _, answer, result = asked({"prompt": prompt}).request.messages
    assert answer.reasoning == (Reasoning("Look it up.", "seal", "responses", "rs_1"),)
    assert answer.text == "One moment."
    assert answer.tool_calls[0].arguments == '{"city": "Oslo"}'
    assert (result.tool_call_id, result.text, result.tool_failed) == ("c1", '{"no": "city"}', True)


@pytest.mark.parametrize(
    ("part", "becomes"),
    [
        ({"data": "https://a.example/b.png", "mediaType": "image/*"}, ImagePart("https://a.example/b.png")),
        ({"data": "aGk=", "mediaType": "image/png"}, ImagePart("data:image/png;base64,aGk=")),
        ({"data": "data:image/png;base64,aGk=", "mediaType": "image/png"},
         ImagePart("data:image/png;base64,aGk=")),
        ({"data": {"type": "data", "data": "aGk="}, "mediaType": "application/pdf", "filename": "a.pdf"},
         FilePart("data:application/pdf;base64,aGk=", "application/pdf", "a.pdf")),
        ({"data": {"type": "url", "url": "https://a.example/b"}, "mediaType": "image"}, ImagePart("https://a.example/b")),
        ({"data": {"type": "text", "text": "notes"}, "mediaType": "text/plain"}, TextPart("notes")),
    ],
)  # fmt: skip
def test_a_file_is_an_address_base64_or_text_in_any_specification(
    part: dict[str, Any], becomes: object
) -> None:
    (message,) = asked(said({"type": "file", **part})).request.messages
    assert message.parts == (becomes,)


def test_tools_of_each_kind_and_the_choice_among_them() -> None:
    tools = [
        {"type": "function", "name": "add", "inputSchema": {"type": "object"}, "strict": True},
        {
            "type": "provider",
            "id": "openai.web_search",
            "name": "search",
            "args": {"searchContextSize": "low"},
        },
        {"type": "provider", "id": "openai.custom", "name": "patch", "args": {"format": {"type": "text"}}},
    ]
    request = asked(HELLO | {"tools": tools, "toolChoice": {"type": "tool", "toolName": "patch"}}).request
    assert request.tools == (
        Tool("add", "", {"type": "object"}, True),
        HostedTool("web_search", {"search_context_size": "low"}),
        CustomTool("patch", "", {"type": "text"}),
    )
    assert request.tool_choice == {"type": "custom", "custom": {"name": "patch"}}
    with pytest.raises(BadRequest) as refused:
        asked(HELLO | {"toolChoice": {"type": "required"}})
    assert refused.value.param == "toolChoice"


def test_only_the_options_of_the_models_own_maker_count() -> None:
    options = {
        "openai": {
            "reasoningEffort": "high",
            "textVerbosity": "low",
            "parallelToolCalls": False,
            "store": True,
        },
        "anthropic": {"thinking": {"type": "enabled", "budgetTokens": 2048}},
    }
    of_openai = asked(HELLO | {"providerOptions": options})
    assert of_openai.request.sampling.effort == "high"
    assert of_openai.request.sampling.verbosity == "low"
    assert of_openai.request.sampling.reasoning_tokens is None
    assert (of_openai.request.parallel_tool_calls, of_openai.request.keep) == (False, True)
    of_anthropic = asked(HELLO | {"providerOptions": options}, creator="anthropic")
    assert of_anthropic.request.sampling.effort is None
    assert of_anthropic.request.sampling.reasoning_tokens == 2048
    assert warned(of_openai) == warned(of_anthropic) == []


def test_how_hard_to_think_is_said_in_specification_4_itself() -> None:
    assert asked(HELLO | {"reasoning": "low"}, version=4).request.sampling.effort == "low"
    kept = {"reasoning": "provider-default", "providerOptions": {"openai": {"reasoningEffort": "high"}}}
    assert asked(HELLO | kept, version=4).request.sampling.effort == "high"


def test_routing_is_asked_for_under_gateway() -> None:
    gateway = {
        "order": ["azure", "openai"],
        "only": ["azure", "openai"],
        "ignore": ["groq"],
        "sort": "ttft",
        "models": ["openai/gpt-y"],
        "tags": ["chat", "v2"],
        "zeroDataRetention": True,
        "disallowPromptTraining": True,
        "standIn": "successor",
        "user": "u1",
    }
    request = asked(HELLO | {"providerOptions": {"gateway": gateway}}).request
    wanted = request.routing
    assert (wanted.order, wanted.only, wanted.sort) == (
        ("azure", "openai"),
        ("azure", "openai"),
        "first_token",
    )
    assert wanted.ignore == ("groq",)
    assert (wanted.zero_data_retention, wanted.no_training) == (True, True)
    assert (wanted.models, wanted.stand_in) == (("openai/gpt-y",), "successor")
    assert request.tags == ("chat", "v2")


@pytest.mark.parametrize("name", ["byok", "has"])
def test_what_would_restrict_or_pay_another_way_is_refused_by_name(name: str) -> None:
    with pytest.raises(Unsupported) as refused:
        asked(HELLO | {"providerOptions": {"gateway": {name: {}}}})
    assert refused.value.param == f"providerOptions.gateway.{name}"


def test_a_schema_is_strict_unless_told_otherwise() -> None:
    wanted = {"responseFormat": {"type": "json", "schema": {"type": "object"}, "name": "answer"}}
    schema = {"name": "answer", "schema": {"type": "object"}}
    assert asked(HELLO | wanted).request.response_format == {
        "type": "json_schema",
        "json_schema": {**schema, "strict": True},
    }
    loose = {"providerOptions": {"openai": {"strictJsonSchema": False}}}
    assert asked(HELLO | wanted | loose).request.response_format == {
        "type": "json_schema",
        "json_schema": {**schema, "strict": False},
    }
    assert asked(HELLO | {"responseFormat": {"type": "json"}}).request.response_format == {
        "type": "json_object"
    }


def test_caching_marks_the_systems_words_and_what_the_caller_marked() -> None:
    marked = {"anthropic": {"cacheControl": {"type": "ephemeral"}}}
    prompt = [
        {"role": "system", "content": "Long rules."},
        {"role": "user", "content": [{"type": "text", "text": "Hello"}], "providerOptions": marked},
    ]
    rules, hello = asked({"prompt": prompt}).request.messages
    assert (rules.parts, hello.parts) == ((TextPart("Long rules."),), (TextPart("Hello", cached=True),))
    auto = {"providerOptions": {"gateway": {"caching": "auto"}}}
    rules, _ = asked({"prompt": prompt} | auto).request.messages
    assert rules.parts == (TextPart("Long rules.", cached=True),)


@pytest.mark.parametrize(
    ("body", "param"),
    [
        (HELLO | {"temperature": "hot"}, "temperature"),
        (HELLO | {"surprise": 1}, "surprise"),
        (said({"type": "video"}), "prompt[0].content[0].type"),
        (said({"type": "text", "text": "x"}, role="robot"), "prompt[0].role"),
        (said({"type": "file", "data": {"type": "reference", "reference": {}}, "mediaType": "x/y"}),
         "prompt[0].content[0]"),
        (HELLO | {"providerOptions": {"openai": {"reasoningEffort": "enormous"}}},
         "providerOptions.openai.reasoningEffort"),
    ],
)  # fmt: skip
def test_what_is_wrong_is_named(body: dict[str, Any], param: str) -> None:
    with pytest.raises(BadRequest) as refused:
        asked(body)
    assert refused.value.param == param
