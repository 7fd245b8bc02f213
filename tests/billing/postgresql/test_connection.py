"""Connections that break and servers that die under the ledger's writer, and writers that die themselves."""

from __future__ import annotations

import asyncio
import os
import signal
import sys
import time
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from urllib.parse import urlsplit

import asyncpg
import psutil
import pytest

from billing import group_commit_postgresql
from billing.commands import Checkpoint, Grant, Receipt, Void
from billing.errors import LedgerUnavailable
from billing.money import parse_usd
from billing.syncer_postgresql import PostgresSyncer, Witness
from billing.writer_postgresql import PostgresLedger
from tests.billing.postgresql.test_writer import LIMIT, asking, balance, names, outcomes, settling
from tests.postgresql import PostgreSQL, database_of

pytestmark = pytest.mark.postgresql

ROOT = Path(__file__).resolve().parents[3]


@pytest.fixture
async def ledger(ledger_url: str) -> AsyncIterator[PostgresLedger]:
    ledger = await PostgresLedger.open(ledger_url, free_money_limit_nano_usd=LIMIT)
    await ledger.grant(Grant(1, "payment", parse_usd("1000"), "invoice 1", ""))
    yield ledger
    await ledger.close()


@pytest.fixture
async def admin(postgresql: PostgreSQL, ledger: PostgresLedger) -> AsyncIterator[asyncpg.Connection]:
    """Another connection to the same server, which is closed before the ledger is."""
    connection = await asyncpg.connect(postgresql.url)
    yield connection
    await connection.close()


_WRITERS = "SELECT pid FROM pg_stat_activity WHERE datname = $1 AND application_name = 'tiltyard ledger'"


async def terminate(admin: asyncpg.Connection, url: str) -> int:
    """End the server's side of every ledger's connection to this database; how many there were."""
    found = await admin.fetch(
        f"SELECT pg_terminate_backend(pid) FROM ({_WRITERS}) AS found", database_of(url)
    )
    return len(found)


# --- the connection -------------------------------------------------------------------------------


async def test_a_connection_cut_in_the_middle_of_batches_loses_and_doubles_nothing(
    ledger: PostgresLedger, admin: asyncpg.Connection, ledger_url: str
) -> None:
    ended = asyncio.Event()
    cut = 0

    async def cutting() -> None:
        nonlocal cut
        while not ended.is_set():
            cut += await terminate(admin, ledger_url)
            await asyncio.sleep(0.06)

    async def caller(name: int) -> None:
        for n in range(12):
            hold = await ledger.reserve(asking(f"run_{name}_{n}"))
            await ledger.checkpoint(Checkpoint(1, hold.run_id, settling(hold, "0.01").lines, 30_000))
            receipt = await ledger.settle(settling(hold, "0.10"))
            assert receipt.charged_nano_usd == parse_usd("0.10")

    knives = asyncio.create_task(cutting())
    await asyncio.gather(*(caller(name) for name in range(20)))
    ended.set()
    await knives
    assert cut >= 3
    found = balance(ledger_url)
    assert found.total_used_nano_usd == parse_usd("24")
    assert found.open_holds == ()


async def test_a_connection_that_ended_between_a_hold_and_its_settle_is_made_again(
    ledger: PostgresLedger, admin: asyncpg.Connection, ledger_url: str
) -> None:
    hold = await ledger.reserve(asking("run_1"))
    assert await terminate(admin, ledger_url) >= 1
    receipt = await ledger.settle(settling(hold, "0.10"))
    assert (receipt.replayed, receipt.charged_nano_usd) == (False, parse_usd("0.10"))
    hold = await ledger.reserve(asking("run_2"))
    assert await terminate(admin, ledger_url) >= 1
    await ledger.void(Void(1, hold.run_id))
    assert balance(ledger_url).open_holds == ()


