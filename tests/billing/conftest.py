"""Every test that keeps a ledger has it audited at its end: all rules, and the chain."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from billing.audit import audit
from tests.billing.bank import Bank


@pytest.fixture
def folder() -> Iterator[Path]:
    """A folder in memory where there is one: these tests are about rules, not about disks."""
    memory = Path("/dev/shm")
    usable = memory if os.access(memory, os.W_OK) else None
    with tempfile.TemporaryDirectory(prefix="ledger-", dir=usable) as name:
        yield Path(name)


@pytest.fixture
def bank(folder: Path) -> Iterator[Bank]:
    bank = Bank(folder / "ledger.db")
    yield bank
    bank.journal.close()
    assert bank.findings() == []


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
