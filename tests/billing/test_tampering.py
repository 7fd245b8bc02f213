"""What has happened cannot be rewritten; and where somebody manages to, the audit says so."""

from __future__ import annotations

import shutil
import sqlite3
from contextlib import closing
from pathlib import Path

import pytest

from billing.audit import audit
from tests.billing.bank import LEASE_MS, Bank
from tests.billing.test_reserve import key

REWRITES = (
    "UPDATE ledger_entry SET at_ms = at_ms + 1",
    "UPDATE ledger_entry SET hash = randomblob(32)",
    "DELETE FROM ledger_entry WHERE seq = 3",
    "INSERT OR REPLACE INTO ledger_entry SELECT * FROM ledger_entry WHERE seq = 2",
    "INSERT INTO ledger_entry VALUES (1, 900, 2, 'grant:x', NULL, 1, 0, NULL, '', randomblob(32))",
    "INSERT INTO ledger_entry VALUES (3, 1, 2, 'grant:x', NULL, 1, 0, NULL, '', randomblob(32))",
    "INSERT INTO ledger_entry VALUES (3, 1, 6, 'run_x', 1, 1, 0, NULL, '', randomblob(32))",
    "UPDATE ledger_posting SET amount_nano_usd = amount_nano_usd * 2",
    "DELETE FROM ledger_posting WHERE seq = 2",
    "INSERT OR REPLACE INTO ledger_posting VALUES (1, 2, 1, -1)",
    "INSERT INTO ledger_posting VALUES (1, 2, 5, 1)",
    "UPDATE ledger_usage SET model = 'other'",
    "DELETE FROM ledger_usage",
    "INSERT OR REPLACE INTO ledger_usage SELECT * FROM ledger_usage LIMIT 1",
    "INSERT INTO ledger_usage VALUES (1, 1, 'm', 'p', 'v', NULL, NULL, '[]', 'paid', 0)",
    "UPDATE ledger_usage_line SET quantity = 0",
    "DELETE FROM ledger_usage_line",
    "INSERT INTO ledger_usage_line VALUES (1, 2, 9, 1, 1, 1)",
    "UPDATE ledger_hold SET amount_nano_usd = amount_nano_usd + 1",
    "DELETE FROM ledger_hold",
    "INSERT OR REPLACE INTO ledger_hold SELECT * FROM ledger_hold LIMIT 1",
    "UPDATE ledger_hold_line SET amount_nano_usd = amount_nano_usd + 1",
    "DELETE FROM ledger_hold_line",
    "DELETE FROM ledger_open_hold",
    "UPDATE ledger_open_hold SET facts = '{}'",
    "UPDATE ledger_open_hold SET progress_nano_usd = progress_nano_usd - 1",
    "INSERT INTO ledger_open_hold SELECT team_id, 1, 1, 1, 1, progress, facts, scopes, cap_nos, NULL"
    " FROM ledger_open_hold",
    "UPDATE ledger_void SET at_ms = 0",
    "DELETE FROM ledger_void",
    "INSERT INTO ledger_void VALUES (1, 1, 1)",
    "UPDATE ledger_account SET priority = 0, kind = 2 WHERE no > 0",
    "UPDATE ledger_account SET expires_ms = NULL WHERE kind = 1",
    "UPDATE ledger_account SET balance_nano_usd = -1 WHERE no > 0",
    "UPDATE ledger_account SET held_nano_usd = balance_nano_usd + 1 WHERE no > 0",
    "UPDATE ledger_account SET balance_nano_usd = 1 WHERE no < 0",
    "DELETE FROM ledger_account",
    "INSERT OR REPLACE INTO ledger_account SELECT * FROM ledger_account WHERE no = 1",
    "INSERT INTO ledger_account SELECT team_id, 99, kind, 0, starts_ms, expires_ms, 0, 0"
    " FROM ledger_account WHERE kind = 1 LIMIT 1",
    "UPDATE ledger_team SET version = version + 1, entry_seq = entry_seq + 1",
    "UPDATE ledger_team SET version = version + 1, head = randomblob(32)",
    "UPDATE ledger_team SET version = version + 1, clock_ms = clock_ms - 1",
    "UPDATE ledger_team SET version = version + 1, first_payment_ms = NULL WHERE id = 1",
    "UPDATE ledger_team SET version = version + 1, allowance_starts_ms = allowance_starts_ms - 1",
    "UPDATE ledger_team SET version = version + 1, used_nano_usd = used_nano_usd - 1",
    "UPDATE ledger_team SET clock_ms = clock_ms + 1",
    "DELETE FROM ledger_team",
    "INSERT OR REPLACE INTO ledger_team SELECT * FROM ledger_team WHERE id = 1",
    "UPDATE ledger_cap_entry SET charged_nano_usd = 1",
    "DELETE FROM ledger_cap_entry",
    "DELETE FROM ledger_cap",
    "UPDATE ledger_cap SET days = 3",
    "UPDATE ledger_cap SET subject = '8'",
    "UPDATE ledger_cap_change SET actor_user_id = 1",
    "DELETE FROM ledger_cap_change",
    "UPDATE ledger_cap_alert SET at_ms = at_ms + 1",
    "DELETE FROM ledger_cap_alert",
    "INSERT INTO ledger_cap_alert SELECT team_id, cap_no, change_no, percent, window_starts_ms - 1, at_ms,"
    " seq, limit_nano_usd, spent_nano_usd FROM ledger_cap_alert",
    "UPDATE ledger_idempotency SET run_id = 'run_x'",
    "DELETE FROM ledger_idempotency",
    "INSERT OR REPLACE INTO ledger_idempotency SELECT team_id, key_sha256, fingerprint, 'run_x'"
    " FROM ledger_idempotency",
)

