"""Any server that speaks OpenAI's chat completions, its responses or Anthropic's messages, over raw
server-sent events; and OpenAI's embeddings.

One request a call: nothing is retried, no redirect followed, no cookie kept, no proxy taken from the
environment. An answer counts only as far as it is one: a success that is not an event stream, broken
JSON and a cut connection are each named. What a server says in prose never leaves this module, and
neither does its key.
"""

from __future__ import annotations

import asyncio
import contextlib
import email.utils
import time
from collections.abc import AsyncGenerator, Callable, Mapping
from urllib.parse import quote

import msgspec

from gateway.errors import ProviderBroke, ProviderError, ProviderTimeout, ProviderUnreachable
from gateway.messages import Event, ReasoningDelta, TextDelta, ToolCallDelta
from gateway.providers import wire_embeddings
from gateway.providers.base import Call, Clocks, Embedded, EmbeddingCall, Wire
from gateway.providers.server_sent_events import FrameCutter, FrameTooLarge
from gateway.providers.wire import Answer, ErrorBody, garbled, read_error, refusal
from gateway.providers.wire_chat_request import ChatDialect
from gateway.providers.wires import PATHS, answer_to, asked
from net.guard import AddressRefused, check_url
from net.http_client import (
    ConnectTimeout,
    HttpClient,
    HttpConnection,
    HttpFailed,
    NoAddress,
    NoConnection,
    NotHttp,
    NotTrusted,
    Tcp,
    Way,
    path_of,
)

_ANTHROPIC_VERSION = "2023-06-01"
_MOST_ERROR_BYTES = 64 * 1024
_MOST_EMBEDDING_BYTES = 128 * 1024 * 1024
_ERROR_BODY_S = 2.0  # an error's body is worth no longer a wait
_TAIL_S = 0.05  # to see the connection end properly, so that it can be used again
_LONGEST_RETRY_AFTER_S = 24 * 3600.0


