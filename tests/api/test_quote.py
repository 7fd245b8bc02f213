"""Quote, what-if and codes through the API's door, on a real gateway and a real ledger."""

from __future__ import annotations

import time
from collections.abc import AsyncIterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from api.asgi import Api, ApiMiddleware
from api.edge import local_hosts
from billing.codes import make_code
from billing.commands import Grant
from identity.api_keys import create_key
from identity.local import LocalIdentity
from identity.tables import MemberRow, UserRow
from tests.api.conftest import KEY, Answered, Caller, pages
from tests.api.on_a_desk import SIGNER, services_of
from tests.gateway.desk import Desk, desk

MEMBER_KEY = "ty_" + "member" * 6
BODY = {"model": "simulated/steady", "messages": [{"role": "user", "content": "Why is the sky blue?"}]}


@dataclass
class Served:
    app: Any
    desk: Desk

    async def post(self, path: str, body: object, key: str = KEY) -> Answered:
        return await Caller(self.app).ask("POST", path, body, key=key)

    async def get(self, path: str, key: str = KEY) -> Answered:
        return await Caller(self.app).ask("GET", path, key=key)


@pytest.fixture
async def served(tmp_path: Path) -> AsyncIterator[Served]:
    async with desk(tmp_path) as at:
        LocalIdentity.open(at.databases.app, KEY)
        with at.databases.app.session() as session:
            user = UserRow(name="Bo", created_ms=0)
            session.add(user)
            session.flush()
            assert user.id is not None
            session.add(MemberRow(team_id=1, user_id=user.id, role="member", joined_ms=0))
            create_key(session, 1, user.id, "member's", now_ms=0, secret=MEMBER_KEY)
        services, close = services_of(at, tmp_path)
        yield Served(ApiMiddleware(pages, api=Api(services), hosts=local_hosts("127.0.0.1")), at)
        await close()


async def test_the_body_of_a_completion_is_quoted_and_nothing_moves(served: Served) -> None:
    before = (await served.get("/v1/credits")).json
    quoted = await served.post("/v1/quote", {**BODY, "stream": True, "max_tokens": 100})
    assert quoted.status == 200
    said = quoted.json
    assert said["object"] == "quote"
    assert (said["model"], said["provider"], said["series"]) == ("simulated/steady", "simulated", "simulated")
    assert said["basis"] == {"from": "default", "n": 0, "needed": 20}
    assert said["output_tokens"]["most"] == 100
    low, likely, high = (Decimal(said["cost"][name]) for name in ("low", "likely", "high"))
    assert 0 < low <= likely <= high <= Decimal(said["hold"])
    assert Decimal(said["available_while_held"]) == Decimal(said["available"]) - Decimal(said["hold"])
    assert Decimal(said["available_after"]["likely"]) == Decimal(said["available"]) - likely
    assert said["lasts_days"] is None
    assert (await served.get("/v1/credits")).json == before
    assert served.desk.rows == []


async def test_after_twenty_answers_the_quote_knows_them_and_for_how_long_credit_lasts(
    served: Served,
) -> None:
    for _ in range(20):
        assert (await served.post("/v1/chat/completions", {**BODY, "max_tokens": 7})).status == 200
    said = (await served.post("/v1/quote", {**BODY, "max_tokens": 100})).json
    assert said["basis"] == {"from": "team", "n": 20, "needed": 20}
    assert said["output_tokens"] == {"low": 7, "likely": 7, "high": 7, "most": 100}
    assert said["pace"]["runs"] == 20
    used = (await served.get("/v1/credits")).json["total_used"]
    assert said["pace"]["spent"] == used
    days = Decimal(said["available_after"]["likely"]) / Decimal(used)  # the window is one day
    assert said["lasts_days"] == pytest.approx(float(days), abs=0.1)


@pytest.mark.parametrize(
    ("body", "status", "code"),
    [
        ({**BODY, "model": "simulated/nope"}, 404, "model_not_found"),
        ({**BODY, "model": "openai/codex-mini"}, 410, "model_retired"),
        ({**BODY, "model": "openai/gpt-4.1-mini"}, 503, "model_unavailable"),
        ({**BODY, "messages": []}, 400, "invalid_request"),
        ({**BODY, "colour": "red"}, 400, "unsupported_parameter"),
        (b"{", 400, "invalid_request"),
        ({**BODY, "messages": [{"role": "user", "content": "word " * 200_000}]}, 413, "request_too_large"),
    ],
)
async def test_a_quote_is_refused_like_its_completion(
    served: Served, body: object, status: int, code: str
) -> None:
    quoted, completed = await served.post("/v1/quote", body), await served.post("/v1/chat/completions", body)
    assert (quoted.status, quoted.error["code"]) == (status, code)
    assert {**quoted.error, "request_id": ""} == {**completed.error, "request_id": ""}


async def test_without_credit_a_quote_is_the_402_of_the_completion(served: Served) -> None:
    await served.desk.ledger.grant(Grant(1, "payment", 1_000, "p", "a millionth"))
    quoted, completed = await served.post("/v1/quote", BODY), await served.post("/v1/chat/completions", BODY)
    assert quoted.status == completed.status == 402
    for name in ("code", "needed", "available", "next_allowance_at", "limit_scope", "add_credit"):
        assert quoted.error[name] == completed.error[name]


