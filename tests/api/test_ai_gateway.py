"""The AI SDK's gateway protocol at the wire; the SDK itself is asked in tests/clients."""

from __future__ import annotations

from typing import Any

import pytest

from gateway.errors import ProviderBroke, ProviderRefused
from gateway.messages import (
    Citation,
    Finished,
    HostedCall,
    ReasoningDelta,
    ReasoningProof,
    TextDelta,
    ToolCallDelta,
    Usage,
)
from tests.api.conftest import KEY, Answered, World

COST = "0.000002100"  # 9 x 100,000 + 3 x 400,000 pico-dollars


def prompt(text: str = "Why is the sky blue?", **more: Any) -> dict[str, Any]:
    return {"prompt": [{"role": "user", "content": [{"type": "text", "text": text}]}], **more}


async def ask(
    world: World,
    body: object,
    *,
    model: str = "lab/fast",
    streamed: bool = False,
    version: int = 3,
    key: str = KEY,
) -> Answered:
    headers = {
        "ai-gateway-protocol-version": "0.0.1",
        "ai-gateway-auth-method": "api-key",
        "ai-language-model-id": model,
        "ai-language-model-specification-version": str(version),
        "ai-language-model-streaming": str(streamed).lower(),
    }
    path = {2: "/v1/ai", 3: "/v3/ai", 4: "/v4/ai"}[version] + "/language-model"
    return await world.caller().ask("POST", path, body, headers, key)


async def test_a_result_is_content_a_reason_usage_in_both_directions_and_the_ledgers_cost(
    world: World,
) -> None:
    answered = await ask(world, prompt())
    assert answered.status == 200
    body = answered.json
    assert body["content"] == [{"type": "text", "text": "Hello \u2603"}]
    assert body["finishReason"] == {"unified": "stop", "raw": "stop"}
    assert body["usage"]["inputTokens"] == {"total": 9, "noCache": 9, "cacheRead": 0, "cacheWrite": 0}
    assert body["usage"]["outputTokens"]["total"] == 3
    told = body["providerMetadata"]["gateway"]
    assert (told["cost"], told["generationId"]) == (COST, answered.headers["x-run-id"])
    assert told["routing"] == {
        "originalModelId": "lab/fast",
        "resolvedModelId": "lab/fast",
        "finalProvider": "lab",
    }
    assert body["warnings"] == []
    assert world.ledger.open == {}


async def test_a_stream_is_a_start_metadata_a_text_block_and_a_finish_with_usage(world: World) -> None:
    answered = await ask(world, prompt(), streamed=True)
    assert answered.headers["content-type"] == "text/event-stream; charset=utf-8"
    *parts, done = answered.events
    assert done == "[DONE]"
    start, metadata, *block, finish = parts
    assert start == {"type": "stream-start", "warnings": []}
    assert metadata["type"] == "response-metadata"
    assert (metadata["id"], metadata["modelId"]) == (answered.headers["x-run-id"], "lab/fast")
    assert block == [
        {"type": "text-start", "id": "text-0"},
        {"type": "text-delta", "id": "text-0", "delta": "Hel"},
        {"type": "text-delta", "id": "text-0", "delta": "lo \u2603"},
        {"type": "text-end", "id": "text-0"},
    ]
    assert finish["type"] == "finish"
    assert finish["finishReason"] == {"unified": "stop", "raw": "stop"}
    assert finish["usage"]["inputTokens"]["total"] == 9
    assert finish["providerMetadata"]["gateway"]["cost"] == COST


async def test_specification_2_has_its_own_usage_and_reason(world: World) -> None:
    body = (await ask(world, prompt(), version=2)).json
    assert body["finishReason"] == "stop"
    assert body["usage"] == {
        "inputTokens": 9,
        "outputTokens": 3,
        "totalTokens": 12,
        "reasoningTokens": 0,
        "cachedInputTokens": 0,
    }


