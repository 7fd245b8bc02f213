"""The request log from the command line: what it lost, named by the ledger, and what is too old."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta

import time_machine

from billing.commands import Facts, Line, Reserve, Settle
from billing.money import cost_nano_usd
from billing.writer import Ledger
from store.databases import Databases
from store.ids import new_id
from telemetry import stored
from tests.operations.conftest import Shell
from tests.telemetry import example_rows

_FACTS = Facts(model="lab/fast", provider="lab", price_version="v1", user_id=1)
_LINES = (Line("output", 100, 1_000_000),)  # $0.0001


async def _settle(shell: Shell, *run_ids: str) -> None:
    ledger = await Ledger.open(shell.folder / "ledger.db", free_money_limit_nano_usd=10**13)
    try:
        for run_id in run_ids:
            hold = await ledger.reserve(Reserve(1, run_id, 10**6, 10**6, 30_000, _FACTS))
            await ledger.settle(Settle(hold, _LINES, cost_nano_usd(_LINES), _FACTS))
    finally:
        await ledger.close()


def _log(shell: Shell, *run_ids: str, ended_at_ms: int | None = None) -> None:
    at_ms = time.time_ns() // 1_000_000 if ended_at_ms is None else ended_at_ms
    databases = Databases.open(shell.folder)
    with databases.log.engine.begin() as connection:
        rows = [example_rows.request(run_id=run_id, ended_at_ms=at_ms) for run_id in run_ids]
        stored.write(connection, rows)
    databases.close()


@contextmanager
def _minutes_later() -> Iterator[None]:
    with time_machine.travel(datetime.now(UTC) + timedelta(minutes=5), tick=True):
        yield


def test_the_ledger_names_what_the_log_lost(shell: Shell) -> None:
    runs = [new_id("run") for _ in range(3)]
    asyncio.run(_settle(shell, *runs))
    _log(shell, runs[0], runs[2])
    assert shell.run("log", "check") == 0  # what was settled just now may still be on its way
    assert "0 settled runs" in shell.out
    with _minutes_later():
        assert shell.run("log", "check", "--days", "1") == 1
        named, told = shell.out.splitlines()
    assert named.startswith("NOT LOGGED  team 1, entry ") and runs[1] in named and "$0.0001" in named
    assert told.startswith("3 settled runs") and told.endswith(": 1 without a row in the log, $0.0001.")
    _log(shell, runs[1])
    with _minutes_later():
        assert shell.run("log", "check", "--team", "1") == 0


def test_old_months_go_by_hand_and_the_rest_stays(shell: Shell) -> None:
    _log(shell, "run_1", ended_at_ms=time.time_ns() // 1_000_000 - 200 * 86_400_000)
    _log(shell, "run_2")
    assert shell.run("log", "forget", "--days", "90") == 0
    assert shell.out.startswith("1 requests that ended before ")
    assert shell.run("log", "forget", "--days", "90") == 0 and shell.out.startswith("0 requests")
