"""Group commit: decides a list of commands, writes them in one transaction, and only then answers.

What an answer says stands from then on, whatever becomes of this process. One that tells of an entry
(`must_last`) is not given away before the journal was synced, so that it also outlives the power.

Teams are remembered from batch to batch. Where a batch fails, nothing of it was written: what was
remembered is dropped and each command is tried alone, so that a bad one has no victims. One thread
uses one of these; `writer_process.py` feeds it.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterable, Sequence

from billing.allowance import FreeMoney, must_find_room
from billing.commands import (
    CapSet,
    Checkpoint,
    Command,
    Done,
    Grant,
    Granted,
    Receipt,
    Reserve,
    Result,
    SetCap,
    Settle,
    Sweep,
    Swept,
    Void,
)
from billing.errors import BillingError, LedgerBug, LedgerUnavailable
from billing.journal import Journal, Stale, Unavailable
from billing.ledger import Batch, wanted
from billing.state import Past, Team

_log = logging.getLogger(__name__)

Outcome = Result | BillingError

_TEAMS_REMEMBERED = 4_096
_SWEPT_AT_ONCE = 256
_STALE_TRIES = 3


def must_last(outcome: Outcome) -> bool:
    """Whether an answer may be given only after a sync: it says that money moved, or may no longer.

    Also where it was asked before and answers a receipt again, which may still be on its way to disk.
    """
    return isinstance(outcome, Receipt | Granted | CapSet)


class GroupCommit:
    """`now_ms` is the wall's clock in UTC milliseconds."""

    def __init__(
        self, journal: Journal, *, free_money_limit_nano_usd: int, now_ms: Callable[[], int]
    ) -> None:
        self._journal = journal
        self._limit_nano_usd = free_money_limit_nano_usd
        self._now_ms = now_ms
        self._teams: dict[int, Team] = {}

    def run(self, commands: Sequence[Command]) -> list[Outcome]:
        """An answer for each command, in order; by the time this returns, what they say stands."""
        if any(isinstance(command, Sweep) for command in commands):
            return self._run_with_sweep(commands)
        try:
            return self._together(commands)
        except Unavailable as error:
            self._teams.clear()
            if len(commands) == 1 or error.for_all:
                return [unavailable(error) for _ in commands]
        except Exception as error:
            self._teams.clear()
            if len(commands) == 1:
                _log.exception("the ledger failed at %s", type(commands[0]).__name__)
                return [bug(error)]
            _log.exception("a batch of %d commands failed; each is tried alone", len(commands))
        return [outcome for command in commands for outcome in self.run([command])]

    def sweep(self) -> int:
        """End every hold whose lease has passed; how many were. Raises `LedgerUnavailable`."""
        ended = 0
        while True:
            try:
                overdue = self._journal.overdue(self._now_ms(), _SWEPT_AT_ONCE)
                swept = self._sweep_some(overdue) if overdue else 0
            except Unavailable as error:
                self._teams.clear()
                raise unavailable(error) from error
            ended += swept
            if swept == 0:
                return ended

    def _run_with_sweep(self, commands: Sequence[Command]) -> list[Outcome]:
        """The sweeps after everything else: what was just checkpointed is alive."""
        others = iter(self.run([c for c in commands if not isinstance(c, Sweep)]))
        try:
            swept: Outcome = Swept(self.sweep())
        except BillingError as error:
            swept = error
        return [swept if isinstance(command, Sweep) else next(others) for command in commands]

    def _together(self, commands: Sequence[Command]) -> list[Outcome]:
        if not commands:
            return []
        for _ in range(_STALE_TRIES):
            teams = self._load({team_of(command) for command in commands})
            past = self._journal.past(wanted(commands, teams))
            batch = self._batch(teams, past)
            outcomes = [decide(batch, command) for command in commands]
            try:
                self._write(batch)
            except Stale:
                self._teams.clear()
                continue
            raise_alarms(outcomes)
            return outcomes
        raise Unavailable("Another writer keeps changing the ledger.")

    def _sweep_some(self, overdue: Sequence[tuple[int, str]]) -> int:
        """One batch; where it fails, hold by hold, so that one bad hold keeps none of the others open."""
        try:
            return self._expire(overdue)
        except Unavailable:
            raise
        except Exception:
            self._teams.clear()
            if len(overdue) == 1:
                _log.exception("a hold of team %d could not be ended: %s", *overdue[0])
                return 0
        return sum(self._sweep_some([hold]) for hold in overdue)

    def _expire(self, overdue: Sequence[tuple[int, str]]) -> int:
        teams = self._load({team_id for team_id, _ in overdue})
        batch = self._batch(teams, Past())
        ended = sum(batch.expire(team_id, run_id) for team_id, run_id in overdue)
        self._write(batch)
        if ended:
            _log.warning("%d holds were left by runs that died, and are ended at their progress", ended)
        return ended

    def _batch(self, teams: dict[int, Team], past: Past) -> Batch:
        now_ms = self._now_ms()
        return Batch(teams, past, now_ms=now_ms, free_money=self._free_money(teams, now_ms))

    def _free_money(self, teams: dict[int, Team], now_ms: int) -> FreeMoney:
        """What is committed of the limit; counted only where a team may ask for a part of it."""
        may_ask = may_take_free_money(teams.values(), now_ms)
        committed = self._journal.free_money_committed_nano_usd(now_ms) if may_ask else self._limit_nano_usd
        return FreeMoney(self._limit_nano_usd, committed)

    def _write(self, batch: Batch) -> None:
        if not batch.changes.is_empty:
            self._journal.write(batch.changes)

    def _load(self, team_ids: Iterable[int]) -> dict[int, Team]:
        """These teams, remembered or read; those used longest ago are forgotten."""
        teams: dict[int, Team] = {}
        missing: list[int] = []
        for team_id in team_ids:
            team = self._teams.pop(team_id, None)
            if team is None:
                missing.append(team_id)
            else:
                teams[team_id] = team
        if missing:
            teams.update(self._journal.load(missing))
        self._teams.update(teams)
        while len(self._teams) > max(_TEAMS_REMEMBERED, len(teams)):
            del self._teams[next(iter(self._teams))]
        return teams


