"""How many reserves and settles a second the ledger takes on SQLite, and how long each waits.

Callers on one event loop (uvloop) go through the real writer process to a file on this disk; each
reserves, settles with three lines, and begins again. One operation is one reserve or one settle. Beside
it, in the same rounds: one synced row a transaction, by one thread and by 50, which is what SQLite alone
does; and the ledger's own rules with a transaction for each command, which is what the writer is for.

With a busy loop, a neighbour on the callers' loop takes all the time that they leave. Each figure is the
median of the rounds, so that a neighbour on the machine spoils one round and not the figure.
"""

from __future__ import annotations

import asyncio
import itertools
import os
import sqlite3
import tempfile
import threading
import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from statistics import median

import psutil
import uvloop

from bench.table import Row, print_table, quantile
from billing.client import LedgerClient
from billing.commands import Command, Facts, Grant, Hold, Line, Reserve, Settle
from billing.group_commit import GroupCommit
from billing.journal_sqlite import SqliteJournal
from billing.money import NANO_USD_PER_USD, cost_nano_usd
from billing.writer import Ledger

ROUNDS = 5
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
class Round:
    """Seconds that it took, milliseconds of each operation by its name, and seconds of CPU by whose."""

    seconds: float = 0.0
    ms: dict[str, list[float]] = field(default_factory=dict)
    cpu_s: dict[str, float] = field(default_factory=dict)

    @property
    def operations(self) -> int:
        return sum(len(values) for values in self.ms.values())


@dataclass(slots=True)
class Waits:
    """What one way measured, round by round."""

    rounds: list[Round] = field(default_factory=list)

    def add(self, name: str, began_ns: int) -> None:
        self.rounds[-1].ms.setdefault(name, []).append((time.perf_counter_ns() - began_ns) / 1e6)

    @property
    def operations(self) -> int:
        return sum(one.operations for one in self.rounds)


Cpu = Callable[[], dict[str, float]]
"""Seconds of CPU so far, by whose."""


def measure() -> list[Row]:
    return uvloop.run(_measure())


async def _measure() -> list[Row]:
    ways = {name: Waits() for name in (*_FLOORS, _ONE_BY_ONE, *WAYS)}
    with tempfile.TemporaryDirectory(prefix="ledger-bench-") as name:
        folder = Path(name)
        ledger = await Ledger.open(folder / "ledger.db", free_money_limit_nano_usd=_LIMIT)
        try:
            await fund(ledger)
            writer_pid = ledger.child.pid
            assert writer_pid is not None
            cpu = partial(cpu_of, {"writer": [writer_pid], "callers": [os.getpid()]})
            for round_no in range(ROUNDS):
                for floor, threads in _FLOORS.items():
                    path = folder / f"floor{round_no}_{threads}.db"
                    await asyncio.to_thread(_floor, path, ways[floor], threads)
                await asyncio.to_thread(_one_by_one, folder / f"one{round_no}.db", ways[_ONE_BY_ONE])
                for way, (callers, teams, busy) in WAYS.items():
                    await drive(ledger, ways[way], callers, teams, busy, cpu)
        finally:
            await ledger.close()
        operations = sum(ways[way].operations for way in WAYS)
        size = (folder / "ledger.db").stat().st_size
    rows = [row for way, waits in ways.items() for row in rows_of(way, waits, _BARS.get(way, NO_BARS))]
    rows.append(Row("ledger, bytes a request on disk", f"{2 * size / operations:.0f}", f"{operations // 2}"))
    return rows


_LIMIT = 1_000_000 * NANO_USD_PER_USD
_FLOORS = {  # name: threads
    "floor, one synced row a transaction, 1 thread": 1,
    "floor, one synced row a transaction, 50 threads": 50,
}
_ONE_BY_ONE = "50 callers, 1 team, a transaction for each command"
WAYS: dict[str, tuple[int, int, bool]] = {  # name: callers, teams, whether the loop is busy
    "1 caller, 1 team": (1, 1, False),
    "50 callers, 1 team": (50, 1, False),
    "200 callers, 1 team": (200, 1, False),
    "1 caller, 1,000 teams": (1, TEAMS, False),
    "50 callers, 1,000 teams": (50, TEAMS, False),
    "200 callers, 1,000 teams": (200, TEAMS, False),
    "50 callers, 1 team, busy loop": (50, 1, True),
}
NO_BARS = ("", "", "")
_BARS = {  # rate, p99, CPU
    "50 callers, 1 team": (">= 10,000/s", "<= 10 ms", "<= 45 us"),
    "50 callers, 1 team, busy loop": (">= 10,000/s", "<= 10 ms", ""),
}


