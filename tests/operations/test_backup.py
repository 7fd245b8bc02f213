"""A backup while everything is written, put back and verified; and everything that may be wrong with one."""

from __future__ import annotations

import asyncio
import hashlib
import json
import os
import sqlite3
import stat
import tarfile
from collections.abc import Callable
from contextlib import closing
from io import BytesIO
from pathlib import Path
from typing import Any

import pytest

import operate
from billing.audit import audit
from billing.commands import Facts, Line, Reserve, Settle
from billing.money import cost_nano_usd
from billing.statements import Statements
from billing.writer import Ledger
from operations.backup_files import MANIFEST
from tests.operations.conftest import NOW_MS, Shell


@pytest.fixture
def backup(shell: Shell, tmp_path: Path) -> Path:
    """A backup, as a folder, of an installation with a payment."""
    assert shell.run("payment", "--usd", "20", "--ref", "1") == 0
    assert shell.run("backup", str(tmp_path / "saved")) == 0
    return tmp_path / "saved"


@pytest.fixture
def new_folder(shell: Shell, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("TILTYARD_DATA_DIR", str(tmp_path / "new"))
    return tmp_path / "new"


def nothing_in(folder: Path) -> bool:
    return not folder.exists() or {path.name for path in folder.iterdir()} <= {"lock"}


@pytest.mark.parametrize("name", ["saved", "saved.tar", "saved.tar.gz"])
def test_what_was_saved_comes_back(
    shell: Shell, new_folder: Path, tmp_path: Path, name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("TILTYARD_DATA_DIR")
    shell.run("payment", "--usd", "20", "--ref", "1")
    shell.run("keys", "create", "mine")
    assert shell.run("backup", str(tmp_path / name)) == 0
    monkeypatch.setenv("TILTYARD_DATA_DIR", str(new_folder))
    assert shell.run("restore", str(tmp_path / name)) == 0
    assert "Verified" in shell.out
    assert {path.name for path in new_folder.iterdir()} == {
        "ledger.db",
        "app.db",
        "log.db",
        "secret.key",
        "lock",
    }
    assert (new_folder / "secret.key").read_bytes() == (shell.folder / "secret.key").read_bytes()
    assert Statements(new_folder / "ledger.db").balance(1, NOW_MS).available_nano_usd == 20_000_000_000
    assert shell.run("keys", "list") == 0
    assert "mine" in shell.out
    assert shell.run("grant", "--usd", "1") == 0
    assert shell.run("audit") == 0


def test_a_backup_is_for_its_owner_alone(backup: Path, shell: Shell) -> None:
    assert stat.S_IMODE(backup.stat().st_mode) == 0o700
    assert {stat.S_IMODE(path.stat().st_mode) for path in backup.iterdir()} == {0o600}
    archive = backup.with_name("saved.tar.gz")
    assert shell.run("backup", str(archive)) == 0
    assert stat.S_IMODE(archive.stat().st_mode) == 0o600
    assert not [path for path in backup.parent.iterdir() if "partial" in path.name]


def test_a_backup_overwrites_nothing_and_needs_a_place(shell: Shell, backup: Path) -> None:
    assert shell.run("backup", str(backup)) == 1
    assert "overwrites nothing" in shell.err
    assert shell.run("backup", str(backup / "nowhere" / "x")) == 1
    assert "no folder" in shell.err


def test_a_folder_in_use_is_not_restored_over(shell: Shell, backup: Path) -> None:
    before = {path.name: path.read_bytes() for path in shell.folder.iterdir() if path.suffix == ".db"}
    assert shell.run("restore", str(backup)) == 1
    assert "is in use" in shell.err
    assert {path.name: path.read_bytes() for path in shell.folder.iterdir() if path.suffix == ".db"} == before


def rot(path: Path) -> None:
    """One bit, in the middle."""
    with path.open("r+b") as file:
        file.seek(path.stat().st_size // 2)
        byte = file.read(1)
        file.seek(-1, os.SEEK_CUR)
        file.write(bytes([byte[0] ^ 1]))


def edit(folder: Path, change: Callable[[dict[str, Any]], object]) -> None:
    manifest = json.loads((folder / MANIFEST).read_text())
    change(manifest)
    (folder / MANIFEST).write_text(json.dumps(manifest))


SPOILT: dict[str, tuple[Callable[[Path], object], str]] = {
    "a bit of the ledger": (lambda at: rot(at / "ledger.db"), "checksum"),
    "a bit of the log": (lambda at: rot(at / "log.db"), "checksum"),
    "cut off": (lambda at: os.truncate(at / "app.db", 4096), "checksum"),
    "longer": (lambda at: os.truncate(at / "app.db", (at / "app.db").stat().st_size + 1), "checksum"),
    "no ledger": (lambda at: (at / "ledger.db").unlink(), "lacks ledger.db"),
    "no manifest": (lambda at: (at / MANIFEST).unlink(), "lacks manifest.json"),
    "no secret": (lambda at: (at / "secret.key").unlink(), "lacks secret.key"),
    "a link in place of a file": (lambda at: _link(at / "log.db"), "lacks log.db"),
    "another format": (lambda at: edit(at, lambda said: said.update(format=2)), "format 2"),
    "no JSON": (lambda at: (at / MANIFEST).write_text("{"), "cannot be read"),
    "a list": (lambda at: (at / MANIFEST).write_text("[]"), "cannot be read"),
    "a file of another place": (
        lambda at: edit(
            at, lambda said: said["files"].update({"../../evil": {"bytes": 1, "sha256": "00" * 32}})
        ),
        "not those of an installation",
    ),
    "a secret that is another": (
        lambda at: edit(at, lambda said: said.update(secret_id="00000000")),
        "another secret",
    ),
    "a head that is another": (
        lambda at: edit(at, lambda said: said["ledger"].update(heads=["1:1:" + "00" * 32])),
        "when its head was kept",
    ),
}


def _link(path: Path) -> None:
    path.rename(path.with_suffix(".away"))
    path.symlink_to(path.with_suffix(".away"))


@pytest.mark.parametrize("what", SPOILT)
def test_a_backup_that_was_spoilt_is_refused_and_nothing_is_restored(
    shell: Shell, backup: Path, new_folder: Path, what: str
) -> None:
    spoil, said = SPOILT[what]
    spoil(backup)
    assert shell.run("restore", str(backup)) == 1
    assert said in shell.err
    assert nothing_in(new_folder)


def test_a_ledger_that_was_changed_with_its_checksum_is_found_by_the_audit(
    shell: Shell, backup: Path, new_folder: Path
) -> None:
    with closing(sqlite3.connect(backup / "ledger.db")) as db:
        db.execute("DROP TRIGGER ledger_account_update")
        db.execute("UPDATE ledger_account SET balance_nano_usd = balance_nano_usd * 2 WHERE no > 0")
        db.commit()
    changed = (backup / "ledger.db").read_bytes()
    fingerprint = {"bytes": len(changed), "sha256": hashlib.sha256(changed).hexdigest()}
    edit(backup, lambda said: said["files"].update({"ledger.db": fingerprint}))
    assert shell.run("restore", str(backup)) == 1
    assert "The ledger in the backup is broken" in shell.err
    assert nothing_in(new_folder)


def test_an_archive_with_strange_members_gives_only_what_it_should(
    shell: Shell, backup: Path, new_folder: Path
) -> None:
    archive = backup.with_name("evil.tar")
    with tarfile.open(archive, "w") as tar:
        for path in backup.iterdir():
            tar.add(path, path.name)
        for name in ("../evil", "/evil", "more.txt"):
            member = tarfile.TarInfo(name)
            member.size = 4
            tar.addfile(member, BytesIO(b"evil"))
    assert shell.run("restore", str(archive)) == 0
    assert not (new_folder.parent / "evil").exists()
    assert not (new_folder / "more.txt").exists()


@pytest.mark.parametrize("content", [b"", b"not a tar", b"\x1f\x8b broken"])
def test_what_is_no_backup_is_refused(shell: Shell, new_folder: Path, tmp_path: Path, content: bytes) -> None:
    (tmp_path / "x.tar.gz").write_bytes(content)
    assert shell.run("restore", str(tmp_path / "x.tar.gz")) == 1
    assert shell.run("restore", str(tmp_path / "nowhere")) == 1
    assert "Traceback" not in shell.err
    assert nothing_in(new_folder)


def test_a_secret_that_is_set_is_not_saved_and_must_be_set_again(
    shell: Shell, new_folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("TILTYARD_DATA_DIR")
    (shell.folder / "secret.key").unlink()
    monkeypatch.setenv("TILTYARD_SECRET_KEY", "s" * 40)
    shell.run("grant", "--usd", "1")
    assert shell.run("backup", str(tmp_path / "saved")) == 0
    assert "The secret is not in it" in shell.out
    assert b"ssss" not in b"".join(path.read_bytes() for path in (tmp_path / "saved").iterdir())
    monkeypatch.setenv("TILTYARD_DATA_DIR", str(new_folder))
    monkeypatch.setenv("TILTYARD_SECRET_KEY", "t" * 40)
    assert shell.run("restore", str(tmp_path / "saved")) == 1
    assert "another secret" in shell.err
    monkeypatch.setenv("TILTYARD_SECRET_KEY", "s" * 40)
    assert shell.run("restore", str(tmp_path / "saved")) == 0


async def test_ten_backups_under_load_are_each_whole_and_none_before_another(
    shell: Shell, tmp_path: Path
) -> None:
    """The writer settles as fast as it can meanwhile, and waits for none of them."""
    ledger = await Ledger.open(shell.folder / "ledger.db", free_money_limit_nano_usd=10**13)
    facts = Facts(model="lab/fast", provider="lab", price_version="v1")
    lines = (Line("output", 10, 1_000),)
    settled = 0
    done = asyncio.Event()

    async def work(caller: int) -> None:
        nonlocal settled
        number = 0
        while not done.is_set():
            number += 1
            run_id = f"run_{caller}_{number}"
            hold = await ledger.reserve(Reserve(caller % 5 + 1, run_id, 10, 10, 30_000, facts))
            await ledger.settle(Settle(hold, lines, cost_nano_usd(lines), facts))
            settled += 1

    callers = [asyncio.create_task(work(caller)) for caller in range(20)]
    counts = []
    try:
        for number in range(10):
            acknowledged = settled
            code = await asyncio.to_thread(operate.main, ["backup", str(tmp_path / f"b{number}")])
            assert code == 0
            report = audit(tmp_path / f"b{number}" / "ledger.db")
            assert report.findings == ()
            assert report.entries >= acknowledged  # whatever was acknowledged before is in it
            counts.append((acknowledged, report.entries, settled))
    finally:
        done.set()
        await asyncio.gather(*callers)
        await ledger.close()
    assert [entries for _, entries, _ in counts] == sorted(entries for _, entries, _ in counts)
    assert all(after > before for before, _, after in counts), "the writer went on meanwhile"
