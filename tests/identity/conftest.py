from __future__ import annotations

import pytest

from store.databases import Database
from tests.databases import Home


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
def database(home: Home) -> Database:
    return home.open().app
