"""Bookkeeping as one would tell it: what a team does, and the postings that follow.

Each story ends with the books: every account's balance, the team's own and those of the system, whose
sum is zero. Amounts are written out, never reckoned.
"""

from __future__ import annotations

from collections import Counter

import pytest

from billing.commands import Line
from billing.errors import InsufficientCredits
from billing.money import format_usd
from tests.billing.bank import LEASE_MS, Bank, usd


def books(bank: Bank, team: int = 1) -> dict[str, str]:
    """The balance of each account that is not empty, in dollars."""
    totals: Counter[str] = Counter()
    for entry in bank.statements.entries(team, 1_000):
        for posting in entry.postings:
            totals[posting.account] += posting.amount_nano_usd
    assert sum(totals.values()) == 0
    return {account: format_usd(total) for account, total in totals.items() if total}


def postings_of_the_last_entry(bank: Bank) -> dict[str, str]:
    entry = bank.statements.entries(1, 1)[0]
    return {posting.account: format_usd(posting.amount_nano_usd) for posting in entry.postings}


def test_a_first_prompt(bank: Bank) -> None:
    """A new team asks the embedded model something: 30 tokens in at $0.10 a million, 12 out at $0.40."""
    hold = bank.reserve("0.0017")
    assert postings_of_the_last_entry(bank) == {"allowance": "$5.00", "issued": "-$5.00"}
    lines = (Line("input", 30, 100_000), Line("output", 12, 400_000))
    receipt = bank.settle(hold, "", lines=lines)
    assert format_usd(receipt.cost_nano_usd) == "$0.0000078"
    assert postings_of_the_last_entry(bank) == {"allowance": "-$0.0000078", "spent": "$0.0000078"}
    assert bank.available() == usd("4.9999922")
    assert books(bank) == {"allowance": "$4.999992", "issued": "-$5.00", "spent": "$0.0000078"}


def test_a_quiet_month_then_a_busy_one(bank: Bank) -> None:
    """Four of the first five dollars go unused and lapse; the next window has five again, not nine."""
    bank.spend("1")
    bank.pass_time(days=30)
    bank.spend("5")
    assert books(bank) == {"issued": "-$10.00", "spent": "$6.00", "lapsed": "$4.00"}
    with pytest.raises(InsufficientCredits):
        bank.reserve("0.000000001")


def test_a_team_that_buys_credit(bank: Bank) -> None:
    """The free credit is spent first; the purchase ends the allowance; what was bought stays."""
    bank.spend("2")
    bank.pay("20")
    bank.spend("4")
    assert postings_of_the_last_entry(bank) == {"allowance": "-$3.00", "payment": "-$1.00", "spent": "$4.00"}
    bank.pass_time(days=365)
    bank.spend("19")
    assert books(bank) == {"issued": "-$5.00", "cash": "-$20.00", "spent": "$25.00"}


def test_a_purchase_that_is_refunded(bank: Bank) -> None:
    """Ten of twenty dollars were used; the rest is taken back, and no allowance comes again."""
    bank.pay("20")
    bank.spend("10")
    bank.grant("-10", "adjustment", ref="refund of invoice 1")
    assert postings_of_the_last_entry(bank) == {"payment": "-$10.00", "adjusted": "$10.00"}
    assert books(bank) == {"cash": "-$20.00", "spent": "$10.00", "adjusted": "$10.00"}
    with pytest.raises(InsufficientCredits):
        bank.reserve("0.01")


def test_an_answer_longer_than_anybody_thought(bank: Bank) -> None:
    """The bound was too low: the team pays what it has, the operator the rest."""
    hold = bank.reserve("4.90")
    receipt = bank.settle(hold, "5.75")
    assert (receipt.charged_nano_usd, receipt.writeoff_nano_usd) == (usd("5"), usd("0.75"))
    assert books(bank) == {"issued": "-$5.00", "spent": "$5.75", "written_off": "-$0.75"}
    assert bank.balance().total_used_nano_usd == usd("5")


def test_a_process_that_died_in_mid_answer(bank: Bank) -> None:
    """Half a minute later the sweeper bills what had come, and says that it is an estimate."""
    hold = bank.reserve("1")
    bank.checkpoint(hold, "0.10")
    bank.checkpoint(hold, "0.35")
    bank.restart()
    bank.pass_time(ms=LEASE_MS)
    assert bank.commit.sweep() == 1
    entry = bank.statements.entry_of_run(1, hold.run_id)
    assert entry is not None
    assert entry.estimated
    assert books(bank) == {"allowance": "$4.65", "issued": "-$5.00", "spent": "$0.35"}


def test_a_provider_that_never_answered(bank: Bank) -> None:
    """Nothing came, nothing is owed, and the books show nothing but the allowance."""
    bank.void(bank.reserve("1"))
    assert books(bank) == {"allowance": "$5.00", "issued": "-$5.00"}


def test_an_answer_that_outlives_its_window(bank: Bank) -> None:
    """Held in one window, billed in the next: the old credit pays, and what it did not need lapses."""
    bank.pass_time(days=10)
    hold = bank.reserve("2")
    bank.pass_time(days=30)
    bank.settle(hold, "0.50")
    assert books(bank) == {"issued": "-$5.00", "spent": "$0.50", "lapsed": "$4.50"}
    assert bank.available() == usd("5")


def test_a_hackathon(bank: Bank) -> None:
    """A gift for three days beside the allowance: it ends first, so it goes first."""
    bank.grant("50", days=3, ref="hackathon")
    bank.spend("5")  # priority first: the allowance
    bank.spend("30")
    bank.pass_time(days=3)
    with pytest.raises(InsufficientCredits):
        bank.reserve("1")
    assert books(bank) == {"issued": "-$55.00", "spent": "$35.00", "lapsed": "$20.00"}


def test_a_team_that_keeps_its_scripts_on_a_leash(bank: Bank) -> None:
    """CI may spend fifty cents a day, whatever the team has."""
    bank.pay("100")
    bank.cap("0.50", "key", "ci", window="day")
    ci = (("key", "ci"),)
    for day in range(3):
        bank.settle(bank.reserve("0.30", scopes=ci), "0.20")
        hold = bank.reserve("1", least="0.10", scopes=ci)
        assert format_usd(hold.amount_nano_usd) == "$0.30"
        bank.settle(hold, "0.30")
        bank.pass_time(days=1)
        assert bank.balance().total_used_nano_usd == usd("0.50") * (day + 1)
