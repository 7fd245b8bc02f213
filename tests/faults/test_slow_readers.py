"""Callers who do not read what they asked for cost little memory, and nobody else anything."""

from __future__ import annotations

import asyncio
import statistics
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from billing.audit import audit
from billing.statements import Statements
from tests.faults.slow_readers import CONFIG, Memory, Reader, measured, reply_to
from tests.gateway.providers.upstream import serving_in_thread
from tests.server import API_KEY, Server

SLOW, STUCK = 200, 50
SLOWLY = 16 * 1024  # bytes a second: the kernel's and the server's buffers are emptied within seconds
# Beyond what it had when idle: 400 kB each, what was read by then, and the vocabulary by which answers that
# nobody read are counted in the end (62 MB, loaded with the first of them).
MOST_PROCESS_MB = 320.0
MOST_KERNEL_MB = 80.0  # 64 kB each way, as the kernel counts them
LET_GO_WITHIN_S = 45.0
SETTLED_WITHIN_S = 60.0
_SETTINGS = {
    "TILTYARD_EMBEDDED": "false",
    "TILTYARD_MAX_RUNNING_TEAM": "400",
    "TILTYARD_MAX_LAG_MS": "5000",
}


@pytest.mark.slow
@pytest.mark.timeout(300)
def test_200_slow_readers_and_50_stuck_ones_take_bounded_memory_and_nobodys_time(
    tmp_path: Path, record_figure: Callable[[str], None]
) -> None:
    with serving_in_thread(choose=reply_to) as upstream:
        port = int(upstream.base_url.split(":")[2].partition("/")[0])
        server = Server(tmp_path, _SETTINGS, CONFIG.format(port=port))
        server.start()
        try:
            asyncio.run(_crowd(server, record_figure))
        finally:
            server.end()
    assert audit(server.data_dir / "ledger.db").findings == ()


async def _crowd(server: Server, record_figure: Callable[[str], None]) -> None:
    alone_s = await _others(server)
    before = measured(server.pid)
    slow, reading = [], []
    for _ in range(SLOW):
        slow.append(await _asked(server))
        reading.append(asyncio.create_task(slow[-1].read_slowly(SLOWLY)))
    stuck = await asyncio.gather(*(_asked(server) for _ in range(STUCK)))
    stuck_since_s = time.monotonic()
    for reader in stuck:
        reader.stand_still()
    assert _open_holds(server) == SLOW + STUCK
    peak = before
    for _ in range(5):
        await asyncio.sleep(1)
        peak = _higher(peak, measured(server.pid))
    beside_s = await _others(server)
    while _open_holds(server) > SLOW:
        assert time.monotonic() - stuck_since_s < LET_GO_WITHIN_S
        await asyncio.sleep(0.5)
    let_go_s = time.monotonic() - stuck_since_s
    assert not any(task.done() for task in reading)
    for reader, task in zip(slow, reading, strict=True):
        task.cancel()
        reader.leave()
    await asyncio.gather(*reading, return_exceptions=True)
    left_s = time.monotonic()  # what came of 200 answers is counted now, as nobody reports its usage
    while _open_holds(server) and time.monotonic() - left_s < SETTLED_WITHIN_S:
        await asyncio.sleep(0.2)
    for reader in stuck:
        reader.leave()
    process_mb, kernel_mb = peak.process_mb - before.process_mb, peak.kernel_mb - before.kernel_mb
    record_figure(
        f"{SLOW} slow and {STUCK} stuck readers: {process_mb:.0f} MB more in the process, "
        f"{kernel_mb:.0f} MB in the kernel; others' first byte {alone_s * 1000:.0f} ms alone, "
        f"{beside_s * 1000:.0f} ms beside them; the stuck let go after {let_go_s:.0f} s"
    )
    assert _open_holds(server) == 0
    assert process_mb <= MOST_PROCESS_MB
    assert kernel_mb <= MOST_KERNEL_MB
    assert beside_s <= max(10 * alone_s, 0.5)


async def _asked(server: Server) -> Reader:
    reader = await Reader.ask(server.port, API_KEY, "lab/torrent", max_tokens=2_000_000)
    await reader.first_bytes()
    return reader


async def _others(server: Server) -> float:
    """Seconds until the first byte of a short answer: the median of twenty."""
    waits_s = []
    for _ in range(20):
        began_s = time.monotonic()
        reader = await Reader.ask(server.port, API_KEY, "lab/short", max_tokens=64)
        await reader.first_bytes()
        waits_s.append(time.monotonic() - began_s)
        reader.leave()
    return statistics.median(waits_s)


def _higher(one: Memory, other: Memory) -> Memory:
    return Memory(max(one.process_mb, other.process_mb), max(one.kernel_mb, other.kernel_mb))


def _open_holds(server: Server) -> int:
    balance = Statements(server.data_dir / "ledger.db").balance(1, time.time_ns() // 1_000_000)
    return len(balance.open_holds)
