"""This process among those that share the app database: known by an id, alive while its heart beats.

A process that has not been heard of for `DEAD_AFTER_MS` by the database's clock counts as dead; what it
left half-done is others' to end. One that was only slow says so with its next beat, and lives again.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import socket
from dataclasses import dataclass

from sqlalchemy import ColumnElement, Connection, Select, Table, delete, select
from sqlalchemy.exc import SQLAlchemyError
from sqlalchemy.orm import Session

from store.clock import now_ms
from store.databases import Database
from store.ids import new_id
from store.tables import AppTable
from store.upserts import insert_into

_log = logging.getLogger(__name__)

BEAT_S = 5.0
DEAD_AFTER_MS = 30_000
_FORGOTTEN_AFTER_MS = 24 * 60 * 60 * 1000

_TABLE: Table = AppTable.metadata.tables["process"]


@dataclass(frozen=True, slots=True)
class ProcessView:
    id: str
    role: str
    host: str
    started_ms: int
    heartbeat_ms: int


class Processes:
    """`id` is this process's own, from before it is known to anybody."""

    def __init__(self, database: Database, role: str = "app", *, beat_s: float = BEAT_S) -> None:
        self.id = new_id("proc")
        self._database = database
        self._role = role
        self._host = socket.gethostname()
        self._beat_s = beat_s
        self._heart: asyncio.Task[None] | None = None

    async def open(self, *, others_are_gone: bool = False) -> None:
        """Be known, and from now on beat. Whoever knows that no other process can live (it holds the lock of
        their folder) need not wait until they count as dead."""
        if others_are_gone:
            await self._database.write(lambda session: session.execute(delete(_TABLE)))
        await self.beat()
        self._heart = asyncio.create_task(self._keep_beating(), name="process heartbeat")

    async def close(self) -> None:
        """Be gone at once, rather than when others notice."""
        if self._heart is not None:
            self._heart.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await self._heart
        try:
            await self._database.write(
                lambda session: session.execute(delete(_TABLE).where(_TABLE.c.id == self.id))
            )
        except SQLAlchemyError as error:
            _log.warning("this process could not say that it ends: %s", error)

    async def beat(self) -> None:
        await self._database.write(lambda session: _beat(session.connection(), self._row()))

    async def living(self) -> tuple[ProcessView, ...]:
        """Oldest first, this one included."""

        def find(session: Session) -> tuple[ProcessView, ...]:
            columns = (_TABLE.c[name] for name in ProcessView.__slots__)
            rows = session.execute(
                select(*columns).where(_alive()).order_by(_TABLE.c.started_ms, _TABLE.c.id)
            )
            return tuple(ProcessView(*row) for row in rows)

        return await self._database.read(find)

    async def _keep_beating(self) -> None:
        while True:
            await asyncio.sleep(self._beat_s)
            try:
                await self.beat()
            except SQLAlchemyError as error:
                _log.warning("a heartbeat could not be written; the next one tries again: %s", error)

    def _row(self) -> dict[str, object]:
        return {"id": self.id, "role": self._role, "host": self._host}


def living_ids() -> Select[str]:
    """The ids of living processes, for a statement on another table of the same database."""
    return select(_TABLE.c.id).where(_alive())


def _alive() -> ColumnElement[bool]:
    return _TABLE.c.heartbeat_ms > now_ms() - DEAD_AFTER_MS


def _beat(connection: Connection, row: dict[str, object]) -> None:
    """Insert or move on; whoever was forgotten meanwhile is there again."""
    insert = insert_into(connection, _TABLE).values(**row, started_ms=now_ms(), heartbeat_ms=now_ms())
    connection.execute(
        insert.on_conflict_do_update(
            index_elements=["id"], set_={"heartbeat_ms": insert.excluded.heartbeat_ms}
        )
    )
    connection.execute(delete(_TABLE).where(_TABLE.c.heartbeat_ms < now_ms() - _FORGOTTEN_AFTER_MS))
