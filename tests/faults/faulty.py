"""Every way in which a provider, or a caller, can spoil a request, on each wire; and the server that sees it.

A model is named after its wire and its fault, so one upstream on loopback plays them all at once.
`FAULTS` are the upstream's; each says what has to become of the bill.
"""

from __future__ import annotations

import itertools
import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Literal

from gateway.providers.base import Wire
from tests.gateway.providers import scripts
from tests.gateway.providers.scripts import (
    DONE,
    HALF,
    AnthropicScript,
    ChatScript,
    ResponsesScript,
    WireScript,
    whole_answer,
    wire_script,
)
from tests.gateway.providers.upstream import KeepAlive, Part, Pause, Reply, Request, Reset

Bill = Literal["nothing", "as reported", "by our count", "bounded"]
WHOLE = "Häl😀 wörld"
HOLDS_BACK_S = 20.0  # how long the upstream waits for a caller to leave


@dataclass(frozen=True, slots=True)
class Upstream:
    """A provider of the matrix: Azure speaks OpenAI's wire with a key and an address of its own."""

    name: str
    wire: Wire
    azure: bool = False


UPSTREAMS: Sequence[Upstream] = (
    Upstream("chat", "chat_completions"),
    Upstream("responses", "responses"),
    Upstream("messages", "anthropic_messages"),
    Upstream("azure", "chat_completions", azure=True),
)
_CLEAN = "clean end without an end"


@dataclass(frozen=True, slots=True)
class Fault:
    """`make` plays it on a wire; `answered` is whether the caller gets a whole answer all the same."""

    name: str
    make: Callable[[WireScript], Reply]
    bill: Bill
    answered: bool = False

    @property
    def slug(self) -> str:
        return "".join(letter if letter.isalnum() else "-" for letter in self.name.lower())


def _half(wire: WireScript) -> list[Part]:
    return [*wire.opening(), wire.text(HALF)]


def _without_usage(wire: WireScript) -> Reply:
    begun = [*wire.opening(), wire.text(WHOLE)]
    match wire:
        case ChatScript():
            return Reply([*begun, wire.finish(), DONE])
        case ResponsesScript():
            return Reply([*begun, wire.ended("completed", usage=None)])
        case AnthropicScript():
            return Reply([*begun, wire.finish(), wire.event("message_stop")])
    raise AssertionError


def _usage_twice(wire: WireScript) -> Reply:
    """Cumulative: the last one counts."""
    begun = [*wire.opening(), wire.text(WHOLE)]
    match wire:
        case ChatScript():
            return Reply([*begun, wire.finish(), wire.usage(9, 1), wire.usage(9, 7), DONE])
        case ResponsesScript():
            before = wire.event(
                "response.in_progress", response=wire.response("in_progress", usage=wire.usage(9, 1))
            )
            return Reply([*begun, before, *wire.ending(9, 7)])
        case AnthropicScript():
            return Reply([*begun, wire.finish(usage=wire.usage(9, 1)), *wire.ending(9, 7)])
    raise AssertionError


def _ending(output: int) -> Callable[[WireScript], Reply]:
    return lambda wire: Reply([*wire.opening(), wire.text(WHOLE), *wire.ending(output=output)])


def _in_pieces(size: int) -> Callable[[WireScript], Reply]:
    def make(wire: WireScript) -> Reply:
        raw = b"".join([*wire.opening(), wire.text(WHOLE), *wire.ending(9, 7)])
        return Reply([raw[at : at + size] for at in range(0, len(raw), size)])

    return make


def _split_characters(wire: WireScript) -> Reply:
    """A write ends within each character that has more than one byte."""
    raw = b"".join([*wire.opening(), wire.text(WHOLE), *wire.ending(9, 7)])
    cuts = [0, *(at for at in range(1, len(raw)) if raw[at] & 0xC0 == 0x80), len(raw)]
    return Reply([raw[start:end] for start, end in itertools.pairwise(cuts)])


def _trailing_garbage(wire: WireScript) -> Reply:
    reply = whole_answer(wire, WHOLE)
    return replace(reply, parts=[*reply.parts, b"data: {nonsense\n\n", b"\xff\xfe garbage"])


