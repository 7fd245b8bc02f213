"""Work that one process at a time does, by name: whoever takes a lease holds it until it ends.

A holder that dies stops renewing, and the next one to ask takes over. Time is the database's. A lease
is advice, not a lock: a holder that was suspended may wake up after its end, so whatever it does must
bear being done twice.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable
from typing import Final

from sqlalchemy import ColumnElement, Table, delete, update
from sqlalchemy.exc import SQLAlchemyError
from sqlalchemy.orm import Session
from sqlalchemy.sql.dml import ReturningInsert, ReturningUpdate

from store.clock import now_ms
from store.databases import Database
from store.tables import AppTable
from store.upserts import insert_into

_log = logging.getLogger(__name__)

SWEEPER: Final = "sweeper"  # ends what dead processes left open
ROLLUPS: Final = "roll-ups"
SHEETS: Final = "sheets"  # what the latency page shows by key, tag and length
ALERTS: Final = "alerts"
JOBS: Final = "jobs"
LOG: Final = "request log"  # makes its months, and lets go those that are too old
TERM_MS: Final = 30_000

_TABLE: Table = AppTable.metadata.tables["lease"]


class Leases:
    """`holder` is this process's id."""

    def __init__(self, database: Database, holder: str, *, term_ms: int = TERM_MS) -> None:
        self._database = database
        self._holder = holder
        self._term_ms = term_ms

    async def take(self, name: str) -> bool:
        """Whether the lease is ours for a term from now: it was free, had ended, or was ours before."""
        return await self._database.write(lambda session: self._take(session, name))

    async def renew(self, name: str) -> bool:
        """Whether it was still ours and goes on; one that ended meanwhile must be taken again."""
        mine = (*self._mine(name), _TABLE.c.expires_ms > now_ms())
        change = update(_TABLE).where(*mine).values(expires_ms=now_ms() + self._term_ms)
        return await self._database.write(lambda session: _touched(session, change.returning(_TABLE.c.name)))

    async def release(self, name: str) -> None:
        """Let the next one have it now. Nothing where it is not ours."""
        await self._database.write(lambda session: session.execute(delete(_TABLE).where(*self._mine(name))))

    async def keep(self, name: str, every_s: float, work: Callable[[], Awaitable[object]]) -> None:
        """Until cancelled: every `every_s` ask for the lease, and work where it is ours. A turn must be
        shorter than a term. What fails is told and tried again the next time. Released at the end."""
        try:
            while True:
                try:
                    if await self.take(name):
                        await work()
                except Exception:
                    _log.exception("the work of the lease %r failed; the next turn tries again", name)
                await asyncio.sleep(every_s)
        finally:
            try:
                await asyncio.shield(self.release(name))
            except SQLAlchemyError as error:
                _log.warning("the lease %r could not be released, and ends by itself: %s", name, error)

    def _take(self, session: Session, name: str) -> bool:
        insert = insert_into(session.connection(), _TABLE).values(
            name=name, holder=self._holder, expires_ms=now_ms() + self._term_ms
        )
        ours = insert.on_conflict_do_update(
            index_elements=["name"],
            set_={"holder": insert.excluded.holder, "expires_ms": now_ms() + self._term_ms},
            where=(_TABLE.c.holder == self._holder) | (_TABLE.c.expires_ms <= now_ms()),
        )
        return _touched(session, ours.returning(_TABLE.c.name))

    def _mine(self, name: str) -> tuple[ColumnElement[bool], ...]:
        return (_TABLE.c.name == name, _TABLE.c.holder == self._holder)


def _touched(session: Session, statement: ReturningInsert[str] | ReturningUpdate[str]) -> bool:
    return session.execute(statement).first() is not None
