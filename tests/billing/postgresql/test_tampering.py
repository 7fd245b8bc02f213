"""What has happened cannot be rewritten in PostgreSQL either; where it is all the same, the audit says so.

Everything is done in a transaction that is rolled back, and audited within it.
"""

from __future__ import annotations

from collections.abc import Iterator

import psycopg
import pytest
from psycopg import sql

from billing.audit_postgresql import audit_in
from tests.billing.bank_postgresql import PostgresqlBank
from tests.billing.conftest import Ledgers
from tests.billing.test_tampering import BREACHES, REWRITES, live_through_everything

pytestmark = pytest.mark.postgresql

# What SQLite calls REPLACE has no counterpart: a conflicting row can only be updated.
_REPLACES = "INSERT OR REPLACE"
_OWN_REWRITES = (
    "INSERT INTO ledger_entry SELECT * FROM ledger_entry WHERE seq = 2"
    " ON CONFLICT (team_id, seq) DO UPDATE SET reason = 'other'",
    "INSERT INTO ledger_posting VALUES (1, 2, 1, -1)"
    " ON CONFLICT (team_id, seq, account_no) DO UPDATE SET amount_nano_usd = -1",
    "INSERT INTO ledger_hold SELECT * FROM ledger_hold LIMIT 1",
    "INSERT INTO ledger_idempotency SELECT team_id, key_sha256, fingerprint, 'run_x' FROM ledger_idempotency",
    "UPDATE ledger_cap SET scope = 'tag'",
)
_TABLES = (
    "ledger_team", "ledger_account", "ledger_hold", "ledger_hold_line", "ledger_open_hold", "ledger_void",
    "ledger_entry", "ledger_posting", "ledger_usage", "ledger_usage_line", "ledger_cap", "ledger_cap_entry",
    "ledger_cap_change", "ledger_cap_alert",
    "ledger_idempotency",
)  # fmt: skip


@pytest.fixture(scope="module")
def busy_ledger(ledgers: Ledgers) -> Iterator[str]:
    bank = PostgresqlBank(ledgers.take())
    live_through_everything(bank)
    bank.journal.close()
    assert bank.findings() == []
    yield bank.url
    ledgers.give_back(bank.url)


@pytest.fixture(scope="module")
def connection(busy_ledger: str) -> Iterator[psycopg.Connection]:
    with psycopg.connect(busy_ledger) as connection:
        yield connection


@pytest.fixture
def db(connection: psycopg.Connection) -> Iterator[psycopg.Connection]:
    connection.execute("SELECT set_config('search_path', 'ledger', true)")
    connection.execute(
        "CREATE FUNCTION randomblob(integer) RETURNS bytea LANGUAGE sql"
        " AS $$ SELECT decode(repeat('ab', $1), 'hex') $$"
    )
    yield connection
    connection.rollback()


def disarm(db: psycopg.Connection) -> None:
    """Take the triggers and CHECKs away, as whoever owns the tables could."""
    db.execute("SET LOCAL session_replication_role = replica")
    for table, name in db.execute(
        "SELECT conrelid::regclass::text, conname FROM pg_constraint"
        " WHERE connamespace = 'ledger'::regnamespace AND contype = 'c'"
    ).fetchall():
        db.execute(
            sql.SQL("ALTER TABLE {} DROP CONSTRAINT {}").format(sql.Identifier(table), sql.Identifier(name))
        )


@pytest.mark.parametrize(
    "statement",
    [
        *(statement for statement in REWRITES if not statement.startswith(_REPLACES)),
        *_OWN_REWRITES,
        *(f"TRUNCATE {table}" for table in _TABLES),
    ],
)
def test_the_database_itself_refuses_to_be_rewritten(db: psycopg.Connection, statement: str) -> None:
    with pytest.raises(psycopg.IntegrityError):
        db.execute(statement.encode())


@pytest.mark.parametrize(("rule", "statement"), BREACHES)
def test_where_the_triggers_are_taken_away_the_audit_names_what_was_done(
    db: psycopg.Connection, rule: str, statement: str
) -> None:
    disarm(db)
    db.execute(statement.encode())
    assert rule in {finding.rule for finding in audit_in(db).findings}


def test_an_alteration_names_its_team_and_entry(db: psycopg.Connection) -> None:
    disarm(db)
    db.execute("UPDATE ledger_usage SET model = 'cheap' WHERE team_id = 2 AND seq = 2")
    (finding,) = audit_in(db).findings
    assert str(finding) == "an entry hashes to what it says: team 2, entry 2"


@pytest.mark.parametrize(
    ("postings", "seq", "balance", "why"),
    [
        ([(1, 5)], 1, 5, "sum to zero"),
        ([(1, 5), (-1, -5)], 1, 6, "balance follows"),
        ([(1, 5), (-1, -5)], 2, 5, "no gaps"),
        ([], 1, 0, "sum to zero"),
    ],
)
def test_an_entry_that_is_not_whole_is_refused_when_it_is_written(
    db: psycopg.Connection, postings: list[tuple[int, int]], seq: int, balance: int, why: str
) -> None:
    newest = db.execute(
        "SELECT seq, balance_after_nano_usd FROM ledger_entry WHERE team_id = 1 ORDER BY seq DESC LIMIT 1"
    ).fetchone()
    assert newest is not None
    for account_no, amount in postings:
        db.execute("INSERT INTO ledger_posting VALUES (1, %s, %s, %s)", (newest[0] + seq, account_no, amount))
    with pytest.raises(psycopg.IntegrityError, match=why):
        db.execute(
            "INSERT INTO ledger_entry VALUES (1, %s, 2, 'grant:x', NULL, 1, %s, NULL, '', randomblob(32))",
            (newest[0] + seq, newest[1] + balance),
        )


def test_a_posting_without_an_entry_is_found(db: psycopg.Connection) -> None:
    db.execute("INSERT INTO ledger_posting VALUES (1, 999, 1, 5)")
    assert "a row refers to what exists" in {finding.rule for finding in audit_in(db).findings}