def _of(name: str) -> Callable[[WireScript], Reply]:
    return scripts.FAULTS[name]


def _rate_limited_alone(wire: WireScript) -> Reply:
    reply = _of("rate limited")(wire)
    headers = {name: value for name, value in reply.headers.items() if name != "Retry-After"}
    return replace(reply, headers=headers)


FAULTS: Sequence[Fault] = (
    Fault("none", _in_pieces(10**6), "as reported", answered=True),
    Fault("clean end without an end", _of(_CLEAN), "by our count"),
    Fault("cut in the middle", _of("cut in the middle of a chunked body"), "by our count"),
    Fault("reset in the middle", _of("reset in the middle"), "by our count"),
    Fault("reset before a byte", _of("reset before a byte"), "nothing"),
    Fault("200 with HTML", _of("html with 200"), "nothing"),
    Fault("empty 200", _of("empty body"), "nothing"),
    Fault("broken JSON", _of("broken json"), "by our count"),
    Fault("error event first", _of("error event first"), "nothing"),
    Fault("error event in the middle", _of("error event in the middle"), "by our count"),
    Fault("429 with Retry-After", _of("rate limited"), "nothing"),
    Fault("429 without Retry-After", _rate_limited_alone, "nothing"),
    Fault("500", _of("failing"), "nothing"),
    Fault(
        "keep-alives for ever, no answer", lambda wire: Reply([*wire.opening(), KeepAlive(0.25)]), "nothing"
    ),
    Fault(
        "keep-alives for ever, half an answer",
        lambda wire: Reply([*_half(wire), KeepAlive(0.25)]),
        "by our count",
    ),
    Fault("usage missing", _without_usage, "by our count", answered=True),
    Fault("usage twice", _usage_twice, "as reported", answered=True),
    Fault("usage of -5", _ending(-5), "bounded", answered=True),
    Fault("usage of a million millions", _ending(10**12), "bounded", answered=True),
    Fault("one byte a packet", _in_pieces(1), "as reported", answered=True),
    Fault("characters split over packets", _split_characters, "as reported", answered=True),
    Fault("trailing garbage", _trailing_garbage, "as reported", answered=True),
)


def _leaves_before_a_byte(wire: WireScript) -> Reply:
    return Reply([Pause(HOLDS_BACK_S)])


def _leaves_in_the_middle(wire: WireScript) -> Reply:
    return Reply([*_half(wire), Pause(HOLDS_BACK_S)])


def _leaves_before_usage(wire: WireScript) -> Reply:
    """After the last word; on the responses wire the end and the usage are one event."""
    begun = [*wire.opening(), wire.text(WHOLE)]
    match wire:
        case ChatScript():
            begun.append(wire.finish())
        case AnthropicScript():
            begun.append(wire.finish())
    return Reply([*begun, Pause(HOLDS_BACK_S)])


LEAVING: Sequence[Fault] = (
    Fault("the caller leaves before the first byte", _leaves_before_a_byte, "nothing"),
    Fault("the caller leaves in the middle", _leaves_in_the_middle, "by our count"),
    Fault("the caller leaves before usage", _leaves_before_usage, "by our count"),
)


EMBEDDINGS = "embeddings"


def _vectors(*vectors: object, usage: int | None = 4, after: bytes = b"") -> Callable[[WireScript], Reply]:
    data = [{"object": "embedding", "index": at, "embedding": vector} for at, vector in enumerate(vectors)]
    told = {} if usage is None else {"usage": {"prompt_tokens": usage, "total_tokens": usage}}
    return _json(json.dumps({"object": "list", "data": data, **told}).encode() + after)


def _json(*parts: Part, framing: Literal["chunked", "cut"] = "chunked") -> Callable[[WireScript], Reply]:
    return lambda _: Reply(parts, headers={"Content-Type": "application/json"}, framing=framing)