# --- what every group commit does; `group_commit_postgresql.py` is the other one ----------------------


def may_take_free_money(teams: Iterable[Team], now_ms: int) -> bool:
    """Whether a command on one of these teams might take from the installation's limit."""
    return any(
        team.first_payment_ms is None and must_find_room(team.allowance_starts_ms, max(team.clock_ms, now_ms))
        for team in teams
    )


def team_of(command: Command) -> int:
    match command:
        case Settle(hold=hold):
            return hold.team_id
        case Sweep():
            raise AssertionError("a sweep is for all teams")
        case _:
            return command.team_id


def decide(batch: Batch, command: Command) -> Outcome:
    try:
        match command:
            case Reserve():
                return batch.reserve(command)
            case Settle():
                return batch.settle(command)
            case Checkpoint():
                batch.checkpoint(command)
            case Void():
                batch.void(command)
            case Grant():
                return batch.grant(command)
            case SetCap():
                return batch.set_cap(command)
            case Sweep():
                raise AssertionError("a sweep is no part of a batch")
    except BillingError as refusal:
        return refusal
    return Done()


def raise_alarms(outcomes: Iterable[Outcome]) -> None:
    for outcome in outcomes:
        if isinstance(outcome, Receipt) and outcome.writeoff_nano_usd and not outcome.replayed:
            _log.error(
                "%s of team %d cost more than its credit: %d nano-dollars are written off",
                outcome.run_id,
                outcome.team_id,
                outcome.writeoff_nano_usd,
            )


def unavailable(error: Unavailable) -> LedgerUnavailable:
    _log.error("the ledger's database is not available: %s", error)
    return LedgerUnavailable("The ledger cannot be written now. Nothing was charged.")


def bug(error: Exception) -> LedgerBug:
    return LedgerBug(f"The ledger refused to break its own rules ({type(error).__name__}).")
