"""What a connection may be before and after its request, on uvicorn itself."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass

import pytest
import uvicorn
from starlette.types import Receive, Scope, Send
from websockets.asyncio.client import connect

from api.connection import MOST_HEAD_BYTES, BoundedHttp, bound_connections

GET = b"GET / HTTP/1.1\r\nhost: localhost\r\n"


class Hasty(BoundedHttp):
    head_within_s = 0.3
    rest_within_s = 0.3


async def app(scope: Scope, receive: Receive, send: Send) -> None:
    """Answers at once; with /slow once it was told that the caller has left, or the body is there. A
    WebSocket hears what it said."""
    if scope["type"] == "websocket":
        await receive()
        await send({"type": "websocket.accept"})
        while (said := await receive())["type"] == "websocket.receive":
            await send({"type": "websocket.send", "text": said["text"]})
        return
    if scope["path"] == "/slow":
        await receive()
    headers = [(b"content-length", b"2")]
    await send({"type": "http.response.start", "status": 200, "headers": headers})
    await send({"type": "http.response.body", "body": b"ok"})


@dataclass(frozen=True, slots=True)
class Wire:
    reader: asyncio.StreamReader
    writer: asyncio.StreamWriter

    async def said(self, *pieces: bytes) -> bytes:
        """All that comes until the other side ends the connection."""
        for piece in pieces:
            self.writer.write(piece)
            await self.writer.drain()
            await asyncio.sleep(0)
        async with asyncio.timeout(10):
            return await self.reader.read()

    async def answered(self, asked: bytes) -> bytes:
        """One answer; the connection stays."""
        self.writer.write(asked)
        async with asyncio.timeout(10):
            return await self.reader.readuntil(b"\r\n\r\nok")


@pytest.fixture
async def port() -> AsyncIterator[int]:
    async with serving(Hasty) as where:
        yield where


@asynccontextmanager
async def serving(http: type[BoundedHttp]) -> AsyncIterator[int]:
    listening = socket.create_server(("127.0.0.1", 0))
    config = uvicorn.Config(app, http=http, log_level="critical", lifespan="off")
    server = uvicorn.Server(config)
    task = asyncio.create_task(server.serve([listening]))
    async with asyncio.timeout(5):
        while not server.started:
            await asyncio.sleep(0.005)
    yield listening.getsockname()[1]
    server.should_exit = True
    await task


@asynccontextmanager
async def connected(port: int) -> AsyncIterator[Wire]:
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    try:
        yield Wire(reader, writer)
    finally:
        writer.close()


def test_where_uvicorn_has_httptools_every_connection_is_bounded() -> None:
    config = uvicorn.Config(app)
    config.load()
    bound_connections(config)
    assert config.http_protocol_class is BoundedHttp


async def test_who_says_nothing_is_let_go(port: int) -> None:
    async with connected(port) as wire:
        assert await wire.said() == b""


async def test_a_head_that_comes_too_slowly_is_408(port: int) -> None:
    async with connected(port) as wire:
        assert (await wire.said(GET, b"x-a: ", b"b")).startswith(b"HTTP/1.1 408 ")


async def test_so_is_the_second_one_of_a_connection(port: int) -> None:
    async with connected(port) as wire:
        assert (await wire.answered(GET + b"\r\n")).startswith(b"HTTP/1.1 200 ")
        assert (await wire.said(GET)).startswith(b"HTTP/1.1 408 ")


@pytest.mark.parametrize(
    "pieces",
    [
        (GET + b"x-a: " + b"a" * 2 * MOST_HEAD_BYTES + b"\r\n\r\n",),
        (GET, *(b"x-a: " + b"a" * 1_000 + b"\r\n" for _ in range(2 * MOST_HEAD_BYTES // 1_000))),
        (GET + b"x-a: ", *(b"a" * 1_000 for _ in range(2 * MOST_HEAD_BYTES // 1_000))),
        (GET + b"".join(b"x-%d: a\r\n" % at for at in range(20_000)) + b"\r\n",),
        (b"GET /" + b"a" * 2 * MOST_HEAD_BYTES,),
    ],
    ids=["at once", "many headers", "one header without an end", "20,000 headers", "an address"],
)
async def test_a_head_that_is_too_large_is_431_whatever_way_it_comes(pieces: tuple[bytes, ...]) -> None:
    async with serving(BoundedHttp) as port, connected(port) as wire:
        try:
            said = await wire.said(*pieces)
        except ConnectionError:  # it was refused before all of it was sent
            return
        assert said.startswith(b"HTTP/1.1 431 "), said[:80]
        assert said.count(b"HTTP/1.1") == 1


async def test_a_body_is_no_head_however_large_and_in_whatever_pieces() -> None:
    body = b"a" * 300_000
    head = b"POST /slow HTTP/1.1\r\nhost: localhost\r\ncontent-length: %d\r\n\r\n" % len(body)
    async with serving(BoundedHttp) as port, connected(port) as wire:
        for _ in range(3):
            assert (await wire.answered(head + body)).startswith(b"HTTP/1.1 200 ")


async def test_an_answer_may_take_longer_than_a_head(port: int) -> None:
    async with connected(port) as wire:
        asking = asyncio.create_task(
            wire.answered(b"POST /slow HTTP/1.1\r\nhost: localhost\r\ntransfer-encoding: chunked\r\n\r\n")
        )
        await asyncio.sleep(2 * Hasty.head_within_s)
        wire.writer.write(b"1\r\na\r\n")
        assert (await asking).startswith(b"HTTP/1.1 200 ")


async def test_a_body_that_never_ends_is_not_waited_for_once_it_was_answered(port: int) -> None:
    head = b"POST / HTTP/1.1\r\nhost: localhost\r\ntransfer-encoding: chunked\r\n\r\n1\r\na\r\n"
    async with connected(port) as wire:
        assert (await wire.answered(head)).startswith(b"HTTP/1.1 200 ")
        assert await wire.said(b"1\r\nb\r\n") == b""


async def test_a_websocket_that_says_nothing_stays_open(port: int) -> None:
    async with connect(f"ws://127.0.0.1:{port}/", proxy=None) as channel:
        await asyncio.sleep(3 * Hasty.head_within_s)
        await channel.send("still there")
        async with asyncio.timeout(10):
            assert await channel.recv() == "still there"
