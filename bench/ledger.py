"""How many reserves and settles a second the ledger takes on SQLite, and how long each waits.

Callers on one event loop (uvloop) go through the real writer process to a file on this disk; each
reserves, settles with three lines, and begins again. One operation is one reserve or one settle. The
floor is what SQLite alone does in the same run: a transaction for each row, synced, by one caller; and
the same by 50 threads, which is how an application without a writer would do it. Rounds alternate.

With a busy loop, a neighbour on the callers' loop takes all the time that they leave.
"""

from __future__ import annotations

import asyncio
import itertools
import os
import sqlite3
import tempfile
import threading
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import closing
from dataclasses import dataclass, field
from pathlib import Path

import psutil
import uvloop

from bench.table import Row, print_table, quantile
from billing.client import LedgerClient
from billing.commands import Facts, Grant, Line, Reserve, Settle
from billing.money import NANO_USD_PER_USD, cost_nano_usd
from billing.writer import Ledger

ROUNDS = 3
ROUND_S = 0.8
TEAMS = 1_000
_FACTS = Facts(
    model="openai/gpt-4.1-mini",
    provider="openai",
    price_version="2026-08-01",
    user_id=7,
    key_id=11,
    tags=("bench",),
)
_LINES = (Line("input", 812, 400_000), Line("cached_input", 256, 100_000), Line("output", 97, 1_600_000))
_COST = cost_nano_usd(_LINES)


@dataclass(slots=True)
class Waits:
    """What one way measured: seconds of rounds, and milliseconds of each operation by its name."""

    seconds: float = 0.0
    ms: dict[str, list[float]] = field(default_factory=dict)
    cpu_s: float = 0.0

    def add(self, name: str, began_ns: int) -> None:
        self.ms.setdefault(name, []).append((time.perf_counter_ns() - began_ns) / 1e6)

    @property
    def all_ms(self) -> list[float]:
        return [ms for values in self.ms.values() for ms in values]


def measure() -> list[Row]:
    return uvloop.run(_measure())


async def _measure() -> list[Row]:
    ways = {name: Waits() for name in _WAYS}
    with tempfile.TemporaryDirectory(prefix="ledger-bench-") as folder:
        path = Path(folder) / "ledger.db"
        ledger = await Ledger.open(path, free_money_limit_nano_usd=1_000_000 * NANO_USD_PER_USD)
        try:
            await fund(ledger)
            writer_pid = ledger.child.pid
            assert writer_pid is not None

            def writer_cpu_s() -> float:
                return cpu_of([writer_pid])

            for round_no in range(ROUNDS):
                for name, (callers, teams, busy) in _WAYS.items():
                    if callers:
                        await drive(ledger, ways[name], callers, teams, busy, writer_cpu_s)
                    else:
                        floor = Path(folder) / f"floor{round_no}{teams}.db"
                        await asyncio.to_thread(_floor, floor, ways[name], teams)
        finally:
            await ledger.close()
        operations = sum(len(ways[name].all_ms) for name, (callers, _, _) in _WAYS.items() if callers)
        size = path.stat().st_size
    rows = [row for name, waits in ways.items() for row in rows_of(name, waits, _BARS.get(name, NO_BARS))]
    rows.append(Row("ledger, bytes a request on disk", f"{2 * size / operations:.0f}", f"{operations // 2}"))
    return rows


# name: callers (0 is the floor), teams (the floor's threads), whether the loop is busy
_WAYS: dict[str, tuple[int, int, bool]] = {
    "floor, one synced row a transaction, 1 thread": (0, 1, False),
    "floor, one synced row a transaction, 50 threads": (0, 50, False),
    "1 caller, 1 team": (1, 1, False),
    "50 callers, 1 team": (50, 1, False),
    "200 callers, 1 team": (200, 1, False),
    "50 callers, 1,000 teams": (50, TEAMS, False),
    "50 callers, 1 team, busy loop": (50, 1, True),
}
NO_BARS = ("", "", "")
_BARS = {  # rate, p99, CPU
    "50 callers, 1 team": (">= 10,000/s", "<= 10 ms", "<= 45 us"),
    "50 callers, 1 team, busy loop": (">= 10,000/s", "<= 10 ms", ""),
}


