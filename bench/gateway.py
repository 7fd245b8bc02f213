"""What a gateway adds: to the first token, to each token, to the machine; ours and others', in one run.

One upstream (`upstream.py`), one process of callers (`load.py`), and every way between them (`ways.py`) in
turns: each round asks all of them, so that whatever else the machine does disturbs them alike. Each has one
worker and everything that it has on: ours keys, limits, holds, settles and the log. "Added" is the way's
quantile minus the direct one's of the same run. CPU is of the process that answers, for the user and in
the kernel; ours has its ledger's writer beside it, which is told apart.
"""

from __future__ import annotations

import os
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import dataclass, field

import msgspec

from bench.load import Order, Told
from bench.table import Row, print_table, quantile
from bench.ways import LITELLM, Way, start, ways
from tests.server import free_port

ROUNDS = int(os.environ.get("BENCH_ROUNDS", "5"))
CALLS = {1: 60, 10: 30}  # a round, by each caller
RATE_S = 1.5
STREAMS, TOKENS_PER_S, STREAM_TOKENS = 200, 50, 120
_MB = 1_000_000


@dataclass(slots=True)
class Measured:
    """One way: milliseconds by what was asked, and seconds of wall and CPU."""

    ms: dict[str, list[float]] = field(default_factory=dict)
    seconds: dict[str, float] = field(default_factory=dict)
    cpu_s: dict[str, float] = field(default_factory=dict)
    idle_bytes: int = 0
    failed: str | None = None

    def add(self, what: str, told: Told, cpu_s: float) -> None:
        self.ms.setdefault(what, []).extend(told.ms)
        self.seconds[what] = self.seconds.get(what, 0.0) + told.seconds
        self.cpu_s[what] = self.cpu_s.get(what, 0.0) + cpu_s
        self.failed = self.failed or told.failed


class Desk:
    """`load.py` in its process."""

    def __init__(self, process: subprocess.Popen[bytes]) -> None:
        self._process = process

    def carry_out(self, way: Way, **order: object) -> Told:
        asked = msgspec.convert({"url": way.url, "key": way.key, **order}, Order)
        assert self._process.stdin is not None and self._process.stdout is not None
        self._process.stdin.write(msgspec.json.encode(asked) + b"\n")
        self._process.stdin.flush()
        return msgspec.json.decode(self._process.stdout.readline(), type=Told)


def measure() -> list[Row]:
    only = os.environ.get("BENCH_WAYS", "")
    with ExitStack() as opened:
        port = free_port()
        upstream = start(opened, [sys.executable, "-m", "bench.upstream", str(port)])
        assert upstream.stdout is not None
        upstream.stdout.readline()
        desk = Desk(start(opened, [sys.executable, "-m", "bench.load"]))
        found = [way for way in opened.enter_context(ways(port)) if only in way.name or way.pid is None]
        measured = {way.name: Measured() for way in found}
        for way in found:
            desk.carry_out(way, kind="first_token", callers=10, calls=20)
        time.sleep(3)
        for way in found:
            measured[way.name].idle_bytes = way.memory()
        for _ in range(ROUNDS):
            for way in found:
                _round(way, desk, measured[way.name])
    return list(_rows(measured))


def _round(way: Way, desk: Desk, measured: Measured) -> None:
    with ExitStack() as opened:
        if way.pages is not None:
            pages = start(opened, [sys.executable, "-m", "bench.pages_busy", way.pages, "20"])
            assert pages.stdout is not None
            pages.stdout.readline()
            time.sleep(4)  # twenty first loads
        for count, calls in CALLS.items():
            _measure(
                way,
                desk,
                measured,
                f"first token, {count}",
                kind="first_token",
                callers=count,
                calls=calls,
            )
        _measure(way, desk, measured, "whole", kind="whole", callers=20, seconds=RATE_S)
        _measure(way, desk, measured, "streams",
            kind="streams", callers=STREAMS, rate=TOKENS_PER_S, count=STREAM_TOKENS,
        )  # fmt: skip


