"""A disk that is full, locked or failing: nothing is half done, and what failed succeeds later."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest

from billing.commands import Hold
from billing.errors import BillingError, CapReached, LedgerUnavailable
from billing.journal import Unavailable
from billing.journal_sqlite import SqliteJournal
from tests.billing.bank import Bank, usd


class Disk(SqliteJournal):
    """The real journal on a disk that can be full, and that can fail at any step of a write."""

    def fill(self) -> None:
        (pages,) = self._db.execute("PRAGMA page_count").fetchone()
        self._db.execute(f"PRAGMA max_page_count = {pages}")

    def clear(self) -> None:
        self._db.execute("PRAGMA max_page_count = 1000000")

    def fail_after(self, steps: int) -> None:
        """Interrupt whatever runs after so many steps of SQLite's machine."""
        self._db.set_progress_handler(lambda: 1, steps)

    def mend(self) -> None:
        self._db.set_progress_handler(None, 0)


@pytest.fixture
def disk(folder: Path) -> Disk:
    return Disk(folder / "ledger.db")


@pytest.fixture
def bank(folder: Path, disk: Disk) -> Iterator[Bank]:
    bank = Bank(folder / "ledger.db", free_money_limit="1000000", journal=disk)
    yield bank
    bank.journal.close()
    assert bank.findings() == []


def until_refused(bank: Bank) -> list[Hold]:
    holds: list[Hold] = []
    for _ in range(2_000):
        (outcome,) = bank.together(bank.asking("0.001"))
        if isinstance(outcome, BillingError):
            assert isinstance(outcome, LedgerUnavailable)
            return holds
        assert isinstance(outcome, Hold)
        holds.append(outcome)
    raise AssertionError("the disk never filled")


def test_on_a_full_disk_nothing_is_held(bank: Bank, disk: Disk) -> None:
    bank.reserve("1")
    disk.fill()
    holds = until_refused(bank)
    assert bank.balance().held_nano_usd == usd("1") + len(holds) * usd("0.001")
    assert bank.findings() == []
    disk.clear()
    assert bank.reserve("1").amount_nano_usd == usd("1")


def test_a_settle_that_failed_on_a_full_disk_succeeds_when_there_is_room(bank: Bank, disk: Disk) -> None:
    bank.reserve("0.01")
    holds = [bank.reserve("0.001") for _ in range(150)]
    disk.fill()
    until_refused(bank)
    failed: list[Hold] = []
    for hold in holds:
        try:
            bank.settle(hold, "0.0005")
        except LedgerUnavailable:
            failed.append(hold)
    assert failed
    assert bank.findings() == []
    assert bank.balance().total_used_nano_usd == (len(holds) - len(failed)) * usd("0.0005")
    disk.clear()
    assert [bank.settle(hold, "0.0005").replayed for hold in failed] == [False] * len(failed)
    assert bank.balance().total_used_nano_usd == len(holds) * usd("0.0005")


def test_a_batch_on_a_full_disk_writes_what_it_can_and_refuses_the_rest(bank: Bank, disk: Disk) -> None:
    bank.reserve("0.01")
    disk.fill()
    outcomes = bank.together(*(bank.asking("0.001") for _ in range(400)))
    held = [outcome for outcome in outcomes if isinstance(outcome, Hold)]
    assert 0 < len(held) < 400
    assert {type(outcome) for outcome in outcomes} == {Hold, LedgerUnavailable}
    assert {hold.run_id for hold in bank.balance().open_holds} >= {hold.run_id for hold in held}
    assert len(bank.balance().open_holds) == len(held) + 1


def test_wherever_a_write_is_cut_it_was_never_begun(bank: Bank, disk: Disk) -> None:
    """A reserve that gives the allowance and a settle that lapses, cut after every few steps."""
    cuts = 0
    for steps in range(1, 4_000, 7):
        asked = bank.asking("0.001", team=1_000 + steps)
        disk.fail_after(steps)
        (cut,) = bank.together(asked)
        disk.mend()
        if not isinstance(cut, Hold):
            assert isinstance(cut, LedgerUnavailable)
            assert bank.kinds(asked.team_id) == []
            cuts += 1
        hold = bank.do(asked)
        assert isinstance(hold, Hold)
        bank.now_ms += 30 * 86_400_000
        disk.fail_after(steps)
        try:
            bank.settle(hold, "0.0004")
        except LedgerUnavailable:
            assert bank.kinds(asked.team_id) == ["allowance"]
            cuts += 1
        disk.mend()
        assert bank.settle(hold, "0.0004").charged_nano_usd == usd("0.0004")
        assert bank.kinds(asked.team_id) == ["allowance", "settle", "lapse"]
        bank.now_ms -= 30 * 86_400_000
        if isinstance(cut, Hold):
            break
    assert cuts > 50
    assert bank.findings() == []


def test_while_somebody_else_has_the_file_nothing_is_done_and_reading_goes_on(
    bank: Bank, monkeypatch: pytest.MonkeyPatch
) -> None:
    hold = bank.reserve("1")
    assert isinstance(bank.journal, SqliteJournal)
    bank.journal._db.execute("PRAGMA busy_timeout = 20")
    with closing(sqlite3.connect(bank.path, isolation_level=None)) as other:
        other.execute("BEGIN IMMEDIATE")
        with pytest.raises(LedgerUnavailable):
            bank.settle(hold, "0.5")
        assert bank.balance().held_nano_usd == usd("1")
        other.execute("ROLLBACK")
    assert bank.settle(hold, "0.5").replayed is False


def test_a_write_by_somebody_else_is_noticed_and_what_was_remembered_dropped(bank: Bank) -> None:
    bank.reserve("1")
    with closing(sqlite3.connect(bank.path, isolation_level=None)) as other:
        other.execute("UPDATE ledger_team SET clock_ms = clock_ms + 1000, version = version + 1")
    receipt = bank.spend("1")
    assert receipt.at_ms == bank.now_ms + 1_000


def test_nothing_is_decided_on_what_somebody_else_has_changed_since(bank: Bank) -> None:
    bank.cap("1", "key", "7")
    bank.reserve("0.50", scopes=(("key", "7"),))
    with closing(sqlite3.connect(bank.path, isolation_level=None)) as other:
        other.execute("UPDATE ledger_cap SET limit_nano_usd = 0")
        with pytest.raises(CapReached):
            bank.reserve("0.10", scopes=(("key", "7"),))
        other.execute("UPDATE ledger_cap SET limit_nano_usd = 1000000000")  # or the audit would tell


def test_a_ledger_of_a_later_version_is_left_alone(folder: Path) -> None:
    path = folder / "later.db"
    SqliteJournal(path).close()
    with closing(sqlite3.connect(path)) as db:
        (ours,) = db.execute("PRAGMA user_version").fetchone()
        db.execute("PRAGMA user_version = 99")
    with pytest.raises(Unavailable, match="schema 99"):
        SqliteJournal(path)
    with closing(sqlite3.connect(path)) as db:
        db.execute(f"PRAGMA user_version = {ours}")
    SqliteJournal(path).close()
