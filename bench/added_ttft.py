"""What the gateway adds to the time to first token, against the same upstream called directly.

One client, one upstream with 10 ms to its first token, two ways to it: directly, and through the gateway
with everything on (key, limits, hold, catalog, log). Rounds of the two alternate. Time to first token is
from sending the request to reading the first event that carries text; added is the difference of the two
ways' quantiles in the same run.
"""

from __future__ import annotations

import asyncio
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass, field
from pathlib import Path

import aiohttp
import psutil

from bench.table import Row, print_table, quantile
from tests.server import API_KEY, Server, free_port

_ROUNDS = 20
_CALLS_A_ROUND = 20  # by one caller; ten callers make as many each
_BODY = {
    "model": "bench/mirror",
    "messages": [{"role": "user", "content": "Say eight words about the sky."}],
    "max_tokens": 64,
    "stream": True,
    "stream_options": {"include_usage": True},
}
_CONFIG = """\
[providers.bench]
base_url = "http://127.0.0.1:{port}/v1"
wire = "chat_completions"
allow_private_address = true

[[models]]
id = "bench/mirror"
name = "Mirror"
context_tokens = 32768
max_output_tokens = 4096
input_usd_per_million = "0.10"
output_usd_per_million = "0.40"
providers = [ {{ id = "bench", model = "mirror" }} ]
"""


@dataclass(slots=True)
class Way:
    """One way to the upstream and what it measured, in milliseconds."""

    url: str
    headers: dict[str, str]
    first_token_ms: list[float] = field(default_factory=list)


def measure() -> list[Row]:
    port = free_port()
    command = [sys.executable, "-m", "bench.upstream", str(port)]
    with (
        tempfile.TemporaryDirectory(prefix="tiltyard-bench-") as folder,
        subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as upstream,
    ):
        assert upstream.stdout is not None
        upstream.stdout.readline()
        server = Server(Path(folder), {"TILTYARD_EMBEDDED": "false"}, _CONFIG.format(port=port))
        try:
            server.start()
            return [row for callers in (1, 10) for row in asyncio.run(_compare(server, port, callers))]
        finally:
            server.end()
            upstream.terminate()


async def _compare(server: Server, port: int, callers: int) -> list[Row]:
    gateway = psutil.Process(server.pid)
    direct = Way(f"http://127.0.0.1:{port}/v1/chat/completions", {})
    through = Way(f"{server.url}/v1/chat/completions", {"Authorization": f"Bearer {API_KEY}"})
    connector = aiohttp.TCPConnector(limit=0)
    async with aiohttp.ClientSession(connector=connector, trust_env=False) as session:
        for way in (direct, through):  # connections, caches
            await asyncio.gather(*(_calls(session, way, 10) for _ in range(callers)))
            way.first_token_ms.clear()
        cpu_before_s = sum(gateway.cpu_times()[:2])
        for _ in range(_ROUNDS):
            for way in (direct, through):
                await asyncio.gather(*(_calls(session, way, _CALLS_A_ROUND) for _ in range(callers)))
    cpu_us = (sum(gateway.cpu_times()[:2]) - cpu_before_s) / len(through.first_token_ms) * 1e6
    label = f"{callers} caller{'s' if callers > 1 else ''}"
    samples = f"{len(direct.first_token_ms)} + {len(through.first_token_ms)} calls"
    return [
        Row(
            f"added time to first token, {label}, {name}",
            f"{quantile(through.first_token_ms, share) - quantile(direct.first_token_ms, share):.2f} ms "
            f"({quantile(through.first_token_ms, share):.2f} - {quantile(direct.first_token_ms, share):.2f})",
            samples,
            bar,
        )
        for name, share, bar in (("p50", 0.50, "<= 1.5 ms"), ("p99", 0.99, "<= 4 ms"))
    ] + [Row(f"CPU of the gateway's process a request, {label}", f"{cpu_us:.0f} us", samples)]


async def _calls(session: aiohttp.ClientSession, way: Way, times: int) -> None:
    for _ in range(times):
        way.first_token_ms.append(await _first_token_ms(session, way))


async def _first_token_ms(session: aiohttp.ClientSession, way: Way) -> float:
    began_ns = time.monotonic_ns()
    first_ns = None
    async with session.post(way.url, json=_BODY, headers=way.headers) as response:
        if response.status != 200:
            raise RuntimeError(f"{way.url} answered {response.status}: {await response.text()}")
        async for line in response.content:
            if first_ns is None and b'"content":"word' in line.replace(b" ", b""):
                first_ns = time.monotonic_ns()
    if first_ns is None:
        raise RuntimeError(f"{way.url} sent no token")
    return (first_ns - began_ns) / 1e6


if __name__ == "__main__":
    print_table(measure())
