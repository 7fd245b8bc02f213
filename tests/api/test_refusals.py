"""What is refused, how, and that it costs nothing."""

from __future__ import annotations

from typing import Any

import pytest

from billing.errors import CapReached, FreeCreditExhausted, LedgerBusy, LedgerUnavailable
from tests.api.conftest import KEY, START_NANO_USD, World, chat

NOTHING_HELD = {1: START_NANO_USD, 2: START_NANO_USD}


def nothing_happened(world: World) -> bool:
    return world.ledger.available == NOTHING_HELD and not world.ledger.open and not world.provider.calls


@pytest.mark.parametrize("key", ["", "ty_" + "x" * 40, "sk-proj-123", KEY.upper(), KEY + " extra"])
async def test_a_wrong_key_gets_401_and_says_nothing_more(world: World, key: str) -> None:
    answered = await world.post(chat(), key=key)
    assert answered.status == 401
    assert answered.headers["www-authenticate"] == "Bearer"
    assert answered.error["type"] == "authentication_error"
    assert answered.error["code"] == "invalid_api_key"
    assert answered.error["message"] == "The credential is missing, unknown or no longer valid."
    assert nothing_happened(world)


async def test_no_header_a_cookie_or_basic_credentials_are_no_key(world: World) -> None:
    for headers in (
        {"authorization": ""},
        {"authorization": "", "cookie": f"authorization=Bearer {KEY}"},
        {"authorization": f"Basic {KEY}"},
        {"authorization": KEY},
        {"authorization": "", "x-api-key": KEY + "x"},
        {"authorization": f"Basic {KEY}", "x-api-key": KEY},
    ):
        assert (await world.post(chat(), headers=headers)).status == 401
    assert (await world.post(chat(), headers={"authorization": f"bearer   {KEY}"})).status == 200
    assert (await world.post(chat(), headers={"authorization": "", "x-api-key": KEY})).status == 200


async def test_a_body_of_ten_megabytes_is_refused_before_it_is_read(world: World) -> None:
    body = chat("x" * 10_000_000)
    caller = world.caller()
    answered = await caller.ask("POST", "/v1/chat/completions", body)
    assert answered.status == 413
    assert answered.error["code"] == "request_too_large"
    assert caller.unread > 85  # of 153 pieces: reading ended at 4 MB
    assert nothing_happened(world)


async def test_an_announced_ten_megabytes_are_refused_unread(world: World) -> None:
    caller = world.caller()
    headers = {"content-length": "10000000"}
    answered = await caller.ask("POST", "/v1/chat/completions", b"x", headers=headers)
    assert answered.status == 413
    assert caller.unread == 1


async def test_nobody_unknown_makes_us_read_a_body(world: World) -> None:
    caller = world.caller()
    answered = await caller.ask("POST", "/v1/chat/completions", b"x" * 200_000, key="ty_wrong")
    assert answered.status == 401
    assert caller.unread == 4


async def test_a_compressed_body_is_refused(world: World) -> None:
    answered = await world.post(chat(), headers={"content-encoding": "gzip"})
    assert answered.status == 415
    assert nothing_happened(world)


async def test_a_caller_who_leaves_within_the_body_gets_no_answer(world: World) -> None:
    sent: list[Any] = []

    async def receive() -> dict[str, object]:
        return {"type": "http.disconnect"}

    async def send(message: Any) -> None:
        sent.append(message)

    scope = {
        "type": "http",
        "method": "POST",
        "path": "/v1/chat/completions",
        "query_string": b"",
        "headers": [(b"host", b"localhost"), (b"authorization", f"Bearer {KEY}".encode())],
    }
    await world.app(scope, receive, send)
    assert sent == []


def message(**fields: Any) -> dict[str, Any]:
    return {"model": "lab/fast", "messages": [fields]}