async def test_a_quote_needs_a_key(served: Served) -> None:
    assert (await served.post("/v1/quote", BODY, key="ty_wrong")).status == 401
    assert (await served.post("/v1/credits/redeem", {"code": "x"}, key="ty_wrong")).status == 401
    assert (await served.get("/v1/what-if?model=simulated/steady", key="ty_wrong")).status == 401


async def test_settled_runs_are_re_rated_on_another_model(served: Served) -> None:
    for _ in range(3):
        await served.post("/v1/chat/completions", {**BODY, "max_tokens": 7})
    used = (await served.get("/v1/credits")).json["total_used"]
    same = (await served.get("/v1/what-if?model=simulated/reasoning")).json
    assert (same["runs"], same["was"], same["would_be"]) == (3, used, used)  # their lists are alike
    assert same["models"][0]["model"] == "simulated/steady"
    other = (await served.get("/v1/what-if?model=openai/gpt-4.1&days=1")).json
    assert Decimal(other["would_be"]) > Decimal(other["was"])
    assert Decimal(other["difference"]) == Decimal(other["would_be"]) - Decimal(other["was"])
    assert (await served.get("/v1/what-if?provider=openai")).json["left_out"]["reasons"] == {
        "no_such_route": 3
    }


@pytest.mark.parametrize(
    ("query", "status"),
    [("", 400), ("?model=nope/nope", 404), ("?model=simulated/steady&days=0", 400),
     ("?model=simulated/steady&days=x", 400),
     ("?provider=nobody", 400), ("?model=simulated/steady&version=1999", 400)],
)  # fmt: skip
async def test_a_what_if_that_makes_no_sense_is_refused(served: Served, query: str, status: int) -> None:
    assert (await served.get(f"/v1/what-if{query}")).status == status


async def test_a_report_adds_up_to_what_was_spent_however_it_is_grouped(served: Served) -> None:
    for model in ("simulated/steady", "simulated/steady", "simulated/reasoning"):
        await served.post("/v1/chat/completions", {**BODY, "model": model, "max_tokens": 7})
    used = Decimal((await served.get("/v1/credits")).json["total_used"])
    today = datetime.now(UTC).date()
    days = f"start_date={today - timedelta(days=1)}&end_date={today + timedelta(days=1)}"
    for by in ("day", "day&date_part=hour", "model", "provider", "user", "credential_type"):
        rows = (await served.get(f"/v1/report?{days}&group_by={by}")).json["results"]
        assert sum(Decimal(row["cost"]) for row in rows) == used
        assert sum(row["request_count"] for row in rows) == 3
    rows = (await served.get(f"/v1/report?{days}&group_by=model")).json["results"]
    assert [(row["model"], row["request_count"]) for row in rows] == [
        ("simulated/reasoning", 1),
        ("simulated/steady", 2),
    ]
    one = (await served.get(f"/v1/report?{days}&group_by=model&model=simulated/steady")).json["results"]
    assert one == rows[1:]
    assert (await served.get(f"/v1/report?{days}&credential_type=byok")).json["results"] == []
    assert (await served.get("/v1/report?start_date=2020-01-01&end_date=2020-01-02")).json["results"] == []


@pytest.mark.parametrize(
    ("query", "param"),
    [
        ("", "start_date"),
        ("?start_date=2026-01-01", "end_date"),
        ("?start_date=2026-13-01&end_date=2026-01-01", "start_date"),
        ("?start_date=2026-01-02&end_date=2026-01-01", "end_date"),
        ("?start_date=2020-01-01&end_date=2026-01-01", "end_date"),
        ("?start_date=2026-01-01&end_date=2026-01-01&group_by=hour", "group_by"),
        ("?start_date=2026-01-01&end_date=2026-01-01&date_part=week", "date_part"),
    ],
)
async def test_a_report_that_makes_no_sense_is_refused_by_name(
    served: Served, query: str, param: str
) -> None:
    refused = await served.get(f"/v1/report{query}")
    assert (refused.status, refused.error["param"]) == (400, param)


def code() -> str:
    return make_code(SIGNER, 10_000_000_000, time.time_ns() // 1_000_000 + 60_000)


async def test_a_code_adds_what_it_is_worth_once(served: Served) -> None:
    made = code()
    first = await served.post("/v1/credits/redeem", {"code": made})
    assert first.status == 200
    assert (first.json["amount"], first.json["replayed"]) == ("10.000000000", False)
    again = await served.post("/v1/credits/redeem", {"code": made.lower()})
    assert (again.json["entry"], again.json["replayed"]) == (first.json["entry"], True)
    assert (await served.get("/v1/credits")).json["available"] == "10.000000000"


@pytest.mark.parametrize("body", [{}, {"code": 5}, {"code": "x", "usd": 99}, [], b"{"])
async def test_what_is_no_redemption_is_refused(served: Served, body: object) -> None:
    assert (await served.post("/v1/credits/redeem", body)).status == 400


async def test_an_unknown_code_and_one_for_a_member_are_refused(served: Served) -> None:
    made = code()
    unknown = await served.post("/v1/credits/redeem", {"code": made[:-1] + ("A" if made[-1] != "A" else "B")})
    assert (unknown.status, unknown.error["code"]) == (404, "code_unknown")
    assert (await served.post("/v1/credits/redeem", {"code": made}, key=MEMBER_KEY)).status == 403
    assert (await served.post("/v1/credits/redeem", {"code": made})).status == 200
