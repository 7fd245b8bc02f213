from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

import identity.tables  # noqa: F401  # makes its tables known to the metadata
from store.databases import Database, open_engine
from store.tables import AppTable


class Clock:
    """Time that moves only when told to."""

    def __init__(self, ms: int = 1_790_000_000_000) -> None:
        self.ms = ms

    def __call__(self) -> int:
        return self.ms


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def database(tmp_path: Path) -> Iterator[Database]:
    engine = open_engine(tmp_path / "app.db")
    AppTable.metadata.create_all(engine)
    with ThreadPoolExecutor(2) as threads:
        yield Database(engine, threads)
    engine.dispose()