BREACHES = (
    ("an entry hashes to what it says", "UPDATE ledger_entry SET at_ms = at_ms + 1 WHERE seq = 4"),
    ("an entry hashes to what it says", "UPDATE ledger_entry SET reason = 'other' WHERE kind = 3"),
    ("an entry hashes to what it says", "UPDATE ledger_entry SET actor_user_id = NULL WHERE kind = 3"),
    ("an entry hashes to what it says", "UPDATE ledger_usage SET model = 'other' WHERE seq = 2"),
    ("an entry hashes to what it says", "UPDATE ledger_usage SET user_id = NULL WHERE seq = 2"),
    ("an entry hashes to what it says", "UPDATE ledger_usage SET estimated = 1 WHERE seq = 2"),
    ("an entry hashes to what it says", "UPDATE ledger_usage_line SET bucket = 1 WHERE seq = 2"),
    (
        "an entry hashes to what it says",
        "UPDATE ledger_posting SET account_no = 9 WHERE seq = 2 AND account_no = 1",
    ),
    ("an entry hashes to what it says", "UPDATE ledger_entry SET hash = randomblob(32) WHERE seq = 3"),
    (
        "a team's head is the hash of its newest entry",
        "UPDATE ledger_team SET head = randomblob(32) WHERE id = 2",
    ),
    (
        "the postings of an entry sum to zero",
        "UPDATE ledger_posting SET amount_nano_usd = 1 WHERE seq = 2 AND account_no = 1",
    ),
    (
        "an account's balance is the sum of its postings",
        "UPDATE ledger_account SET balance_nano_usd = balance_nano_usd + 1 WHERE team_id = 2 AND no = 1",
    ),
    (
        "an account is given its credit once",
        "INSERT INTO ledger_account VALUES (2, 9, 2, 20, 0, NULL, 0, 0)",
    ),
    (
        "no account is below zero, and none holds more than it has",
        "UPDATE ledger_account SET balance_nano_usd = -1 WHERE team_id = 2 AND no = 1",
    ),
    (
        "what an account holds is what open holds set aside",
        "UPDATE ledger_account SET held_nano_usd = held_nano_usd - 1 WHERE held_nano_usd > 0",
    ),
    ("the lines of a hold sum to its amount", "UPDATE ledger_hold SET amount_nano_usd = 1 WHERE no = 1"),
    ("the lines of a hold sum to its amount", "DELETE FROM ledger_hold_line"),
    ("a hold is open, or ended once: by an entry or by a void", "DELETE FROM ledger_void"),
    ("a hold is open, or ended once: by an entry or by a void", "DELETE FROM ledger_open_hold"),
    (
        "a hold is open, or ended once: by an entry or by a void",
        "INSERT INTO ledger_void VALUES (1, 1, 1)",
    ),
    ("holds are numbered from 1 without gaps", "DELETE FROM ledger_hold WHERE team_id = 2 AND no = 1"),
    (
        "an entry that ends a hold names the hold's run",
        "UPDATE ledger_hold SET run_id = 'run_other' WHERE team_id = 2 AND no = 1",
    ),
    (
        "an entry that ends a hold has its usage, and no other has",
        "DELETE FROM ledger_usage WHERE seq = 2",
    ),
    (
        "what a run cost is the sum of its lines, rounded up once",
        "UPDATE ledger_usage_line SET price_pico_usd = price_pico_usd + 1 WHERE seq = 2",
    ),
    (
        "what a crash cut short is marked as estimated",
        "UPDATE ledger_usage SET estimated = 0 WHERE estimated = 1",
    ),
    (
        "a team's used credit is what its runs were charged",
        "UPDATE ledger_team SET used_nano_usd = used_nano_usd + 1 WHERE id = 2",
    ),
    (
        "a balance after an entry is the one before it and what the entry did",
        "UPDATE ledger_entry SET balance_after_nano_usd = 0 WHERE seq = 1",
    ),
    (
        "entries are numbered from 1 without gaps",
        "DELETE FROM ledger_entry WHERE team_id = 1 AND seq = 2",
    ),
    (
        "entries are numbered from 1 without gaps",
        "DELETE FROM ledger_entry WHERE (team_id, seq) IN (SELECT id, entry_seq FROM ledger_team)",
    ),
    ("time never goes back", "UPDATE ledger_entry SET at_ms = 0 WHERE seq = 3"),
    (
        "there is one allowance a window, and windows follow from the first use",
        "UPDATE ledger_account SET starts_ms = starts_ms + 1 WHERE kind = 1",
    ),
    (
        "there is one allowance a window, and windows follow from the first use",
        "UPDATE ledger_team SET allowance_starts_ms = NULL",
    ),
    (
        "an allowance is five dollars",
        "UPDATE ledger_posting SET amount_nano_usd = amount_nano_usd * 2 WHERE seq = 1",
    ),
    (
        "there is no allowance after the first payment",
        "UPDATE ledger_entry SET kind = 3 WHERE team_id = 1 AND seq = 2",
    ),
    (
        "there is no allowance after the first payment",
        "UPDATE ledger_team SET first_payment_ms = NULL",
    ),
    (
        "of credit that has ended only what is held is left",
        "UPDATE ledger_account SET expires_ms = starts_ms + 1 WHERE team_id = 2 AND balance_nano_usd > 0",
    ),
    (
        "a cap counts what its entries were charged and what its open holds set aside",
        "UPDATE ledger_cap SET spent_nano_usd = 0",
    ),
    (
        "a cap counts what its entries were charged and what its open holds set aside",
        "UPDATE ledger_cap SET held_nano_usd = 0",
    ),
    (
        "a cap counts what its entries were charged and what its open holds set aside",
        "UPDATE ledger_cap_entry SET charged_nano_usd = charged_nano_usd + 1",
    ),
    (
        "a caller's key guards a hold that was not voided",
        "UPDATE ledger_idempotency SET run_id = (SELECT run_id FROM ledger_hold JOIN ledger_void"
        " ON hold_no = no AND ledger_void.team_id = ledger_hold.team_id)",
    ),
    (
        "an entry posts to the system accounts that its kind is for",
        "UPDATE ledger_posting SET account_no = -2 WHERE seq = 1 AND account_no = -1",
    ),
    (
        "credit comes by grants, and goes by spending, lapsing and adjusting",
        "UPDATE ledger_posting SET amount_nano_usd = -amount_nano_usd WHERE seq = 1",
    ),
    (
        "an entry has two sides; only a run that cost nothing has none",
        "DELETE FROM ledger_posting WHERE seq = 1 AND account_no = 1",
    ),
    (
        "a posting belongs to an entry and an account of its team",
        "INSERT INTO ledger_posting VALUES (2, 1, 77, 1)",
    ),
    ("a cap is what its newest change made it", "UPDATE ledger_cap SET limit_nano_usd = NULL"),
    ("a cap is what its newest change made it", "DELETE FROM ledger_cap_change"),
    (
        "a threshold is told once a window, and only where it was reached",
        "UPDATE ledger_cap_alert SET spent_nano_usd = 1",
    ),
    (
        "a threshold is told once a window, and only where it was reached",
        "INSERT INTO ledger_cap_alert SELECT team_id, cap_no, change_no, percent, window_starts_ms + 1,"
        " at_ms + 1, seq, limit_nano_usd, spent_nano_usd FROM ledger_cap_alert",
    ),
    ("a row refers to what exists", "DELETE FROM ledger_hold WHERE team_id = 2 AND no = 1"),
)


