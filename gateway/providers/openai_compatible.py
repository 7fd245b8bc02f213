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
import ssl
import time
from collections.abc import AsyncGenerator, AsyncIterator, Callable, Mapping
from urllib.parse import quote

import aiohttp
import msgspec
from aiohttp.abc import AbstractStreamWriter

from gateway.errors import ProviderBroke, ProviderError, ProviderTimeout, ProviderUnreachable
from gateway.messages import Event, ReasoningDelta, TextDelta, ToolCallDelta
from gateway.providers import wire_embeddings
from gateway.providers.base import Call, Clocks, Embedded, EmbeddingCall, Wire
from gateway.providers.server_sent_events import FrameCutter, FrameTooLarge
from gateway.providers.wire import ErrorBody, garbled, read_error, refusal
from gateway.providers.wire_chat_request import ChatDialect
from gateway.providers.wires import PATHS, answer_to, asked
from net.guard import AddressRefused, check_url, guarded_connector

_ANTHROPIC_VERSION = "2023-06-01"
_READ_BYTES = 16 * 1024  # twice this waits for a caller who reads slowly, not half a megabyte
_MOST_ERROR_BYTES = 64 * 1024
_MOST_EMBEDDING_BYTES = 128 * 1024 * 1024
_ERROR_BODY_S = 2.0  # an error's body is worth no longer a wait
_TAIL_S = 0.05  # to see the connection end properly, so that it can be used again
_LONGEST_RETRY_AFTER_S = 24 * 3600.0


class OpenAICompatible:
    """One provider. Its connections are opened with the first call and shared by all.

    `wire` holds where a call names none; `chat` is its dialect of the chat wire. `key_header` is where
    it wants its key: None is the wire's own way. With `deployments` a model is part of the path, and
    `api_version` goes into each address, as Azure has it. `connector` replaces the guarded way out (for
    a socket of our own); `explain` may put an error into better words.
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
        connector: Callable[[], aiohttp.BaseConnector] | None = None,
        explain: Callable[[int, ErrorBody], ProviderError | None] | None = None,
    ) -> None:
        if connector is None:
            check_url(base_url, allow_private_address=allow_private_address)
        self.id = id
        self._base_url = base_url.rstrip("/")
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
        self._connector = connector or (
            lambda: guarded_connector(allow_private_address=allow_private_address)
        )
        self._explain = explain or (lambda status, error: None)
        self._session: aiohttp.ClientSession | None = None

    async def stream(self, call: Call) -> AsyncGenerator[Event, None]:
        async with contextlib.aclosing(self.batches(call)) as batches:
            async for batch in batches:
                for event in batch:
                    yield event

    async def batches(self, call: Call) -> AsyncGenerator[list[Event], None]:
        """What `stream` yields, a list for each read from the network."""
        wire = call.wire or self._wire
        answer = answer_to(call, wire, self._chat, self.id)
        headers = self._messages_headers if wire == "anthropic_messages" else self._headers
        body = msgspec.json.encode(asked(call, wire, self._chat))
        try:
            async with self._post(call, self._address(PATHS[wire], call.model), body, headers) as response:
                await self._refuse_what_is_no_stream(response)
                async for frames in _Reads(response, call.clocks):
                    batch: list[Event] = []
                    try:
                        for frame in frames:
                            batch += answer.take(frame)
                            if answer.done:
                                break
                    except ProviderError:
                        if batch:  # what came before it did come
                            yield batch
                        raise
                    if batch:
                        if chars := sum(map(_chars, batch)):
                            call.clocks.read(chars)
                        yield batch
                    if answer.done:
                        break
                if ending := answer.end():
                    yield ending
        except (aiohttp.ClientError, OSError) as error:
            raise self._named(error, call) from error
        except FrameTooLarge as error:
            raise garbled(self.id) from error

    async def embed(self, call: EmbeddingCall) -> Embedded:
        body = msgspec.json.encode(wire_embeddings.embeddings_body(call))
        address = self._address(wire_embeddings.PATH, call.model)
        try:
            async with self._post(call, address, body, self._json_headers) as response:
                await self._refuse_an_error(response)
                reply = await self._whole_json(response, call.clocks)
        except (aiohttp.ClientError, OSError) as error:
            raise self._named(error, call) from error
        return wire_embeddings.embedded_of(reply, len(call.inputs), self.id)

    async def close(self) -> None:
        if self._session is not None:
            await self._session.close()
            self._session = None

    # --- asking ---------------------------------------------------------------------------------

    def _address(self, path: str, model: str) -> str:
        """The responses wire names its deployment in the body, like any model."""
        deployment = f"/deployments/{quote(model, safe='')}" if self._deployments else ""
        return self._base_url + ("" if path == PATHS["responses"] else deployment) + path + self._query

    @contextlib.asynccontextmanager
    async def _post(
        self, call: Call | EmbeddingCall, address: str, body: bytes, headers: Mapping[str, str]
    ) -> AsyncIterator[aiohttp.ClientResponse]:
        response = await self._opened().post(
            address,
            data=_Body(body, call.clocks),
            headers=headers,
            allow_redirects=False,
            timeout=aiohttp.ClientTimeout(total=None, connect=call.deadlines.connect_s),
        )
        try:
            yield response
            await _read_to_end(response)
        finally:
            response.close()  # drops the connection, unless its answer was read to the end

    def _opened(self) -> aiohttp.ClientSession:
        if self._session is None:
            self._session = aiohttp.ClientSession(
                connector=self._connector(),
                cookie_jar=aiohttp.DummyCookieJar(),
                auto_decompress=False,
                trust_env=False,
                read_bufsize=_READ_BYTES,
            )
        return self._session

    # --- reading --------------------------------------------------------------------------------

    async def _refuse_an_error(self, response: aiohttp.ClientResponse) -> None:
        if response.status != 200:
            error = read_error(await _beginning(response))
            better = self._explain(response.status, error)
            raise better or refusal(self.id, response.status, error, _retry_after_s(response))

    async def _refuse_what_is_no_stream(self, response: aiohttp.ClientResponse) -> None:
        await self._refuse_an_error(response)
        kind = response.headers.get("Content-Type", "text/event-stream")
        if not kind.lower().startswith("text/event-stream"):
            raise ProviderBroke(self.id, "The provider answered, but not with a stream.", status=200)
        if response.headers.get("Content-Encoding", "identity").lower() != "identity":
            raise ProviderBroke(self.id, "The provider compressed its stream unasked.", status=200)

    async def _whole_json(self, response: aiohttp.ClientResponse, clocks: Clocks) -> bytes:
        kind = response.headers.get("Content-Type", "application/json").lower()
        if "json" not in kind:
            raise ProviderBroke(self.id, "The provider answered, but not with JSON.", status=200)
        reply = bytearray()
        while read := await response.content.readany():
            if clocks.first_byte_ns is None:
                clocks.first_byte_ns = time.monotonic_ns()
            reply += read
            if len(reply) > _MOST_EMBEDDING_BYTES:
                raise garbled(self.id)
        clocks.last_ns = time.monotonic_ns()
        return bytes(reply)

    def _named(self, error: Exception, call: Call | EmbeddingCall) -> ProviderError:
        """The error of the network as the caller knows it."""
        if isinstance(error, aiohttp.ConnectionTimeoutError):
            return ProviderTimeout(self.id, "connect", call.deadlines.connect_s)
        if _caused_by(error, AddressRefused):
            message = "The provider's address is not public; allow_private_address = true permits that."
            return ProviderUnreachable(self.id, message)
        if _caused_by(error, ssl.SSLError):
            return ProviderUnreachable(self.id, "The provider's certificate or encryption is not trusted.")
        if isinstance(error, aiohttp.ClientConnectorDNSError):
            return ProviderUnreachable(self.id, "The provider's name leads to no address.")
        if isinstance(error, aiohttp.ClientConnectorError):
            return ProviderUnreachable(self.id, "The provider takes no connection.")
        if isinstance(error, aiohttp.ClientResponseError):
            return garbled(self.id)
        if call.clocks.first_byte_ns is None:
            return ProviderBroke(self.id, "The provider closed the connection without an answer.")
        return ProviderBroke(self.id, "The provider cut its answer short.")


def _keyed(header: str, api_key: str | None) -> dict[str, str]:
    if not api_key:
        return {}
    return {header: f"Bearer {api_key}" if header.lower() == "authorization" else api_key}


class _Body(aiohttp.BytesPayload):
    """A request's body that marks when its last byte was written, unless a wait for a turn did so before."""

    def __init__(self, body: bytes, clocks: Clocks) -> None:
        super().__init__(body)
        self._clocks = clocks

    async def write_with_length(self, writer: AbstractStreamWriter, content_length: int | None) -> None:
        await super().write_with_length(writer, content_length)
        if self._clocks.sent_ns is None:
            self._clocks.sent_ns = time.monotonic_ns()


