"""The client against a server that misbehaves on purpose: faults named, nothing leaked or retried."""

from __future__ import annotations

import asyncio
import contextlib
import json
import random
import socket
import ssl
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from email.utils import formatdate
from pathlib import Path
from time import time_ns

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec

from gateway.errors import (
    ProviderBroke,
    ProviderError,
    ProviderRefused,
    ProviderTimeout,
    ProviderUnreachable,
)
from gateway.messages import Finished, Sampling, TextDelta, Usage
from gateway.providers.base import Deadlines, Wire
from gateway.providers.openai_compatible import OpenAICompatible
from gateway.providers.wire_chat_request import ChatDialect
from gateway.providers.wires import PATHS
from net.guard import UrlRefused
from tests.gateway.providers.asking import Outcome, call_of, outcome
from tests.gateway.providers.scripts import (
    DONE,
    FAULTS,
    HALF,
    SECRET,
    WIRES,
    AnthropicScript,
    ChatScript,
    ResponsesScript,
    WireScript,
    whole_answer,
    wire_script,
)
from tests.gateway.providers.upstream import KeepAlive, Pause, Reply, Upstream, serving

KEY = "sk-our-own-key"


@asynccontextmanager
async def talking(
    *replies: Reply, wire: Wire = "chat_completions"
) -> AsyncIterator[tuple[OpenAICompatible, Upstream]]:
    async with serving(*replies) as upstream:
        provider = OpenAICompatible("lab", upstream.base_url, KEY, wire, allow_private_address=True)
        try:
            yield provider, upstream
        finally:
            await provider.close()


# --- a good answer ----------------------------------------------------------------------------------


@pytest.mark.parametrize("wire", WIRES)
async def test_an_answer_comes_with_its_end_its_usage_and_its_clocks(wire: Wire) -> None:
    script = wire_script(wire)
    reply = Reply(
        [
            *script.opening(),
            script.reasoning("Hm."),
            Pause(0.02),
            script.text("Hello"),
            script.text(" wörld"),
            *script.ending(input=20, output=9, cached=16, reasoning=4),
        ]
    )
    async with talking(reply, wire=wire) as (provider, upstream):
        call = call_of()
        got = await outcome(provider, call)
    assert (got.reasoning, got.text, got.finish, got.error) == ("Hm.", "Hello wörld", "stop", None)
    assert got.usage == Usage(input=4, output=9, cached_input=16, reasoning=4)
    assert isinstance(got.events[-1], Usage)
    clocks = call.clocks
    marks = [clocks.accepted_ns, clocks.sent_ns, clocks.first_byte_ns, clocks.first_reasoning_ns]
    marks += [clocks.first_answer_ns, clocks.last_ns]
    assert None not in marks
    assert marks == sorted(marks, key=lambda mark: mark or 0)
    assert clocks.first_answer_ns - clocks.first_reasoning_ns >= 15e6  # type: ignore[operator]
    assert upstream.requests[0].path == f"/v1{PATHS[wire]}"


async def test_what_goes_out_is_one_plain_request_with_the_key_and_the_cap() -> None:
    async with talking(whole_answer(ChatScript())) as (provider, upstream):
        await outcome(provider, call_of(model="fast-1", out_cap=33, sampling=Sampling(temperature=0.5)))
    (request,) = upstream.requests
    assert request.method == "POST"
    assert request.headers["authorization"] == f"Bearer {KEY}"
    assert request.headers["accept-encoding"] == "identity"
    assert "cookie" not in request.headers
    assert request.body == {
        "model": "fast-1",
        "messages": [{"role": "user", "content": "Say hello."}],
        "stream": True,
        "stream_options": {"include_usage": True},
        "max_tokens": 33,
        "temperature": 0.5,
    }


