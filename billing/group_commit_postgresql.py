"""Group commit on PostgreSQL, in the event loop of its process, beside other processes that do the same.

As `group_commit.py`, with what company asks for. A batch is first decided on the teams as they are
remembered, and written by one call, which refuses it where anybody else has changed one of them; then
it is decided again with its teams locked and read again, and so are batches on those teams for a while.
Where a command would be refused (a refusal writes nothing that could be checked), or a run, key or
reference turns out to be known, it is decided again on everything: locked, and the past looked up.

Where the connection is lost, everything remembered is dropped and the commands are decided again on a
new one: each does its thing once, so those that had been written answer what they answered.
"""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from enum import IntEnum

from billing.allowance import ALLOWANCE_NANO_USD, FreeMoney, counted_after_ms
from billing.commands import Checkpoint, Command, Reserve, SetCap, Sweep, Swept
from billing.errors import BillingError
from billing.group_commit import (
    Outcome,
    bug,
    decide,
    may_take_free_money,
    raise_alarms,
    team_of,
    unavailable,
)
from billing.journal import Stale, Unavailable
from billing.journal_postgresql import Blocked, Changed, Lost, PostgresJournal
from billing.ledger import Batch, wanted
from billing.state import Past, Team

_log = logging.getLogger(__name__)

RECONNECT_WITHIN_S = 8.0
_TEAMS_REMEMBERED = 4_096
_SWEPT_AT_ONCE = 256
_TRIES = 8
_CAREFUL_FOR_S = 1.0
_CONNECT_AGAIN_S = 0.1
_CLOCKS_APART_MS = 1_000


class Care(IntEnum):
    """How a batch is decided."""

    NONE = 0  # on what is remembered
    LOCK = 1  # with its teams locked
    LOOK_BACK = 2  # and its runs, keys and references looked up


