"""Batches over the API: opened once, shown, changed, taken away."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from api.asgi import Api, ApiMiddleware
from api.edge import local_hosts
from battles.checks import Exact
from identity.api_keys import create_key
from identity.local import LocalIdentity
from tests.api.conftest import Caller, pages
from tests.api.on_a_desk import services_of
from tests.battles.batch_desk import ONE, PAID_NANO_USD, BatchDesk, asked, batch_desk, says
from tests.gateway.desk import LOCAL
from tests.server import nano_usd

KEY = "ty_" + "b" * 40
BODY: dict[str, Any] = {
    "name": "Numbers",
    "data": "no,expected\n0,row 0\n1,row one\n",
    "request": {"messages": [{"role": "user", "content": "Say row {{no}}"}], "max_tokens": 50},
    "lanes": [{"model": ONE}],
    "checks": [{"kind": "exact", "expected": "{{expected}}"}],
    "cost_cap_usd": "1.00",
}


NOWHERE = [{"role": "user", "content": "{{nowhere}}"}]


class At:
    def __init__(self, desk: BatchDesk, app: object) -> None:
        self.desk, self._app = desk, app

    async def ask(self, method: str, path: str, body: object = None, **headers: str) -> Any:
        named = {name.replace("_", "-"): value for name, value in headers.items()}
        return await Caller(self._app).ask(method, path, body, key=KEY, headers=named)


@pytest.fixture
async def at(tmp_path: Path) -> AsyncIterator[At]:
    async with batch_desk(tmp_path, says(lambda call: asked(call).removeprefix("Say "))) as desk:
        database = desk.batches.database
        LocalIdentity.open(database)
        with database.session() as session:
            create_key(session, 1, 1, "batches", now_ms=0, secret=KEY)
        services, close = services_of(desk.desk, tmp_path, batches=desk.batches)
        api = Api(services)
        yield At(desk, ApiMiddleware(pages, api=api, hosts=local_hosts("127.0.0.1")))
        await close()


async def test_a_batch_is_opened_once_shown_and_its_results_taken_away(at: At) -> None:
    opened = await at.ask("POST", "/v1/batches", BODY, idempotency_key="monday")
    again = await at.ask("POST", "/v1/batches", BODY, idempotency_key="monday")
    other = await at.ask("POST", "/v1/batches", {**BODY, "name": "Other"}, idempotency_key="monday")
    assert (opened.status, again.status, other.status) == (201, 201, 409)
    told = opened.json
    assert told["id"] == again.json["id"] and told["state"] == "running"
    (batch,) = [batch for batch, _ in at.desk.batches.listed(LOCAL)]
    assert batch.spec.checks == (Exact("{{expected}}"),) and batch.surface == "api"
    await at.desk.do_all(batch)

    shown = (await at.ask("GET", f"/v1/batches/{batch.id}")).json
    assert shown["progress"]["done"] == 2 and nano_usd(shown["paid_usd"]) == 2 * PAID_NANO_USD
    (lane,) = shown["report"]["lanes"]
    assert lane["pass_rate"]["value"] == 0.5 and lane["pass_rate"]["n"] == 2
    assert shown["report"]["decision"]["winner"] is None
    lines = (await at.ask("GET", f"/v1/batches/{batch.id}/results")).text.splitlines()
    first = json.loads(lines[0])
    assert (first["row.no"], first["answer"], first["passed"], first["line"]) == ("0", "row 0", True, 2)
    table = (await at.ask("GET", f"/v1/batches/{batch.id}/results?format=csv")).text
    assert table.splitlines()[0].startswith("row,line,row.no,row.expected,lane,model,state")


async def test_a_batch_is_paused_resumed_capped_and_stopped(at: At) -> None:
    id_ = (await at.ask("POST", "/v1/batches", BODY)).json["id"]
    for way, state in (("pause", "paused"), ("resume", "running"), ("stop", "stopped")):
        assert (await at.ask("POST", f"/v1/batches/{id_}/{way}", {})).json["state"] == state
    refused = await at.ask("POST", f"/v1/batches/{id_}/resume", {})
    assert (refused.status, refused.json["error"]["code"]) == (409, "batch_not_now")
    capped = await at.ask("PATCH", f"/v1/batches/{id_}", {"cost_cap_usd": "2.50"})
    assert capped.json["cost_cap_usd"] == "2.500000000"


@pytest.mark.parametrize(
    ("change", "code", "says_so"),
    [
        ({"data": "no,expected\n1\n"}, "invalid_rows", "line 2"),
        ({"data": None}, "invalid_request", "either"),
        ({"rows": [{"a": 1}]}, "invalid_request", "either"),
        ({"lanes": [{"model": "nobody/knows"}]}, "model_not_found", "nobody/knows"),
        ({"lanes": [{}]}, "invalid_request", "names a model"),
        ({"checks": [{"kind": "regex", "pattern": "("}]}, "invalid_request", "regular expression"),
        ({"checks": [{"kind": "magic"}]}, "invalid_request", "magic"),
        ({"cost_cap_usd": "-1"}, "invalid_request", "above zero"),
        (
            {"request": {"messages": [{"role": "user", "content": "{{nowhere}}"}]}},
            "invalid_request",
            "nowhere",
        ),
        ({"at_once": 10**30}, "invalid_request", "at_once"),
        ({"surprise": 1}, "invalid_request", "surprise"),
    ],
)
async def test_what_is_wrong_is_named(at: At, change: dict[str, Any], code: str, says_so: str) -> None:
    body = {name: value for name, value in {**BODY, **change}.items() if value is not None}
    refused = await at.ask("POST", "/v1/batches", body)
    assert refused.status in (400, 404) and refused.json["error"]["code"] == code
    assert says_so in refused.json["error"]["message"]