async def test_the_messages_wire_has_a_key_and_a_version_of_its_own() -> None:
    async with talking(whole_answer(AnthropicScript()), wire="anthropic_messages") as (provider, upstream):
        got = await outcome(provider, call_of(out_cap=33))
    assert (got.text, got.finish) == ("Hello world", "stop")
    (request,) = upstream.requests
    assert request.headers["x-api-key"] == KEY
    assert request.headers["anthropic-version"] == "2023-06-01"
    assert "authorization" not in request.headers
    assert request.body == {
        "model": "m",
        "max_tokens": 33,
        "stream": True,
        "messages": [{"role": "user", "content": [{"type": "text", "text": "Say hello."}]}],
    }


@pytest.mark.parametrize(
    ("wire", "path"),
    [
        ("chat_completions", "/v1/deployments/my%2Fmodel/chat/completions?api-version=2024-10-21"),
        ("responses", "/v1/responses?api-version=2024-10-21"),
    ],
)
async def test_azure_has_deployments_in_the_path_and_a_key_header(wire: Wire, path: str) -> None:
    async with serving(whole_answer(wire_script(wire))) as upstream:
        provider = OpenAICompatible(
            "azure",
            upstream.base_url,
            KEY,
            wire,
            allow_private_address=True,
            key_header="api-key",
            deployments=True,
            api_version="2024-10-21",
        )
        got = await outcome(provider, call_of(model="my/model"))
        await provider.close()
    assert got.text == "Hello world"
    (request,) = upstream.requests
    assert request.path == path
    assert request.headers["api-key"] == KEY
    assert "authorization" not in request.headers


async def test_azures_filter_is_named_before_an_answer_and_ends_one_in_the_middle() -> None:
    chat = ChatScript()
    filters = {"hate": {"filtered": True, "severity": "high"}}
    refused = {
        "error": {
            "message": f"Filtered: {SECRET}",
            "type": None,
            "param": "prompt",
            "code": "content_filter",
            "status": 400,
            "innererror": {"code": "ResponsibleAIPolicyViolation", "content_filter_result": filters},
        }
    }
    body = json.dumps(refused).encode()
    async with talking(Reply([body], 400, {"Content-Type": "application/json"})) as (provider, _):
        got = await outcome(provider, call_of())
    assert str(got.error) == (
        "The provider's content filter stopped the prompt (status 400, content_filter, at prompt)."
    )
    stopped = Reply(
        [
            chat.chunk(prompt_filter_results=[{"prompt_index": 0, "content_filter_results": filters}]),
            chat.text(HALF),
            chat.chunk(choices=[{"index": 0, "finish_reason": None, "content_filter_offsets": {}}]),
            chat.finish("content_filter"),
            DONE,
        ]
    )
    async with talking(stopped) as (provider, _):
        got = await outcome(provider, call_of())
    assert (got.text, got.finish, got.error) == (HALF, "content_filter", None)


@pytest.mark.parametrize(
    "said", [{"statusCode": 401, "message": SECRET}, {"error": {"code": "401", "message": SECRET}}]
)
async def test_azures_other_shapes_of_an_error_tell_nothing_either(said: dict[str, object]) -> None:
    body = json.dumps(said).encode()
    async with talking(Reply([body], 401, {"Content-Type": "application/json"})) as (provider, _):
        got = await outcome(provider, call_of())
    assert str(got.error) == "The provider does not accept the key it was given (status 401)."


async def test_the_cap_goes_by_the_name_that_the_provider_knows() -> None:
    async with serving(whole_answer(ChatScript())) as upstream:
        provider = OpenAICompatible(
            "lab", upstream.base_url, allow_private_address=True, chat=ChatDialect("max_completion_tokens")
        )
        await outcome(provider, call_of(out_cap=12))
        await provider.close()
    body = upstream.requests[0].body
    assert body["max_completion_tokens"] == 12
    assert "max_tokens" not in body
    assert "authorization" not in upstream.requests[0].headers


async def test_a_calls_own_wire_goes_before_the_providers() -> None:
    async with talking(whole_answer(ResponsesScript())) as (provider, upstream):
        got = await outcome(provider, call_of(wire="responses", out_cap=21))
    assert got.text == "Hello world"
    assert upstream.requests[0].path == "/v1/responses"
    assert upstream.requests[0].body["max_output_tokens"] == 21