def write(path: Path, *statements: str, disarmed: bool = False) -> None:
    """What somebody with the file could do; `disarmed` also takes the triggers and CHECKs away."""
    with closing(sqlite3.connect(path, isolation_level=None)) as db:
        db.execute("PRAGMA foreign_keys = OFF")
        if disarmed:
            db.execute("PRAGMA ignore_check_constraints = ON")
            for (name,) in db.execute("SELECT name FROM sqlite_schema WHERE type = 'trigger'").fetchall():
                db.execute(f"DROP TRIGGER {name}")
        for statement in statements:
            db.execute(statement)


def live_through_everything(bank: Bank) -> None:
    """Something of everything: two teams, a cap, a key, a write-off, a hold of two lines."""
    bank.cap("20", "key", "7", alert_at=(1,), window="month")
    scopes = (("key", "7"),)
    bank.settle(bank.reserve("1", scopes=scopes, key=key("k")), "0.50")
    bank.void(bank.reserve("1"))
    dying = bank.reserve("1", scopes=scopes)
    bank.checkpoint(dying, "0.25")
    bank.pass_time(ms=LEASE_MS)
    bank.commit.sweep()
    bank.settle(bank.reserve("4"), "9")
    bank.pass_time(days=31)
    bank.spend("2")
    bank.pay("10")
    bank.grant("-1", "adjustment")
    bank.reserve("5", scopes=scopes)
    bank.spend("1", team=2)
    bank.grant("3", team=2, days=2)
    bank.pass_time(days=3)
    bank.spend("0.10", team=2)


