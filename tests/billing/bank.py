"""A ledger inside the test's own process: the real rules and the real file, with a clock to set."""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from pathlib import Path
from typing import Protocol

from billing.audit import audit
from billing.commands import (
    ALERT_AT,
    CapSet,
    CapWindow,
    Checkpoint,
    Command,
    Done,
    Facts,
    Grant,
    Granted,
    GrantKind,
    Hold,
    Idempotency,
    Line,
    Receipt,
    Reserve,
    Result,
    SetCap,
    Settle,
    Void,
)
from billing.errors import BillingError
from billing.group_commit import GroupCommit, Outcome
from billing.journal_sqlite import SqliteJournal
from billing.money import cost_nano_usd, parse_usd
from billing.statements import Balance, Statements

DAY_MS = 86_400_000
START_MS = 1_790_000_000_000
LEASE_MS = 30_000
FACTS = Facts(model="lab/fast", provider="lab", price_version="2026-08-01", user_id=7)


def usd(text: str) -> int:
    return parse_usd(text)


def bill(cost: str) -> tuple[Line, ...]:
    """One line that comes to this many dollars."""
    return (Line("output", parse_usd(cost), 1_000),)


class Commits(Protocol):
    """What decides commands and has them written, whatever keeps the ledger."""

    def run(self, commands: Sequence[Command]) -> list[Outcome]: ...
    def sweep(self) -> int: ...


class Closes(Protocol):
    def close(self) -> None: ...


class Bank:
    """Commands by their names, one at a time; `together` for a batch. Raises what was refused."""

    def __init__(
        self, path: Path, *, free_money_limit: str = "1000", journal: SqliteJournal | None = None
    ) -> None:
        self.path = path
        self.now_ms = self.latest_ms = START_MS
        self.limit = parse_usd(free_money_limit)
        self.journal: Closes
        self.commit: Commits
        self._open(journal or SqliteJournal(path))
        self.statements = Statements(path, free_money_limit_nano_usd=self.limit)
        self._runs = itertools.count(1)
        self._refs = itertools.count(1)

    def _open(self, journal: SqliteJournal) -> None:
        self.journal = journal
        self.commit = GroupCommit(journal, free_money_limit_nano_usd=self.limit, now_ms=lambda: self.now_ms)

    def pass_time(self, *, days: float = 0, ms: int = 0) -> None:
        self.now_ms += round(days * DAY_MS) + ms
        self.latest_ms = max(self.latest_ms, self.now_ms)

    def restart(self) -> None:
        """As after the death of the process: nothing is remembered but the file."""
        self.journal.close()
        self._open(SqliteJournal(self.path))

    # --- commands -----------------------------------------------------------------------------

    def together(self, *commands: Command) -> list[Result | BillingError]:
        return self.commit.run(commands)

    def do(self, command: Command) -> Result:
        (outcome,) = self.commit.run([command])
        if isinstance(outcome, BillingError):
            raise outcome
        return outcome

    def asking(
        self,
        amount: str = "0.20",
        *,
        team: int = 1,
        least: str | None = None,
        run: str | None = None,
        key: Idempotency | None = None,
        scopes: tuple[tuple[str, str], ...] = (),
        facts: Facts = FACTS,
    ) -> Reserve:
        return Reserve(
            team_id=team,
            run_id=run or f"run_{next(self._runs):06d}",
            amount_nano_usd=usd(amount),
            least_nano_usd=usd(least or amount),
            lease_ms=LEASE_MS,
            facts=facts,
            scopes=scopes,
            idempotency=key,
        )

    def reserve(
        self,
        amount: str = "0.20",
        *,
        team: int = 1,
        least: str | None = None,
        run: str | None = None,
        key: Idempotency | None = None,
        scopes: tuple[tuple[str, str], ...] = (),
    ) -> Hold:
        hold = self.do(self.asking(amount, team=team, least=least, run=run, key=key, scopes=scopes))
        assert isinstance(hold, Hold)
        return hold

    def settle(self, hold: Hold, cost: str, *, lines: tuple[Line, ...] | None = None) -> Receipt:
        lines = bill(cost) if lines is None else lines
        receipt = self.do(Settle(hold, lines, cost_nano_usd(lines), hold.facts))
        assert isinstance(receipt, Receipt)
        return receipt

    def spend(self, cost: str, *, team: int = 1) -> Receipt:
        return self.settle(self.reserve(cost, team=team), cost)

    def void(self, hold: Hold) -> None:
        assert self.do(Void(hold.team_id, hold.run_id)) == Done()

    def checkpoint(self, hold: Hold, cost: str | None, lease_ms: int = LEASE_MS) -> None:
        lines = bill(cost) if cost else ()
        assert self.do(Checkpoint(hold.team_id, hold.run_id, lines, lease_ms)) == Done()

    def grant(
        self,
        amount: str,
        kind: GrantKind = "grant",
        *,
        team: int = 1,
        ref: str | None = None,
        days: float | None = None,
    ) -> Granted:
        expires_ms = None if days is None else self.latest_ms + round(days * DAY_MS)
        ref = ref or f"ref {next(self._refs)}"
        granted = self.do(Grant(team, kind, usd(amount), ref, "a reason", expires_ms, 7))
        assert isinstance(granted, Granted)
        return granted

    def pay(self, amount: str, *, team: int = 1) -> Granted:
        return self.grant(amount, "payment", team=team)

    def cap(
        self,
        limit: str | None,
        *scope: str,
        window: CapWindow = "total",
        team: int = 1,
        days: int = 0,
        zone: str = "UTC",
        alert_at: tuple[int, ...] = ALERT_AT,
        actor: int | None = 7,
    ) -> CapSet:
        name, subject = scope
        nano_usd = None if limit is None else usd(limit)
        made = self.do(SetCap(team, name, subject, nano_usd, window, days, zone, alert_at, actor))
        assert isinstance(made, CapSet)
        return made

    # --- what is there ------------------------------------------------------------------------

    def balance(self, team: int = 1) -> Balance:
        return self.statements.balance(team, self.now_ms)

    def available(self, team: int = 1) -> int:
        return self.balance(team).available_nano_usd

    def kinds(self, team: int = 1) -> list[str]:
        """The kinds of a team's entries, oldest first."""
        return [entry.kind.name.lower() for entry in reversed(self.statements.entries(team, 1_000))]

    def findings(self) -> list[str]:
        return [str(finding) for finding in audit(self.path, limit_s=10.0).findings]