@pytest.mark.parametrize("wire", WIRES)
async def test_a_connection_whose_answer_was_read_to_its_end_is_used_again(wire: Wire) -> None:
    replies = [whole_answer(wire_script(wire)) for _ in range(3)]
    async with talking(*replies, wire=wire) as (provider, upstream):
        for _ in range(3):
            assert (await outcome(provider, call_of())).text == "Hello world"
    assert upstream.connections == 1


async def test_a_server_that_holds_the_connection_open_after_done_delays_nobody() -> None:
    script = ChatScript()
    reply = Reply([*script.opening(), script.text("Hi"), *script.ending(), Pause(5)])
    async with talking(reply) as (provider, _):
        got = await outcome(provider, call_of())
    assert got.error is None
    assert got.took_s < 4


async def test_leaving_in_the_middle_drops_the_connection_at_once() -> None:
    script = ChatScript()
    async with talking(Reply([*script.opening(), script.text("a"), Pause(30)])) as (provider, upstream):
        got = await outcome(provider, call_of(), stop_after=1)
        assert got.text == "a"
        async with asyncio.timeout(10):
            await upstream.dropped.wait()


async def test_cancelling_the_task_that_reads_drops_the_connection_too() -> None:
    script = ChatScript()
    async with talking(Reply([*script.opening(), script.text("a"), Pause(30)])) as (provider, upstream):
        reading = asyncio.create_task(outcome(provider, call_of()))
        await asyncio.sleep(0.1)
        reading.cancel()
        with pytest.raises(asyncio.CancelledError):
            await reading
        async with asyncio.timeout(10):
            await upstream.dropped.wait()


async def test_a_faked_stream_shows_in_the_largest_read_share() -> None:
    script = ChatScript()
    texts = [script.text("word ") for _ in range(20)]
    apart = [part for text in texts for part in (text, Pause(0.005))]
    at_once = Reply([*script.opening(), b"".join(texts), *script.ending()])
    async with talking(Reply([*script.opening(), *apart, *script.ending()]), at_once) as (provider, _):
        streamed, faked = call_of(), call_of()
        await outcome(provider, streamed)
        await outcome(provider, faked)
    assert streamed.clocks.answer_chars == faked.clocks.answer_chars == 100
    assert (streamed.clocks.largest_read_share or 1) < 0.5
    assert faked.clocks.largest_read_share == 1


@pytest.mark.parametrize("wire", WIRES)
@pytest.mark.parametrize("line_end", ["\n", "\r\n", "\r"])
async def test_reads_that_split_anything_anywhere_change_nothing(wire: Wire, line_end: str) -> None:
    """Characters, escapes, line ends and fields, cut at random by the network."""
    script = wire_script(wire)
    texts = ["Grüße ", "😀👩‍👩‍👧", " 漢字", ' {"data: not a field"}\n\n', "data: [DONE]", " end"]
    parts = [b"\xef\xbb\xbf: welcome\n\n", *script.opening()]
    for text in texts:
        parts += [script.text(text), b": keep-alive\n\n"]
    parts.append(_over_two_lines(script))
    whole = b"".join([*parts, *script.ending()]).replace(b"\n", line_end.encode())
    chance = random.Random(f"{wire}{line_end!r}")
    replies = [Reply(_split(whole, chance)) for _ in range(6)]
    async with talking(*replies, wire=wire) as (provider, _):
        for _ in replies:
            got = await outcome(provider, call_of())
            assert got.error is None
            assert got.text == "".join(texts) + "over two lines"
            assert got.usage == Usage(input=9, output=2)


def _over_two_lines(script: WireScript) -> bytes:
    """One event whose JSON stands on several `data` lines."""
    data = script.text("over two lines").partition(b"data: ")[2].strip()
    pretty = json.dumps(json.loads(data), indent=1)
    return b"".join(b"data: " + line.encode() + b"\n" for line in pretty.splitlines()) + b"\n"


def _split(whole: bytes, chance: random.Random) -> list[bytes]:
    cuts = sorted(chance.sample(range(1, len(whole)), 60))
    return [whole[start:end] for start, end in zip([0, *cuts], [*cuts, len(whole)], strict=True)]


