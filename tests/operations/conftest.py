"""A data folder as a server leaves it, and the command line on it."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import pytest

import operate
from billing.audit import audit
from billing.money import format_usd
from billing.statements import Statements
from billing.usage import Usage
from identity.local import LocalIdentity
from settings import load, secret_key
from tests.databases import open_migrated

NOW_MS = 1_796_000_000_000


class Shell:
    """`run` is the operator's command line; what it said stays in `out` and `err`."""

    def __init__(self, folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
        self.folder = folder
        self._capsys = capsys
        self.out = self.err = ""

    def run(self, *arguments: str) -> int:
        self._capsys.readouterr()
        code = operate.main(arguments)
        self.out, self.err = self._capsys.readouterr()
        return code

    @property
    def statements(self) -> Statements:
        return Statements(self.folder / "ledger.db")

    @property
    def usage(self) -> Usage:
        return Usage(self.folder / "ledger.db", self.statements)

    @property
    def available(self) -> str:
        return format_usd(self.statements.balance(1, NOW_MS).available_nano_usd)


@pytest.fixture
def shell(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> Iterator[Shell]:
    for name in [name for name in os.environ if name.startswith("TILTYARD_")]:
        monkeypatch.delenv(name)
    monkeypatch.chdir(tmp_path)
    folder = tmp_path / ".tiltyard"
    folder.mkdir()
    databases = open_migrated(folder)
    LocalIdentity.open(databases.app)
    databases.close()
    secret_key(load())
    shell = Shell(folder, capsys)
    yield shell
    ledger = folder / "ledger.db"
    assert not ledger.exists() or audit(ledger).findings == ()
