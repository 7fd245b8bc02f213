"""A backup of an installation on PostgreSQL while it works, put back into an empty database, and verified."""

from __future__ import annotations

import asyncio
import json
import tarfile
from collections.abc import Callable, Iterator
from hashlib import sha256
from pathlib import Path

import psycopg
import pytest
from psycopg import sql

from billing import audit_postgresql
from billing.commands import Facts, Hold, Line, Reserve, Settle
from billing.errors import BillingError
from billing.money import cost_nano_usd, parse_usd
from billing.statements import Statements
from billing.writer_postgresql import PostgresLedger
from identity.local import LocalIdentity
from operations.backup_files import MANIFEST
from operations.backup_postgresql import SCHEMAS
from store.databases import Databases
from tests.operations.conftest import NOW_MS, Shell

pytestmark = pytest.mark.postgresql

SECRET = "s" * 32
FACTS = Facts("lab/fast", "lab", "2026-08-01")
LINES = (Line("output", 7, 1_000_000),)


def settling(hold: Hold) -> Settle:
    return Settle(hold, LINES, cost_nano_usd(LINES), FACTS)


@pytest.fixture
def url(shell: Shell, new_postgresql: Callable[[], str], monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    """An installation with a payment and a key, on a database of its own."""
    url = new_postgresql()
    monkeypatch.setenv("TILTYARD_DATABASE_URL", url)
    monkeypatch.setenv("TILTYARD_SECRET_KEY", SECRET)
    databases = Databases.open(shell.folder, url)
    LocalIdentity.open(databases.app)
    databases.close()
    assert shell.run("payment", "--usd", "20", "--ref", "1") == 0
    assert shell.run("keys", "create", "mine") == 0
    yield url
    assert audit_postgresql.audit(url).findings == ()


@pytest.fixture
def empty(new_postgresql: Callable[[], str]) -> str:
    return new_postgresql()


def rows_of(url: str) -> dict[str, int]:
    with psycopg.connect(url) as db:
        found = db.execute(
            "SELECT schemaname, tablename FROM pg_tables WHERE schemaname = ANY (%s)", (list(SCHEMAS),)
        ).fetchall()
        counted = {}
        for schema, name in found:
            count = sql.SQL("SELECT count(*) FROM {}").format(sql.Identifier(schema, name))
            row = db.execute(count).fetchone()
            assert row is not None
            counted[f"{schema}.{name}"] = row[0]
        return counted


@pytest.mark.parametrize("name", ["saved", "saved.tar.gz"])
def test_what_was_saved_comes_back(
    shell: Shell, url: str, empty: str, tmp_path: Path, name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert shell.run("backup", str(tmp_path / name)) == 0, shell.err
    before = rows_of(url)
    monkeypatch.setenv("TILTYARD_DATABASE_URL", empty)
    assert shell.run("restore", str(tmp_path / name)) == 0, shell.err
    assert "Verified" in shell.out
    assert rows_of(empty) == before
    assert Statements(empty).balance(1, NOW_MS).available_nano_usd == parse_usd("20")
    assert shell.run("keys", "list") == 0
    assert "mine" in shell.out
    assert shell.run("keys", "create", "another") == 0, "its number is a new one"
    assert shell.run("payment", "--usd", "1", "--ref", "2") == 0
    assert shell.run("audit") == 0


async def test_it_is_saved_as_of_one_moment_while_holds_come_and_go(
    shell: Shell, url: str, empty: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    ledger = await PostgresLedger.open(url, free_money_limit_nano_usd=parse_usd("100"))
    ended = asyncio.Event()

    async def caller(name: int) -> int:
        runs = 0
        while not ended.is_set():
            runs += 1
            hold = await ledger.reserve(Reserve(1, f"run_{name}_{runs}", parse_usd("0.01"), 1, 30_000, FACTS))
            await ledger.settle(settling(hold))
        return runs

    callers = [asyncio.create_task(caller(name)) for name in range(8)]
    await asyncio.sleep(0.2)
    saved = [await asyncio.to_thread(shell.run, "backup", str(tmp_path / name)) for name in ("1.tar", "2")]
    ended.set()
    runs = sum(await asyncio.gather(*callers))
    await ledger.close()
    assert saved == [0, 0]
    monkeypatch.setenv("TILTYARD_DATABASE_URL", empty)
    assert await asyncio.to_thread(shell.run, "restore", str(tmp_path / "2")) == 0, shell.err
    report = audit_postgresql.audit(empty)
    assert report.findings == ()
    assert 2 < report.entries < 2 + runs
    again = await PostgresLedger.open(empty, free_money_limit_nano_usd=parse_usd("100"))
    hold = await again.reserve(Reserve(1, "run_after", parse_usd("0.01"), 1, 30_000, FACTS))
    assert (await again.settle(settling(hold))).replayed is False
    with pytest.raises(BillingError):
        await again.reserve(Reserve(1, "run_0_1", parse_usd("0.01"), 1, 30_000, FACTS))
    await again.close()


@pytest.mark.slow
def test_an_older_backup_is_brought_to_this_version_and_a_newer_one_refused(
    shell: Shell, url: str, empty: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    saved = tmp_path / "saved" / MANIFEST
    assert shell.run("backup", str(saved.parent)) == 0
    whole = json.loads(saved.read_text())
    monkeypatch.setenv("TILTYARD_DATABASE_URL", empty)
    saved.write_text(json.dumps(whole | {"versions": whole["versions"] | {"app": "9999"}}))
    assert shell.run("restore", str(saved.parent)) == 1
    assert "newer version" in shell.err
    assert rows_of(empty) == {}
    older = whole | {"versions": whole["versions"] | {"ledger": "1"}}  # whose caps were others
    for part in ("files", "columns"):
        older[part] = {name: what for name, what in whole[part].items() if "ledger_cap" not in name}
    saved.write_text(json.dumps(older))
    assert shell.run("restore", str(saved.parent)) == 0, shell.err
    assert rows_of(empty) == rows_of(url)


@pytest.mark.slow
def test_what_was_altered_is_refused_and_leaves_nothing(
    shell: Shell, url: str, empty: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    saved = tmp_path / "saved"
    assert shell.run("backup", str(saved)) == 0
    monkeypatch.setenv("TILTYARD_DATABASE_URL", empty)
    entries = saved / "ledger.ledger_entry.copy"
    kept = entries.read_bytes()
    entries.write_bytes(kept.replace(b"20000000000", b"90000000000"))
    assert shell.run("restore", str(saved)) == 1
    assert "checksum" in shell.err
    # Somebody who writes the manifest, too, meets the chain.
    manifest = json.loads((saved / MANIFEST).read_text())
    manifest["files"][entries.name]["sha256"] = sha256(entries.read_bytes()).hexdigest()
    (saved / MANIFEST).write_text(json.dumps(manifest))
    assert shell.run("restore", str(saved)) == 1
    assert "broken" in shell.err
    assert rows_of(empty) == {}
    entries.write_bytes(kept)


def test_a_database_that_is_used_another_secret_and_another_engine_are_refused(
    shell: Shell, url: str, empty: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    saved = str(tmp_path / "saved.tar")
    assert shell.run("backup", saved) == 0
    assert shell.run("restore", saved) == 1
    assert "in use" in shell.err
    monkeypatch.setenv("TILTYARD_DATABASE_URL", empty)
    monkeypatch.setenv("TILTYARD_SECRET_KEY", "t" * 32)
    assert shell.run("restore", saved) == 1
    assert "another secret" in shell.err
    with tarfile.open(saved) as tar:
        inside = tar.extractfile("secret.key")
        assert inside is not None
        assert inside.read() == SECRET.encode(), "one backup is all that a restore needs"
    monkeypatch.delenv("TILTYARD_DATABASE_URL")
    monkeypatch.setenv("TILTYARD_DATA_DIR", str(tmp_path / "files"))
    assert shell.run("restore", saved) == 1
    assert "TILTYARD_DATABASE_URL" in shell.err
    assert rows_of(empty) == {}