# --- faults -----------------------------------------------------------------------------------------

REFUSALS = {
    "wrong key": 401,
    "unknown model": 404,
    "too long": 400,
    "rate limited": 429,
    "failing": 500,
    "prose for an error": 503,
    "redirect": 307,
    "error event first": 429,
}
NOTHING_CAME = {
    "html with 200",
    "json with 200",
    "empty body",
    "only [DONE]",
    "compressed unasked",
    "reset before a byte",
    "closed before a byte",
    "broken http",
}


@pytest.mark.parametrize("wire", WIRES)
@pytest.mark.parametrize("fault", FAULTS)
async def test_each_fault_is_named_asked_once_and_tells_no_secret(fault: str, wire: Wire) -> None:
    script = wire_script(wire)
    async with talking(FAULTS[fault](script), wire=wire) as (provider, upstream):
        got = await outcome(provider, call_of())
    error = got.error
    assert isinstance(error, ProviderError)
    assert len(upstream.requests) == 1
    assert error.provider == "lab"
    assert str(error).endswith(".")
    for secret in (SECRET, KEY, "10.0.0.7", "127.0.0.1", "html"):
        assert secret not in str(error)
    if fault in REFUSALS:
        assert isinstance(error, ProviderRefused)
        assert error.status == REFUSALS[fault]
        assert got.events == []
    else:
        assert isinstance(error, ProviderBroke)
        assert got.text == ("" if fault in NOTHING_CAME else HALF)
        assert got.finish is None
        assert got.usage is None


async def test_an_error_names_the_code_and_the_field_and_no_prose() -> None:
    said = {
        "message": f"no {SECRET}",
        "type": "invalid_request_error",
        "param": "messages[0].content",
        "code": None,
    }
    body = json.dumps({"error": said}).encode()
    async with talking(Reply([body], 400, {"Content-Type": "application/json"})) as (provider, _):
        got = await outcome(provider, call_of())
    assert str(got.error) == (
        "The provider refused the request (status 400, invalid_request_error, at messages[0].content)."
    )


@pytest.mark.parametrize(
    ("header", "least_s", "most_s"),
    [
        ("7", 7, 7),
        ("0.5", 0.5, 0.5),
        ("-3", 0, 0),
        ("1e99", 86400, 86400),
        ("in 30 s", 20, 31),
    ],
)
async def test_retry_after_is_read_as_seconds_or_as_a_date(
    header: str, least_s: float, most_s: float
) -> None:
    if header == "in 30 s":
        header = formatdate(time_ns() / 1e9 + 30, usegmt=True)
    async with talking(Reply([], 429, {"Retry-After": header})) as (provider, _):
        got = await outcome(provider, call_of())
    assert isinstance(got.error, ProviderRefused)
    assert got.error.retry_after_s is not None
    assert least_s <= got.error.retry_after_s <= most_s


async def test_milliseconds_to_wait_go_before_seconds() -> None:
    async with talking(Reply([], 429, {"Retry-After": "2", "retry-after-ms": "1250"})) as (provider, _):
        got = await outcome(provider, call_of())
    assert isinstance(got.error, ProviderRefused)
    assert got.error.retry_after_s == 1.25


@pytest.mark.parametrize("header", ["soon", "nan", ""])
async def test_a_retry_after_that_says_nothing_is_none(header: str) -> None:
    async with talking(Reply([], 429, {"Retry-After": header})) as (provider, _):
        got = await outcome(provider, call_of())
    assert isinstance(got.error, ProviderRefused)
    assert got.error.retry_after_s is None


async def test_usage_is_cumulative_and_the_last_one_counts() -> None:
    script = ChatScript()
    parts = [*script.opening(), script.usage(9, 1), script.text("Hi"), script.usage(9, 7), script.finish()]
    async with talking(Reply([*parts, script.usage(9, 8), DONE])) as (provider, _):
        got = await outcome(provider, call_of())
    assert [event for event in got.events if isinstance(event, Usage)] == [Usage(input=9, output=8)]