TOOL = {"type": "function", "function": {"name": "f"}}
BAD: list[tuple[str, Any, str | None]] = [
    ("empty", b"", None),
    ("not JSON", b"{", None),
    ("not UTF-8", b'{"model":"\xff"}', None),
    ("UTF-16", chat().__repr__().encode("utf-16"), None),
    ("a list", [], None),
    ("null", None, None),
    ("a lone surrogate", b'{"model":"lab/fast","messages":[{"role":"user","content":"\\ud800"}]}', None),
    ("NaN", b'{"model":"lab/fast","temperature":NaN,"messages":[]}', None),
    ("endless number", b'{"model":"lab/fast","temperature":1e999,"messages":[]}', "temperature"),
    ("no model", {"messages": [{"role": "user", "content": "a"}]}, "model"),
    ("no messages", {"model": "lab/fast"}, "messages"),
    ("no message", {"model": "lab/fast", "messages": []}, "messages"),
    ("too many", {"model": "lab/fast", "messages": [{"role": "user", "content": "a"}] * 2_001}, "messages"),
    ("model is a number", {**chat(), "model": 5}, "model"),
    ("model has a line break", {**chat(), "model": "lab/fast\r\nx-evil: 1"}, "model"),
    ("model is long", {**chat(), "model": "m" * 201}, "model"),
    ("unknown role", message(role="robot", content="a"), "messages[0].role"),
    ("no content", message(role="user"), "messages[0].content"),
    ("content is a number", message(role="user", content=5), "messages[0].content"),
    ("unknown message field", message(role="user", content="a", spoken=True), "messages[0].spoken"),
    ("tool without id", message(role="tool", content="a"), "messages[0].tool_call_id"),
    (
        "audio part",
        message(role="user", content=[{"type": "text", "text": "a"}, {"type": "input_audio"}]),
        "messages[0].content[1].type",
    ),
    (
        "an image over http",
        message(role="user", content=[{"type": "image_url", "image_url": {"url": "http://x/y.png"}}]),
        "messages[0].content[0].image_url.url",
    ),
    (
        "a file as image",
        message(role="user", content=[{"type": "image_url", "image_url": {"url": "file:///etc/passwd"}}]),
        "messages[0].content[0].image_url.url",
    ),
    (
        "an image from the system",
        message(role="system", content=[{"type": "image_url", "image_url": {"url": "https://x/y.png"}}]),
        "messages[0].content[0].image_url",
    ),
    ("calls of a user", message(role="user", content="a", tool_calls=[
        {"id": "1", "function": {"name": "f", "arguments": ""}}]), "messages[0].tool_calls"),
    ("temperature", chat(temperature=2.1), "temperature"),
    ("temperature in words", chat(temperature="hot"), "temperature"),
    ("top_p", chat(top_p=-0.1), "top_p"),
    ("penalty", chat(presence_penalty=3), "presence_penalty"),
    ("no tokens", chat(max_tokens=0), "max_tokens"),
    ("half a token", chat(max_completion_tokens=1.5), "max_completion_tokens"),
    ("two limits", chat(max_tokens=5, max_completion_tokens=6), "max_tokens"),
    ("a large seed", chat(seed=2**63), "seed"),
    ("an empty stop", chat(stop=""), "stop"),
    ("many stops", chat(stop=["a"] * 17), "stop"),
    ("effort", chat(reasoning_effort="heroic"), "reasoning_effort"),
    ("stream in words", chat(stream="yes"), "stream"),
    ("stream option", chat(stream_options={"include_all": True}), "stream_options.include_all"),
    ("two answers", chat(n=2), "n"),
    ("logprobs", chat(logprobs=True), "logprobs"),
    ("top_logprobs", chat(top_logprobs=3), "top_logprobs"),
    ("logit_bias", chat(logit_bias={"50256": -100}), "logit_bias"),
    ("spoken answer", chat(modalities=["text", "audio"]), "modalities[1]"),
    ("voice", chat(audio={"voice": "alloy"}), "audio"),
    ("web search", chat(web_search_options={}), "web_search_options"),
    ("old functions", chat(functions=[{"name": "f"}]), "functions"),
    ("verbosity", chat(verbosity="loud"), "verbosity"),
    ("two efforts", chat(reasoning_effort="low", reasoning={"effort": "high"}), "reasoning_effort"),
    ("hidden thoughts", chat(reasoning={"exclude": True}), "reasoning.exclude"),
    ("another vendor's field", chat(min_p=0.5), "min_p"),
    ("a tool of the provider's", chat(tools=[{"type": "web_search"}]), "tools[0].type"),
    ("a file by its id", message(role="user", content=[{"type": "file", "file": {"file_id": "f"}}]),
     "messages[0].content[0].file.file_id"),
    ("a file from a disk", message(role="user", content=[{"type": "file", "file": {
        "file_data": "file:///etc/passwd"}}]), "messages[0].content[0].file.file_data"),
    ("a tool without name", chat(tools=[{"type": "function", "function": {}}]), "tools[0].function.name"),
    ("a tool with a wild name", chat(tools=[{"type": "function", "function": {"name": "a b"}}]),
     "tools[0].function.name"),
    ("too many tools", chat(tools=[TOOL] * 129), "tools"),
    ("a tool that is not there", chat(tools=[TOOL], tool_choice={
        "type": "function", "function": {"name": "g"}}), "tool_choice"),
    ("no tool to require", chat(tool_choice="required"), "tool_choice"),
    ("another format", chat(response_format={"type": "yaml"}), "response_format.type"),
    ("a schema without name", chat(response_format={"type": "json_schema", "json_schema": {}}),
     "response_format.json_schema.name"),
]  # fmt: skip


