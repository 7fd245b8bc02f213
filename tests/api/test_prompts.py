"""/v1/prompts as a program uses it: save, label, ask by name, fill, send, and be counted."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from gateway.messages import CompletionRequest
from identity.api_keys import KeyWish
from tests.api.conftest import KEY, OTHER_KEY, Answered, World

WHOLE = {
    "model": "lab/full",
    "messages": [
        {"role": "system", "content": "You extract {{what}}."},
        {"role": "user", "content": "Anna, Bremen"},
        {"role": "assistant", "content": '{"city": "Bremen"}'},
        {"role": "user", "content": "{{ sentence }}"},
    ],
    "provider": {"only": ["lab"], "allow_fallbacks": False},
    "temperature": 0.5,
    "max_completion_tokens": 50,
    "stop": ["END"],
    "reasoning_effort": "low",
    "response_format": {"type": "json_object"},
    "tools": [
        {
            "type": "function",
            "function": {"name": "look", "description": "", "parameters": {"type": "object"}},
        }
    ],
}


async def send(world: World, method: str, path: str, body: object = b"", **how: Any) -> Answered:
    return await world.caller().ask(method, f"/v1/prompts{path}", body, **how)


async def saved(world: World, request: object = WHOLE, name: str = "city") -> Any:
    answered = await send(world, "POST", "", {"name": name, "request": request})
    assert answered.status == 201, answered.text
    return answered.json


async def test_what_was_sent_can_be_saved_and_what_is_served_can_be_sent(world: World) -> None:
    made = await saved(world)
    assert made["request"] == WHOLE
    assert made["variables"] == ["what", "sentence"] and made["takes_prompt"] is False
    request = (await world.get("/v1/prompts/city")).json["request"]
    for message in request["messages"]:
        message["content"] = message["content"].replace("{{what}}", "cities").replace("{{ sentence }}", "Hi")
    answered = await world.post(request, headers={"x-prompt-version": made["id"]})
    assert answered.status == 200, answered.text
    asked: CompletionRequest = world.provider.calls[-1].request
    assert [message.text for message in asked.messages][0::3] == ["You extract cities.", "Hi"]


async def test_a_label_is_asked_for_by_a_program_and_moved_by_a_person(world: World) -> None:
    await saved(world)
    second = {**WHOLE, "temperature": 0}
    assert (await send(world, "POST", "/city/versions", {"request": second, "after": 1})).json["version"] == 2
    late = await send(world, "POST", "/city/versions", {"request": WHOLE, "after": 1})
    assert (late.status, late.error["code"]) == (409, "prompt_changed")
    for no in (1, 2):
        assert (await send(world, "PUT", "/city/labels/production", {"version": no})).status == 200
        served = (await world.get("/v1/prompts/city?label=production")).json
        assert (served["version"], served["labels"]) == (no, ["production"])
    assert (await world.get("/v1/prompts/city?version=1")).json["request"]["temperature"] == 0.5
    assert (await send(world, "DELETE", "/city/labels/production")).status == 204
    assert (await world.get("/v1/prompts/city?label=production")).status == 404
    assert (await world.get("/v1/prompts/city")).json["version"] == 2


async def test_a_preset_has_neither_model_nor_text(world: World) -> None:
    made = await saved(world, {"temperature": 0.1}, "calm")
    assert made["takes_prompt"] and made["variables"] == []
    assert made["request"] == {
        "messages": [{"role": "user", "content": "{{prompt}}"}],
        "temperature": 0.1,
    }


async def test_a_version_shows_what_its_runs_cost_and_took(world: World) -> None:
    made = await saved(world)
    for _ in range(2):
        await world.post(
            {**WHOLE, "tools": [], "model": "lab/fast", "stream": True},
            headers={"x-prompt-version": made["id"]},
        )
    await world.settled()
    await world.gateway._kept.flush()
    (version,) = (await world.get("/v1/prompts/city/versions")).json["data"]
    figures = version["figures"]
    assert figures["runs"] == 2 and figures["success"] == {"value": 1.0, "n": 2}
    assert figures["mean_cost"] == {"value": "0.000002100", "n": 2}
    assert figures["total_ms"]["n"] == 2 and figures["total_ms"]["p50"] >= 0
    assert figures["win_rate"] == {"value": None, "n": 0}


async def test_rows_archive_and_description(world: World) -> None:
    await saved(world)
    rows = [{"what": "cities", "sentence": "a"}]
    assert (await send(world, "PUT", "/city/rows", {"rows": rows})).status == 200
    assert (await world.get("/v1/prompts/city/rows")).json["data"] == [{"no": 1, "values": rows[0]}]
    changed = await send(world, "PATCH", "/city", {"description": "Finds cities", "archived": True})
    assert changed.json["description"] == "Finds cities" and changed.json["archived_at"] is not None
    assert (await world.get("/v1/prompts")).json["data"] == []
    assert len((await world.get("/v1/prompts?archived=true")).json["data"]) == 1


async def test_another_teams_prompts_are_as_unknown_as_none(world: World) -> None:
    made = await saved(world)
    for method, path in (("GET", "/city"), ("GET", "/city/versions"), ("DELETE", "/city/labels/production")):
        assert (await send(world, method, path, key=OTHER_KEY)).status == 404
    await world.post({**WHOLE, "tools": []}, key=OTHER_KEY, headers={"x-prompt-version": made["id"]})
    await world.settled()
    await world.gateway._kept.flush()
    (version,) = (await world.get("/v1/prompts/city/versions")).json["data"]
    assert version["figures"] is None


@pytest.mark.parametrize(
    ("body", "param"),
    [
        ({"name": "Bad Name", "request": {}}, "name"),
        ({"name": "p", "request": {"stream": True}}, "request.stream"),
        ({"name": "p", "request": {"messages": [{"role": "assistant", "content": "x"}]}}, None),
        ({"name": "p", "request": {"temperature": 9}}, "temperature"),
        ({"name": "p", "request": {}}, "template"),
        ({"name": "p"}, None),
    ],
)
async def test_what_cannot_be_saved_is_refused_by_name(world: World, body: object, param: str | None) -> None:
    refused = await send(world, "POST", "", body)
    assert (refused.status, refused.error["param"]) == (400, param)


async def test_a_key_that_serves_people_reads_prompts_and_cannot_move_them(world: World) -> None:
    await saved(world)
    people, owner = world.services.people, await world.keys.principal_of(KEY)
    key = (await asyncio.to_thread(people.keys.make, owner, 1, KeyWish("app", scopes=("run",)))).secret
    assert (await send(world, "GET", "/city", key=key)).status == 200
    assert (await send(world, "PUT", "/city/labels/production", {"version": 1}, key=key)).status == 403
