"""Refunds and reversals, as they come out in the books."""

from __future__ import annotations

import pytest

from billing.commands import Grant, Granted
from billing.corrections import LEAST_LIFE_MS, refund, reversal
from billing.errors import InsufficientCredits, RefConflict
from billing.statements import EntryView
from billing.usage import CreditAccount, Usage
from tests.billing.bank import DAY_MS, START_MS, Bank, usd


class Desk:
    def __init__(self, bank: Bank) -> None:
        self.bank = bank

    def refund(self, seq: int, amount: str | None = None) -> Granted:
        return self._do(self.refunding(seq, amount))

    def refunding(self, seq: int, amount: str | None = None) -> Grant:
        part = None if amount is None else usd(amount)
        return refund(1, self._entry(seq), self._accounts(seq), "a bad answer", self.bank.now_ms, part)

    def reverse(self, seq: int, amount: str | None = None) -> Granted:
        part = None if amount is None else usd(amount)
        return self._do(reversal(1, self._entry(seq), self._accounts(seq), "a mistake", part))

    def _do(self, command: Grant) -> Granted:
        granted = self.bank.do(command)
        assert isinstance(granted, Granted)
        return granted

    def _entry(self, seq: int) -> EntryView:
        return self.bank.statements.entries(1, 1, seq + 1)[0]

    def _accounts(self, seq: int) -> tuple[CreditAccount, ...]:
        return Usage(self.bank.path, self.bank.statements).accounts_of_entry(1, seq)


@pytest.fixture
def desk(sqlite_bank: Bank) -> Desk:
    return Desk(sqlite_bank)


def test_a_refund_gives_back_what_a_run_cost_and_names_it(desk: Desk) -> None:
    bank = desk.bank
    receipt = bank.spend("2")
    granted = desk.refund(receipt.entry_seq)
    assert bank.available() == usd("5")
    (entry,) = bank.statements.entries(1, 1)
    assert (entry.kind.name, entry.amount_nano_usd) == ("ADJUSTMENT", usd("2"))
    assert entry.seq == granted.entry_seq
    assert entry.ref == f"grant:refund:{receipt.run_id}"
    assert entry.reason == f"refund of entry {receipt.entry_seq}, {receipt.run_id}: a bad answer"


def test_a_run_is_refunded_once_and_never_for_more_than_it_cost(desk: Desk) -> None:
    receipt = desk.bank.spend("2")
    with pytest.raises(ValueError, match="cost the team"):
        desk.refund(receipt.entry_seq, "2.000000001")
    desk.refund(receipt.entry_seq, "0.50")
    assert desk.refund(receipt.entry_seq, "0.50").replayed
    with pytest.raises(RefConflict):
        desk.refund(receipt.entry_seq)
    assert desk.bank.available() == usd("3.50")


def test_what_the_operator_bore_is_not_given_back(desk: Desk) -> None:
    bank = desk.bank
    receipt = bank.settle(bank.reserve("4", least="4"), "8")
    assert desk.refund(receipt.entry_seq).amount_nano_usd == usd("5")


def test_a_refund_lives_as_long_as_what_paid_and_thirty_days_at_least(desk: Desk) -> None:
    bank = desk.bank
    free = bank.spend("5")
    assert desk.refunding(free.entry_seq).expires_ms == START_MS + 30 * DAY_MS
    bank.pass_time(days=20)
    assert desk.refunding(free.entry_seq).expires_ms == bank.now_ms + LEAST_LIFE_MS
    bank.grant("1", days=90)
    bank.grant("1", days=60)
    both = bank.spend("2")
    assert desk.refunding(both.entry_seq).expires_ms == bank.now_ms + 90 * DAY_MS
    bank.pay("10")
    paid = bank.spend("1")
    assert desk.refunding(paid.entry_seq).expires_ms is None


def test_a_run_that_cost_nothing_and_an_entry_of_no_run_are_not_refunded(desk: Desk) -> None:
    bank = desk.bank
    free = bank.settle(bank.reserve("0.10"), "0", lines=())
    grant = bank.grant("1")
    with pytest.raises(ValueError, match="nothing"):
        desk.refund(free.entry_seq)
    with pytest.raises(ValueError, match="reversed"):
        desk.refund(grant.entry_seq)


def test_a_reversed_payment_takes_back_the_payment_and_brings_no_allowance_back(desk: Desk) -> None:
    bank = desk.bank
    bank.spend("1")
    payment = bank.pay("20")
    desk.reverse(payment.entry_seq)
    assert bank.available() == usd("4")
    assert bank.balance().ends_allowance
    bank.pass_time(days=31)
    assert bank.available() == 0
    with pytest.raises(InsufficientCredits):
        bank.reserve("0.01")


def test_a_mistaken_grant_is_taken_from_itself_not_from_what_was_bought(desk: Desk) -> None:
    bank = desk.bank
    bank.pay("50")
    grant = bank.grant("100", days=9)
    desk.reverse(grant.entry_seq)
    assert bank.available() == usd("50")
    bank.pass_time(days=10)
    assert bank.available() == usd("50")


def test_what_was_spent_of_a_grant_is_taken_from_elsewhere_only_where_that_is_said(desk: Desk) -> None:
    bank = desk.bank
    bank.pay("50")
    grant = bank.grant("10")
    bank.spend("4")
    with pytest.raises(ValueError, match=r"\$6.00 is left"):
        desk.reverse(grant.entry_seq)
    desk.reverse(grant.entry_seq, "10")
    assert bank.available() == usd("46")


def test_an_entry_is_reversed_once_and_a_reversal_can_be_reversed(desk: Desk) -> None:
    bank = desk.bank
    grant = bank.grant("10")
    undone = desk.reverse(grant.entry_seq)
    assert desk.reverse(grant.entry_seq, "10").replayed
    desk.reverse(undone.entry_seq)
    assert bank.kinds() == ["grant", "adjustment", "adjustment"]
    assert bank.available() == usd("15")


def test_what_is_held_is_not_taken_back(desk: Desk) -> None:
    bank = desk.bank
    payment = bank.pay("5")
    bank.reserve("5")
    with pytest.raises(InsufficientCredits):
        desk.reverse(payment.entry_seq, "5")


def test_spending_and_lapses_are_not_reversed(desk: Desk) -> None:
    receipt = desk.bank.spend("1")
    with pytest.raises(ValueError, match="cannot be reversed"):
        desk.reverse(receipt.entry_seq)
