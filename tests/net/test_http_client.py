"""Our own HTTP client gives what came, in order, and never takes half an answer for a whole one.

What each fault looks like to a caller is tested where providers are (tests/gateway/providers).
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager

import pytest

from net.http_client import Cut, HttpClient, HttpConnection, NotHttp, Tcp
from net.http_connection import _MOST_UNREAD_BYTES

WHOLE = b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello"
Talk = Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]]


@asynccontextmanager
async def talking(talk: Talk) -> AsyncIterator[tuple[HttpClient, list[int]]]:
    """A client of a server that talks like that on each of its connections, which are counted."""
    connections: list[int] = []

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        connections.append(len(connections))
        try:
            await talk(reader, writer)
        except (OSError, asyncio.IncompleteReadError):
            pass
        finally:
            writer.close()

    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    async with server:
        port = server.sockets[0].getsockname()[1]
        client = HttpClient(Tcp(f"http://127.0.0.1:{port}/v1", allow_private_address=True))
        yield client, connections
        await client.close()


def saying(*answers: bytes) -> Talk:
    """Each answer after a request; then the end."""

    async def talk(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        for answer in answers:
            await reader.readuntil(b"\r\n\r\n")
            writer.write(answer)
            await writer.drain()

    return talk


async def asked(client: HttpClient) -> HttpConnection:
    connection = await client.post(client.head("/v1/x", {}), b"", 2.0, lambda: None)
    await connection.head()
    return connection


async def whole(connection: HttpConnection) -> bytes:
    body = b""
    while read := await connection.read():
        body += read
    return body


async def test_a_connection_serves_again_once_its_answer_was_read() -> None:
    async with talking(saying(WHOLE, WHOLE)) as (client, connections):
        for _ in range(2):
            connection = await asked(client)
            assert await whole(connection) == b"hello"
            client.done(connection)
    assert connections == [0]


async def test_an_answer_half_read_ends_its_connection() -> None:
    async with talking(saying(WHOLE[:-2], WHOLE)) as (client, connections):
        for _ in range(2):
            client.done(await asked(client))
    assert connections == [0, 1]


async def test_a_connection_that_goes_on_after_its_end_is_not_used_again() -> None:
    async with talking(saying(WHOLE + b"HTTP/1.1 500 No", WHOLE)) as (client, connections):
        for _ in range(2):
            connection = await asked(client)
            assert await whole(connection) == b"hello"
            client.done(connection)
    assert connections == [0, 1]


async def test_a_server_that_closed_an_idle_connection_costs_no_request() -> None:
    async with talking(saying(WHOLE)) as (client, connections):
        for _ in range(2):
            connection = await asked(client)
            assert await whole(connection) == b"hello"
            client.done(connection)
            while not connection.lost:
                await asyncio.sleep(0)
    assert connections == [0, 1]


async def test_news_on_the_way_is_no_answer() -> None:
    early = b"HTTP/1.1 103 Early Hints\r\nLink: </x>\r\n\r\n"
    async with talking(saying(early + WHOLE)) as (client, _):
        connection = await asked(client)
        assert connection.status == 200
        assert "link" not in connection.headers
        assert await whole(connection) == b"hello"


async def test_an_answer_without_a_length_ends_with_its_connection() -> None:
    async with talking(saying(b"HTTP/1.1 200 OK\r\n\r\nhello")) as (client, _):
        assert await whole(await asked(client)) == b"hello"


@pytest.mark.parametrize("head", [b"Content-Length: 6", b"Transfer-Encoding: chunked"])
async def test_an_answer_with_a_length_does_not(head: bytes) -> None:
    said = b"5\r\nhello\r\n" if b"chunked" in head else b"hello"
    async with talking(saying(b"HTTP/1.1 200 OK\r\n" + head + b"\r\n\r\n" + said)) as (client, _):
        connection = await asked(client)
        assert await connection.read() == b"hello"
        with pytest.raises(Cut):
            await connection.read()


@pytest.mark.parametrize(
    "answer",
    [b"<html>no</html>", b"HTTP/1.1 101 Go\r\nUpgrade: x\r\nConnection: upgrade\r\n\r\n",
     b"HTTP/1.1 200 OK\r\n" + b"X-Long: y\r\n" * 10_000],
    ids=["no HTTP", "another protocol", "a head without end"],
)  # fmt: skip
async def test_what_is_no_answer_is_told_apart(answer: bytes) -> None:
    async with talking(saying(answer)) as (client, _):
        with pytest.raises(NotHttp):
            await asked(client)


async def test_a_reader_that_stands_still_makes_the_server_wait() -> None:
    async def flood(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(b"HTTP/1.1 200 OK\r\n\r\n")
        while True:
            writer.write(b"x" * 65_536)
            await writer.drain()

    async with talking(flood) as (client, _):
        connection = await asked(client)
        while not connection._paused:
            await asyncio.sleep(0)
        first = await connection.read()
        assert _MOST_UNREAD_BYTES < len(first) < 1_000_000
        assert await connection.read()
        client.done(connection)


async def test_a_request_is_sent_when_its_last_byte_has_left() -> None:
    go_on = asyncio.Event()

    async def late(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await go_on.wait()
        await reader.readuntil(b"\r\n\r\n")
        await reader.readexactly(size)
        writer.write(WHOLE)
        await writer.drain()

    size, sent = 32 * 1024 * 1024, asyncio.Event()
    async with talking(late) as (client, _):
        connection = await client.post(client.head("/v1/x", {}), bytes(size), 2.0, sent.set)
        assert not sent.is_set()
        go_on.set()
        assert await connection.head() == 200
        assert sent.is_set()
        client.done(connection)


async def test_no_header_smuggles_another() -> None:
    client = HttpClient(Tcp("https://example.com", allow_private_address=False))
    with pytest.raises(ValueError, match="line"):
        client.head("/", {"Authorization": "Bearer a\r\nX-Other: b"})


@pytest.mark.parametrize(
    ("url", "host"),
    [
        ("https://example.com/v1", "example.com"),
        ("https://example.com:8443", "example.com:8443"),
        ("http://[::1]:9/v1", "[::1]:9"),
        ("https://b\u00fccher.example", "xn--bcher-kva.example"),
    ],
)
def test_the_host_is_told_as_servers_know_it(url: str, host: str) -> None:
    assert Tcp(url, allow_private_address=True).host == host
