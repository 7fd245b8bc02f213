"""A provider on loopback that does exactly what a test tells it to, down to the bytes of each write.

    async with serving(Reply(parts=[chat.text("Hello"), chat.finish(), DONE])) as upstream:
        provider = OpenAICompatible("lab", upstream.base_url, allow_private_address=True)
        ...
    assert upstream.requests[0].body["stream"] is True

It is a plain socket, so it can also break HTTP: cut, reset, stall, split a character in two.
`scripts.py` writes either wire and holds the faults seen of real providers. `serving_in_thread` is
the same for tests without a loop.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import socket
import struct
import threading
from collections.abc import AsyncIterator, Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal

# --- what it can be told to do ----------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Pause:
    """Say nothing for a while."""

    seconds: float


@dataclass(frozen=True, slots=True)
class Reset:
    """Break the connection the hard way (RST)."""


@dataclass(frozen=True, slots=True)
class KeepAlive:
    """Comments, for as long as the caller endures them."""

    every_s: float = 0.02
    comment: bytes = b": keep-alive\n\n"


Part = bytes | Pause | Reset | KeepAlive
EVENT_STREAM = {"Content-Type": "text/event-stream; charset=utf-8"}


@dataclass(frozen=True, slots=True)
class Reply:
    """One answer: each part of bytes is a write, and a chunk, of its own.

    `framing`: "chunked" ends properly and keeps the connection, "cut" is chunked without the end,
    "close" ends with the connection, "raw" writes the parts and nothing else, not even a status.
    """

    parts: Sequence[Part] = ()
    status: int = 200
    headers: Mapping[str, str] = field(default_factory=lambda: EVENT_STREAM)
    framing: Literal["chunked", "cut", "close", "raw"] = "chunked"


@dataclass(frozen=True, slots=True)
class Request:
    method: str
    path: str
    headers: Mapping[str, str]  # names in lower case
    body: Any


# --- the server -------------------------------------------------------------------------------------


class Upstream:
    """`replies` are given in order, the last one for ever after; or `choose` finds one for a request."""

    def __init__(self, *replies: Reply, choose: Callable[[Request], Reply] | None = None) -> None:
        self.replies = list(replies)
        self._choose = choose
        self.requests: list[Request] = []
        self.connections = 0
        self.dropped = asyncio.Event()  # a caller left in the middle of an answer
        self._server: asyncio.Server | None = None
        self._tasks: set[asyncio.Task[None]] = set()
        self.base_url = ""

    async def open(self) -> None:
        self._server = await asyncio.start_server(self._serve, "127.0.0.1", 0)
        self.base_url = f"http://127.0.0.1:{self._server.sockets[0].getsockname()[1]}/v1"

    async def close(self) -> None:
        assert self._server is not None
        self._server.close()
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        self._tasks.add(task)
        self.connections += 1
        try:
            while (request := await _read_request(reader)) is not None:
                self.requests.append(request)
                if not await self._answer(self._reply_to(request), reader, writer):
                    break
        except (OSError, asyncio.IncompleteReadError, asyncio.CancelledError):
            pass
        finally:
            self._tasks.discard(task)
            writer.close()

    def _reply_to(self, request: Request) -> Reply:
        if self._choose is not None:
            return self._choose(request)
        return self.replies.pop(0) if len(self.replies) > 1 else self.replies[0]

    async def _answer(self, reply: Reply, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> bool:
        """Whether the connection may be used again."""
        writing = asyncio.create_task(_write(reply, writer))
        leaving = asyncio.create_task(reader.read(1))
        try:
            await asyncio.wait({writing, leaving}, return_when=asyncio.FIRST_COMPLETED)
            if not writing.done():
                self.dropped.set()
                return False
            with contextlib.suppress(OSError):
                return writing.result()
            return False
        finally:
            for task in (writing, leaving):
                task.cancel()
            await asyncio.gather(writing, leaving, return_exceptions=True)


async def _read_request(reader: asyncio.StreamReader) -> Request | None:
    try:
        head = await reader.readuntil(b"\r\n\r\n")
    except (asyncio.IncompleteReadError, ConnectionError):
        return None
    first, *lines = head.decode("latin-1").split("\r\n")[:-2]
    method, path, _ = first.split(" ")
    headers = {name.lower(): value.strip() for name, _, value in (line.partition(":") for line in lines)}
    body = await reader.readexactly(int(headers.get("content-length", "0")))
    return Request(method, path, headers, json.loads(body) if body else None)


async def _write(reply: Reply, writer: asyncio.StreamWriter) -> bool:
    chunked = reply.framing in ("chunked", "cut")
    if reply.framing != "raw":
        headers = dict(reply.headers) | (
            {"Transfer-Encoding": "chunked"} if chunked else {"Connection": "close"}
        )
        lines = [
            f"HTTP/1.1 {reply.status} Scripted",
            *(f"{name}: {value}" for name, value in headers.items()),
        ]
        writer.write("\r\n".join([*lines, "", ""]).encode())
        await writer.drain()
    for part in reply.parts:
        match part:
            case Pause(seconds):
                await asyncio.sleep(seconds)
            case KeepAlive(every_s, comment):
                while True:
                    await _send(comment, chunked, writer)
                    await asyncio.sleep(every_s)
            case Reset():
                raw = writer.get_extra_info("socket")
                raw.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
                writer.transport.abort()
                return False
            case _:
                await _send(part, chunked, writer)
    if reply.framing == "chunked":
        writer.write(b"0\r\n\r\n")
        await writer.drain()
    return reply.framing == "chunked"


async def _send(data: bytes, chunked: bool, writer: asyncio.StreamWriter) -> None:
    if data:
        writer.write(b"%x\r\n%b\r\n" % (len(data), data) if chunked else data)
        await writer.drain()
        await asyncio.sleep(0)


@contextlib.asynccontextmanager
async def serving(*replies: Reply) -> AsyncIterator[Upstream]:
    upstream = Upstream(*replies)
    await upstream.open()
    try:
        yield upstream
    finally:
        await upstream.close()


@contextlib.contextmanager
def serving_in_thread(
    *replies: Reply, choose: Callable[[Request], Reply] | None = None
) -> Iterator[Upstream]:
    """The same on a loop of its own, for tests that have none."""
    loop = asyncio.new_event_loop()
    thread = threading.Thread(target=loop.run_forever, name="upstream", daemon=True)
    thread.start()

    async def make() -> Upstream:
        upstream = Upstream(*replies, choose=choose)
        await upstream.open()
        return upstream

    upstream = asyncio.run_coroutine_threadsafe(make(), loop).result(5)
    try:
        yield upstream
    finally:
        asyncio.run_coroutine_threadsafe(upstream.close(), loop).result(5)
        loop.call_soon_threadsafe(loop.stop)
        thread.join(5)
        loop.close()