@pytest.fixture(scope="module")
def busy_ledger(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("ledger") / "ledger.db"
    bank = Bank(path)
    live_through_everything(bank)
    bank.journal.close()
    assert bank.findings() == []
    return path


@pytest.fixture
def copy(busy_ledger: Path, tmp_path: Path) -> Path:
    path = tmp_path / "copy.db"
    shutil.copy(busy_ledger, path)
    return path


@pytest.mark.parametrize("statement", REWRITES)
def test_the_file_itself_refuses_to_be_rewritten(copy: Path, statement: str) -> None:
    with pytest.raises(sqlite3.IntegrityError):
        write(copy, statement)
    assert audit(copy).findings == ()


def test_an_entry_whose_postings_do_not_balance_is_refused_when_it_is_written(copy: Path) -> None:
    columns = "team_id, seq, account_no, amount_nano_usd"
    entry = "INSERT INTO ledger_entry VALUES (1, {0}, 2, 'grant:x', NULL, 1, {1}, NULL, '', randomblob(32))"
    with closing(sqlite3.connect(copy, isolation_level=None)) as db:
        seq, balance = db.execute("SELECT max(seq), balance_after_nano_usd FROM ledger_entry").fetchone()
        whole = [(seq + 1, 1, 5), (seq + 1, -1, -5)]
        for postings, row, said in (
            (whole[:1], (seq + 1, balance + 5), "sum to zero"),
            (whole, (seq + 1, balance + 6), "balance follows"),
            ([(seq + 2, 1, 5), (seq + 2, -1, -5)], (seq + 2, balance + 5), "no gaps"),
        ):
            db.execute("BEGIN")
            for posting in postings:
                db.execute(f"INSERT INTO ledger_posting ({columns}) VALUES (1, ?, ?, ?)", posting)
            with pytest.raises(sqlite3.IntegrityError, match=said):
                db.execute(entry.format(*row))
            assert not db.in_transaction, "what broke a rule ended the transaction"


def test_a_posting_without_an_entry_cannot_be_committed(copy: Path) -> None:
    with closing(sqlite3.connect(copy, isolation_level=None)) as db:
        db.execute("PRAGMA foreign_keys = ON")
        db.execute("BEGIN")
        db.execute("INSERT INTO ledger_posting VALUES (1, 999, 1, 5)")
        with pytest.raises(sqlite3.IntegrityError, match="FOREIGN KEY"):
            db.execute("COMMIT")
        db.execute("ROLLBACK")


@pytest.mark.parametrize(("rule", "statement"), BREACHES)
def test_where_the_triggers_are_taken_away_the_audit_names_what_was_done(
    copy: Path, rule: str, statement: str
) -> None:
    write(copy, statement, disarmed=True)
    assert rule in {finding.rule for finding in audit(copy).findings}


def test_an_alteration_names_its_team_and_entry(copy: Path) -> None:
    write(copy, "UPDATE ledger_usage SET model = 'cheap' WHERE team_id = 2 AND seq = 2", disarmed=True)
    (finding,) = audit(copy).findings
    assert str(finding) == "an entry hashes to what it says: team 2, entry 2"