def rows_of(name: str, waits: Waits, bars: tuple[str, str, str]) -> Iterator[Row]:
    """The median of the rounds, each figure for itself."""
    bar_rate, bar_p99, bar_cpu = bars
    rounds = [one for one in waits.rounds if one.operations]
    rate = median(one.operations / one.seconds for one in rounds)
    yield Row(f"ledger, {name}", f"{rate:,.0f} operations/s", f"{waits.operations}", bar_rate)
    for kind in rounds[0].ms:
        p50, p99 = (median(quantile(one.ms[kind], share) for one in rounds) for share in (0.5, 0.99))
        samples = f"{sum(len(one.ms[kind]) for one in rounds)}"
        yield Row(f"ledger, {name}, {kind}, p50 / p99", f"{p50:.2f} / {p99:.2f} ms", samples, bar_p99)
    shares = {
        whose: median(one.cpu_s[whose] / one.operations for one in rounds) * 1e6 for whose in rounds[0].cpu_s
    }
    if shares:
        parts = " + ".join(f"{us:.0f} {whose}" for whose, us in shares.items())
        value = f"{sum(shares.values()):.0f} us ({parts})"
        yield Row(f"ledger, {name}, CPU an operation", value, f"{waits.operations}", bar_cpu)


# --- through the writer -----------------------------------------------------------------------------

_PROCESS = f"{os.getpid():08x}"
_runs = itertools.count()


async def fund(ledger: LedgerClient) -> None:
    await asyncio.gather(
        *(ledger.grant(Grant(team, "payment", _LIMIT, "bench", "")) for team in range(1, TEAMS + 3))
    )


async def drive(
    ledger: LedgerClient,
    waits: Waits,
    callers: int,
    teams: int,
    busy: bool,
    cpu: Cpu,
    *,
    first_team: int = 1,
) -> None:
    """One round: so many callers on so many teams, beside a neighbour where the loop is busy."""
    neighbour = asyncio.create_task(_neighbour()) if busy else None
    waits.rounds.append(Round())
    before, began = cpu(), time.perf_counter()
    until = began + ROUND_S
    await asyncio.gather(*(_call(ledger, waits, first_team, teams, until) for _ in range(callers)))
    waits.rounds[-1].seconds = time.perf_counter() - began
    if not busy:  # else the neighbour's would be counted
        waits.rounds[-1].cpu_s = {whose: total - before[whose] for whose, total in cpu().items()}
    if neighbour is not None:
        neighbour.cancel()


def cpu_of(pids: Mapping[str, Iterable[int]]) -> dict[str, float]:
    """Seconds of CPU that these processes have had."""
    return {
        whose: float(sum(sum(psutil.Process(pid).cpu_times()[:2]) for pid in theirs))
        for whose, theirs in pids.items()
    }


async def _call(ledger: LedgerClient, waits: Waits, first_team: int, teams: int, until: float) -> None:
    while time.perf_counter() < until:
        n = next(_runs)
        began_ns = time.perf_counter_ns()
        hold = await ledger.reserve(_asking(first_team + n % teams, n))
        waits.add("reserve", began_ns)
        began_ns = time.perf_counter_ns()
        await ledger.settle(Settle(hold, _LINES, _COST, _FACTS))
        waits.add("settle", began_ns)


def _asking(team_id: int, n: int) -> Reserve:
    return Reserve(
        team_id=team_id,
        run_id=f"run_{_PROCESS}-7d3a-7000-8000-{n:012d}",
        amount_nano_usd=4 * _COST,
        least_nano_usd=_COST,
        lease_ms=30_000,
        facts=_FACTS,
        scopes=(("key", "11"), ("member", "7"), ("team", "1")),
    )


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
    waits.rounds.append(Round())
    began = time.perf_counter()
    until = began + ROUND_S
    _together(threads, lambda: _insert(path, waits, until))
    waits.rounds[-1].seconds = time.perf_counter() - began


def _one_by_one(path: Path, waits: Waits) -> None:
    """As an application would that writes its ledger itself: 50 threads, one connection, a synced
    transaction for each command."""
    with ThreadPoolExecutor(1) as connection:
        journal = connection.submit(SqliteJournal, path).result()
        commit = GroupCommit(
            journal, free_money_limit_nano_usd=_LIMIT, now_ms=lambda: time.time_ns() // 1_000_000
        )

        def written(command: Command) -> object:
            (outcome,) = commit.run([command])
            journal.sync()
            return outcome

        connection.submit(written, Grant(1, "payment", _LIMIT, "bench", "")).result()
        waits.rounds.append(Round())
        began = time.perf_counter()
        until = began + ROUND_S

        def call() -> None:
            while time.perf_counter() < until:
                began_ns = time.perf_counter_ns()
                hold = connection.submit(written, _asking(1, next(_runs))).result()
                waits.add("reserve", began_ns)
                assert isinstance(hold, Hold)
                began_ns = time.perf_counter_ns()
                connection.submit(written, Settle(hold, _LINES, _COST, _FACTS)).result()
                waits.add("settle", began_ns)

        _together(50, call)
        waits.rounds[-1].seconds = time.perf_counter() - began
        connection.submit(journal.close).result()


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