class OpenAICompatible:
    """One provider. Its connections are opened with the first call and shared by all.

    `wire` holds where a call names none; `chat` is its dialect of the chat wire. `key_header` is where
    it wants its key: None is the wire's own way. With `deployments` a model is part of the path, and
    `api_version` goes into each address, as Azure has it. `way` replaces the guarded way out (for a socket
    of our own), and then each call has a connection to itself; `explain` may put an error into better words.
    Raises `UrlRefused` for a base URL that may not be called.
    """

    def __init__(
        self,
        id: str,
        base_url: str,
        api_key: str | None = None,
        wire: Wire = "chat_completions",
        allow_private_address: bool = False,
        *,
        chat: ChatDialect | None = None,
        key_header: str | None = None,
        deployments: bool = False,
        api_version: str | None = None,
        headers: Mapping[str, str] | None = None,
        way: Way | None = None,
        explain: Callable[[int, ErrorBody], ProviderError | None] | None = None,
    ) -> None:
        if way is None:
            check_url(base_url, allow_private_address=allow_private_address)
        self.id = id
        self._http = HttpClient(
            way or Tcp(base_url, allow_private_address=allow_private_address), keeps=way is None
        )
        self._path = path_of(base_url)
        self._wire = wire
        self._chat = chat or ChatDialect()
        self._deployments = deployments
        self._query = f"?api-version={quote(api_version, safe='')}" if api_version else ""
        common = {
            **(headers or {}),
            "Content-Type": "application/json",
            "Accept-Encoding": "identity",  # a compressor would hold tokens back
            "User-Agent": "Tiltyard",
        }
        streamed = {**common, "Accept": "text/event-stream"}
        usual, messages = key_header or "Authorization", key_header or "x-api-key"
        self._headers = {**streamed, **_keyed(usual, api_key)}
        self._json_headers = {**common, "Accept": "application/json", **_keyed(usual, api_key)}
        self._messages_headers = {
            **streamed,
            "anthropic-version": _ANTHROPIC_VERSION,
            **_keyed(messages, api_key),
        }
        self._explain = explain or (lambda status, error: None)
        self._heads: dict[tuple[str, str], bytes] = {}

    async def stream(self, call: Call) -> AsyncGenerator[Event, None]:
        async with contextlib.aclosing(self.batches(call)) as batches:
            async for batch in batches:
                for event in batch:
                    yield event

    async def batches(self, call: Call) -> AsyncGenerator[list[Event], None]:
        """What `stream` yields, a list for each read from the network."""
        wire = call.wire or self._wire
        headers = self._messages_headers if wire == "anthropic_messages" else self._headers
        answer = answer_to(call, wire, self._chat, self.id)
        body = msgspec.json.encode(asked(call, wire, self._chat))
        connection: HttpConnection | None = None
        try:
            connection = await self._post(call, PATHS[wire], body, headers)
            await self._refuse_what_is_no_stream(connection)
            cutter = FrameCutter()
            while not answer.done:
                if read := await connection.read():
                    _mark_first_byte(call.clocks)
                    frames = cutter.feed(read)
                else:
                    frames = cutter.close()
                batch, error = _taken(answer, frames)
                if batch:
                    if chars := _chars(batch):
                        call.clocks.read(chars)
                    yield batch
                if error is not None:
                    raise error
                if not read:
                    break
            if ending := answer.end():
                yield ending
            await _read_to_end(connection)
        except (HttpFailed, OSError) as error:
            raise self._named(error, call) from error
        except FrameTooLarge as error:
            raise garbled(self.id) from error
        finally:
            if connection is not None:
                self._http.done(connection)

    async def embed(self, call: EmbeddingCall) -> Embedded:
        body = msgspec.json.encode(wire_embeddings.embeddings_body(call))
        connection: HttpConnection | None = None
        try:
            connection = await self._post(call, wire_embeddings.PATH, body, self._json_headers)
            await self._refuse_an_error(connection)
            reply = await self._whole_json(connection, call.clocks)
        except (HttpFailed, OSError) as error:
            raise self._named(error, call) from error
        finally:
            if connection is not None:
                self._http.done(connection)
        return wire_embeddings.embedded_of(reply, len(call.inputs), self.id)

    async def close(self) -> None:
        await self._http.close()

    # --- asking ---------------------------------------------------------------------------------

    async def _post(
        self, call: Call | EmbeddingCall, path: str, body: bytes, headers: Mapping[str, str]
    ) -> HttpConnection:
        """Ask, and wait for the status."""
        clocks = call.clocks

        def sent() -> None:
            if clocks.sent_ns is None:  # else a wait for a turn was what began it
                clocks.sent_ns = time.monotonic_ns()

        head = self._head(path, call.model, headers)
        connection = await self._http.post(head, body, call.deadlines.connect_s, sent)
        try:
            await connection.head()
        except BaseException:
            connection.close()
            raise
        return connection

    def _head(self, path: str, model: str, headers: Mapping[str, str]) -> bytes:
        """The same for every call of a model. The responses wire names its deployment in the body."""
        deployed = model if self._deployments and path != PATHS["responses"] else ""
        head = self._heads.get((path, deployed))
        if head is None:
            deployment = f"/deployments/{quote(deployed, safe='')}" if deployed else ""
            head = self._http.head(self._path + deployment + path + self._query, headers)
            self._heads[path, deployed] = head
        return head

    # --- reading --------------------------------------------------------------------------------

    async def _refuse_an_error(self, connection: HttpConnection) -> None:
        if connection.status != 200:
            error = read_error(await _beginning(connection))
            better = self._explain(connection.status, error)
            retry_after_s = _retry_after_s(connection.headers)
            raise better or refusal(self.id, connection.status, error, retry_after_s)

    async def _refuse_what_is_no_stream(self, connection: HttpConnection) -> None:
        await self._refuse_an_error(connection)
        headers = connection.headers
        if not headers.get("content-type", "text/event-stream").lower().startswith("text/event-stream"):
            raise ProviderBroke(self.id, "The provider answered, but not with a stream.", status=200)
        if headers.get("content-encoding", "identity").lower() != "identity":
            raise ProviderBroke(self.id, "The provider compressed its stream unasked.", status=200)

    async def _whole_json(self, connection: HttpConnection, clocks: Clocks) -> bytes:
        kind = connection.headers.get("content-type", "application/json").lower()
        if "json" not in kind:
            raise ProviderBroke(self.id, "The provider answered, but not with JSON.", status=200)
        reply = bytearray()
        while read := await connection.read():
            _mark_first_byte(clocks)
            reply += read
            if len(reply) > _MOST_EMBEDDING_BYTES:
                raise garbled(self.id)
        clocks.last_ns = time.monotonic_ns()
        return bytes(reply)

    def _named(self, error: Exception, call: Call | EmbeddingCall) -> ProviderError:
        """The error of the network as the caller knows it."""
        match error:
            case ConnectTimeout():
                return ProviderTimeout(self.id, "connect", call.deadlines.connect_s)
            case AddressRefused():
                why = "The provider's address is not public; allow_private_address = true permits that."
                return ProviderUnreachable(self.id, why)
            case NotTrusted():
                why = "The provider's certificate or encryption is not trusted."
                return ProviderUnreachable(self.id, why)
            case NoAddress():
                return ProviderUnreachable(self.id, "The provider's name leads to no address.")
            case NoConnection() | OSError():
                return ProviderUnreachable(self.id, "The provider takes no connection.")
            case NotHttp():
                return garbled(self.id)
        if call.clocks.first_byte_ns is None:
            return ProviderBroke(self.id, "The provider closed the connection without an answer.")
        return ProviderBroke(self.id, "The provider cut its answer short.")


