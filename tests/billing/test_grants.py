"""Giving credit, once each."""

from __future__ import annotations

import msgspec
import pytest

from billing.commands import Grant
from billing.errors import InsufficientCredits, LedgerBug, RefConflict
from tests.billing.bank import DAY_MS, Bank, usd


def test_a_grant_happens_once_for_its_reference(bank: Bank) -> None:
    first = bank.grant("10", ref="invoice 1")
    for _ in range(2):
        assert bank.grant("10", ref="invoice 1") == msgspec.structs.replace(first, replayed=True)
        bank.restart()
    assert bank.grant("10", ref="invoice 1", team=2).replayed is False
    assert bank.kinds() == ["grant"]


@pytest.mark.parametrize(("amount", "kind"), [("11", "grant"), ("10", "payment")])
def test_a_reference_used_for_something_else_is_refused(bank: Bank, amount: str, kind: str) -> None:
    bank.grant("10", ref="invoice 1")
    with pytest.raises(RefConflict):
        bank.grant(amount, kind, ref="invoice 1")  # type: ignore[arg-type]


def test_no_reference_of_a_caller_can_meet_one_of_ours(bank: Bank) -> None:
    bank.grant("1", ref=f"allowance:{bank.now_ms}")
    bank.reserve("0.10")
    assert bank.kinds() == ["grant", "allowance"]


def test_an_entry_says_who_gave_and_why(bank: Bank) -> None:
    bank.grant("1", ref="thanks")
    entry = bank.statements.entries(1)[0]
    assert (entry.ref, entry.reason, entry.amount_nano_usd) == ("grant:thanks", "a reason", usd("1"))


def test_an_adjustment_takes_back_bought_credit_first_and_never_what_is_held(bank: Bank) -> None:
    bank.grant("2")
    bank.pay("3")
    hold = bank.reserve("2.50")
    bank.grant("-1", "adjustment")
    entry = bank.statements.entries(1)[0]
    assert {p.account: p.amount_nano_usd for p in entry.postings} == {
        "payment": usd("-1"),
        "adjusted": usd("1"),
    }
    with pytest.raises(InsufficientCredits):
        bank.grant("-1.500000001", "adjustment")
    bank.grant("-1.50", "adjustment")
    assert bank.available() == 0
    bank.settle(hold, "2.50")


def test_an_adjustment_takes_from_what_would_be_spent_last(bank: Bank) -> None:
    bank.grant("2")
    bank.pay("3")
    bank.grant("2", days=9)
    bank.grant("-4", "adjustment")
    taken = {p.account_no: p.amount_nano_usd for p in bank.statements.entries(1)[0].postings}
    assert taken == {1: usd("-1"), 2: usd("-3"), -6: usd("4")}


def test_an_adjustment_can_give(bank: Bank) -> None:
    bank.grant("2", "adjustment", days=3)
    assert bank.balance().balance_nano_usd == usd("7")
    bank.pass_time(days=3)
    assert bank.balance().balance_nano_usd == usd("5")


@pytest.mark.parametrize(
    "grant",
    [
        Grant(1, "grant", 0, "r", ""),
        Grant(1, "grant", -1, "r", ""),
        Grant(1, "payment", -1, "r", ""),
        Grant(1, "grant", 10**18, "r", ""),
        Grant(1, "grant", 1, "", ""),
        Grant(1, "grant", 1, "r", "", expires_ms=DAY_MS),
        Grant(1, "adjustment", -1, "r", "", expires_ms=1 << 60),
    ],
)
def test_a_grant_that_makes_no_sense_is_refused(bank: Bank, grant: Grant) -> None:
    with pytest.raises(LedgerBug):
        bank.do(grant)
    assert bank.kinds() == []
