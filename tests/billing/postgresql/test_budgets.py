"""Caps where several processes write: counted together, and told once."""

from __future__ import annotations

import asyncio

import pytest

from billing.budgets import Budgets
from billing.commands import Line, Reserve, SetCap, Settle
from billing.errors import CapReached
from billing.money import parse_usd
from billing.writer_postgresql import PostgresLedger
from tests.billing.bank import FACTS
from tests.billing.bank_postgresql import PostgresqlBank
from tests.billing.conftest import Ledgers

pytestmark = pytest.mark.postgresql

TEAM = (("team", "1"),)


def test_two_writers_on_one_postgresql_tell_a_threshold_once(ledgers: Ledgers) -> None:
    url = ledgers.take()
    one, other = PostgresqlBank(url), PostgresqlBank(url)
    one.cap("1", *TEAM[0], window="day")
    for writer, run in ((one, "a"), (other, "b"), (one, "c"), (other, "d")):
        writer.settle(writer.reserve("0.24", run=run, scopes=TEAM), "0.24")
    with pytest.raises(CapReached):
        one.reserve("0.24", run="e", scopes=TEAM)
    with pytest.raises(CapReached):
        other.reserve("0.24", run="f", scopes=TEAM)
    found = Budgets(url).alerts(0)
    assert [(alert.percent, alert.entry_seq is None) for alert in found] == [
        (50, False),
        (80, False),
        (100, True),
    ]
    for writer in (one, other):
        writer.journal.close()
    assert one.findings() == []
    ledgers.give_back(url)


async def test_forty_runs_through_two_writers_at_once_tell_each_threshold_once(ledger_url: str) -> None:
    limit = parse_usd("1000")
    writers = [await PostgresLedger.open(ledger_url, free_money_limit_nano_usd=limit) for _ in range(2)]
    await writers[0].set_cap(SetCap(1, *TEAM[0], parse_usd("1"), "rolling", 7))
    lines = (Line("output", parse_usd("0.025"), 1_000),)

    async def run(no: int) -> None:
        writer, amount = writers[no % 2], parse_usd("0.025")
        hold = await writer.reserve(Reserve(1, f"run_{no}", amount, amount, 30_000, FACTS, TEAM))
        await writer.settle(Settle(hold, lines, amount, FACTS))

    await asyncio.gather(*(run(no) for no in range(40)))
    with pytest.raises(CapReached):
        await run(40)
    for writer in writers:
        await writer.close()
    alerts = Budgets(ledger_url).alerts(0)
    assert [(alert.percent, alert.entry_seq is not None) for alert in alerts] == [
        (50, True),
        (80, True),
        (100, True),
    ]
