"""What the operator's commands work with, and the words they share. Settings are `operate.py`'s."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from billing.budgets import Budgets
from billing.commands import CapSet, Grant, Granted, SetCap
from billing.money import parse_usd
from billing.statements import Statements
from billing.usage import Usage
from gateway.catalog import Catalog
from identity.tables import TeamRow
from store.databases import Databases

DAY_MS = 24 * 60 * 60 * 1_000


class Refused(Exception):
    """A sentence for the operator."""


@dataclass(frozen=True, slots=True)
class Office:
    """`ledger` is where the ledger lies: a file, or a `postgresql://` URL. `hand_in` and `set_cap` give a
    command to the ledger's one writer, whether or not a server runs. `secret` is the installation's;
    `secret_is_set` says that it comes from a setting, not from the data folder. `log_days` is how long rows
    of the request log are kept, None for ever."""

    data_dir: Path
    ledger: Path | str
    hand_in: Callable[[Grant], Granted]
    set_cap: Callable[[SetCap], CapSet]
    databases: Callable[[], Databases]
    catalog: Callable[[], Catalog]
    secret: Callable[[], bytes]
    secret_is_set: bool
    log_days: int | None = None

    @property
    def statements(self) -> Statements:
        return Statements(self.ledger)

    @property
    def usage(self) -> Usage:
        return Usage(self.ledger, self.statements)

    @property
    def budgets(self) -> Budgets:
        return Budgets(self.ledger)

    def require_team(self, databases: Databases, team_id: int) -> None:
        with databases.app.session() as session:
            if session.get(TeamRow, team_id) is None:
                raise Refused(f"There is no team {team_id}.")


def amount_of(text: str) -> int:
    """Nano-dollars above zero. Raises `Refused`."""
    try:
        amount = parse_usd(text)
    except ValueError as error:
        raise Refused(f"--usd: {error}.") from None
    if amount <= 0:
        raise Refused("--usd must be above 0.")
    return amount


def day_of(ms: int | None) -> str:
    return "never" if ms is None else f"{datetime.fromtimestamp(ms // 1_000, UTC):%Y-%m-%d %H:%M}"


def plain(text: str) -> str:
    """What is somebody's input, for a terminal, which obeys what is not printable."""
    return "".join(letter if letter.isprintable() else "?" for letter in text)


def now_ms() -> int:
    return time.time_ns() // 1_000_000
