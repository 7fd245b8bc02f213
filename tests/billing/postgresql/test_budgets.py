"""Caps where several processes write: counted together, and told once."""

from __future__ import annotations

import pytest

from billing.budgets import Budgets
from billing.errors import CapReached
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
