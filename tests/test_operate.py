"""The operator's commands, on a data folder with and without a running ledger writer."""

from __future__ import annotations

import asyncio
import os
import subprocess
import sys
from pathlib import Path

import pytest

import operate
import startup
from billing.commands import Grant
from billing.door import knock
from billing.money import format_usd
from billing.statements import Statements
from billing.writer import Ledger
from identity.api_keys import ApiKeys
from identity.errors import NotAuthenticated
from identity.local import LocalIdentity
from store.databases import Databases
from tests.databases import open_migrated


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A data folder as a server leaves it."""
    for name in [name for name in os.environ if name.startswith("TILTYARD_")]:
        monkeypatch.delenv(name)
    monkeypatch.chdir(tmp_path)
    folder = tmp_path / ".tiltyard"
    folder.mkdir()
    databases = open_migrated(folder)
    LocalIdentity.open(databases.app)
    databases.close()
    return folder


def available(folder: Path) -> str:
    return format_usd(Statements(folder / "ledger.db").balance(1, 1_790_000_000_000).available_nano_usd)


def run(*arguments: str) -> int:
    return operate.main(arguments)


def test_a_grant_without_a_server_starts_a_writer_and_ends_it(
    folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run("grant", "--usd", "2.5", "--reason", "a good week") == 0
    assert "$2.50" in capsys.readouterr().out
    assert knock(folder / "ledger.db") is None
    (entry,) = [entry for entry in Statements(folder / "ledger.db").entries(1) if entry.reason]
    assert (entry.amount_nano_usd, entry.reason) == (2_500_000_000, "a good week")


async def test_a_grant_while_a_server_runs_goes_through_its_writer(
    folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    ledger = await Ledger.open(folder / "ledger.db", free_money_limit_nano_usd=10**12)
    try:
        first = Grant(1, "grant", 1_000_000_000, ref="a", reason="server's own")
        await ledger.grant(first)
        assert await asyncio.to_thread(run, "grant", "--usd", "3") == 0
        again = await ledger.grant(Grant(1, "grant", 1_000_000_000, ref="b", reason="server's own"))
    finally:
        await ledger.close()
    assert again.available_after_nano_usd >= 5_000_000_000
    assert "entry" in capsys.readouterr().out


async def test_a_refusal_of_the_writer_reaches_the_operator(
    folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    ledger = await Ledger.open(folder / "ledger.db", free_money_limit_nano_usd=10**12)
    try:
        taking = ("grant", "--usd", "-999", "--kind", "adjustment", "--reason", "a mistake")
        assert await asyncio.to_thread(run, *taking) == 1
    finally:
        await ledger.close()
    assert "credits do not cover" in capsys.readouterr().err


def test_the_same_reference_gives_once(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run("grant", "--usd", "1", "--ref", "invoice-7") == 0
    before = available(folder)
    assert run("grant", "--usd", "1", "--ref", "invoice-7") == 0
    assert "nothing was given twice" in capsys.readouterr().out
    assert available(folder) == before


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("--usd", "0"), "above 0"),
        (("--usd", "-1"), "above 0"),
        (("--usd", "five"), "no amount"),
        (("--usd", "0.0000000001"), "no amount"),
        (("--usd", "1", "--team", "9"), "no team 9"),
        (("--usd", "1", "--kind", "payment"), "needs a --reason"),
    ],
)
def test_a_grant_that_makes_no_sense_is_refused_before_the_ledger(
    folder: Path, capsys: pytest.CaptureFixture[str], arguments: tuple[str, ...], said: str
) -> None:
    assert run("grant", *arguments) == 1
    assert said in capsys.readouterr().err
    assert not (folder / "ledger.db").exists()


def test_a_server_that_is_starting_is_not_disturbed(folder: Path) -> None:
    command = [sys.executable, "-m", "operate", "grant", "--usd", "1"]
    environment = {"TILTYARD_DATA_DIR": str(folder), "PATH": os.environ["PATH"]}
    with startup.claim_folder(folder):
        ended = subprocess.run(
            command, cwd=Path(operate.__file__).parent, env=environment, capture_output=True, check=False
        )
    assert ended.returncode != 0
    assert b"another Tiltyard" in ended.stderr
    assert not (folder / "ledger.db").exists()


async def test_a_made_key_lets_in_until_it_is_revoked(
    folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    databases = Databases.open(folder)
    clock = [1_790_000_000_000]
    keys = ApiKeys(databases.app, now_ms=lambda: clock[0])
    assert run("keys", "create", "nightly build") == 0
    secret = capsys.readouterr().out.strip()
    principal = await keys.principal_of(secret)
    assert principal.key_name == "nightly build"
    assert run("keys", "revoke", str(principal.key_id)) == 0
    clock[0] += 5_000
    with pytest.raises(NotAuthenticated):
        await keys.principal_of(secret)
    assert run("keys", "revoke", "99") == 1
    await keys.close()
    databases.close()


def test_keys_are_listed_without_their_secrets_and_without_control_characters(
    folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run("keys", "create", "evil\x1b[2J", "--days", "1") == 0
    secret = capsys.readouterr().out.strip()
    assert run("keys", "list") == 0
    listed = capsys.readouterr().out
    assert secret[:9] in listed
    assert secret not in listed
    assert "\x1b" not in listed
    assert "first key" in listed


def test_a_key_is_made_for_members_only(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run("keys", "create", "x", "--user", "8") == 1
    assert "no member" in capsys.readouterr().err


def test_the_audit_passes_after_a_grant(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    run("grant", "--usd", "1")
    assert run("audit") == 0
    assert capsys.readouterr().out


def test_a_folder_without_data_is_left_alone(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("TILTYARD_DATA_DIR", str(tmp_path / "typo"))
    assert run("keys", "list") == 1
    assert "TILTYARD_DATA_DIR" in capsys.readouterr().err
    assert not (tmp_path / "typo").exists()


def test_wrong_settings_are_named(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("TILTYARD_PORT", "99999")
    assert run("audit") == 1
    assert "TILTYARD_PORT" in capsys.readouterr().err
