"""The callers: a process of its own, so that what it costs is nobody's latency.

`python -m bench.load` reads one order a line on standard input, as JSON, and answers each with one line.
Plain asyncio protocols on kept connections, no HTTP library: an order of 200 streams must not be slowed by
whoever reads them.

    first_token   `callers` ask one after the other, `calls` each: milliseconds to the first token
    whole         the same without streaming, for `seconds`: milliseconds of each answer
    streams       `callers` at once, each a stream of `count` tokens at `rate` a second: milliseconds that
                  each token was under way since the provider wrote it
"""

from __future__ import annotations

import asyncio
import re
import sys
import time
from urllib.parse import urlsplit

import msgspec
import uvloop

_TOKEN = re.compile(rb"w(\d+)@(\d+) ")
_LENGTH = re.compile(rb"(?i)content-length: *(\d+)")
_PROMPT = "Say eight words about the sky."


class Order(msgspec.Struct):
    kind: str
    url: str
    key: str
    callers: int
    calls: int = 1
    seconds: float = 0.0
    rate: int = 0
    count: int = 0


class Told(msgspec.Struct):
    """`ms` are of answers, or of tokens; `failed` is what the first answer that was none said."""

    ms: list[float]
    seconds: float
    failed: str | None = None


class Connection(asyncio.Protocol):
    """One kept connection: `ask` sends a request and returns when its answer is whole."""

    def __init__(self) -> None:
        self._transport: asyncio.Transport | None = None
        self._done: asyncio.Future[None] | None = None
        self._head = b""
        self._tail = b""
        self._in_body = False
        self._left: int | None = None  # bytes of a body whose length is known
        self.status = 0
        self.first_ns = 0
        self.delays_ms: list[float] = []
        self.said = b""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = transport  # type: ignore[assignment]  # uvloop's is a Transport but in name

    def connection_lost(self, error: Exception | None) -> None:
        if self._done is not None and not self._done.done():
            self._done.set_exception(error or ConnectionResetError("closed in mid-answer"))

    async def ask(self, request: bytes) -> None:
        self._head, self._tail, self._in_body, self._left = b"", b"", False, None
        self.status = self.first_ns = 0
        self.said = b""
        self._done = asyncio.get_running_loop().create_future()
        assert self._transport is not None
        self._transport.write(request)
        await self._done

    def data_received(self, data: bytes) -> None:
        if not self._in_body:
            self._head += data
            end = self._head.find(b"\r\n\r\n")
            if end < 0:
                return
            head, data = self._head[:end], self._head[end + 4 :]
            self._in_body = True
            self.status = int(head[9:12])
            found = _LENGTH.search(head)
            self._left = int(found[1]) if found else None
        now_ns = time.monotonic_ns()
        if self.status != 200:
            self.said += data
        seen = self._tail + data
        end = 0
        for token in _TOKEN.finditer(seen):
            self.first_ns = self.first_ns or now_ns
            self.delays_ms.append((now_ns - int(token[2])) / 1e6)
            end = token.end()
        self._tail = seen[max(end, len(seen) - 64) :]
        if self._left is not None:
            self._left -= len(data)
        ended = self._left == 0 if self._left is not None else seen.endswith(b"0\r\n\r\n")
        if ended and self._done is not None and not self._done.done():
            self._done.set_result(None)


def request_of(order: Order) -> bytes:
    prompt = f"paced {order.rate} {order.count}" if order.kind == "streams" else _PROMPT
    body: dict[str, object] = {
        "model": "bench/mirror",
        "messages": [{"role": "user", "content": prompt + (" at once" if order.kind == "whole" else "")}],
        "max_tokens": max(order.count, 64),
    }
    if order.kind != "whole":
        body |= {"stream": True, "stream_options": {"include_usage": True}}
    raw = msgspec.json.encode(body)
    where = urlsplit(order.url)
    head = (
        f"POST {where.path} HTTP/1.1\r\nHost: {where.netloc}\r\nAuthorization: Bearer {order.key}\r\n"
        f"Content-Type: application/json\r\nContent-Length: {len(raw)}\r\n\r\n"
    )
    return head.encode() + raw


async def carry_out(order: Order) -> Told:
    where, request = urlsplit(order.url), request_of(order)
    assert where.hostname and where.port
    loop = asyncio.get_running_loop()
    connections = [
        (await loop.create_connection(Connection, where.hostname, where.port))[1]
        for _ in range(order.callers)
    ]
    told = Told([], 0.0)
    began_ns = time.monotonic_ns()

    async def call(connection: Connection) -> None:
        calls = 0
        while calls < order.calls or time.monotonic_ns() - began_ns < order.seconds * 1e9:
            calls += 1
            sent_ns = time.monotonic_ns()
            await connection.ask(request)
            if connection.status != 200:
                told.failed = f"{connection.status}: {connection.said[:300].decode(errors='replace')}"
                return
            ended_ns = connection.first_ns if order.kind == "first_token" else time.monotonic_ns()
            if order.kind != "streams":
                told.ms.append((ended_ns - sent_ns) / 1e6)
        if order.kind == "streams":
            told.ms += connection.delays_ms

    try:
        await asyncio.gather(*map(call, connections))
    except OSError as error:
        told.failed = repr(error)
    told.seconds = (time.monotonic_ns() - began_ns) / 1e9
    for connection in connections:
        if connection._transport is not None:
            connection._transport.close()
    return told


async def serve() -> None:
    loop = asyncio.get_running_loop()
    while line := await loop.run_in_executor(None, sys.stdin.buffer.readline):
        told = await carry_out(msgspec.json.decode(line, type=Order))
        sys.stdout.buffer.write(msgspec.json.encode(told) + b"\n")
        sys.stdout.buffer.flush()


if __name__ == "__main__":
    uvloop.run(serve())