async def test_a_thought_ends_with_its_seal_and_each_call_is_told_whole_once_it_is_over(
    world: World,
) -> None:
    world.provider.script = (
        ReasoningDelta("Let me "),
        ReasoningDelta("think."),
        ReasoningProof("sealed", "anthropic_messages"),
        TextDelta("I look."),
        ToolCallDelta(0, "call_1", "weather", '{"city":'),
        ToolCallDelta(0, arguments='"Oslo"}'),
        ToolCallDelta(1, "call_2", "now"),
        Finished("tool_calls"),
        Usage(input=9, output=3, reasoning=1),
    )
    tools = [
        {"type": "function", "name": name, "inputSchema": {"type": "object"}} for name in ("weather", "now")
    ]
    *parts, _ = (await ask(world, prompt(tools=tools), streamed=True, version=4)).events
    assert parts[2:-1] == [
        {"type": "reasoning-start", "id": "reasoning-0"},
        {"type": "reasoning-delta", "id": "reasoning-0", "delta": "Let me "},
        {"type": "reasoning-delta", "id": "reasoning-0", "delta": "think."},
        {
            "type": "reasoning-end",
            "id": "reasoning-0",
            "providerMetadata": {"anthropic": {"signature": "sealed"}},
        },
        {"type": "text-start", "id": "text-1"},
        {"type": "text-delta", "id": "text-1", "delta": "I look."},
        {"type": "text-end", "id": "text-1"},
        {"type": "tool-input-start", "id": "call_1", "toolName": "weather"},
        {"type": "tool-input-delta", "id": "call_1", "delta": '{"city":'},
        {"type": "tool-input-delta", "id": "call_1", "delta": '"Oslo"}'},
        {"type": "tool-input-end", "id": "call_1"},
        {"type": "tool-call", "toolCallId": "call_1", "toolName": "weather", "input": '{"city":"Oslo"}'},
        {"type": "tool-input-start", "id": "call_2", "toolName": "now"},
        {"type": "tool-input-end", "id": "call_2"},
        {"type": "tool-call", "toolCallId": "call_2", "toolName": "now", "input": "{}"},
    ]
    assert parts[-1]["finishReason"]["unified"] == "tool-calls"
    whole = (await ask(world, prompt(tools=tools))).json["content"]
    assert [part["type"] for part in whole] == ["reasoning", "text", "tool-call", "tool-call"]
    assert whole[0]["providerMetadata"] == {"anthropic": {"signature": "sealed"}}
    assert whole[2] == {
        "type": "tool-call",
        "toolCallId": "call_1",
        "toolName": "weather",
        "input": '{"city":"Oslo"}',
    }


async def test_what_the_provider_looked_up_and_where_it_read_it_is_told_under_the_callers_name(
    world: World,
) -> None:
    world.provider.script = (
        HostedCall("web_search_call", "ws_1", {"type": "web_search_call", "status": "completed"}),
        TextDelta("It is sunny."),
        Citation("https://weather.example/oslo", "Oslo", 0, 12),
        Finished("stop"),
        Usage(input=9, output=3),
    )
    tools = [{"type": "provider", "id": "openai.web_search", "name": "search", "args": {}}]
    body = (await ask(world, prompt(tools=tools), model="lab/search")).json
    call, result, text, source = body["content"]
    assert (call["toolName"], call["providerExecuted"], call["dynamic"]) == ("search", True, False)
    assert result["result"] == {"type": "web_search_call", "status": "completed"}
    assert text["text"] == "It is sunny."
    assert (source["type"], source["url"]) == ("source", "https://weather.example/oslo")


async def test_a_cut_stream_ends_with_an_error_and_what_was_billed_and_no_half_call(world: World) -> None:
    world.provider.script = (
        TextDelta("Hel"),
        ToolCallDelta(0, "call_1", "weather", '{"ci'),
        ProviderBroke("lab", "The provider cut its answer."),
    )
    *parts, done = (await ask(world, prompt(), streamed=True)).events
    assert done == "[DONE]"
    kinds = [part["type"] for part in parts]
    assert kinds[-2:] == ["error", "finish"]
    assert "tool-call" not in kinds
    assert parts[-2]["error"]["code"] == "provider_broke"
    assert parts[-2]["error"]["statusCode"] == 502
    assert parts[-1]["finishReason"]["unified"] == "error"
    assert parts[-1]["providerMetadata"]["gateway"]["cost"] != "0.000000000"
    assert world.ledger.open == {}


