"""What the ledger's rules need of a database: load teams, look into the past, write a batch.

One implementation an engine (`journal_sqlite.py`). Nothing here decides anything.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Protocol

from billing.state import Changes, Past, Team, Wanted


class Stale(Exception):
    """Somebody else wrote: nothing was written, what was loaded is old. Load again."""


class Unavailable(Exception):
    """The database cannot be read or written now (full, locked, gone); nothing was written.

    `for_all` says that another command would fare no better.
    """

    def __init__(self, message: str, *, for_all: bool = True) -> None:
        super().__init__(message)
        self.for_all = for_all


class Refused(Exception):
    """The database refused what the rules decided: one of them is wrong. Nothing was written."""


class Journal(Protocol):
    """Every method may raise `Unavailable`."""

    def load(self, team_ids: Iterable[int]) -> dict[int, Team]:
        """Each team as it stands; one that is not there yet is new and empty."""
        ...

    def past(self, wanted: Wanted) -> Past: ...

    def free_money_committed_nano_usd(self, now_ms: int) -> int:
        """Allowances of the teams that take of the installation's limit (`allowance.py`)."""
        ...

    def overdue(self, now_ms: int, at_most: int) -> list[tuple[int, str]]:
        """Open holds, as (team, run), whose lease has passed or is longer than it could be."""
        ...

    def write(self, changes: Changes) -> None:
        """Write a batch in one transaction. On return it stands, should this process die.

        Raises `Stale` and `Refused`.
        """
        ...

    def sync(self) -> None:
        """On return everything written before the call stands, should the power fail."""
        ...

    def close(self) -> None: ...
