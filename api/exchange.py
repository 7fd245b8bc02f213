"""One request and its answer: what a handler reads, and how its answer goes out.

A body is read only when a handler asks for it, which is after the caller is known; it is counted
while it streams and never held beyond the limit.
"""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from urllib.parse import parse_qsl

import msgspec
from starlette.types import Receive, Scope, Send

from api.errors import BodyTooSlow, EncodingRefused
from api.services import ApiServices
from api.wire.shapes import WireName
from gateway.errors import BadRequest, TooLarge

ACCEPTED_NS = "tiltyard.accepted_ns"
REQUEST_ID = "tiltyard.request_id"
PRINCIPAL = "tiltyard.principal"  # who asks, once that is known
ANSWER_HEADERS = "tiltyard.answer_headers"  # a function: what to add when the answer begins
_BODY_WITHIN_S = 60.0

Headers = tuple[tuple[bytes, bytes], ...]


class CallerLeft(Exception):
    """The connection is gone; there is nobody to answer."""


@dataclass(frozen=True, slots=True)
class Text:
    """A body that is not JSON."""

    content: str
    media_type: str


class Answer(msgspec.Struct, frozen=True):
    """A whole answer: as JSON, or a `Text` as it is."""

    status: int
    body: object
    headers: Headers = ()


class _Patience:
    """Ends the wait for a body after so many seconds. Raises `BodyTooSlow`.

    What `asyncio.timeout` does, in a tenth of its time: of each request this is nearly all for nothing.
    """

    def __init__(self, seconds: float) -> None:
        self._task = asyncio.current_task()
        self._timer = asyncio.get_running_loop().call_later(seconds, self._ring)
        self._rang = False

    def __enter__(self) -> None:
        pass

    def __exit__(self, kind: type[BaseException] | None, *_: object) -> None:
        self._timer.cancel()
        if (
            self._rang
            and self._task is not None
            and not self._task.uncancel()
            and kind is asyncio.CancelledError
        ):
            raise BodyTooSlow from None

    def _ring(self) -> None:
        self._rang = True
        if self._task is not None:
            self._task.cancel()


class Exchange:
    """`started` is set by whoever has begun to answer: from then on no other answer is possible."""

    __slots__ = (
        "accepted_ns",
        "params",
        "receive",
        "request_id",
        "scope",
        "send",
        "services",
        "started",
        "tail",
        "wire",
    )  # fmt: skip

    def __init__(
        self,
        scope: Scope,
        receive: Receive,
        send: Send,
        services: ApiServices,
        tail: str = "",
        wire: WireName = "openai",
    ) -> None:
        self.scope = scope
        self.receive = receive
        self.send = send
        self.services = services
        self.tail = tail  # what follows the route's own path
        self.wire = wire  # whose errors this caller understands
        self.request_id: str = scope[REQUEST_ID]
        self.accepted_ns: int = scope[ACCEPTED_NS]
        self.started = False
        self.params: dict[str, str] = {}  # what the path says in its named places

    @property
    def method(self) -> str:
        return str(self.scope["method"])

    def header(self, name: bytes) -> str | None:
        """The first header of that name, in lower case here. Bytes beyond ASCII stay as Latin-1."""
        for key, value in self.scope["headers"]:
            if key == name:
                return bytes(value).decode("latin-1")
        return None

    def query(self, name: str) -> str | None:
        return next((value for key, value in self.queries() if key == name), None)

    def queries(self) -> list[tuple[str, str]]:
        """All that the address asks, in its order; what has no value is left out."""
        try:
            return parse_qsl(self.scope["query_string"].decode("ascii"), max_num_fields=20)
        except ValueError:
            raise BadRequest("The query of this address cannot be read.") from None

    async def body(self) -> bytes:
        """The whole body. Raises `TooLarge`, `EncodingRefused`, `BodyTooSlow` and `CallerLeft`."""
        limit = self.services.max_body_bytes
        if self.header(b"content-encoding") not in (None, "", "identity"):
            raise EncodingRefused
        announced = self.header(b"content-length")
        if announced is not None and announced.isdigit() and int(announced) > limit:
            raise _too_large(limit)
        with _Patience(_BODY_WITHIN_S):
            return await self._read(limit)

    async def _read(self, limit: int) -> bytes:
        pieces: list[bytes] = []
        size = 0
        while True:
            message = await self.receive()
            if message["type"] == "http.disconnect":
                raise CallerLeft
            piece = message.get("body", b"")
            size += len(piece)
            if size > limit:
                raise _too_large(limit)
            pieces.append(piece)
            if not message.get("more_body", False):
                return b"".join(pieces)

    async def answer(self, answer: Answer) -> None:
        self.started = True
        await send_answer(self.send, answer, with_body=self.method != "HEAD")


async def send_answer(send: Send, answer: Answer, *, with_body: bool) -> None:
    body, media_type = b"", b"application/json"
    if isinstance(answer.body, Text):
        body, media_type = answer.body.content.encode(), answer.body.media_type.encode()
    elif answer.status != 204:
        body = msgspec.json.encode(answer.body)
    headers = [(b"cache-control", b"no-store"), *answer.headers]
    if answer.status != 204:
        headers += [(b"content-type", media_type), (b"content-length", str(len(body)).encode())]
    await send({"type": "http.response.start", "status": answer.status, "headers": headers})
    await send({"type": "http.response.body", "body": body if with_body else b""})


def header_value(text: str) -> bytes:
    """Text as a header may carry it: printable ASCII in one line, everything else replaced."""
    if text.isascii() and text.isprintable():
        return text.encode()
    return "".join(letter if " " <= letter <= "~" else "?" for letter in text).encode()


def _too_large(limit: int) -> TooLarge:
    return TooLarge(f"The request body is larger than {limit // 1024} kB, which is this server's limit.")
