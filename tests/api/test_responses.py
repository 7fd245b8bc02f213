"""POST /v1/responses, held against the openai SDK's own event types."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest
from openai.types.responses import Response, ResponseItemList

from gateway.errors import ProviderBroke, ProviderRefused
from gateway.messages import (
    Citation,
    CustomTool,
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
from tests.api.conftest import OTHER_KEY, Answered, Step, World
from tests.api.responses_stream import checked, events_of

EVERYTHING: list[Step] = [
    ReasoningDelta("First "),
    ReasoningDelta("think."),
    ReasoningProof("gAAAA", "responses", id="rs_1"),
    HostedCall("web_search", "ws_1", {"action": {"type": "search", "query": "sky"}}),
    TextDelta("Hel"),
    TextDelta("lo \u2603"),
    Citation("https://sky.example", "Sky", 0, 5),
    ToolCallDelta(0, "call_a", "find", ""),
    ToolCallDelta(0, None, None, '{"q":'),
    ToolCallDelta(1, "call_b", "patch", "", kind="custom"),
    ToolCallDelta(0, None, None, '"x"}'),
    ToolCallDelta(1, None, None, "*** Begin", kind="custom"),
    ToolCallDelta(
        2, "call_c", "local_shell", '{"type":"exec","command":["ls"],"env":{}}', kind="local_shell"
    ),
    Finished("tool_calls"),
    Usage(input=9, output=30, cached_input=4, reasoning=6),
]


def asked(input: Any = "hi", **more: Any) -> dict[str, Any]:
    return {"model": "lab/fast", "input": input, **more}


async def ask(world: World, body: dict[str, Any], **how: Any) -> Answered:
    return await world.caller().ask("POST", "/v1/responses", body, **how)


async def test_a_stream_has_every_event_in_order_and_by_openais_own_types(world: World) -> None:
    world.provider.script = EVERYTHING
    answered = await ask(world, asked(stream=True, include=["reasoning.encrypted_content"]))
    assert answered.status == 200
    events, response = checked(answered.text)
    assert [event["type"].removeprefix("response.") for event in events] == [
        "created", "in_progress",
        "output_item.added", "reasoning_summary_part.added", "reasoning_summary_text.delta",
        "reasoning_summary_text.delta", "reasoning_summary_text.done", "reasoning_summary_part.done",
        "output_item.done",
        "output_item.added", "web_search_call.in_progress", "web_search_call.searching",
        "web_search_call.completed", "output_item.done",
        "output_item.added", "content_part.added", "output_text.delta", "output_text.delta",
        "output_text.annotation.added", "output_text.done", "content_part.done", "output_item.done",
        "output_item.added", "function_call_arguments.delta",
        "output_item.added", "function_call_arguments.delta", "custom_tool_call_input.delta",
        "function_call_arguments.done", "output_item.done",
        "custom_tool_call_input.done", "output_item.done",
        "output_item.added", "output_item.done",
        "completed",
    ]  # fmt: skip
    thought, search, message, function, custom, shell = response["output"]
    assert thought["summary"] == [{"type": "summary_text", "text": "First think."}]
    assert thought["encrypted_content"] == "gAAAA"
    assert search["action"] == {"type": "search", "query": "sky"}
    assert message["content"][0]["text"] == "Hello \u2603"
    assert message["content"][0]["annotations"][0]["url"] == "https://sky.example"
    assert (function["name"], function["arguments"]) == ("find", '{"q":"x"}')
    assert (custom["type"], custom["input"]) == ("custom_tool_call", "*** Begin")
    assert shell["action"]["command"] == ["ls"]
    usage = response["usage"]
    assert (usage["input_tokens"], usage["output_tokens"], usage["total_tokens"]) == (13, 30, 43)
    assert usage["output_tokens_details"] == {"reasoning_tokens": 6}
    assert usage["cost"] == f"0.{world.ledger.receipts[response['id']].cost_nano_usd:09}"


async def test_a_whole_answer_is_the_response_that_a_stream_ends_with(world: World) -> None:
    world.provider.script = EVERYTHING
    ask_for = asked(include=["reasoning.encrypted_content"], temperature=0.5, metadata={"a": "b"})
    whole = (await ask(world, ask_for)).json
    _, streamed = checked((await ask(world, {**ask_for, "stream": True})).text)
    Response.model_validate(whole)
    own = ("id", "created_at", "completed_at", "usage")
    for one in (whole, streamed):
        for item in one["output"]:
            item["id"] = item["id"].replace(one["id"].removeprefix("run_"), "")
    assert {k: v for k, v in whole.items() if k not in own} == {
        k: v for k, v in streamed.items() if k not in own
    }
    assert (whole["temperature"], whole["metadata"], whole["status"]) == (0.5, {"a": "b"}, "completed")


async def test_seals_are_given_out_only_where_they_were_asked_for(world: World) -> None:
    world.provider.script = EVERYTHING
    assert "gAAAA" not in (await ask(world, asked(stream=True))).text
    assert "gAAAA" not in (await ask(world, asked())).text


@pytest.mark.parametrize(
    ("finish", "reason"), [("length", "max_output_tokens"), ("content_filter", "content_filter")]
)
async def test_an_answer_that_was_cut_is_incomplete(world: World, finish: Any, reason: str) -> None:
    world.provider.script = [TextDelta("Hel"), Finished(finish), Usage(9, 1)]
    events, response = checked((await ask(world, asked(stream=True))).text)
    assert events[-1]["type"] == "response.incomplete"
    assert response["incomplete_details"] == {"reason": reason}
    assert response["output"][0]["status"] == "incomplete"
    whole = (await ask(world, asked())).json
    assert (whole["status"], whole["incomplete_details"]) == ("incomplete", {"reason": reason})


async def test_a_failure_in_mid_stream_is_response_failed_with_what_was_billed(world: World) -> None:
    world.provider.script = [TextDelta("Hel"), ProviderBroke("lab", "It cut its answer.")]
    events, response = checked((await ask(world, asked(stream=True))).text)
    assert events[-1]["type"] == "response.failed"
    assert response["error"]["message"] == "It cut its answer."
    assert response["usage"]["estimated"] is True
    assert world.ledger.open == {}


async def test_a_failure_before_the_first_word_is_a_proper_error(world: World) -> None:
    world.provider.script = [ProviderRefused("lab", "Slow down.", status=429, retry_after_s=2.5)]
    for streamed in (False, True):
        answered = await ask(world, asked(stream=streamed))
        assert (answered.status, answered.error["code"]) == (429, "provider_rate_limited")


async def test_a_stopped_run_ends_its_stream_with_an_error_event(world: World) -> None:
    world.provider.script = [TextDelta("one"), 9.0]
    caller = world.caller()
    asking = asyncio.create_task(caller.ask("POST", "/v1/responses", asked(stream=True)))
    async with asyncio.timeout(20):
        while '"one"' not in caller.answered.text:
            await asyncio.sleep(0.005)
    (run,) = world.gateway.runs.running()
    cancelled = await world.caller().ask("POST", f"/v1/responses/{run.id}/cancel")
    assert cancelled.status == 200
    last = events_of((await asyncio.wait_for(asking, 5)).text)[-1]
    assert (last["type"], last["code"]) == ("error", "run_stopped")
    shown = (await world.get(f"/v1/responses/{run.id}")).json
    assert shown["status"] == "cancelled"
    assert shown["output"][0]["content"][0]["text"] == "one"


# --- what is asked ---------------------------------------------------------------------------


async def test_every_item_that_coding_agents_send_becomes_the_conversation(world: World) -> None:
    items = [
        {"role": "developer", "content": "Be brief."},
        {"type": "message", "role": "user", "content": [
            {"type": "input_text", "text": "look"},
            {"type": "input_image", "image_url": "data:image/png;base64,AAAA", "detail": "low"}]},
        {"type": "reasoning", "id": "rs_1", "summary": [{"type": "summary_text", "text": "hm"}],
         "encrypted_content": "gAAAA"},
        {"type": "message", "role": "assistant", "id": "msg_1", "status": "completed", "phase": "commentary",
         "content": [{"type": "output_text", "text": "I look.", "annotations": [], "logprobs": []}]},
        {"type": "function_call", "id": "fc_1", "call_id": "a", "name": "find", "arguments": "{}",
         "status": "completed"},
        {"type": "custom_tool_call", "call_id": "b", "name": "patch", "input": "***"},
        {"type": "local_shell_call", "id": "lsh_1", "call_id": "c", "status": "completed",
         "action": {"type": "exec", "command": ["ls"], "env": {}}},
        {"type": "function_call_output", "call_id": "a", "output": "found"},
        {"type": "custom_tool_call_output", "call_id": "b", "output": [
            {"type": "input_text", "text": "done"}]},
        {"type": "local_shell_call_output", "id": "c", "output": "{}"},
        {"type": "web_search_call", "id": "ws_1", "status": "completed", "action": {"type": "search"}},
        {"type": "reasoning", "summary": [], "content": None, "encrypted_content": "gBBBB"},
        {"role": "assistant", "content": "There."},
        {"role": "user", "content": "go on"},
    ]  # fmt: skip
    answered = await ask(world, asked(items, instructions="You are good.", model="lab/full"))
    assert answered.status == 200, answered.text
    (call,) = world.provider.calls
    assert call.request.messages == (
        Message("system", (TextPart("You are good."),), instructions=True),
        Message("system", (TextPart("Be brief."),)),
        Message("user", (TextPart("look"), ImagePart("data:image/png;base64,AAAA", "low"))),
        Message(
            "assistant",
            (TextPart("I look."),),
            tool_calls=(
                ToolCall("a", "find", "{}"),
                ToolCall("b", "patch", "***", "custom"),
                ToolCall("c", "local_shell", '{"type":"exec","command":["ls"],"env":{}}', "local_shell"),
            ),
            reasoning=(Reasoning("hm", "gAAAA", "responses", "rs_1"),),
        ),
        Message("tool", (TextPart("found"),), tool_call_id="a"),
        Message("tool", (TextPart("done"),), tool_call_id="b"),
        Message("tool", (TextPart("{}"),), tool_call_id="c"),
        Message(
            "assistant",
            (TextPart("There."),),
            reasoning=(Reasoning("", "gBBBB", "responses", None),),
        ),
        Message("user", (TextPart("go on"),)),
    )


async def test_tools_of_every_kind_and_how_to_answer_reach_the_provider(world: World) -> None:
    grammar = {"type": "grammar", "syntax": "lark", "definition": "start: /x/"}
    answered = await ask(
        world,
        asked(
            model="lab/full",
            tools=[
                {"type": "function", "name": "find", "parameters": {"type": "object"}, "strict": True},
                {"type": "custom", "name": "patch", "description": "Patches.", "format": grammar},
                {"type": "local_shell"},
                {"type": "web_search", "search_context_size": "low", "external_web_access": True},
            ],
            tool_choice={"type": "custom", "name": "patch"},
            parallel_tool_calls=False,
            max_tool_calls=3,
            max_output_tokens=77,
            reasoning={"effort": "high", "summary": "auto"},
            text={
                "verbosity": "low",
                "format": {"type": "json_schema", "name": "s", "schema": {"type": "object"}, "strict": True},
            },
            prompt_cache_key="k",
            store=False,
            client_metadata={"x": "y"},
        ),
    )
    assert answered.status == 200, answered.text
    request = world.provider.calls[0].request
    assert request.tools == (
        Tool("find", "", {"type": "object"}, True),
        CustomTool("patch", "Patches.", grammar),
        HostedTool("local_shell"),
        HostedTool("web_search", {"search_context_size": "low", "external_web_access": True}),
    )
    assert request.tool_choice == {"type": "custom", "custom": {"name": "patch"}}
    assert request.response_format == {
        "type": "json_schema",
        "json_schema": {"name": "s", "schema": {"type": "object"}, "strict": True},
    }
    assert (request.parallel_tool_calls, request.max_tool_calls, request.cache_key) == (False, 3, "k")
    assert (request.sampling.max_output_tokens, request.sampling.effort) == (77, "high")
    assert answered.json["tools"][0] == {
        "type": "function", "name": "find", "parameters": {"type": "object"}, "strict": True,
    }  # fmt: skip
    Response.model_validate(answered.json)


async def test_tools_of_a_namespace_are_sent_side_by_side_and_called_by_both_names(world: World) -> None:
    close = {
        "type": "function",
        "name": "close",
        "description": "Ends one.",
        "parameters": {"type": "object"},
    }
    namespace = {"type": "namespace", "name": "agents", "description": "Helpers.", "tools": [close]}
    called = ToolCallDelta(0, "call_1", "agents__close", "{}")
    world.provider.script = (called, Finished("tool_calls"), Usage(input=9, output=3))
    earlier = {"type": "function_call", "call_id": "c0", "name": "close", "namespace": "agents",
               "arguments": "{}"}  # fmt: skip
    result = {"type": "function_call_output", "call_id": "c0", "output": "closed"}
    said = [{"role": "user", "content": "Close them."}, earlier, result]
    answered = await ask(world, asked(input=said, tools=[namespace]))
    assert answered.status == 200, answered.text
    request = world.provider.calls[0].request
    assert request.tools == (Tool("agents__close", "Helpers.\n\nEnds one.", {"type": "object"}),)
    assert request.messages[1].tool_calls[0].name == "agents__close"
    (item,) = answered.json["output"]
    assert (item["type"], item["namespace"], item["name"]) == ("function_call", "agents", "close")
    streamed = await ask(world, asked(input=said, tools=[namespace], stream=True))
    assert '"namespace":"agents"' in streamed.text
    assert "agents__close" not in streamed.text


async def test_where_some_tools_are_allowed_only_these_are_sent(world: World) -> None:
    tools = [{"type": "function", "name": name} for name in ("a", "b", "c")]
    allowed = {
        "type": "allowed_tools",
        "mode": "required",
        "tools": [{"type": "function", "name": "a"}, {"type": "function", "name": "c"}],
    }
    assert (await ask(world, asked(tools=tools, tool_choice=allowed))).status == 200
    request = world.provider.calls[0].request
    assert [tool.name for tool in request.tools if isinstance(tool, Tool)] == ["a", "c"]
    assert request.tool_choice == "required"


BAD: list[tuple[dict[str, Any], str]] = [
    (asked([{"type": "item_reference", "id": "msg_1"}]), "input[0].type"),
    (asked([{"role": "user", "content": "a"}, {"type": "mcp_call", "id": "x"}]), "input[1].type"),
    (asked([{"role": "user", "content": [{"type": "input_audio"}]}]), "input[0].content[0].type"),
    (asked([{"role": "user", "content": [{"type": "input_image", "file_id": "f"}]}]),
     "input[0].content[0].file_id"),
    (asked([{"role": "user", "content": [{"type": "input_image", "image_url": "http://x/y.png"}]}]),
     "input[0].content[0].image_url"),
    (asked([{"role": "user"}]), "input[0].content"),
    (asked([{"type": "function_call", "name": "f", "arguments": ""}]), "input[0].call_id"),
    (asked([{"type": "web_search_call"}]), "input"),
    (asked([]), "input"),
    (asked(5), "input"),
    ({"model": "lab/fast"}, "input"),
    (asked(tools=[{"type": "code_interpreter"}]), "tools[0].type"),
    (asked(tools=[{"type": "function"}]), "tools[0].name"),
    (asked(tools=[{"type": "function", "name": "a b"}]), "tools[0].name"),
    (asked(tools=[{"type": "custom", "name": "a", "format": {"type": "grammar", "syntax": "lark"}}]),
     "tools[0].format.definition"),
    (asked(tools=[{"name": "a"}]), "tools[0].type"),
    (asked(tool_choice={"type": "function", "name": "g"}), "tool_choice"),
    (asked(tool_choice="required"), "tool_choice"),
    (asked(background=True), "background"),
    (asked(truncation="auto"), "truncation"),
    (asked(top_logprobs=2), "top_logprobs"),
    (asked(include=["message.output_text.logprobs"]), "include[0]"),
    (asked(conversation="conv_1"), "conversation"),
    (asked(prompt={"id": "p"}), "prompt"),
    (asked(messages=[]), "messages"),
    (asked(metadata={"a": 1}), "metadata[...]"),
    (asked(text={"format": {"type": "json_schema", "name": "s"}}), "text.format.schema"),
]  # fmt: skip


@pytest.mark.parametrize(("body", "param"), BAD, ids=[param for _, param in BAD])
async def test_what_cannot_be_carried_is_refused_by_name(
    world: World, body: dict[str, Any], param: str
) -> None:
    answered = await ask(world, body)
    assert answered.status == 400, answered.text
    assert answered.error["param"] == param
    assert world.provider.calls == []


# --- one response after another --------------------------------------------------------------


async def test_a_request_goes_on_from_an_earlier_response_without_its_instructions(world: World) -> None:
    first = (await ask(world, asked("one", instructions="Be brief."))).json
    second = await ask(world, asked("two", previous_response_id=first["id"], instructions="Be long."))
    assert second.json["previous_response_id"] == first["id"]
    third = await ask(world, asked("three", previous_response_id=second.json["id"]))
    assert third.status == 200
    said = [(message.role, message.text) for message in world.provider.calls[2].request.messages]
    assert said == [
        ("user", "one"), ("assistant", "Hello \u2603"),
        ("user", "two"), ("assistant", "Hello \u2603"),
        ("user", "three"),
    ]  # fmt: skip
    assert world.provider.calls[1].request.messages[0].text == "Be long."
    run = world.gateway.runs.get(third.json["id"], 1)
    assert run is not None
    assert run.parent_run_id == second.json["id"]


async def test_an_unknown_or_another_teams_previous_response_is_404_by_name(world: World) -> None:
    mine = (await ask(world, asked("one"))).json["id"]
    for body, key in ((asked("two", previous_response_id=mine), OTHER_KEY),):
        answered = await ask(world, body, key=key)
        assert (answered.status, answered.error["code"]) == (404, "run_not_found")
        assert mine in answered.error["message"]
    assert (await ask(world, asked("two", previous_response_id="resp_x"))).status == 404
    assert (await world.get(f"/v1/responses/{mine}", key=OTHER_KEY)).status == 404


async def test_a_response_can_be_read_again(world: World) -> None:
    first = (await ask(world, asked("one"))).json
    again = (await world.get(f"/v1/responses/{first['id']}")).json
    Response.model_validate(again)
    assert again["output"] == first["output"]
    assert again["usage"]["cost"] == first["usage"]["cost"]
    assert (await world.caller().ask("POST", f"/v1/responses/{first['id']}/run")).status == 404


async def test_a_deleted_response_has_no_text_any_more_and_keeps_its_cost(world: World) -> None:
    run_id = (await ask(world, asked("one", store=True))).json["id"]
    other = await world.caller().ask("DELETE", f"/v1/responses/{run_id}", key=OTHER_KEY)
    assert other.status == 404
    gone = await world.caller().ask("DELETE", f"/v1/responses/{run_id}")
    assert gone.json == {"id": run_id, "object": "response", "deleted": True}
    shown = (await world.get(f"/v1/responses/{run_id}")).json
    assert (shown["output"], shown["usage"]["cost"]) == ([], "0.000002100")
    answered = await ask(world, asked("two", previous_response_id=run_id))
    assert (answered.status, answered.error["code"]) == (404, "run_not_found")


async def test_the_same_idempotency_key_gets_the_same_response_and_pays_once(world: World) -> None:
    headers = {"idempotency-key": "r-1"}
    first = await ask(world, asked(stream=True), headers=headers)
    again = await ask(world, asked(stream=True), headers=headers)
    assert again.headers["x-replayed"] == "true"
    assert checked(again.text)[1]["output"] == checked(first.text)[1]["output"]
    assert len(world.provider.calls) == 1


# --- what is kept of one ---------------------------------------------------------------------

SEALS = "include[]=reasoning.encrypted_content"


async def test_thoughts_go_on_with_their_seals_and_calls_with_their_ids(world: World) -> None:
    """A model that was in the middle of calling tools wants what it thought; its caller sent no id."""
    world.provider.script = [
        ReasoningDelta("First "), ReasoningDelta("think."), ReasoningProof("gAAAA", "responses", id="rs_1"),
        TextDelta("I look."), ToolCallDelta(0, None, "find", "{}"), Finished("tool_calls"), Usage(9, 3),
    ]  # fmt: skip
    first = (await ask(world, asked("one", model="lab/full"))).json
    call = first["output"][-1]
    result = {"type": "function_call_output", "call_id": call["call_id"], "output": "found"}
    body = asked([result], model="lab/full", previous_response_id=first["id"])
    assert (await ask(world, body)).status == 200
    assert world.provider.calls[1].request.messages[1:] == (
        Message(
            "assistant",
            (TextPart("I look."),),
            tool_calls=(ToolCall(call["call_id"], "find", "{}"),),
            reasoning=(Reasoning("First think.", "gAAAA", "responses", "rs_1"),),
        ),
        Message("tool", (TextPart("found"),), tool_call_id=call["call_id"]),
    )


@pytest.mark.parametrize("kept", [True, False])
async def test_a_response_read_again_is_the_one_that_was_given(world: World, kept: bool) -> None:
    world.provider.script = EVERYTHING
    tools = [
        {"type": "function", "name": "find", "parameters": {"type": "object"}, "strict": True},
        {"type": "custom", "name": "patch"}, {"type": "local_shell"}, {"type": "web_search"},
    ]  # fmt: skip
    shape = {"format": {"type": "json_schema", "name": "s", "schema": {"type": "object"}}}
    ask_for = asked(
        model="lab/full", instructions="Be brief.", include=["reasoning.encrypted_content"], tools=tools,
        tool_choice={"type": "function", "name": "find"}, text=shape, temperature=0.5, max_output_tokens=99,
        reasoning={"effort": "high"}, store=kept,
    )  # fmt: skip
    given = (await ask(world, ask_for)).json
    if kept:
        await forgotten(world, given["id"])
    again = (await world.get(f"/v1/responses/{given['id']}?{SEALS}")).json
    Response.model_validate(again)
    told = ("usage", "completed_at")
    assert {key: value for key, value in again.items() if key not in told} == {
        key: value for key, value in given.items() if key not in told
    }
    unsealed = (await world.get(f"/v1/responses/{given['id']}")).json
    assert "encrypted_content" not in unsealed["output"][0]


async def forgotten(world: World, run_id: str) -> None:
    """No more in memory: from here on it is read as it was kept."""
    await world.gateway.close()
    del world.gateway.runs._runs[run_id]


async def test_the_input_of_a_response_can_be_listed(world: World) -> None:
    items: list[dict[str, Any]] = [
        {"role": "user", "content": [
            {"type": "input_text", "text": "look"},
            {"type": "input_image", "image_url": "data:image/png;base64,AAAA", "detail": "low"}]},
        {"type": "reasoning", "summary": [{"type": "summary_text", "text": "hm"}], "encrypted_content": "gA"},
        {"type": "function_call", "call_id": "a", "name": "find", "arguments": "{}"},
        {"type": "custom_tool_call", "call_id": "b", "name": "patch", "input": "***"},
        {"type": "function_call_output", "call_id": "a", "output": "found"},
        {"type": "custom_tool_call_output", "call_id": "b", "output": "done"},
    ]  # fmt: skip
    first = (await ask(world, asked(items, instructions="Be brief.", model="lab/full"))).json["id"]
    second = (await ask(world, asked("go on", model="lab/full", previous_response_id=first))).json["id"]
    path = f"/v1/responses/{second}/input_items"
    everything = (await world.get(f"{path}?order=asc&limit=100&{SEALS}")).json
    page = ResponseItemList.model_validate(everything)
    assert [item.type for item in page.data] == [
        "message", "reasoning", "function_call", "custom_tool_call", "function_call_output",
        "custom_tool_call_output", "message", "message",
    ]  # fmt: skip
    assert everything["data"][1]["encrypted_content"] == "gA"
    assert everything["data"][0]["content"] == items[0]["content"]
    newest = (await world.get(f"{path}?limit=2")).json
    assert [item["id"] for item in newest["data"]] == [item["id"] for item in everything["data"][:-3:-1]]
    assert newest["has_more"] is True
    older = (await world.get(f"{path}?after={newest['last_id']}&limit=100")).json
    assert (len(older["data"]), older["has_more"]) == (len(everything["data"]) - 2, False)


async def test_the_input_of_a_response_is_its_teams_alone_and_gone_with_its_text(world: World) -> None:
    run_id = (await ask(world, asked("one"))).json["id"]
    path = f"/v1/responses/{run_id}/input_items"
    assert (await world.get(path, key=OTHER_KEY)).status == 404
    for query, param in (
        ("limit=0", "limit"),
        ("limit=x", "limit"),
        ("order=up", "order"),
        ("after=x", "after"),
    ):
        answered = await world.get(f"{path}?{query}")
        assert (answered.status, answered.error["param"]) == (400, param)
    await world.caller().ask("DELETE", f"/v1/responses/{run_id}")
    assert (await world.get(path)).status == 404


async def test_a_response_is_not_streamed_again(world: World) -> None:
    run_id = (await ask(world, asked("one"))).json["id"]
    answered = await world.get(f"/v1/responses/{run_id}?stream=true")
    assert (answered.status, answered.error["param"]) == (400, "stream")


async def test_seals_of_another_maker_are_left_out_and_that_is_said(world: World) -> None:
    thought = {"type": "reasoning", "summary": [], "encrypted_content": "anthropic_messages:sig"}
    items = [{"role": "user", "content": "a"}, thought, {"role": "assistant", "content": "b"},
             {"role": "user", "content": "c"}]  # fmt: skip
    answered = await ask(world, asked(items, model="lab/full"))
    assert answered.status == 200
    assert "sealed thoughts" in answered.headers["x-run-notes"]