def rows_of(name: str, waits: Waits, bars: tuple[str, str, str]) -> Iterator[Row]:
    bar_rate, bar_p99, bar_cpu = bars
    samples = f"{len(waits.all_ms)}"
    rate = len(waits.all_ms) / waits.seconds
    yield Row(f"ledger, {name}", f"{rate:,.0f} operations/s", samples, bar_rate)
    for kind, values in waits.ms.items():
        yield Row(
            f"ledger, {name}, {kind}, p50 / p99",
            f"{quantile(values, 0.5):.2f} / {quantile(values, 0.99):.2f} ms",
            f"{len(values)}",
            bar_p99,
        )
    if waits.cpu_s:
        cpu_us = waits.cpu_s / len(waits.all_ms) * 1e6
        yield Row(f"ledger, {name}, CPU of the writer an operation", f"{cpu_us:.0f} us", samples, bar_cpu)


# --- through the writer -----------------------------------------------------------------------------

_PROCESS = f"{os.getpid():08x}"
_runs = itertools.count()


async def fund(ledger: LedgerClient) -> None:
    amount = 1_000_000 * NANO_USD_PER_USD
    await asyncio.gather(
        *(ledger.grant(Grant(team, "payment", amount, "bench", "")) for team in range(1, TEAMS + 3))
    )


async def drive(
    ledger: LedgerClient,
    waits: Waits,
    callers: int,
    teams: int,
    busy: bool,
    writer_cpu_s: Callable[[], float],
    *,
    first_team: int = 1,
) -> None:
    """One round: so many callers on so many teams, beside a neighbour where the loop is busy."""
    neighbour = asyncio.create_task(_neighbour()) if busy else None
    cpu_s, began = writer_cpu_s(), time.perf_counter()
    until = began + ROUND_S
    await asyncio.gather(*(_call(ledger, waits, first_team, teams, until) for _ in range(callers)))
    waits.seconds += time.perf_counter() - began
    waits.cpu_s += writer_cpu_s() - cpu_s
    if neighbour is not None:
        neighbour.cancel()


def cpu_of(pids: Iterable[int]) -> float:
    """Seconds of CPU that these processes have had."""
    return float(sum(sum(psutil.Process(pid).cpu_times()[:2]) for pid in pids))


async def _call(ledger: LedgerClient, waits: Waits, first_team: int, teams: int, until: float) -> None:
    while time.perf_counter() < until:
        n = next(_runs)
        began_ns = time.perf_counter_ns()
        hold = await ledger.reserve(
            Reserve(
                team_id=first_team + n % teams,
                run_id=f"run_{_PROCESS}-7d3a-7000-8000-{n:012d}",
                amount_nano_usd=4 * _COST,
                least_nano_usd=_COST,
                lease_ms=30_000,
                facts=_FACTS,
                scopes=(("key", "11"), ("member", "7"), ("team", "1")),
            )
        )
        waits.add("reserve", began_ns)
        began_ns = time.perf_counter_ns()
        await ledger.settle(Settle(hold, _LINES, _COST, _FACTS))
        waits.add("settle", began_ns)


async def _neighbour() -> None:
    """Work in small pieces, without an idle moment between them."""
    while True:
        sum(range(2_000))
        await asyncio.sleep(0)


# --- the floor --------------------------------------------------------------------------------------


def _floor(path: Path, waits: Waits, threads: int) -> None:
    with closing(_connect(path)) as db:
        db.execute("PRAGMA journal_mode = WAL")
        db.execute("CREATE TABLE row (a INTEGER, b TEXT, c BLOB) STRICT")
    began = time.perf_counter()
    until = began + ROUND_S
    _together(threads, lambda: _insert(path, waits, until))
    waits.seconds += time.perf_counter() - began


def _together(threads: int, work: Callable[[], None]) -> None:
    started = [threading.Thread(target=work) for _ in range(threads)]
    for thread in started:
        thread.start()
    for thread in started:
        thread.join()


def _insert(path: Path, waits: Waits, until: float) -> None:
    with closing(_connect(path)) as db:
        db.execute("PRAGMA synchronous = FULL")
        while time.perf_counter() < until:
            began_ns = time.perf_counter_ns()
            db.execute("INSERT INTO row VALUES (1, 'run_0193e9c4-7d3a-7000-8000-000000000000', zeroblob(32))")
            waits.add("insert", began_ns)


def _connect(path: Path) -> sqlite3.Connection:
    return sqlite3.connect(path, timeout=30.0, isolation_level=None)


if __name__ == "__main__":
    print_table(measure())