class PostgresGroupCommit:
    """One coroutine at a time uses one of these. Its clock is the database's, so that all processes
    share one; `now_ms` is for tests, which keep their own."""

    def __init__(
        self, dsn: str, *, free_money_limit_nano_usd: int, now_ms: Callable[[], int] | None = None
    ) -> None:
        self._dsn = dsn
        # A test's clock is one: what another clock could have given is then known to the millisecond.
        self._clocks_apart_ms = 0 if now_ms else _CLOCKS_APART_MS
        self._limit_nano_usd = free_money_limit_nano_usd
        self._synced = True
        self._clock_ahead_ms = 0
        self._own_clock = now_ms
        self._journal: PostgresJournal | None = None
        self._was_down = True
        self._teams: dict[int, Team] = {}
        self._bewares: dict[int, tuple[float, Care]] = {}  # by team: until when, and how

    @property
    def is_connected(self) -> bool:
        return self._journal is not None and not self._journal.is_closed

    async def open(self) -> None:
        """Connect, and make the schema where there is none. Raises `LedgerUnavailable`."""
        try:
            await self._connected()
        except Unavailable as error:
            raise unavailable(error) from error

    async def close(self) -> None:
        if self._journal is not None:
            await self._journal.close()
            self._journal = None

    async def run(self, commands: Sequence[Command], *, synced: bool = True) -> list[Outcome]:
        """An answer for each command, in order; by the time this returns, what they say stands.

        Where they are not `synced`, an answer that `must_last` does so once the disk has it, which is
        then the caller's to wait for: until then the server's death would take it back.
        """
        self._synced = synced
        return await self._run(commands)

    async def _run(self, commands: Sequence[Command]) -> list[Outcome]:
        if any(isinstance(command, Sweep) for command in commands):
            return await self._run_with_sweep(commands)
        try:
            return await self._together(commands)
        except Blocked as error:
            parts = _by_team(commands)
            if len(parts) == 1:
                return [unavailable(error) for _ in commands]
            return await self._apart(commands, parts)
        except Unavailable as error:
            if len(commands) == 1 or error.for_all:
                return [unavailable(error) for _ in commands]
        except Exception as error:
            if len(commands) == 1:
                _log.exception("the ledger failed at %s", type(commands[0]).__name__)
                return [bug(error)]
            _log.exception("a batch of %d commands failed; each is tried alone", len(commands))
        return await self._apart(commands, [[no] for no in range(len(commands))])

    async def sweep(self) -> int:
        """End every hold whose lease has passed; how many were. Raises `LedgerUnavailable`.

        Any number of processes may do so at once: a hold ends once."""
        ended = 0
        while True:
            try:
                overdue = await self._overdue()
                swept = await self._sweep_some(overdue) if overdue else 0
            except Unavailable as error:
                raise unavailable(error) from error
            ended += swept
            if swept == 0:
                return ended

    async def _run_with_sweep(self, commands: Sequence[Command]) -> list[Outcome]:
        """The sweeps after everything else: what was just checkpointed is alive."""
        others = [command for command in commands if not isinstance(command, Sweep)]
        answers = iter(await self._run(others) if others else [])
        try:
            swept: Outcome = Swept(await self.sweep())
        except BillingError as error:
            swept = error
        return [swept if isinstance(command, Sweep) else next(answers) for command in commands]

    async def _apart(self, commands: Sequence[Command], parts: Iterable[list[int]]) -> list[Outcome]:
        """Each part of a batch, by the commands' numbers in it, as a batch of its own."""
        outcomes: dict[int, Outcome] = {}
        for numbers in parts:
            answers = await self._run([commands[no] for no in numbers])
            outcomes.update(zip(numbers, answers, strict=True))
        return [outcomes[no] for no in range(len(commands))]

    async def _together(self, commands: Sequence[Command]) -> list[Outcome]:
        team_ids = {team_of(command) for command in commands}
        care = self._care_for(team_ids)
        until_s = time.monotonic() + RECONNECT_WITHIN_S
        stale_left = _TRIES
        while stale_left:
            outcomes = None
            try:
                if care is Care.NONE:
                    outcomes = await self._at_once(commands, team_ids)
                else:
                    outcomes = await self._locked(commands, team_ids, look_back=care is Care.LOOK_BACK)
                care = Care.LOOK_BACK
            except Changed as changed:
                self._beware(changed.team_ids, Care.LOCK)
                care = max(care, Care.LOCK)
                stale_left -= 1
            except Stale:
                care = Care.LOOK_BACK
                stale_left -= 1
            except Lost as lost:
                self._drop_connection(lost)
                if time.monotonic() > until_s:
                    raise Unavailable("The connection is lost again and again.") from lost
                care = Care.LOOK_BACK
            finally:
                if outcomes is None:
                    self._forget(team_ids)  # what was decided on them was not written
            if outcomes is not None:
                raise_alarms(outcomes)
                return outcomes
        raise Unavailable("Other writers keep changing the same teams.")

    async def _at_once(self, commands: Sequence[Command], team_ids: set[int]) -> list[Outcome] | None:
        """Decide on what is remembered; None where that is not enough to refuse somebody."""
        journal = await self._connected()
        teams = await self._load(journal, team_ids)
        past = await journal.past(wanted(_without_reserves(commands), teams))
        batch, free_money = await self._batch(journal, teams, past)
        outcomes = self._decided(batch, commands)
        if outcomes is None:
            return None
        # A checkpoint needs no more than that its hold is open, which its own row shows.
        looked_at = {
            team_of(c) for c in commands if not isinstance(c, Checkpoint)
        } - batch.changes.teams.keys()
        seen = [teams[team_id] for team_id in looked_at if not teams[team_id].is_new]
        if seen or not batch.changes.is_empty:
            await self._write(journal, commands, batch, free_money, seen)
        return outcomes

    async def _locked(
        self, commands: Sequence[Command], team_ids: set[int], *, look_back: bool
    ) -> list[Outcome] | None:
        """Decide while nobody else can write to these teams; where `look_back`, with all of their past,
        and then for good."""
        journal = await self._connected()
        async with journal.locked():
            teams = await journal.load(list(team_ids), self._teams, lock=True)
            asked = commands if look_back else _without_reserves(commands)
            past = await journal.past(wanted(asked, teams))
            batch, free_money = await self._batch(journal, teams, past)
            outcomes = [decide(batch, c) for c in commands] if look_back else self._decided(batch, commands)
            if outcomes is not None and not batch.changes.is_empty:
                await self._write(journal, commands, batch, free_money, ())
        if outcomes is not None:
            self._remember(teams)
        return outcomes

    def _decided(self, batch: Batch, commands: Sequence[Command]) -> list[Outcome] | None:
        """None where somebody would be refused: that is only done on all that there is to know."""
        outcomes = [decide(batch, command) for command in commands]
        refused = {team_of(c) for c, o in zip(commands, outcomes, strict=True) if isinstance(o, BillingError)}
        self._beware(refused, Care.LOOK_BACK)
        return None if refused else outcomes

    async def _batch(
        self, journal: PostgresJournal, teams: Mapping[int, Team], past: Past
    ) -> tuple[Batch, _FreeMoney]:
        now_ms = self._now_ms()
        committed = self._limit_nano_usd
        if may_take_free_money(teams.values(), now_ms):
            committed = await journal.allowances(counted_after_ms(now_ms)) * ALLOWANCE_NANO_USD
        free_money = _FreeMoney(
            FreeMoney(self._limit_nano_usd, committed), committed, counted_after_ms(now_ms)
        )
        return Batch(teams, past, now_ms=now_ms, free_money=free_money.room), free_money

    async def _write(
        self,
        journal: PostgresJournal,
        commands: Sequence[Command],
        batch: Batch,
        free_money: _FreeMoney,
        seen: Sequence[Team],
    ) -> None:
        most = self._limit_nano_usd // ALLOWANCE_NANO_USD if free_money.was_taken else None
        await journal.write(
            batch.changes,
            seen=seen,
            most_allowances=most,
            counted_after_ms=free_money.counted_after_ms,
            synced=self._synced
            and (bool(batch.changes.entries) or any(isinstance(command, SetCap) for command in commands)),
        )

    # --- sweeping -----------------------------------------------------------------------------

    async def _overdue(self) -> list[tuple[int, str]]:
        for _ in range(2):
            try:
                journal = await self._connected()
                await self._read_clock(journal)
                return await journal.overdue(self._now_ms(), _SWEPT_AT_ONCE, self._clocks_apart_ms)
            except Lost as lost:
                self._drop_connection(lost)
        raise Unavailable("The connection to the ledger's database is lost again and again.")

    async def _sweep_some(self, overdue: Sequence[tuple[int, str]]) -> int:
        """One batch; where it fails, hold by hold, so that one bad hold keeps none of the others open."""
        try:
            return await self._expire(overdue)
        except Blocked:
            if len(overdue) == 1:
                return 0  # somebody is at it
        except Unavailable:
            raise
        except Exception:
            if len(overdue) == 1:
                _log.exception("a hold of team %d could not be ended: %s", *overdue[0])
                return 0
        ended = 0
        for hold in overdue:
            ended += await self._sweep_some([hold])
        return ended

    async def _expire(self, overdue: Sequence[tuple[int, str]]) -> int:
        team_ids = {team_id for team_id, _ in overdue}
        for _ in range(_TRIES):
            self._forget(team_ids)  # what others checkpointed is not seen by the team's version
            try:
                ended = await self._expire_once(overdue, sorted(team_ids))
            except Stale:
                continue
            except Lost as lost:
                self._drop_connection(lost)
                continue
            if ended:
                _log.warning("%d holds were left by runs that died, and are ended at their progress", ended)
            return ended
        raise Unavailable("Other writers keep changing the same teams.")

    async def _expire_once(self, overdue: Sequence[tuple[int, str]], team_ids: Sequence[int]) -> int:
        journal = await self._connected()
        async with journal.locked():
            await journal.load(team_ids, {}, lock=True)
            await journal.lock_open_holds(overdue)
            teams = await journal.load(team_ids, {})
            batch, free_money = await self._batch(journal, teams, Past())
            ended = sum(batch.expire(team_id, run_id) for team_id, run_id in overdue)
            if not batch.changes.is_empty:
                await self._write(journal, (), batch, free_money, ())
        return ended

    # --- what is remembered -------------------------------------------------------------------

    async def _load(self, journal: PostgresJournal, team_ids: set[int]) -> dict[int, Team]:
        """These teams, remembered or read."""
        teams = {team_id: self._teams[team_id] for team_id in team_ids if team_id in self._teams}
        missing = team_ids - teams.keys()
        if missing:
            teams.update(await journal.load(list(missing), {}))
        self._remember(teams)
        return teams

    def _remember(self, teams: Mapping[int, Team]) -> None:
        """Those used longest ago are forgotten."""
        for team_id, team in teams.items():
            self._teams.pop(team_id, None)
            self._teams[team_id] = team
        while len(self._teams) > max(_TEAMS_REMEMBERED, len(teams)):
            del self._teams[next(iter(self._teams))]

    def _forget(self, team_ids: Iterable[int]) -> None:
        for team_id in team_ids:
            self._teams.pop(team_id, None)

    def _care_for(self, team_ids: set[int]) -> Care:
        if not self._bewares:
            return Care.NONE
        now_s = time.monotonic()
        if len(self._bewares) > _TEAMS_REMEMBERED:
            self._bewares = {team: how for team, how in self._bewares.items() if how[0] > now_s}
        known = (self._bewares.get(team_id) for team_id in team_ids)
        return max((care for until_s, care in filter(None, known) if until_s > now_s), default=Care.NONE)

    def _beware(self, team_ids: Iterable[int], care: Care) -> None:
        now_s = time.monotonic()
        for team_id in team_ids:
            until_s, before = self._bewares.get(team_id, (now_s, care))
            care_now = max(care, before) if until_s > now_s else care
            self._bewares[team_id] = (now_s + _CAREFUL_FOR_S, care_now)

    # --- the connection -------------------------------------------------------------------------

    async def _connected(self) -> PostgresJournal:
        """The connection, or a new one: for so long it is tried where there was one until now."""
        if self._journal is not None and not self._journal.is_closed:
            return self._journal
        self._teams.clear()
        until_s = time.monotonic() + (0.0 if self._was_down else RECONNECT_WITHIN_S)
        while True:
            try:
                journal = await PostgresJournal.connect(self._dsn)
                await self._read_clock(journal)
            except (Unavailable, Lost) as error:
                if time.monotonic() >= until_s:
                    self._was_down = True
                    raise Unavailable(str(error)) from error
                await asyncio.sleep(_CONNECT_AGAIN_S)
            else:
                self._journal, self._was_down = journal, False
                return journal

    def _drop_connection(self, lost: Lost) -> None:
        _log.warning("the connection to the ledger's database is lost: %s", lost)
        self._teams.clear()
        if self._journal is not None:
            self._journal.terminate()
            self._journal = None

    async def _read_clock(self, journal: PostgresJournal) -> None:
        before_ms = _wall_ms()
        database_ms = await journal.now_ms()
        self._clock_ahead_ms = database_ms - (before_ms + _wall_ms()) // 2

    def _now_ms(self) -> int:
        return self._own_clock() if self._own_clock is not None else _wall_ms() + self._clock_ahead_ms


@dataclass(frozen=True, slots=True)
class _FreeMoney:
    """What a batch may take of the installation's limit, and how much was taken before it."""

    room: FreeMoney
    committed_nano_usd: int
    counted_after_ms: int

    @property
    def was_taken(self) -> bool:
        return self.room.committed_nano_usd > self.committed_nano_usd


def _by_team(commands: Sequence[Command]) -> list[list[int]]:
    """The commands' numbers, each team's together."""
    parts: dict[int, list[int]] = {}
    for no, command in enumerate(commands):
        parts.setdefault(team_of(command), []).append(no)
    return list(parts.values())


def _without_reserves(commands: Sequence[Command]) -> Iterable[Command]:
    """That a run and its key are new need not be looked up: the database would refuse a second one."""
    return (command for command in commands if not isinstance(command, Reserve))


def _wall_ms() -> int:
    return time.time_ns() // 1_000_000
