"""Battles over HTTP: started, looked at, gone on with, voted on, and the team's votes as data."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from dataclasses import dataclass
from types import SimpleNamespace
from typing import Any, cast

import pytest
import pytest_asyncio

from api.asgi import Api, ApiMiddleware, Readiness
from api.edge import local_hosts
from api.services import MAX_BODY_BYTES
from battles.prompts import Prompts
from identity.api_keys import ApiKeys
from identity.claims import Rules
from identity.local import LocalIdentity
from identity.people import open_people
from tests.api.conftest import Answered, Caller, pages
from tests.battles.ring import Gated, Ring, says

KEY = "ty_" + "k" * 40
pytestmark = pytest.mark.asyncio(loop_scope="session")


@dataclass
class Desk:
    """Asks as the local user."""

    ring: Ring
    app: Any

    async def post(self, path: str, body: object, **headers: str) -> Answered:
        return await Caller(self.app).ask("POST", path, body, key=KEY, headers=headers)

    async def get(self, path: str) -> Answered:
        return await Caller(self.app).ask("GET", path, key=KEY)

    async def ended(self, battle_id: str) -> dict[str, Any]:
        async with asyncio.timeout(10):
            while (seen := (await self.get(f"/v1/battles/{battle_id}")).json)["state"] == "running":
                await asyncio.sleep(0.005)
        return cast(dict[str, Any], seen)


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def served(one_ring: Ring) -> AsyncIterator[Any]:
    at = one_ring.desk
    LocalIdentity.open(at.databases.app, KEY)
    keys = ApiKeys(at.databases.app)

    async def readiness() -> Readiness:
        return Readiness(True)

    people = open_people(at.databases.app, keys, "http://testserver", Rules())
    # The part of `ApiServices` that battles ask.
    services = SimpleNamespace(
        gateway=at.gateway, statements=at.statements, people=people, prompts=Prompts(at.databases.app),
        battles=one_ring.battles, votes=one_ring.votes, readiness=readiness, rates=None, refusals=None,
        live=None, assets=None, add_credit=None, max_body_bytes=MAX_BODY_BYTES,
    )  # fmt: skip
    yield ApiMiddleware(pages, api=Api(cast(Any, services)), hosts=local_hosts("127.0.0.1"))
    await keys.close()


@pytest.fixture
def desk(at: Ring, served: Any) -> Desk:
    return Desk(at, served)


async def test_an_open_battle_tells_its_runs_from_the_start(desk: Desk) -> None:
    started = await desk.post("/v1/battles", {"models": ["north/alpha", "south/beta"], "prompt": "Hello"})
    assert started.status == 202
    assert [lane["model"] for lane in started.json["lanes"]] == ["north/alpha", "south/beta"]
    seen = await desk.ended(started.json["id"])
    (turn,) = seen["turns"]
    assert [lane["text"] for lane in turn["lanes"]] == ["alpha was asked", "beta was asked"]
    assert all(lane["run_id"].startswith("run_") for lane in turn["lanes"])
    assert (seen["cost"], turn["lanes"][0]["cost"]) == ("0.000280000", "0.000140000")
    listed = (await desk.get("/v1/battles?q=HELLO&limit=1")).json
    assert [line["id"] for line in listed["data"]] == [seen["id"]]
    assert (await desk.get("/v1/battles?q=nothing+of+the+kind")).json["data"] == []


async def test_a_blind_battle_tells_nobody_before_the_vote(desk: Desk) -> None:
    body = {"models": ["north/alpha", "south/beta"], "prompt": "Hello", "blind": True, "category": "factual"}
    started = await desk.post("/v1/battles", body)
    battle_id = started.json["id"]
    await desk.ended(battle_id)
    told = (await desk.get(f"/v1/battles/{battle_id}")).text
    for name in ("north", "south", "run_0", '"lab"', "0.000140"):
        assert name not in started.text.replace("alpha was", "") + told
    vote = await desk.post(f"/v1/battles/{battle_id}/votes", {"outcome": "left", "reasons": ["correct"]})
    assert (vote.status, vote.json["stage"]) == (201, "first")
    again = await desk.post(f"/v1/battles/{battle_id}/votes", {"outcome": "left", "stage": "first"})
    assert (again.status, again.json["error"]["code"]) == (409, "already_voted")
    seen = (await desk.get(f"/v1/battles/{battle_id}")).json
    assert {lane["model"] for lane in seen["lanes"]} == {"north/alpha", "south/beta"}
    await desk.post(f"/v1/battles/{battle_id}/votes", {"outcome": "both_bad"})
    rows = [
        row
        for row in (await desk.get("/v1/battles/votes")).json["data"]
        if row["vote_id"] in (vote.json["id"], seen["votes"][0]["id"]) or row["stage"] == "final"
    ]
    assert {row["winner"] for row in rows} >= {"model_a", "tie (bothbad)"}
    assert {"model_a", "model_b", "winner", "judge", "turn", "anony", "language", "tstamp"} <= set(rows[0])
    assert all(row["judge"].startswith("person_") for row in rows)
    lines = (await desk.get("/v1/battles/votes?format=jsonl")).text.splitlines()
    assert json.loads(lines[0])["model_a"] == rows[0]["model_a"] or len(lines) > len(rows)
    judged = (await desk.get("/v1/battles/votes?voters=judges")).json["data"]
    assert not {row["vote_id"] for row in judged} & {row["vote_id"] for row in rows}


async def test_lanes_may_differ_in_more_than_the_model(desk: Desk) -> None:
    example = [
        {"role": "user", "content": "2+2"},
        {"role": "assistant", "content": "4"},
        {"role": "user", "content": "{{prompt}}"},
    ]
    body = {
        "prompt": "1+1",
        "request": {"model": "north/alpha", "temperature": 0},
        "lanes": [{}, {"request": {"messages": example, "temperature": 0}}, {"model": "south/beta"}],
    }
    started = await desk.post("/v1/battles", body)
    assert started.status == 202, started.text
    seen = await desk.ended(started.json["id"])
    assert [lane["own"] for lane in seen["lanes"]] == [[], ["examples"], []]
    asked = [[message.text for message in call.request.messages] for call in desk.ring.lab.calls]
    assert sorted(asked, key=len) == [["1+1"], ["1+1"], ["2+2", "4", "1+1"]]
    assert {call.request.sampling.temperature for call in desk.ring.lab.calls} == {0}


async def test_a_battle_goes_on_and_its_lanes_are_stopped_and_tried_again(desk: Desk) -> None:
    slow = Gated("one")
    desk.ring.lab.plays_of(beta=[says("first"), slow, says("third")])
    started = await desk.post("/v1/battles", {"models": ["north/alpha", "south/beta"], "prompt": "Hello"})
    battle_id = started.json["id"]
    first = (await desk.ended(battle_id))["turns"][0]["id"]
    on = await desk.post(f"/v1/battles/{battle_id}/turns", {"prompt": "More", "parent_turn_id": first})
    assert (on.status, on.json["turns"][1]["parent_turn_id"]) == (202, first)
    assert (await desk.post(f"/v1/battles/{battle_id}/stop", {"lane": 1})).status == 200
    seen = await desk.ended(battle_id)
    assert [lane["state"] for lane in seen["turns"][1]["lanes"]] == ["done", "stopped"]
    again = await desk.post(f"/v1/battles/{battle_id}/retry", {"turn_id": seen["turns"][1]["id"]})
    assert again.status == 202
    seen = await desk.ended(battle_id)
    assert [lane["text"] for lane in seen["turns"][1]["lanes"]] == ["alpha was asked", "third"]
    assert [lane["tries"] for lane in seen["turns"][1]["lanes"]] == [1, 2]


async def test_the_same_key_starts_one_battle(desk: Desk) -> None:
    body = {"models": ["north/alpha", "south/beta"], "prompt": "Hello"}
    ids = set()
    for _ in range(3):
        started = await desk.post("/v1/battles", body, **{"idempotency-key": "once"})
        ids.add(started.json["id"])
        await desk.ended(started.json["id"])
    assert len(ids) == 1
    assert len(desk.ring.lab.calls) == 2


@pytest.mark.parametrize(
    ("body", "status", "param"),
    [
        ({"prompt": "x"}, 400, "lanes"),
        ({"models": ["north/alpha"], "prompt": "x"}, 400, "models"),
        ({"models": ["north/alpha", "south/beta"]}, 400, "prompt"),
        (
            {"models": ["north/alpha", "south/beta"], "prompt": "x", "cost_cap_usd": "much"},
            400,
            "cost_cap_usd",
        ),
        ({"models": ["north/alpha", "south/beta"], "prompt": "x", "cost_cap_usd": "-1"}, 400, "cost_cap_usd"),
        ({"models": ["north/alpha", "south/beta"], "prompt": "x", "category": "cooking"}, 400, "category"),
        ({"lanes": [{}, {}], "prompt": "x"}, 400, "lanes[0].model"),
        ({"models": ["north/alpha", "nobody/none"], "prompt": "x"}, 404, None),
        ({"models": ["simulated/steady", "simulated/empty"], "prompt": "x"}, 400, "lanes[0].model"),
    ],
)
async def test_what_cannot_start_says_where_it_is_wrong(
    desk: Desk, body: dict[str, object], status: int, param: str | None
) -> None:
    refused = await desk.post("/v1/battles", body)
    assert (refused.status, refused.json["error"]["param"]) == (status, param), refused.text


async def test_what_is_not_there_is_not_found(desk: Desk) -> None:
    for path in ("btl_none", "btl_%00"):
        assert (await desk.get(f"/v1/battles/{path}")).json["error"]["code"] == "battle_not_found"
    assert (await desk.get("/v1/battles?limit=1e9")).status == 400
    assert (await desk.get("/v1/battles?category=x")).status == 400
    assert (await desk.get("/v1/battles/votes?since_ms=99999999999999999999")).status == 400