class _Reads:
    """The frames of each read from the network, a list a read; at a clean end those still waiting.

    A class and no generator, so that leaving it in the middle leaves nothing to close.
    """

    def __init__(self, response: aiohttp.ClientResponse, clocks: Clocks) -> None:
        self._content = response.content
        self._clocks = clocks
        self._cutter = FrameCutter()
        self._ended = False

    def __aiter__(self) -> _Reads:
        return self

    async def __anext__(self) -> list[bytes]:
        if self._ended:
            raise StopAsyncIteration
        read = await self._content.readany()
        if not read:
            self._ended = True
            return self._cutter.close()
        if self._clocks.first_byte_ns is None:
            self._clocks.first_byte_ns = time.monotonic_ns()
        return self._cutter.feed(read)


async def _beginning(response: aiohttp.ClientResponse) -> bytes:
    """The first of an error's body, as far as it comes soon."""
    body = b""
    with contextlib.suppress(TimeoutError, aiohttp.ClientError):
        async with asyncio.timeout(_ERROR_BODY_S):
            while len(body) < _MOST_ERROR_BYTES and (read := await response.content.readany()):
                body += read
    return body


async def _read_to_end(response: aiohttp.ClientResponse) -> None:
    """After its last event a stream has nothing left but its end; seen, the connection can be kept."""
    if response.content.at_eof():
        return
    with contextlib.suppress(TimeoutError, aiohttp.ClientError):
        async with asyncio.timeout(_TAIL_S):
            while not response.content.at_eof():
                await response.content.readany()


def _retry_after_s(response: aiohttp.ClientResponse) -> float | None:
    """Seconds or a date (RFC 9110, 10.2.3), or OpenAI's and Azure's milliseconds; None where it says
    nothing that can be."""
    exact = response.headers.get("retry-after-ms", "").strip()
    said = exact or response.headers.get("Retry-After", "").strip()
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


def _chars(event: Event) -> int:
    match event:
        case TextDelta(text) | ReasoningDelta(text):
            return len(text)
        case ToolCallDelta():
            return len(event.arguments)
        case _:
            return 0


def _caused_by(error: BaseException | None, kind: type[BaseException]) -> bool:
    while error is not None:
        if isinstance(error, kind):
            return True
        inner = getattr(error, "os_error", None)
        error = error.__cause__ or (inner if inner is not error else None)
    return False