@pytest.mark.parametrize("wire", WIRES)
@pytest.mark.parametrize("count", [-5, 10**12])
async def test_usage_that_cannot_be_is_passed_on_for_the_gateway_to_judge(wire: Wire, count: int) -> None:
    script = wire_script(wire)
    reply = Reply([*script.opening(), script.text("Hi"), *script.ending(output=count)])
    async with talking(reply, wire=wire) as (provider, _):
        got = await outcome(provider, call_of())
    assert got.usage == Usage(input=9, output=count)


async def test_a_stream_lost_after_its_last_word_is_whole_without_usage() -> None:
    script = ChatScript()
    reply = Reply([*script.opening(), script.text("All."), script.finish()], framing="cut")
    async with talking(reply) as (provider, _):
        got = await outcome(provider, call_of())
    assert (got.text, got.finish, got.usage, got.error) == ("All.", "stop", None, None)


async def test_done_ends_an_answer_whose_server_gives_no_finish_reason() -> None:
    script = ChatScript()
    async with talking(Reply([*script.opening(), script.text("Hi"), script.usage(3, 1), DONE])) as (
        provider,
        _,
    ):
        got = await outcome(provider, call_of())
    assert got.events == [TextDelta("Hi"), Finished("stop"), Usage(input=3, output=1)]


async def test_a_last_event_without_its_blank_line_counts() -> None:
    script = ChatScript()
    parts = [*script.opening(), script.text("Hi"), script.finish(), script.usage(3, 1).rstrip()]
    async with talking(Reply(parts)) as (provider, _):
        got = await outcome(provider, call_of())
    assert got.usage == Usage(input=3, output=1)
    assert got.error is None


async def test_a_failed_response_tells_what_it_cost_before_it_fails() -> None:
    script = ResponsesScript()
    failed = script.ended(
        "failed", usage=script.usage(9, 5), error={"code": "server_error", "message": f"oh {SECRET}"}
    )
    async with talking(Reply([*script.opening(), script.text(HALF), failed]), wire="responses") as (
        provider,
        _,
    ):
        got = await outcome(provider, call_of())
    assert got.usage == Usage(input=9, output=5)
    assert isinstance(got.error, ProviderBroke)
    assert SECRET not in str(got.error)