async def test_a_database_that_is_gone_for_a_while_is_said_to_be_and_found_again(
    ledger: PostgresLedger,
    admin: asyncpg.Connection,
    ledger_url: str,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(group_commit_postgresql, "RECONNECT_WITHIN_S", 0.3)
    hold = await ledger.reserve(asking("run_1"))
    assert ledger.ready
    name = database_of(ledger_url)
    await admin.execute(f'ALTER DATABASE "{name}" ALLOW_CONNECTIONS false')
    try:
        await terminate(admin, ledger_url)
        began_s = time.monotonic()
        got = await outcomes(*(ledger.reserve(asking(f"run_gone_{n}")) for n in range(300)))
        assert names(got) == {"LedgerUnavailable": 300}
        with pytest.raises(LedgerUnavailable):
            await ledger.settle(settling(hold, "0.10"))
        assert time.monotonic() - began_s < 5
        assert not ledger.ready
    finally:
        await admin.execute(f'ALTER DATABASE "{name}" ALLOW_CONNECTIONS true')
    assert not (await ledger.settle(settling(hold, "0.10"))).replayed
    assert ledger.ready


async def test_a_server_that_dies_between_an_acknowledged_hold_and_its_settle_costs_nobody_anything(
    ledger: PostgresLedger, admin: asyncpg.Connection, ledger_url: str
) -> None:
    """Killing one of its processes ends them all, and with them holds that were not on disk yet."""
    pid = await admin.fetchval(_WRITERS, database_of(ledger_url))
    if not psutil.pid_exists(pid) or psutil.Process(pid).name() != "postgres":
        pytest.skip("the server is on another machine")
    synced = await ledger.settle(settling(await ledger.reserve(asking("run_before")), "0.10"))
    holds = [await ledger.reserve(asking(f"run_{n}")) for n in range(10)]
    os.kill(pid, signal.SIGKILL)
    receipts = [await ledger.settle(settling(hold, "0.10")) for hold in holds[:9]]
    assert not any(receipt.replayed for receipt in receipts)
    assert {receipt.charged_nano_usd for receipt in receipts} == {parse_usd("0.10")}
    await ledger.void(Void(1, holds[9].run_id))
    again = await ledger.settle(settling(holds[0], "0.10"))
    assert (again.replayed, again.entry_hash) == (True, receipts[0].entry_hash)
    assert synced.entry_seq < min(receipt.entry_seq for receipt in receipts)
    found = balance(ledger_url)
    assert (found.total_used_nano_usd, found.open_holds) == (parse_usd("1"), ())


class Dawdles(PostgresSyncer):
    """A syncer that comes late: what it is to sync is committed, and on no disk."""

    def __init__(self, dsn: str) -> None:
        super().__init__(dsn)
        self.asked, self.may_go = asyncio.Event(), asyncio.Event()

    async def sync(self, witness: Witness) -> bool:
        self.asked.set()
        await self.may_go.wait()
        return await super().sync(witness)


async def test_what_a_server_loses_between_its_commit_and_the_disk_was_told_to_nobody_and_is_written_again(
    ledger: PostgresLedger, admin: asyncpg.Connection, ledger_url: str
) -> None:
    pid = await admin.fetchval(_WRITERS, database_of(ledger_url))
    if not psutil.pid_exists(pid) or psutil.Process(pid).name() != "postgres":
        pytest.skip("the server is on another machine")
    await ledger._syncer.close()
    ledger._syncer = late = Dawdles(ledger_url)
    holds = [await ledger.reserve(asking(f"run_{n}")) for n in range(5)]
    settles = [asyncio.create_task(ledger.settle(settling(hold, "0.10"))) for hold in holds]
    await late.asked.wait()
    assert balance(ledger_url).total_used_nano_usd == parse_usd("0.50"), "it is committed"
    assert not any(task.done() for task in settles), "and nobody is told"
    another = await ledger.reserve(asking("run_another"))
    assert another.run_id == "run_another", "nobody else waits for that"
    os.kill(pid, signal.SIGKILL)
    await asyncio.sleep(0.5)  # the server is back before the sync begins
    late.may_go.set()
    receipts = await asyncio.gather(*settles)
    assert {receipt.charged_nano_usd for receipt in receipts} == {parse_usd("0.10")}
    for hold, receipt in zip(holds, receipts, strict=True):
        again = await ledger.settle(settling(hold, "0.10"))
        assert (again.replayed, again.entry_hash) == (True, receipt.entry_hash)
    assert balance(ledger_url).total_used_nano_usd == parse_usd("0.50")


async def test_a_witness_that_died_says_that_nobody_knows_though_the_server_is_there(
    ledger: PostgresLedger, admin: asyncpg.Connection, ledger_url: str
) -> None:
    syncer = PostgresSyncer(ledger_url)
    witness = await syncer.witness()
    assert witness is not None
    assert await syncer.sync(witness)
    await terminate(admin, ledger_url)
    assert not await syncer.sync(witness)
    another = await syncer.witness()
    assert another is not None
    assert another is not witness
    assert await syncer.sync(another)
    await syncer.close()


async def test_where_there_is_no_connection_to_sync_by_each_commit_waits_for_the_disk(
    ledger: PostgresLedger,
) -> None:
    await ledger._syncer.close()
    ledger._syncer = PostgresSyncer("postgresql://127.0.0.1:1/nowhere")
    receipt = await ledger.settle(settling(await ledger.reserve(asking("run_1")), "0.10"))
    assert (receipt.replayed, receipt.charged_nano_usd) == (False, parse_usd("0.10"))


# --- starting -------------------------------------------------------------------------------------


async def test_processes_that_start_together_make_one_schema(new_postgresql: Callable[[], str]) -> None:
    url = new_postgresql()
    ledgers = await asyncio.gather(
        *(PostgresLedger.open(url, free_money_limit_nano_usd=LIMIT) for _ in range(8))
    )
    got = await outcomes(*(ledger.reserve(asking(f"run_{n}")) for n, ledger in enumerate(ledgers)))
    assert names(got) == {"Hold": 8}
    await asyncio.gather(*(ledger.close() for ledger in ledgers))


async def test_a_schema_of_a_newer_version_is_left_alone(ledger_url: str) -> None:
    db = await asyncpg.connect(ledger_url)
    await db.execute("INSERT INTO ledger.ledger_schema VALUES (99)")
    try:
        with pytest.raises(LedgerUnavailable):
            await PostgresLedger.open(ledger_url, free_money_limit_nano_usd=LIMIT)
    finally:
        await db.execute("DELETE FROM ledger.ledger_schema WHERE version = 99")
        await db.close()


async def test_where_nobody_listens_the_ledger_does_not_open(ledger_url: str) -> None:
    elsewhere = urlsplit(ledger_url)._replace(netloc="127.0.0.1:1", query="").geturl()
    with pytest.raises(LedgerUnavailable):
        await PostgresLedger.open(elsewhere, free_money_limit_nano_usd=LIMIT)


# --- writers that die -----------------------------------------------------------------------------

_DOOMED = """
import asyncio, sys
from billing.commands import Checkpoint
from billing.writer_postgresql import PostgresLedger
from tests.billing.postgresql.test_writer import LIMIT, asking, settling

async def caller(ledger, name):
    for n in range(10_000):
        hold = await ledger.reserve(asking(f"run_{name}_{n}", "0.20", lease_ms=300))
        await ledger.checkpoint(Checkpoint(1, hold.run_id, settling(hold, "0.05").lines, 300))
        receipt = await ledger.settle(settling(hold, "0.10"))
        sys.stdout.write(f"{receipt.entry_seq} {receipt.entry_hash.hex()}\\n")
        sys.stdout.flush()

async def main():
    ledger = await PostgresLedger.open(sys.argv[1], free_money_limit_nano_usd=LIMIT)
    await asyncio.gather(*(caller(ledger, f"{sys.argv[2]}_{n}") for n in range(20)))

asyncio.run(main())
"""


async def test_processes_killed_again_and_again_lose_nothing_that_they_acknowledged(
    ledger: PostgresLedger, ledger_url: str
) -> None:
    acknowledged: list[tuple[int, str]] = []
    for life in range(4):
        doomed = await asyncio.create_subprocess_exec(
            sys.executable, "-c", _DOOMED, ledger_url, str(life), stdout=asyncio.subprocess.PIPE, cwd=ROOT
        )
        assert doomed.stdout is not None
        lines = [await asyncio.wait_for(doomed.stdout.readline(), 20)]
        await asyncio.sleep(0.1 + 0.07 * life)
        doomed.kill()
        lines += (await doomed.stdout.read()).splitlines(keepends=True)
        await doomed.wait()
        for line in lines:
            if line.endswith(b"\n"):
                seq, digest = line.decode().split()
                acknowledged.append((int(seq), digest))
    assert len(acknowledged) > 100
    await asyncio.sleep(0.35)
    swept = await ledger.sweep()
    db = await asyncpg.connect(ledger_url)
    kept = {seq: digest.hex() for seq, digest in await db.fetch("SELECT seq, hash FROM ledger.ledger_entry")}
    await db.close()
    assert [seq for seq, digest in acknowledged if kept.get(seq) != digest] == []
    assert swept >= 0
    assert balance(ledger_url).open_holds == ()
    receipt = await ledger.settle(settling(await ledger.reserve(asking("run_after")), "0.10"))
    assert isinstance(receipt, Receipt)
