"""A provider to measure against: OpenAI's chat completions on loopback, in its own process.

`python -m bench.upstream PORT`. Plain asyncio, so that it costs little: the first token leaves 10 ms after
the request arrived, the rest follow at once. What the prompt says changes that:

    paced RATE COUNT    COUNT tokens, RATE a second, each in a packet of its own
    in paragraphs       a blank line after each fortieth token, as in an answer that people read
    at once             everything without a delay

Each token carries the instant at which it was written (CLOCK_MONOTONIC, ns), so that whoever reads it knows
how long it was under way. An answer that is not streamed is one body. Prints `ready` when it listens; ends
when its standard input closes.
"""

from __future__ import annotations

import asyncio
import re
import sys
import time

import uvloop

FIRST_TOKEN_S = 0.010
TOKENS = 8
_PACED = re.compile(rb"paced (\d+) (\d+)")
_LENGTH = re.compile(rb"(?i)content-length: (\d+)")
_HEAD = b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nTransfer-Encoding: chunked\r\n\r\n"
_START = b'{"id":"chatcmpl-bench","object":"chat.completion.chunk","created":1700000000,"model":"bench",'
_FINISH = _START + b'"choices":[{"index":0,"delta":{},"finish_reason":"stop"}],"usage":null}'
_WHOLE = (
    b'{"id":"chatcmpl-bench","object":"chat.completion","created":1700000000,"model":"bench","choices":'
    b'[{"index":0,"message":{"role":"assistant","content":"word word word word"},"finish_reason":"stop"}],'
    b'"usage":{"prompt_tokens":12,"completion_tokens":8,"total_tokens":20}}'
)


class Connection(asyncio.Protocol):
    def __init__(self) -> None:
        self._buffer = b""
        self._transport: asyncio.Transport | None = None
        self._answering: set[asyncio.Task[None]] = set()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = transport  # type: ignore[assignment]  # uvloop's is a Transport but in name

    def connection_lost(self, error: Exception | None) -> None:
        self._transport = None
        for task in self._answering:
            task.cancel()

    def data_received(self, data: bytes) -> None:
        self._buffer += data
        while (end := self._buffer.find(b"\r\n\r\n")) >= 0:
            found = _LENGTH.search(self._buffer, 0, end)
            whole = end + 4 + (int(found[1]) if found else 0)
            if len(self._buffer) < whole:
                return
            body, self._buffer = self._buffer[end + 4 : whole], self._buffer[whole:]
            task = asyncio.get_running_loop().create_task(self._answer(body))
            self._answering.add(task)
            task.add_done_callback(self._answering.discard)

    async def _answer(self, body: bytes) -> None:
        if b'"stream":true' not in body.replace(b" ", b""):
            self._write(_length_and(_WHOLE))
            return
        self._write(_HEAD)
        paced = _PACED.search(body)
        if paced is not None:
            await self._pace(int(paced[1]), int(paced[2]), 40 if b"in paragraphs" in body else 0)
        else:
            await asyncio.sleep(0 if b"at once" in body else FIRST_TOKEN_S)
            for number in range(TOKENS):
                self._write(_chunk(_token(number)))
        tokens = int(paced[2]) if paced is not None else TOKENS
        usage = b'"choices":[],"usage":{"prompt_tokens":12,"completion_tokens":%d,"total_tokens":%d}}'
        last = _chunk(_FINISH) + _chunk(_START + usage % (tokens, 12 + tokens)) + _chunk(b"[DONE]")
        self._write(last + b"0\r\n\r\n")

    async def _pace(self, rate: int, count: int, paragraph: int) -> None:
        loop = asyncio.get_running_loop()
        began_s = loop.time() + (hash(id(self)) % 1000) / 1000 / rate  # not all on one beat
        for number in range(count):
            await asyncio.sleep(max(began_s + number / rate - loop.time(), 0))
            ends = paragraph and number % paragraph == paragraph - 1
            self._write(_chunk(_token(number, b"\\n\\n" if ends else b"")))

    def _write(self, data: bytes) -> None:
        if self._transport is not None:
            self._transport.write(data)


def _token(number: int, after: bytes = b"") -> bytes:
    content = b'"choices":[{"index":0,"delta":{"content":"w%d@%d %b"},"finish_reason":null}],"usage":null}'
    return _START + content % (number, time.monotonic_ns(), after)


def _chunk(event: bytes) -> bytes:
    event = b"data: " + event + b"\n\n"
    return b"%x\r\n%b\r\n" % (len(event), event)


def _length_and(body: bytes) -> bytes:
    head = b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: %d\r\n\r\n"
    return head % len(body) + body


async def serve(port: int) -> None:
    loop = asyncio.get_running_loop()
    server = await loop.create_server(Connection, "127.0.0.1", port, backlog=1024)
    print("ready", flush=True)
    await loop.run_in_executor(None, sys.stdin.read)
    server.close()


if __name__ == "__main__":
    uvloop.run(serve(int(sys.argv[1])))
