"""Brings to the server's disk what was committed without waiting for it: one sync for many batches.

PostgreSQL's log is written in order, so that a commit which waits for the disk makes everything before it
last. That commit is made here, on a connection of its own, while the writer goes on with the next batch.

A server that dies loses what it had not written, and may be back before anybody looks. The connection is
therefore a *witness*: it is there before a batch is committed, and dies with the server. Where a sync
over it succeeds, nothing was lost in between; where it fails, nobody knows, and the commands are asked
again, which is safe because each does its thing once. (A pool that hands connections round would make a
false witness; asyncpg's prepared statements do not get through one either.)
"""

from __future__ import annotations

import logging
from contextlib import suppress
from typing import Final, TypeAlias

import asyncpg

_log = logging.getLogger(__name__)

Witness: TypeAlias = asyncpg.Connection

_CONNECT_WITHIN_S: Final = 3.0
_SYNCED_WITHIN_S: Final = 10.0
# What a commit waits for is its own record: the message, which nobody reads, gives it one.
_SYNC: Final = "SELECT pg_logical_emit_message(true, 'tiltyard ledger', '')"
_TROUBLE: Final = (
    OSError,
    TimeoutError,
    asyncpg.PostgresError,
    asyncpg.InterfaceError,
    asyncpg.InternalClientError,
)


class PostgresSyncer:
    def __init__(self, dsn: str) -> None:
        self._dsn = dsn
        self._witness: Witness | None = None

    async def witness(self) -> Witness | None:
        """Ask for it before committing what it is to sync; None where the server gives no connection."""
        if self._witness is None or self._witness.is_closed():
            try:
                self._witness = await self._connect()
            except _TROUBLE as error:
                _log.warning("each commit waits for the disk by itself, for want of a connection: %s", error)
                self._witness = None
        return self._witness

    async def sync(self, witness: Witness) -> bool:
        """Whether all that was committed since `witness` was handed out is on the server's disk."""
        try:
            await witness.fetchval(_SYNC, timeout=_SYNCED_WITHIN_S)
        except _TROUBLE as error:
            _log.warning("what was committed last is asked again, the server may have lost it: %s", error)
            witness.terminate()
            return False
        return True

    async def close(self) -> None:
        if self._witness is not None:
            with suppress(*_TROUBLE):
                await self._witness.close(timeout=_CONNECT_WITHIN_S)

    async def _connect(self) -> Witness:
        connection = await asyncpg.connect(
            self._dsn, timeout=_CONNECT_WITHIN_S, server_settings={"application_name": "tiltyard ledger"}
        )
        try:
            # An operator may ask for more than `on` (a replica that has applied it), but not for less.
            await connection.execute(
                "SELECT set_config('synchronous_commit', 'on', false)"
                " WHERE current_setting('synchronous_commit') = 'off'"
            )
        except BaseException:
            connection.terminate()
            raise
        return connection
