"""What holds for every answer, and which paths are the API's."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from typing import Any

import pytest

from api.asgi import Api, ApiMiddleware
from api.edge import local_hosts
from api.routes import ROUTES
from identity.tables import MemberRow, UserRow
from tests.api.conftest import KEY, OTHER_KEY, Caller, World, chat, pages
from tests.api.test_isolation import NEEDS

SECURITY = (
    "content-security-policy",
    "x-content-type-options",
    "referrer-policy",
    "cross-origin-opener-policy",
    "cross-origin-resource-policy",
    "permissions-policy",
    "x-request-id",
)


@pytest.mark.parametrize(
    ("method", "path"),
    [
        ("GET", "/"),
        ("GET", "/credits"),
        ("GET", "/v1/models"),
        ("GET", "/v1/nothing"),
        ("POST", "/v1/chat/completions"),
        ("OPTIONS", "/v1/models"),
        ("GET", "/healthz"),
    ],
)
async def test_every_answer_carries_each_security_header_once(world: World, method: str, path: str) -> None:
    answered = await world.caller().ask(method, path, chat() if method == "POST" else b"")
    assert set(SECURITY) <= answered.headers.keys()
    assert answered.headers["content-security-policy"].startswith("default-src 'none'")
    assert "frame-ancestors 'none'" in answered.headers["content-security-policy"]
    assert answered.headers["x-content-type-options"] == "nosniff"
    assert not [name for name in answered.headers if name.startswith("access-control")]


async def test_a_stream_carries_them_too(world: World) -> None:
    answered = await world.post(chat(stream=True))
    assert set(SECURITY) <= answered.headers.keys()


async def test_the_request_id_is_ours_whatever_the_caller_sends(world: World) -> None:
    first = await world.get("/healthz", headers={"x-request-id": "req_forged"})
    second = await world.get("/healthz")
    assert first.headers["x-request-id"].startswith("req_")
    assert len({first.headers["x-request-id"], second.headers["x-request-id"], "req_forged"}) == 3


@pytest.mark.parametrize(
    "host",
    ["evil.example", "localhost.evil.example", "127.0.0.1.evil.example:8501", "localhost@evil.example",
     "[::2]:8501", "", "evil.example:8501", "localhost, evil.example"],
)  # fmt: skip
async def test_a_foreign_host_name_is_refused(world: World, host: str) -> None:
    for path in ("/", "/v1/models"):
        answered = await world.get(path, headers={"host": host})
        assert answered.status == 421
        assert answered.error["code"] == "wrong_host"
        assert set(SECURITY) <= answered.headers.keys()


@pytest.mark.parametrize(
    "host", ["localhost", "LOCALHOST:9", "127.0.0.1:8501", "[::1]", "[::1]:8501", "localhost."]
)
async def test_our_own_names_are_served_on_any_port(world: World, host: str) -> None:
    assert (await world.get("/v1/models", headers={"host": host})).status == 200


async def test_probes_may_ask_by_any_address(world: World) -> None:
    assert (await world.get("/healthz", headers={"host": "10.0.0.7:8501"})).status == 200
    assert (await world.get("/readyz", headers={"host": "10.0.0.7:8501"})).status == 200


def test_hosts_come_from_the_bind_address_and_the_base_url() -> None:
    assert {"::1x".upper()} & local_hosts() == set()
    assert {"[fd00::1]", "tiltyard.example", "10.1.2.3"} < local_hosts(
        "fd00::1", "https://Tiltyard.example:8443/x", "10.1.2.3"
    )


# --- paths -----------------------------------------------------------------------------------


@pytest.mark.parametrize("method", ["GET", "POST", "PUT", "PATCH", "DELETE", "HEAD", "OPTIONS", "BREW"])
@pytest.mark.parametrize(
    "path", ["/v1", "/v1/", "/v1/nothing", "/v1/models/", "/healthz/x", "/v1/chat", "/ui/x.js"]
)
async def test_an_unknown_api_path_gets_404_in_json_with_any_method(
    world: World, method: str, path: str
) -> None:
    answered = await world.caller().ask(method, path)
    assert answered.status == 404
    assert answered.headers["content-type"] == "application/json"
    if method == "HEAD":
        assert answered.text == ""
    else:
        assert answered.error["code"] == "not_found"


@pytest.mark.parametrize(
    "path", ["/", "/credits", "/v2/models", "/v1models", "/_stcore/health", "/V1/models"]
)
async def test_every_other_path_is_the_pages(world: World, path: str) -> None:
    assert (await world.get(path)).text == "<html>a page</html>"


async def test_a_wrong_method_gets_405_with_what_is_allowed(world: World) -> None:
    answered = await world.get("/v1/chat/completions")
    assert answered.status == 405
    assert answered.headers["allow"] == "POST, OPTIONS"
    assert answered.error["code"] == "method_not_allowed"
    answered = await world.caller().ask("DELETE", "/v1/models")
    assert answered.headers["allow"] == "GET, HEAD, OPTIONS"


async def test_options_says_what_is_allowed_and_no_origin_may_use_it(world: World) -> None:
    headers = {"origin": "https://evil.example", "access-control-request-method": "POST"}
    answered = await world.caller().ask("OPTIONS", "/v1/chat/completions", headers=headers)
    assert (answered.status, answered.text) == (204, "")
    assert answered.headers["allow"] == "POST, OPTIONS"
    assert "access-control-allow-origin" not in answered.headers


@pytest.mark.parametrize("path", ["/v1/models", "/v1/credits", "/healthz", "/v1/models/lab/fast"])
async def test_head_is_get_without_the_body(world: World, path: str) -> None:
    head = await world.caller().ask("HEAD", path)
    get = await world.get(path)
    assert (head.status, head.text) == (200, "")
    assert head.headers["content-length"] == get.headers["content-length"] == str(len(get.text.encode()))


async def test_a_long_wild_path_is_answered_in_bounds(world: World) -> None:
    answered = await world.get("/v1/" + "a\r\nx-evil: 1" * 2_000)
    assert answered.status == 404
    assert len(answered.text) < 1_000
    assert "x-evil" not in answered.headers


# --- websockets, lifespan, start -------------------------------------------------------------


async def connect(app: Any, path: str, headers: dict[str, str]) -> dict[str, Any]:
    sent: list[dict[str, Any]] = []

    async def receive() -> dict[str, Any]:
        return {"type": "websocket.connect"}

    async def send(message: Any) -> None:
        sent.append(message)

    raw = [(name.encode(), value.encode()) for name, value in headers.items()]
    await app({"type": "websocket", "path": path, "headers": raw, "query_string": b""}, receive, send)
    return sent[0]


async def test_a_websocket_comes_from_a_page_of_this_host_or_from_no_page(world: World) -> None:
    good = {"host": "localhost:8501", "origin": "http://localhost:8501"}
    assert (await connect(world.app, "/_stcore/stream", good))["type"] == "websocket.accept"
    script = {"host": "localhost:8501"}
    assert (await connect(world.app, "/_stcore/stream", script))["type"] == "websocket.accept"
    for headers in (
        {**good, "origin": "http://evil.example"},
        {**good, "origin": "http://localhost:9999"},
        {**good, "origin": "null"},
        {"host": "evil.example", "origin": "http://evil.example"},
        {"origin": "http://localhost:8501"},
    ):
        for path in ("/live", "/_stcore/stream"):
            assert (await connect(world.app, path, headers))["type"] == "websocket.close"


async def test_the_live_channel_and_the_assets_are_handed_what_is_theirs(world: World) -> None:
    world.api.open(replace(world.services, live=pages, assets=pages))
    headers = {"host": "localhost:8501"}
    assert (await connect(world.app, "/live", headers))["type"] == "websocket.accept"
    assert (await connect(world.app, "/live/x", headers))["type"] == "websocket.close"
    assert (await connect(world.app, "/v1/realtime", headers))["type"] == "websocket.close"
    assert (await world.get("/ui/abc/run_view.js")).text == "<html>a page</html>"
    assert (await world.get("/live")).status == 404


async def test_before_the_services_are_open_the_api_says_starting_and_pages_pass() -> None:
    app = ApiMiddleware(pages, api=Api(), hosts=local_hosts())
    answered = await Caller(app).ask("GET", "/v1/models")
    assert (answered.status, answered.error["code"]) == (503, "starting")
    assert answered.headers["retry-after"] == "1"
    assert (await Caller(app).ask("GET", "/")).status == 200
    assert (await connect(app, "/live", {"host": "localhost"}))["type"] == "websocket.close"


async def test_the_lifespan_passes_through() -> None:
    seen: list[str] = []

    async def app(scope: Any, receive: Any, send: Any) -> None:
        seen.append(scope["type"])

    await ApiMiddleware(app, api=Api(), hosts=local_hosts())({"type": "lifespan"}, None, None)  # type: ignore[arg-type]
    assert seen == ["lifespan"]


# --- the small routes ------------------------------------------------------------------------


async def test_credits_are_exact_decimal_strings_and_the_callers_own(world: World) -> None:
    await world.post(chat())
    mine = (await world.get("/v1/credits")).json
    assert mine == {
        "currency": "USD",
        "balance": "4.999997900",
        "held": "0.000000000",
        "available": "4.999997900",
        "total_used": "0.000002100",
        "allowance_remaining": "4.999997900",
        "next_allowance_at": "2026-10-21T14:13:20.000Z",
        "caps": [],
    }
    theirs = (await world.get("/v1/credits", key=OTHER_KEY)).json
    assert theirs["total_used"] == "0.000000000"
    asked_for_another = (await world.get("/v1/credits?team_id=2&team=2", headers={"x-team-id": "2"})).json
    assert asked_for_another == mine


async def test_credits_show_what_a_running_request_holds(world: World) -> None:
    gate = asyncio.Event()
    world.provider.script = [gate]
    asking = asyncio.create_task(world.post(chat()))
    async with asyncio.timeout(20):
        while not world.ledger.open:
            await asyncio.sleep(0.005)
    credits = (await world.get("/v1/credits")).json
    assert float(credits["held"]) > 0
    assert float(credits["available"]) + float(credits["held"]) == pytest.approx(float(credits["balance"]))
    gate.set()
    await asking


async def test_models_have_openais_list_shape_with_prices_and_lifecycle(world: World) -> None:
    listed = (await world.get("/v1/models")).json
    assert listed["object"] == "list"
    (fast,) = [model for model in listed["data"] if model["id"] == "lab/fast"]
    assert (fast["object"], fast["owned_by"]) == ("model", "lab")
    assert fast["pricing"]["input"] == "0.0000001"
    assert fast["pricing"]["output"] == "0.0000004"
    assert (fast["context_window"], fast["max_tokens"]) == (32_768, 4_096)
    assert fast["available"] is True
    away = (await world.get("/v1/models/far/away")).json
    assert (away["available"], away["unavailable_reason"]) == (False, "set FAR_KEY.")


async def test_a_model_is_found_by_id_alias_and_after_its_end(world: World) -> None:
    assert (await world.get("/v1/models/fast")).json["id"] == "lab/fast"
    old = (await world.get("/v1/models/lab/old")).json
    assert old["lifecycle"]["state"] == "retired"
    assert old["lifecycle"]["successor"] == "lab/fast"
    assert old["available"] is False
    missing = await world.get("/v1/models/lab/fasst")
    assert (missing.status, missing.error["nearest"][0]) == (404, "lab/fast")


async def test_readiness_shows_the_catalog_and_turns_503_when_draining(world: World) -> None:
    ready = await world.get("/readyz", key="")
    assert (ready.status, ready.json["status"]) == (200, "ready")
    assert ready.json["catalog"] == world.services.catalog.hash
    await world.gateway.drain(0)
    draining = await world.get("/readyz", key="")
    assert (draining.status, draining.json["draining"]) == (503, True)
    assert (await world.get("/healthz", key="")).json == {"status": "ok"}


async def test_a_generation_shows_the_receipt_of_its_own_team_alone(world: World) -> None:
    run_id = (await world.post(chat())).json["id"]
    data = (await world.get(f"/v1/generation?id={run_id}")).json["data"]
    assert data["id"] == run_id
    assert (data["model"], data["provider_name"], data["state"]) == ("lab/fast", "lab", "done")
    assert data["bill"]["cost"] == "0.000002100"
    assert (data["usage"], data["native_tokens_prompt"], data["is_byok"]) == (0.0000021, 9, False)
    assert data["entry"]["amount"] == "-0.000002100"
    assert data["entry"]["lines"][1] == {"bucket": "output", "quantity": 3, "price": "0.0000004"}
    assert [posting["amount"] for posting in data["entry"]["postings"]] == ["-0.000002100", "0.000002100"]
    stranger = await world.get(f"/v1/generation?id={run_id}", key=OTHER_KEY)
    nobody = await world.get("/v1/generation?id=run_" + "0" * 32)
    assert stranger.status == nobody.status == 404
    assert stranger.error["code"] == nobody.error["code"] == "run_not_found"
    assert (await world.get("/v1/generation")).error["param"] == "id"


async def test_a_viewers_key_sees_credits_and_runs_nothing(world: World) -> None:
    with world.keys._database.session() as session:
        user = UserRow(name="Vi", created_ms=0)
        session.add(user)
        session.flush()
        assert user.id is not None
        session.add(MemberRow(team_id=1, user_id=user.id, role="viewer", joined_ms=0))
        viewer = user.id
    secret = (await world.keys.create(1, viewer, "look")).secret
    assert (await world.get("/v1/credits", key=secret)).status == 200
    refused = await world.post(chat(), key=secret)
    assert (refused.status, refused.error["code"]) == (403, "not_permitted")
    assert world.ledger.open == {}


async def test_every_route_but_the_probes_needs_a_key(world: World) -> None:
    for route in ROUTES:
        path = route.path.replace("*", "lab/fast")
        answered = await world.caller().ask(route.method, path, key="")
        public = NEEDS[route.method, route.path] == "public"
        nobodys = public and "*" in route.path  # a link that was never made
        assert answered.status == (404 if nobodys else 200 if public else 401)


async def test_a_key_revoked_while_in_use_ends(world: World) -> None:
    made = await world.keys.create(1, 1, "short-lived")
    assert (await world.get("/v1/credits", key=made.secret)).status == 200
    await world.keys.revoke(1, made.key.id)
    refused = await world.get("/v1/credits", key=made.secret)
    unknown = await world.get("/v1/credits", key="ty_" + "u" * 40)
    assert refused.status == unknown.status == 401
    same = [{**answered.error, "request_id": ""} for answered in (refused, unknown)]
    assert same[0] == same[1]
    assert KEY not in refused.text


async def test_me_says_who_asks_what_it_may_do_and_what_it_has(world: World) -> None:
    me = (await world.get("/v1/me")).json
    assert (me["team"], me["role"]) == ({"id": 1, "name": "Local"}, "owner")
    assert me["key"]["id"] is not None
    assert {"run_models", "read_credits"} <= set(me["permissions"])
    assert me["credits"] == (await world.get("/v1/credits")).json
    assert (await world.get("/v1/me", key="ty_no")).status == 401


async def test_a_model_names_its_providers_with_their_price_policy_and_how_they_did(world: World) -> None:
    model = (await world.get("/v1/models/lab/full")).json
    (provider,) = model["providers"]
    assert (provider["id"], provider["model"], provider["wire"]) == ("lab", "full-1", "responses")
    assert provider["pricing"]["input"] == "0.0000001"
    assert (provider["zero_data_retention"], provider["standing"]) == ("unknown", "well")
    assert (provider["first_token_ms_p50"], provider["success"], provider["n"]) == (None, None, 0)
    assert (await world.get("/v1/models/lab/vectors")).json["vector_dimensions"] == 3