def _keyed(header: str, api_key: str | None) -> dict[str, str]:
    if not api_key:
        return {}
    return {header: f"Bearer {api_key}" if header.lower() == "authorization" else api_key}


def _mark_first_byte(clocks: Clocks) -> None:
    if clocks.first_byte_ns is None:
        clocks.first_byte_ns = time.monotonic_ns()


def _taken(answer: Answer, frames: list[bytes]) -> tuple[list[Event], ProviderError | None]:
    """The events of these frames, and the error that one of them tells: what came before it did come."""
    events: list[Event] = []
    try:
        for frame in frames:
            events += answer.take(frame)
            if answer.done:
                break
    except ProviderError as error:
        return events, error
    return events, None


async def _beginning(connection: HttpConnection) -> bytes:
    """The first of an error's body, as far as it comes soon."""
    body = b""
    with contextlib.suppress(TimeoutError, HttpFailed):
        async with asyncio.timeout(_ERROR_BODY_S):
            while len(body) < _MOST_ERROR_BYTES and (read := await connection.read()):
                body += read
    return body


async def _read_to_end(connection: HttpConnection) -> None:
    """After its last event a stream has nothing left but its end; seen, the connection can be kept."""
    if connection.at_end:
        return
    with contextlib.suppress(TimeoutError, HttpFailed):
        async with asyncio.timeout(_TAIL_S):
            while await connection.read():
                pass


def _retry_after_s(headers: Mapping[str, str]) -> float | None:
    """Seconds or a date (RFC 9110, 10.2.3), or OpenAI's and Azure's milliseconds; None where it says
    nothing that can be."""
    exact = headers.get("retry-after-ms", "").strip()
    said = exact or headers.get("retry-after", "").strip()
    if not said:
        return None
    try:
        wait_s = float(said) / (1000 if exact else 1)
    except ValueError:
        try:
            wait_s = email.utils.parsedate_to_datetime(said).timestamp() - time.time_ns() / 1e9
        except (ValueError, OverflowError):
            return None
    return min(max(wait_s, 0.0), _LONGEST_RETRY_AFTER_S) if wait_s == wait_s else None


def _chars(batch: list[Event]) -> int:
    """How much of the answer this is."""
    chars = 0
    for event in batch:
        if isinstance(event, (TextDelta, ReasoningDelta)):
            chars += len(event.text)
        elif isinstance(event, ToolCallDelta):
            chars += len(event.arguments)
    return chars
