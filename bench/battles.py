"""How many people can watch battles of four lanes at once, on one process: ours, beside `st.write_stream`.

One upstream that writes 50 tokens a second into each lane, one process of readers (`battle_readers.py`), and
the two ways in turns at each size. Late is a token's time from the provider's writing it to the reader's
having the message that shows it, taken while all sessions run (their beginnings, spread over four seconds,
are left out). CPU is of the process that serves, for the user and in the kernel, in shares of one core; its
memory is the resident set at the end. `BENCH_SESSIONS` names the sizes; a way that is late, above 250 ms for
one token in twenty, is not tried with more.
"""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path

import httpx
import msgspec
import psutil

from bench.battle_readers import Order, Told
from bench.table import Row, print_table, quantile
from bench.ways import CONFIG, SETTINGS, start
from tests.server import API_KEY, ROOT, Server, free_port

SIZES = [int(size) for size in os.environ.get("BENCH_SESSIONS", "1,5,10,20,30,40,60").split(",")]
RATE, COUNT = 50, int(os.environ.get("BENCH_BATTLE_TOKENS", "750"))
LATE_MS = 250.0
_SECRET = "for the bench of battles, and nothing else"
_LANES = 4


@dataclass(slots=True)
class Way:
    """A process that serves, and what sessions of it are."""

    name: str
    url: str
    pid: int
    secret: str = ""
    told: dict[int, tuple[Told, float, int]] = field(default_factory=dict)
    late: bool = False

    def order(self, sessions: int) -> Order:
        return Order(self.url, sessions, COUNT, RATE, API_KEY, self.secret)


def measure() -> list[Row]:
    with ExitStack() as opened:
        port = free_port()
        upstream = start(opened, [sys.executable, "-m", "bench.upstream", str(port)])
        assert upstream.stdout is not None
        upstream.stdout.readline()
        readers = start(opened, [sys.executable, "-m", "bench.battle_readers"])
        ways = [_ours(opened, port), _write_stream(opened, port)]
        for way in ways:
            _carry_out(readers, Order(way.url, 1, 20, RATE, API_KEY, way.secret))  # what is loaded at first
        for size in SIZES:
            for way in ways:
                if not way.late:
                    _measure(way, readers, size)
    return [row for way in ways for row in _rows(way)]


def _measure(way: Way, readers: subprocess.Popen[bytes], size: int) -> None:
    process = psutil.Process(way.pid)
    before_s, began_s = sum(process.cpu_times()[:2]), time.monotonic()
    told = _carry_out(readers, way.order(size))
    share = (sum(process.cpu_times()[:2]) - before_s) / (time.monotonic() - began_s)
    way.told[size] = (told, share, process.memory_info().rss)
    way.late = bool(told.failed) or not told.ms or quantile(told.ms, 0.95) > LATE_MS


def _carry_out(readers: subprocess.Popen[bytes], order: Order) -> Told:
    assert readers.stdin is not None and readers.stdout is not None
    readers.stdin.write(msgspec.json.encode(order) + b"\n")
    readers.stdin.flush()
    return msgspec.json.decode(readers.stdout.readline(), type=Told)


def _ours(opened: ExitStack, port: int) -> Way:
    folder = opened.enter_context(tempfile.TemporaryDirectory(prefix="tiltyard-bench-"))
    settings = SETTINGS | {"TILTYARD_SECRET_KEY": _SECRET}
    server = Server(Path(folder), settings, CONFIG.format(port=port))
    opened.callback(server.end)
    server.start()
    return Way("Tiltyard", server.url, server.pid, _SECRET)


def _write_stream(opened: ExitStack, upstream: int) -> Way:
    port = free_port()
    command = [sys.executable, "-m", "streamlit", "run", str(ROOT / "bench" / "write_stream_page.py"),
               "--server.address", "127.0.0.1", "--server.port", str(port), "--server.headless", "true",
               "--server.fileWatcherType", "none", "--browser.gatherUsageStats", "false"]  # fmt: skip
    environment = {
        "PATH": os.environ["PATH"],
        "BENCH_UPSTREAM": f"http://127.0.0.1:{upstream}/v1/chat/completions",
        "BENCH_PROMPT": f"paced {RATE} {COUNT} in paragraphs",
    }
    process = start(opened, command, environment)
    url = f"http://127.0.0.1:{port}"
    limit_s = time.monotonic() + 30
    while time.monotonic() < limit_s:
        try:
            httpx.get(f"{url}/_stcore/health", trust_env=False)
            return Way("st.write_stream", url, process.pid)
        except httpx.HTTPError:
            time.sleep(0.1)
    raise TimeoutError(url)


def _rows(way: Way) -> Iterator[Row]:
    held = [size for size, (told, _, _) in way.told.items() if told.ms and quantile(told.ms, 0.95) <= LATE_MS]
    for size, (told, share, memory) in way.told.items():
        if told.failed or not told.ms:
            yield Row(f"{way.name}: {size} sessions of {_LANES} lanes", f"gave up: {told.failed}", "")
            continue
        p50, p95 = (quantile(told.ms, part) for part in (0.5, 0.95))
        yield Row(
            f"{way.name}: {size} sessions of {_LANES} lanes, a token late p50 / p95",
            f"{p50:.0f} / {p95:.0f} ms; {share:.0%} of a core, {memory / 1e6:.0f} MB, "
            f"{told.came / told.due:.1%} came",
            f"{len(told.ms):,}",
            "p95 <= 250 ms" if size == 20 and way.secret else "",
        )
    yield Row(
        f"{way.name}: most sessions with p95 <= {LATE_MS:.0f} ms", str(max(held, default=0)), f"of {SIZES}"
    )


if __name__ == "__main__":
    print_table(measure())