@pytest.mark.parametrize(
    ("asked", "status", "kind"),
    [
        ({"key": "ty_" + "x" * 40}, 401, "authentication_error"),
        ({"model": "lab/nothing"}, 404, "model_not_found"),
        ({"model": "lab/old"}, 410, "model_not_found"),
        ({"body": {"prompt": []}}, 400, "invalid_request_error"),
        ({"body": prompt(tools=[{"type": "provider", "id": "gateway.exa_search", "name": "s"}])}, 400,
         "invalid_request_error"),
    ],
)  # fmt: skip
async def test_a_refusal_has_the_type_that_makes_the_sdks_own_error_class(
    world: World, asked: dict[str, Any], status: int, kind: str
) -> None:
    answered = await ask(
        world,
        asked.get("body", prompt()),
        model=asked.get("model", "lab/fast"),
        key=asked.get("key", KEY),
    )
    assert answered.status == status
    assert answered.error["type"] == kind
    if kind == "model_not_found":
        assert answered.error["param"] == {"modelId": asked["model"]}


async def test_no_credit_is_forbidden_with_what_is_needed_and_a_rate_limit_is_one(world: World) -> None:
    world.provider.script = (ProviderRefused("lab", "Too many requests.", status=429, retry_after_s=7),)
    limited = await ask(world, prompt())
    assert (limited.status, limited.error["type"]) == (429, "rate_limit_exceeded")
    assert limited.headers["retry-after"] == "7"
    assert limited.json["generationId"] == limited.error["run_id"]
    world.ledger.available[1] = 0
    broke = await ask(world, prompt())
    assert (broke.status, broke.error["type"], broke.error["code"]) == (
        402,
        "forbidden",
        "insufficient_credits",
    )
    assert broke.error["available"] == "0.000000000"


@pytest.mark.parametrize("header", ["id", "specification-version", "streaming"])
async def test_a_header_that_is_missing_is_named(world: World, header: str) -> None:
    headers = {
        "ai-language-model-id": "lab/fast",
        "ai-language-model-specification-version": "3",
        "ai-language-model-streaming": "false",
    }
    del headers[f"ai-language-model-{header}"]
    answered = await world.caller().ask("POST", "/v3/ai/language-model", prompt(), headers)
    assert answered.status == 400
    assert answered.error["param"] == f"ai-language-model-{header}"


async def test_a_setting_that_the_model_lacks_is_a_warning(world: World) -> None:
    options = {"thinking": {"type": "enabled", "budgetTokens": 1024}, "logitBias": {"1": 2}}
    body = (await ask(world, prompt(providerOptions={"lab": options}))).json
    unsupported = [warning for warning in body["warnings"] if warning["type"] == "unsupported"]
    assert [warning["feature"] for warning in unsupported] == ["providerOptions.lab.logitBias"]
    others = [warning["message"] for warning in body["warnings"] if warning["type"] == "other"]
    assert any(message.startswith("reasoning_tokens was left out") for message in others)


@pytest.mark.parametrize(
    ("headers", "body", "param"),
    [
        ({}, {"values": ["a"]}, "ai-model-id"),
        ({"ai-model-id": "lab/fast"}, {}, "values"),
        ({"ai-model-id": "lab/fast"}, {"values": [""]}, "values[0]"),
        ({"ai-model-id": "lab/fast"}, {"values": ["a"]}, "model"),  # it makes none
    ],
)
async def test_what_embeds_nothing_is_refused_by_name(
    world: World, headers: dict[str, str], body: dict[str, Any], param: str
) -> None:
    answered = await world.caller().ask("POST", "/v4/ai/embedding-model", body, headers)
    assert (answered.status, answered.error["param"]) == (400, param)
    assert answered.error["type"] == "invalid_request_error"


@pytest.mark.parametrize(("base", "version"), [("/v1/ai", "v2"), ("/v3/ai", "v3"), ("/v4/ai", "v4")])
async def test_the_config_lists_what_answers_here_with_prices_a_token(
    world: World, base: str, version: str
) -> None:
    models = {model["id"]: model for model in (await world.get(f"{base}/config")).json["models"]}
    assert {"lab/old", "far/away"}.isdisjoint(models)
    fast = models["lab/fast"]
    assert fast["specification"] == {
        "specificationVersion": version,
        "provider": "gateway",
        "modelId": "lab/fast",
    }
    assert (fast["pricing"]["input"], fast["pricing"]["output"]) == ("0.0000001", "0.0000004")
    assert fast["modelType"] == "language"