@pytest.mark.parametrize(("body", "param"), [case[1:] for case in BAD], ids=[case[0] for case in BAD])
async def test_a_malformed_request_gets_400_with_the_field_and_holds_nothing(
    world: World, body: Any, param: str | None
) -> None:
    answered = await world.post(body)
    assert answered.status == 400
    assert answered.error["type"] == "invalid_request_error"
    assert answered.error["code"] in ("invalid_request", "unsupported_parameter")
    assert answered.error["param"] == param
    assert nothing_happened(world)


def nested(levels: int) -> Any:
    value: Any = 1
    for _ in range(levels):
        value = {"a": [value]}
    return value


@pytest.mark.parametrize(
    "body",
    [
        b"[" * 3_000_000,
        b'{"model":' * 400_000,
        b'{"model":"lab/fast","messages":[{"role":"user","content":"a"}],"user":' + b"[" * 1_000_000,
        b'{"model":"lab/fast","messages":[{"role":"user","content":' + b"[" * 1_000_000,
        chat(tools=[{"type": "function", "function": {"name": "f", "parameters": nested(20)}}]),
        chat(response_format={"type": "json_schema", "json_schema": {"name": "s", "schema": nested(20)}}),
    ],
    ids=["lists", "objects", "in a dropped field", "in a message", "in a tool", "in a schema"],
)
async def test_a_depth_bomb_is_refused(world: World, body: Any) -> None:
    answered = await world.post(body)
    assert answered.status == 400
    assert nothing_happened(world)


async def test_fields_that_change_no_answer_are_let_through(world: World) -> None:
    harmless: dict[str, Any] = {
        "user": "u", "metadata": {"a": "b"}, "store": True, "service_tier": "auto", "n": 1,
        "logprobs": False, "top_logprobs": 0, "logit_bias": {}, "modalities": ["text"],
        "parallel_tool_calls": True, "verbosity": "medium", "audio": None, "functions": None,
        "safety_identifier": "s", "prompt_cache_key": "k", "prediction": None, "temperature": None,
        "response_format": {"type": "text"}, "tool_choice": "auto", "stream_options": None, "stop": None,
    }  # fmt: skip
    assert (await world.post(chat(**harmless))).status == 200
    (call,) = world.provider.calls
    assert call.request.tool_choice is None
    assert call.request.response_format is None


async def test_an_unknown_model_gets_404_with_the_nearest_three(world: World) -> None:
    answered = await world.post({**chat(), "model": "lab/fasr"})
    assert answered.status == 404
    assert answered.error["code"] == "model_not_found"
    assert answered.error["nearest"][0] == "lab/fast"
    assert len(answered.error["nearest"]) == 3
    assert nothing_happened(world)


async def test_a_retired_model_gets_410_with_its_successor(world: World) -> None:
    answered = await world.post({**chat(), "model": "lab/old"})
    assert answered.status == 410
    assert answered.error["code"] == "model_retired"
    assert answered.error["successor"] == "lab/fast"
    assert answered.error["retired_on"] == "2020-01-01"
    assert nothing_happened(world)


async def test_a_model_without_a_provider_here_gets_503_and_no_useless_retries(world: World) -> None:
    answered = await world.post({**chat(), "model": "far/away"})
    assert answered.status == 503
    assert answered.error["code"] == "model_unavailable"
    assert "FAR_KEY" in answered.error["reason"]
    assert answered.headers["x-should-retry"] == "false"