def _measure(way: Way, desk: Desk, measured: Measured, what: str, **order: object) -> None:
    if measured.failed:
        return
    cpu_s = way.cpu_s()
    measured.add(what, desk.carry_out(way, **order), way.cpu_s() - cpu_s)


def _rows(measured: dict[str, Measured]) -> Iterator[Row]:
    direct, floor = measured["direct"], next((m for n, m in measured.items() if n.startswith("floor")), None)
    for name, way in measured.items():
        if way.failed:
            yield Row(name, f"gave up: {way.failed}", "")
            continue
        ours = name.startswith("Tiltyard")
        for count in CALLS:
            yield from _first_tokens(name, way, direct, f"first token, {count}", ours)
        whole = way.ms["whole"]
        cpu_us = way.cpu_s["whole"] / len(whole) * 1e6
        yield Row(
            f"{name}: answers in one body, 20 callers",
            f"{len(whole) / way.seconds['whole']:,.0f}/s, {cpu_us:.0f} us CPU each",
            f"{len(whole)}", ">= 2,000/s" if ours else "",
        )  # fmt: skip
        yield from _streams(name, way, floor, ours)
        if way.idle_bytes:
            yield Row(
                f"{name}: memory idle",
                f"{way.idle_bytes / _MB:.0f} MB",
                "",
                "<= 120 MB" if "apart" in name else "",
            )
    if not any(name.startswith("LiteLLM") for name in measured):
        yield Row("LiteLLM's proxy", f"peer absent: {LITELLM} names a virtualenv that has litellm[proxy]", "")


def _first_tokens(name: str, way: Measured, direct: Measured, what: str, ours: bool) -> Iterator[Row]:
    theirs, base = way.ms[what], direct.ms[what]
    label = f"{name}: {what} caller{'s' if what.endswith('10') else ''}"
    if way is direct:
        yield Row(label, f"{quantile(theirs, 0.5):.2f} / {quantile(theirs, 0.99):.2f} ms", f"{len(theirs)}")
        return
    added = [quantile(theirs, share) - quantile(base, share) for share in (0.5, 0.99)]
    cpu_us = way.cpu_s[what] / len(theirs) * 1e6
    yield Row(
        f"{label}, added p50 / p99",
        f"{added[0]:.2f} / {added[1]:.2f} ms, {cpu_us:.0f} us CPU each",
        f"{len(theirs)}", "<= 1.5 / 4 ms" if ours else "",
    )  # fmt: skip


def _cpu_us(way: Measured) -> float:
    """Of a token of the streams."""
    return way.cpu_s["streams"] / max(len(way.ms["streams"]), 1) * 1e6


def _streams(name: str, way: Measured, floor: Measured | None, ours: bool) -> Iterator[Row]:
    delays, due = way.ms["streams"], ROUNDS * STREAMS * STREAM_TOKENS
    if not delays:
        return
    pace = STREAM_TOKENS / TOKENS_PER_S * ROUNDS / way.seconds["streams"]
    p50, p99 = (quantile(delays, share) for share in (0.5, 0.99))
    value = (
        f"{len(delays) / due:.1%} delivered, {pace:.0%} of the pace; delay p50 {p50:.2f}, p99 {p99:.2f} ms"
    )
    bar = f"100 %, p99 <= {10 if 'busy' in name else 5} ms" if ours else ""
    yield Row(f"{name}: {STREAMS} streams of {TOKENS_PER_S} tokens/s", value, f"{len(delays)}", bar)
    if way.cpu_s["streams"]:
        ratio = ""
        if floor is not None and way is not floor:
            ratio = f", {_cpu_us(way) / _cpu_us(floor):.2f}x the floor"
        yield Row(
            f"{name}: CPU a token",
            f"{_cpu_us(way):.0f} us{ratio}",
            f"{len(delays)}",
            "<= 80 us, <= 1.6x" if ours else "",
        )


if __name__ == "__main__":
    print_table(measure())
