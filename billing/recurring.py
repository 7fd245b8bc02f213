"""Credit that comes again: an amount for each day, week or month of UTC, given when its window begins.

A schedule is a row, and no money. Giving is an ordinary grant to the ledger with one reference a
schedule and window (`recurring:7:1793491200000`), which the ledger takes once for ever: so any number
of processes may give at any time, and again after a crash. The ledger itself knows no schedules:
its rules stay those of one moment, and a schedule that is changed rewrites nothing that was given.

What is unused lapses at the end of its window, or is carried over for as many windows as the schedule
says. While nobody gave (the server was off), only windows whose credit would still live are made up
for, so that without carry-over nothing accumulates.
"""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from typing import Final, Literal

from sqlalchemy import select, update
from sqlalchemy.exc import SQLAlchemyError
from sqlalchemy.orm import Session

from billing.commands import Grant, Granted
from billing.errors import BillingError
from billing.tables import RecurringGrantRow
from billing.windows import WINDOWS, window_ends_ms, window_starts_ms
from store.databases import Database

_log = logging.getLogger(__name__)

Every = Literal["day", "week", "month"]
GIVE_EVERY_S: Final = 10.0
MOST_CARRIED_OVER: Final = 120


@dataclass(frozen=True, slots=True)
class Window:
    """One window of a schedule, and when its credit ends; None for never."""

    starts_ms: int
    ends_ms: int
    expires_ms: int | None


def due(row: RecurringGrantRow, now_ms: int) -> tuple[Window, ...]:
    """The windows to be given now, oldest first: begun, not given yet, with credit that still lives."""
    kind = WINDOWS[row.every]  # type: ignore[index]  # a row holds one of `Every`
    starts_ms = window_starts_ms(kind, max(row.starts_ms, row.given_until_ms or 0))
    found: list[Window] = []
    while starts_ms <= now_ms and (row.ends_ms is None or starts_ms < row.ends_ms):
        ends_ms = _end(kind, starts_ms)
        expires_ms = None
        if row.carry_over_windows is not None:
            expires_ms = ends_ms
            for _ in range(row.carry_over_windows):
                expires_ms = _end(kind, expires_ms)
        if expires_ms is None or expires_ms > now_ms:
            found.append(Window(starts_ms, ends_ms, expires_ms))
        starts_ms = ends_ms
    return tuple(found)


def _end(kind: int, starts_ms: int) -> int:
    ends_ms = window_ends_ms(kind, starts_ms)
    assert ends_ms is not None  # only all time has no end
    return ends_ms


def add(
    session: Session,
    team_id: int,
    amount_nano_usd: int,
    every: Every,
    carry_over_windows: int | None,
    reason: str,
    now_ms: int,
) -> int:
    """A new schedule; its first window is the one that runs, in full. Its number."""
    row = RecurringGrantRow(
        team_id=team_id,
        amount_nano_usd=amount_nano_usd,
        every=every,
        carry_over_windows=carry_over_windows,
        reason=reason,
        starts_ms=now_ms,
    )
    session.add(row)
    session.flush()
    assert row.id is not None
    return row.id


def end(session: Session, schedule_id: int, now_ms: int) -> RecurringGrantRow | None:
    """Give nothing any more; what was given stays. None where there is no such schedule."""
    row = session.get(RecurringGrantRow, schedule_id)
    if row is not None and (row.ends_ms is None or row.ends_ms > now_ms):
        row.ends_ms = now_ms
    return row


def schedules(session: Session, team_id: int | None = None) -> Sequence[RecurringGrantRow]:
    """Of one team or all, oldest first; ended ones too."""
    wanted = select(RecurringGrantRow).order_by(RecurringGrantRow.__table__.c.id)  # type: ignore[attr-defined]
    return session.scalars(wanted if team_id is None else wanted.filter_by(team_id=team_id)).all()


class RecurringGrants:
    """`grant` is the ledger's. `now_ms` is for tests."""

    def __init__(
        self,
        database: Database,
        grant: Callable[[Grant], Awaitable[Granted]],
        *,
        now_ms: Callable[[], int] = lambda: time.time_ns() // 1_000_000,
    ) -> None:
        self._database = database
        self._grant = grant
        self._now_ms = now_ms
        self._complained: set[str] = set()

    async def give_due(self) -> int:
        """Give whatever is due; how many grants were made. What fails is told once, and tried again
        the next time."""
        given = 0
        now_ms = self._now_ms()
        for row in await self._database.read(schedules):
            for window in due(row, now_ms):
                if not await self._give(row, window):
                    break
                given += 1
        return given

    async def keep_giving(self) -> None:
        """Until cancelled."""
        while True:
            try:
                await self.give_due()
            except SQLAlchemyError:
                _log.exception("recurring grants could not be read; the next turn tries again")
            await asyncio.sleep(GIVE_EVERY_S)

    async def _give(self, row: RecurringGrantRow, window: Window) -> bool:
        ref = f"recurring:{row.id}:{window.starts_ms}"
        command = Grant(
            team_id=row.team_id,
            kind="grant",
            amount_nano_usd=row.amount_nano_usd,
            ref=ref,
            reason=row.reason,
            expires_ms=window.expires_ms,
        )
        try:
            await self._grant(command)
        except BillingError as error:
            if ref not in self._complained:
                self._complained.add(ref)
                _log.warning("%s was not given: %s", ref, error)
            return False
        await self._database.write(lambda session: _note(session, row.id, window.ends_ms))
        return True


def _note(session: Session, schedule_id: int | None, until_ms: int) -> None:
    """The ledger has it: so it need not be asked again, which would do no harm."""
    table = RecurringGrantRow.__table__  # type: ignore[attr-defined]
    session.execute(update(table).where(table.c.id == schedule_id).values(given_until_ms=until_ms))
