"""Every test that keeps a ledger has it audited at its end: all rules, and the chain."""

from __future__ import annotations

import asyncio
import os
import tempfile
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path

import psycopg
import pytest
from psycopg import sql

from billing import audit_postgresql
from billing.audit import audit
from billing.journal_postgresql import PostgresJournal
from tests.billing.bank import Bank
from tests.billing.bank_postgresql import PostgresqlBank
from tests.databases import ENGINES
from tests.postgresql import PostgreSQL

OpenBank = Callable[..., Bank]


@pytest.fixture
def folder() -> Iterator[Path]:
    """A folder in memory where there is one: these tests are about rules, not about disks."""
    memory = Path("/dev/shm")
    usable = memory if os.access(memory, os.W_OK) else None
    with tempfile.TemporaryDirectory(prefix="ledger-", dir=usable) as name:
        yield Path(name)


@pytest.fixture
def open_sqlite_bank(folder: Path) -> Iterator[OpenBank]:
    banks: list[Bank] = []

    def open_bank(free_money_limit: str = "1000") -> Bank:
        path = folder / f"ledger{len(banks) or ''}.db"
        banks.append(Bank(path, free_money_limit=free_money_limit))
        return banks[-1]

    yield open_bank
    close_and_audit(banks)


class Ledgers:
    """PostgreSQL databases with an empty ledger. Making one takes longer than most tests: they are
    emptied and used again."""

    def __init__(self, server: PostgreSQL) -> None:
        self._server = server
        self._free: list[str] = []
        self.made: list[str] = []

    def take(self) -> str:
        if self._free:
            return self._free.pop()
        url = self._server.new_database()
        self.made.append(url)
        asyncio.run(make_schema(url))
        return url

    def give_back(self, url: str) -> None:
        with psycopg.connect(url) as db:
            db.execute("SET LOCAL session_replication_role = replica")  # past the triggers that refuse it
            tables = db.execute(
                "SELECT tablename FROM pg_tables WHERE schemaname = 'ledger' AND tablename <> 'ledger_schema'"
            ).fetchall()
            delete = sql.SQL("DELETE FROM ledger.{}")
            db.execute(sql.SQL(";").join(delete.format(sql.Identifier(table)) for (table,) in tables))
        self._free.append(url)


async def make_schema(url: str) -> None:
    journal = await PostgresJournal.connect(url)
    await journal.close()


@pytest.fixture(scope="session")
def ledgers(postgresql: PostgreSQL) -> Iterator[Ledgers]:
    ledgers = Ledgers(postgresql)
    yield ledgers
    for url in ledgers.made:
        postgresql.drop(url)


@pytest.fixture
def ledger_url(ledgers: Ledgers) -> Iterator[str]:
    """A PostgreSQL database of this test's own, with an empty ledger that is audited at the end."""
    url = ledgers.take()
    yield url
    assert [str(finding) for finding in audit_postgresql.audit(url, limit_s=10.0).findings] == []
    ledgers.give_back(url)


@pytest.fixture
def open_postgresql_bank(ledgers: Ledgers) -> Iterator[OpenBank]:
    banks: list[PostgresqlBank] = []

    def open_bank(free_money_limit: str = "1000") -> Bank:
        banks.append(PostgresqlBank(ledgers.take(), free_money_limit=free_money_limit))
        return banks[-1]

    yield open_bank
    close_and_audit(banks)
    for bank in banks:
        ledgers.give_back(bank.url)


def close_and_audit(banks: Iterable[Bank]) -> None:
    for bank in banks:
        bank.journal.close()
        assert bank.findings() == []


@pytest.fixture(params=ENGINES)
def open_bank(request: pytest.FixtureRequest) -> OpenBank:
    """`open_bank(free_money_limit="10")` opens an empty ledger; each test has it on both engines."""
    found: OpenBank = request.getfixturevalue(f"open_{request.param}_bank")
    return found


@pytest.fixture
def bank(open_bank: OpenBank) -> Bank:
    return open_bank()


@pytest.fixture
def sqlite_bank(open_sqlite_bank: OpenBank) -> Bank:
    """For what only a file can show."""
    return open_sqlite_bank()


@pytest.fixture
def audited() -> Iterator[Callable[[Path], Path]]:
    """Hand it the path of a ledger, and it is audited when the test has ended."""
    paths: list[Path] = []

    def remember(path: Path) -> Path:
        paths.append(path)
        return path

    yield remember
    for path in paths:
        assert [str(finding) for finding in audit(path, limit_s=10.0).findings] == []