async def test_too_little_credit_gets_402_with_what_is_needed_and_when_more_comes(world: World) -> None:
    world.ledger.available[1] = 10
    answered = await world.post(chat())
    assert answered.status == 402
    error = answered.error
    assert (error["code"], error["limit_scope"]) == ("insufficient_credits", "team")
    assert error["available"] == "0.000000010"
    assert float(error["needed"]) > 0.00000001
    assert error["next_allowance_at"] == "2026-09-21T14:13:20.000Z"
    assert error["add_credit"].startswith("python -m operate grant")
    assert world.provider.calls == []


@pytest.mark.parametrize(
    ("error", "status", "fields"),
    [
        (
            CapReached("key", "7", 2_000_000_000, 500_000_000, 1_790_000_000_000),
            402,
            {
                "limit_scope": "key",
                "limit_subject": "7",
                "needed": "2.000000000",
                "available": "0.500000000",
                "resets_at": "2026-09-21T14:13:20.000Z",
            },
        ),
        (FreeCreditExhausted("No free credit is left."), 402, {"limit_scope": "installation"}),
        (LedgerBusy(2.5), 503, {"code": "ledger_busy"}),
        (LedgerUnavailable("The ledger is away."), 503, {"code": "ledger_unavailable"}),
    ],
)
async def test_what_the_ledger_refuses_is_said_in_its_own_terms(
    world: World, error: Exception, status: int, fields: dict[str, object]
) -> None:
    async def reserve(command: object) -> None:
        raise error

    world.ledger.reserve = reserve  # type: ignore[method-assign, assignment]
    answered = await world.post(chat())
    assert answered.status == status
    assert fields.items() <= answered.error.items()
    if status == 503:
        assert answered.headers["retry-after"] in ("1", "3")
    assert world.rows[-1].status == status


async def test_the_request_log_has_the_status_that_the_caller_got(world: World) -> None:
    answered = await world.post({**chat(), "model": "nobody/knows"})
    (row,) = world.rows
    assert row.status == answered.status == 404
    assert row.request_id == answered.headers["x-request-id"]


WIRES = (
    "/v1/chat/completions",
    "/v1/responses",
    "/v1/messages",
    "/v1/messages/count_tokens",
    "/v1/embeddings",
    "/v1/quote",
)


@pytest.mark.parametrize("path", WIRES)
async def test_every_wire_bears_what_no_client_should_send(world: World, path: str) -> None:
    large = await world.caller().ask("POST", path, b'{"model": "' + b"x" * 10_000_000)
    assert large.status == 413
    for body in (
        b"",
        b"[" * 3_000_000,
        b'{"model":' * 400_000,
        b'{"model":"lab/fast","input":[' + b'{"role":"user","content":[' * 100_000,
        b'{"model":"lab/fast","max_tokens":9,"messages":[{"role":"user","content":' + b"[" * 1_000_000,
        b'{"model":"lab/fast","metadata":' + b'{"a":' * 500_000,
        b"null",
        b"[]",
        b'"lab/fast"',
        b"\xff\xfe",
        b'{"model":"lab/fast","model":5}',
        b'{"model":"lab/fast","input":{"a":1},"messages":{"a":1},"max_tokens":"9"}',
        b'{"model":"lab/fast","\\ud800":1}',
    ):
        answered = await world.caller().ask("POST", path, body)
        assert answered.status == 400, (body[:80], answered.text[:300])
        assert answered.error["message"]
    assert nothing_happened(world)


@pytest.mark.parametrize("path", WIRES)
async def test_a_field_that_nobody_knows_is_refused_by_its_name_on_every_wire(
    world: World, path: str
) -> None:
    told = {"messages": [{"role": "user", "content": "a"}], "max_tokens": 9}
    if path in ("/v1/responses", "/v1/embeddings"):
        told = {"input": "a"}
    if path.endswith("count_tokens"):
        del told["max_tokens"]
    answered = await world.caller().ask("POST", path, {"model": "lab/fast", **told, "temprature": 1})
    assert (answered.status, answered.error["param"]) == (400, "temprature")
    assert answered.error["code"] == "unsupported_parameter"
