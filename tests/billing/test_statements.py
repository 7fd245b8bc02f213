"""What a team is shown: totals that add up, entries that can be opened, from any thread."""

from __future__ import annotations

import threading
from pathlib import Path

import pytest

from billing.accounts import EntryKind
from billing.errors import LedgerUnavailable
from billing.statements import Statements
from tests.billing.bank import DAY_MS, LEASE_MS, START_MS, Bank, usd


def test_what_was_given_less_what_was_used_and_lapsed_is_the_balance(bank: Bank) -> None:
    bank.spend("1.25")
    bank.pay("20")
    bank.settle(bank.reserve("2"), "0.333333333")
    bank.pass_time(days=31)
    bank.spend("4")
    held = bank.reserve("3")
    entries = bank.statements.entries(1, 100)
    balance = bank.balance()
    assert sum(entry.amount_nano_usd for entry in entries) == balance.balance_nano_usd
    assert balance.balance_nano_usd == balance.available_nano_usd + balance.held_nano_usd
    assert balance.held_nano_usd == held.amount_nano_usd
    used = [entry for entry in entries if entry.kind is EntryKind.SETTLE]
    assert balance.total_used_nano_usd == -sum(entry.amount_nano_usd for entry in used)
    assert all(sum(posting.amount_nano_usd for posting in entry.postings) == 0 for entry in entries)


def test_each_entry_shows_the_balance_after_it(bank: Bank) -> None:
    bank.spend("1")
    bank.spend("0.5")
    bank.grant("3")
    after = [entry.balance_after_nano_usd for entry in bank.statements.entries(1)]
    assert after == [usd("6.5"), usd("3.5"), usd("4"), usd("5")]


def test_entries_are_read_in_pages_newest_first(bank: Bank) -> None:
    for _ in range(9):
        bank.spend("0.10")
    seen: list[int] = []
    before: int | None = None
    while page := bank.statements.entries(1, 4, before):
        seen += [entry.seq for entry in page]
        before = page[-1].seq
    assert seen == list(range(10, 0, -1))
    assert bank.statements.entries(1, 0) == ()


def test_another_team_sees_nothing_of_it(bank: Bank) -> None:
    receipt = bank.spend("1")
    assert bank.statements.entries(2) == ()
    assert bank.statements.entry_of_run(2, receipt.run_id) is None
    assert bank.balance(team=2).total_used_nano_usd == 0


def test_a_running_run_is_shown_with_its_model_and_how_far_it_is(bank: Bank) -> None:
    first = bank.reserve("1")
    second = bank.reserve("2")
    bank.checkpoint(first, "0.25")
    shown = bank.balance().open_holds
    assert [hold.run_id for hold in shown] == [first.run_id, second.run_id]
    assert (shown[0].model, shown[0].amount_nano_usd, shown[0].progress_nano_usd) == (
        "lab/fast",
        usd("1"),
        usd("0.25"),
    )
    assert shown[0].expires_ms == START_MS + LEASE_MS
    assert bank.statements.entry_of_run(1, first.run_id) is None


def test_what_of_the_allowance_is_left_is_told_apart_from_other_credit(bank: Bank) -> None:
    bank.spend("1")
    bank.grant("10")
    hold = bank.reserve("2")
    assert bank.balance().allowance_remaining_nano_usd == usd("2")
    bank.void(hold)
    assert bank.balance().allowance_remaining_nano_usd == usd("4")
    assert bank.balance().next_allowance_at_ms == START_MS + 30 * DAY_MS


def test_credit_that_has_ended_is_not_shown_though_no_entry_says_so_yet(bank: Bank) -> None:
    bank.grant("10", days=5)
    hold = bank.reserve("6")
    bank.pass_time(days=5)
    balance = bank.balance()
    assert balance.held_nano_usd == usd("6")
    # The hold keeps its claim to all of the allowance and to 1 dollar of the grant; the other 9 are gone.
    assert balance.available_nano_usd == 0
    assert [line.amount_nano_usd for line in hold.lines] == [usd("5"), usd("1")]


def test_looking_at_a_balance_gives_nothing_and_writes_nothing(sqlite_bank: Bank) -> None:
    bank = sqlite_bank
    before = bank.path.read_bytes()
    for _ in range(3):
        assert bank.available() == usd("5")
        bank.pass_time(days=31)
    assert bank.path.read_bytes() == before
    assert bank.kinds() == []


def test_many_threads_may_read_while_the_ledger_is_written(bank: Bank) -> None:
    failures: list[str] = []
    ending = threading.Event()

    def read() -> None:
        while not ending.is_set():
            balance = bank.balance()
            if balance.balance_nano_usd + balance.total_used_nano_usd != usd("5"):
                failures.append(str(balance))

    threads = [threading.Thread(target=read) for _ in range(4)]
    for thread in threads:
        thread.start()
    for _ in range(100):
        bank.spend("0.01")
    ending.set()
    for thread in threads:
        thread.join()
    assert failures == []


def test_without_a_ledger_there_is_an_error_and_no_new_file(tmp_path: Path) -> None:
    with pytest.raises(LedgerUnavailable):
        Statements(tmp_path / "ledger.db").balance(1, START_MS)
    assert list(tmp_path.iterdir()) == []
