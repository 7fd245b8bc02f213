"""Callers who read slowly or not at all, in numbers, on plain sockets; and what they cost the server.

`Torrent` is an upstream that writes as fast as it is read; `measured` reads the memory of a process and
of the kernel's sockets on a port.
"""

from __future__ import annotations

import asyncio
import json
import re
import socket
import subprocess
from dataclasses import dataclass
from pathlib import Path

from tests.gateway.providers.scripts import DONE, ChatScript
from tests.gateway.providers.upstream import Reply, Request

ANSWER_BYTES = 3_800_000
_PIECE = "words and more words " * 50
_SHORT = "Hello"
_CALLERS_BUFFER = 16 * 1024  # what the caller's own machine takes without reading
_QUEUES = re.compile(r"skmem:\(r(\d+),rb\d+,t\d+,tb\d+,f\d+,w(\d+)")

CONFIG = """\
[[tiers]]
no = 1
paid_usd = "0"
requests_per_minute = 100000
tokens_per_minute = 1000000000

[providers.lab]
base_url = "http://127.0.0.1:{port}/v1"
allow_private_address = true

[[models]]
id = "lab/torrent"
context_tokens = 10000000
max_output_tokens = 5000000
input_usd_per_million = "0.001"
output_usd_per_million = "0.001"
providers = [ {{ id = "lab", model = "torrent" }} ]

[[models]]
id = "lab/short"
context_tokens = 32768
max_output_tokens = 4096
input_usd_per_million = "0.001"
output_usd_per_million = "0.001"
providers = [ {{ id = "lab", model = "short" }} ]
"""


def reply_to(request: Request) -> Reply:
    wire = ChatScript()
    if request.body["model"] == "short":
        return Reply([*wire.opening(), wire.text(_SHORT), *wire.ending()])
    pieces = [wire.text(_PIECE) * 20] * (ANSWER_BYTES // (20 * len(_PIECE)))
    return Reply([*wire.opening(), *pieces, wire.finish(), wire.usage(9, 9), DONE])


class Reader:
    """One caller of a streamed answer on a socket of its own."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._reader = reader
        self._writer = writer
        self.read_bytes = 0

    @classmethod
    async def ask(cls, port: int, key: str, model: str, max_tokens: int) -> Reader:
        connection = socket.socket()
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, _CALLERS_BUFFER)
        connection.setblocking(False)
        await asyncio.get_running_loop().sock_connect(connection, ("127.0.0.1", port))
        reader, writer = await asyncio.open_connection(sock=connection, limit=4096)
        messages = [{"role": "user", "content": "Write."}]
        body = json.dumps({"model": model, "messages": messages, "stream": True, "max_tokens": max_tokens})
        head = (
            f"POST /v1/chat/completions HTTP/1.1\r\nHost: 127.0.0.1:{port}\r\nAuthorization: Bearer {key}\r\n"
        )
        head += f"Content-Type: application/json\r\nContent-Length: {len(body)}\r\n\r\n"
        writer.write((head + body).encode())
        await writer.drain()
        return cls(reader, writer)

    async def read_slowly(self, bytes_per_s: int) -> None:
        while read := await self._reader.read(bytes_per_s):
            self.read_bytes += len(read)
            await asyncio.sleep(1)

    async def first_bytes(self) -> None:
        self.read_bytes += len(await self._reader.read(1024))

    def stand_still(self) -> None:
        """Reads nothing more; the kernel takes what fits."""
        self._writer.transport.pause_reading()  # type: ignore[attr-defined]  # every socket's transport has it

    def leave(self) -> None:
        self._writer.transport.abort()


@dataclass(frozen=True, slots=True)
class Memory:
    """MB of the process, and MB that the kernel keeps in the sockets of the server's own side."""

    process_mb: float
    kernel_mb: float


def measured(pid: int) -> Memory:
    status = Path(f"/proc/{pid}/status").read_text()
    resident = re.search(r"VmRSS:\s+(\d+) kB", status)
    assert resident is not None
    return Memory(int(resident.group(1)) / 1024, _kernel_mb(pid))


def _kernel_mb(pid: int) -> float:
    """What waits in the queues of the process's sockets: to be read by it, and to be read from it."""
    listed = subprocess.run(["ss", "-tnmpH"], capture_output=True, text=True, check=True).stdout
    total = 0
    ours = False
    for line in listed.splitlines():
        if not line.startswith((" ", "\t")):
            ours = f"pid={pid}," in line
        if ours and (found := _QUEUES.search(line)) is not None:
            total += int(found.group(1)) + int(found.group(2))
    return total / 2**20