EMBEDDING_FAULTS: Sequence[Fault] = (
    Fault("none", _vectors([1, 0], [0, 1]), "as reported", answered=True),
    Fault("reset in the middle", _json(b'{"data": [', Pause(0.05), Reset()), "nothing"),
    Fault("reset before a byte", _of("reset before a byte"), "nothing"),
    Fault("cut in the middle", _json(b'{"data": [', framing="cut"), "nothing"),
    Fault("200 with HTML", _of("html with 200"), "nothing"),
    Fault("empty 200", _json(), "nothing"),
    Fault("broken JSON", _json(b'{"data": [{"ind'), "nothing"),
    Fault("trailing garbage", _vectors([1, 0], [0, 1], after=b"}{"), "nothing"),
    Fault("a vector missing", _vectors([1, 0]), "nothing"),
    Fault("an error in a 200", _json(b'{"error": {"code": "server_error", "message": "x"}}'), "nothing"),
    Fault("429 with Retry-After", _of("rate limited"), "nothing"),
    Fault("500", _of("failing"), "nothing"),
    Fault("usage missing", _vectors([1, 0], [0, 1], usage=None), "by our count", answered=True),
    Fault("usage of -5", _vectors([1, 0], [0, 1], usage=-5), "bounded", answered=True),
    Fault("usage of a million millions", _vectors([1, 0], [0, 1], usage=10**12), "bounded", answered=True),
    Fault("silence", _json(Pause(HOLDS_BACK_S)), "nothing"),
)


def reply_to(request: Request) -> Reply:
    """The fault that the model's name asks for."""
    short, _, slug = str(request.body["model"]).partition("-")
    if short == EMBEDDINGS:
        return next(fault for fault in EMBEDDING_FAULTS if fault.slug == slug).make(ChatScript())
    if short == "azure":
        _as_azure_is_asked(request)
    wire = next(upstream.wire for upstream in UPSTREAMS if upstream.name == short)
    return next(fault for fault in (*FAULTS, *LEAVING) if fault.slug == slug).make(wire_script(wire))


def _as_azure_is_asked(request: Request) -> None:
    deployment = f"/openai/deployments/{request.body['model']}/chat/completions?api-version=2024-10-21"
    assert request.path == deployment, request.path
    assert "authorization" not in request.headers


def config(port_of_upstream: int) -> str:
    """tiltyard.toml with a model for each fault on each wire, at $1 and $4 for a million tokens."""
    lines = [
        '[[tiers]]\nno = 1\npaid_usd = "0"\nrequests_per_minute = 100000\ntokens_per_minute = 100000000\n'
    ]
    for upstream in UPSTREAMS:
        base = "openai" if upstream.azure else "v1"
        lines.append(
            f'[providers.{upstream.name}]\nbase_url = "http://127.0.0.1:{port_of_upstream}/{base}"\n'
            f'wire = "{upstream.wire}"\nallow_private_address = true\n'
            + ('key_header = "api-key"\ndeployments = true\napi_version = "2024-10-21"\n' * upstream.azure)
        )
    for upstream in UPSTREAMS:
        endpoint = "messages" if upstream.wire == "anthropic_messages" else upstream.wire
        for fault in (*FAULTS, *LEAVING):
            model = f"{upstream.name}-{fault.slug}"
            lines.append(
                f'[[models]]\nid = "faulty/{model}"\ncontext_tokens = 32768\nmax_output_tokens = 4096\n'
                f'tokenizer = "o200k"\nendpoints = ["{endpoint}"]\n'
                'input_usd_per_million = "1.00"\noutput_usd_per_million = "4.00"\n'
                f'providers = [ {{ id = "{upstream.name}", model = "{model}" }} ]\n'
            )
    for fault in EMBEDDING_FAULTS:
        model = f"{EMBEDDINGS}-{fault.slug}"
        lines.append(
            f'[[models]]\nid = "faulty/{model}"\ncontext_tokens = 8192\nmax_output_tokens = 1\n'
            f'tokenizer = "o200k"\nendpoints = ["{EMBEDDINGS}"]\nvector_dimensions = 2\n'
            'input_usd_per_million = "1.00"\noutput_usd_per_million = "0"\n'
            f'providers = [ {{ id = "chat", model = "{model}" }} ]\n'
        )
    return "\n".join(lines)