async def test_a_frame_without_end_is_not_collected_for_ever(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("gateway.providers.server_sent_events.MAX_FRAME_BYTES", 100_000)
    reply = Reply([b"data: " + b"x" * 50_000, *[b"x" * 50_000] * 4, Pause(20)])
    async with talking(reply) as (provider, _):
        got = await outcome(provider, call_of())
    assert isinstance(got.error, ProviderBroke)
    assert got.took_s < 10


# --- deadlines --------------------------------------------------------------------------------------

DEADLINES: dict[str, tuple[Callable[[WireScript], Reply], Deadlines]] = {
    "first_token": (
        lambda wire: Reply([*wire.opening(), KeepAlive()]),
        Deadlines(connect_s=1, first_token_s=0.25, idle_s=5, total_s=5),
    ),
    "idle": (
        lambda wire: Reply([*wire.opening(), wire.text(HALF), KeepAlive()]),
        Deadlines(connect_s=1, first_token_s=5, idle_s=0.25, total_s=5),
    ),
    "total": (
        lambda wire: Reply([*wire.opening(), *[p for _ in range(99) for p in (wire.text("x"), Pause(0.02))]]),
        Deadlines(connect_s=1, first_token_s=5, idle_s=5, total_s=0.25),
    ),
}


@pytest.mark.parametrize("wire", WIRES)
@pytest.mark.parametrize("deadline", DEADLINES)
async def test_keep_alive_comments_defeat_no_deadline(deadline: str, wire: Wire) -> None:
    make, limits = DEADLINES[deadline]
    async with talking(make(wire_script(wire)), wire=wire) as (provider, upstream):
        got = await outcome(provider, call_of(deadlines=limits))
        async with asyncio.timeout(10):
            await upstream.dropped.wait()
    assert isinstance(got.error, ProviderTimeout)
    assert (got.error.deadline, got.error.limit_s) == (deadline, 0.25)
    assert 0.2 < got.took_s < 4


async def test_headers_that_never_come_are_a_missing_first_token() -> None:
    limits = Deadlines(connect_s=1, first_token_s=0.2, idle_s=5, total_s=5)
    async with talking(Reply([Pause(20)], framing="raw")) as (provider, _):
        got = await outcome(provider, call_of(deadlines=limits))
    assert isinstance(got.error, ProviderTimeout)
    assert got.error.deadline == "first_token"


async def test_a_server_that_takes_no_connection_is_unreachable() -> None:
    async with serving(Reply()) as upstream:
        url = upstream.base_url
    provider = OpenAICompatible("lab", url, KEY, allow_private_address=True)
    got = await outcome(provider, call_of())
    await provider.close()
    assert isinstance(got.error, ProviderUnreachable)
    assert str(got.error) == "The provider takes no connection."


async def test_a_server_that_does_not_take_the_connection_has_its_own_deadline() -> None:
    """A queue of connections that is full: the kernel leaves the next one unanswered."""
    with socket.create_server(("127.0.0.1", 0), backlog=0) as server, contextlib.ExitStack() as fillers:
        for _ in range(3):
            filler = fillers.enter_context(socket.socket())
            filler.setblocking(False)
            filler.connect_ex(server.getsockname())
        url = f"http://127.0.0.1:{server.getsockname()[1]}/v1"
        provider = OpenAICompatible("lab", url, KEY, allow_private_address=True)
        got = await outcome(provider, call_of(deadlines=Deadlines(connect_s=0.2, first_token_s=5)))
        await provider.close()
    assert isinstance(got.error, ProviderTimeout)
    assert (got.error.deadline, got.error.limit_s) == ("connect", 0.2)
    assert got.took_s < 4


async def test_a_certificate_that_nobody_vouches_for_is_not_trusted(tmp_path: Path) -> None:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(self_signed(tmp_path))
    server = await asyncio.start_server(lambda reader, writer: writer.close(), "127.0.0.1", 0, ssl=context)
    async with server:
        url = f"https://localhost:{server.sockets[0].getsockname()[1]}/v1"
        provider = OpenAICompatible("lab", url, KEY, allow_private_address=True)
        got = await outcome(provider, call_of())
        await provider.close()
    assert isinstance(got.error, ProviderUnreachable)
    assert str(got.error) == "The provider's certificate or encryption is not trusted."


def self_signed(folder: Path) -> Path:
    """A certificate for localhost and its key in one file."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "localhost")])
    now = datetime.now(UTC)
    certificate = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(1)
        .not_valid_before(now - timedelta(hours=1))
        .not_valid_after(now + timedelta(hours=1))
        .sign(key, hashes.SHA256())
    )
    path = folder / "server.pem"
    path.write_bytes(
        key.private_bytes(
            serialization.Encoding.PEM,
            serialization.PrivateFormat.PKCS8,
            serialization.NoEncryption(),
        )
        + certificate.public_bytes(serialization.Encoding.PEM)
    )
    return path


# --- where it may go --------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "url",
    [
        "http://api.example.com/v1",
        "https://127.0.0.1/v1",
        "https://[::1]/v1",
        "https://10.1.2.3/v1",
        "ftp://a",
    ],
)
def test_a_base_url_that_is_not_public_and_encrypted_is_refused_from_the_start(url: str) -> None:
    with pytest.raises(UrlRefused):
        OpenAICompatible("lab", url, KEY)


async def test_a_name_that_leads_home_is_unreachable_and_never_connected_to() -> None:
    async with serving(whole_answer(ChatScript())) as upstream:
        port = upstream.base_url.split(":")[2]
        provider = OpenAICompatible("lab", f"https://localhost:{port}", KEY)
        got: Outcome = await outcome(provider, call_of())
        await provider.close()
    assert isinstance(got.error, ProviderUnreachable)
    assert "allow_private_address" in str(got.error)
    assert upstream.connections == 0
