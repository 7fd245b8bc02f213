"""Makes the ledger's schema on PostgreSQL, or says that this version cannot use the one that is there.

Any number of processes may start at once: one of them makes it, the others wait. It is
made by `sql/postgresql.sql`, which is schema 1, and then `sql/postgresql_2.sql` and so on; none is altered.
"""

from __future__ import annotations

from pathlib import Path
from typing import Final

import asyncpg

from billing.journal import Unavailable

SCHEMA: Final = 2
_SQL: Final = Path(__file__).parent / "sql"
_OLDEST_SERVER: Final = 15


async def ensure_schema(connection: asyncpg.Connection, newest: int = SCHEMA) -> None:
    """Make the schema up to `newest`; an older one than ours is for rows that were saved from it.

    Raises `Unavailable` where the server is too old, or the schema is of a newer version of ours."""
    if connection.get_server_version().major < _OLDEST_SERVER:
        raise Unavailable(f"The ledger needs PostgreSQL {_OLDEST_SERVER} or later.")
    found = await _version(connection)
    if newest > SCHEMA:
        raise Unavailable(f"Schema {newest} of the ledger is not known; this version writes schema {SCHEMA}.")
    if found is None or found < newest:
        async with connection.transaction():
            # A lock of this transaction: whoever waited for it finds the schema made.
            await connection.execute(
                "SELECT set_config('lock_timeout', '60s', true),"
                " pg_advisory_xact_lock(hashtext('tiltyard ledger'), hashtext('schema'))"
            )
            found = await _version(connection)
            if found is None:
                await _make(connection)
                found = 1
            for version in range(found + 1, newest + 1):
                await _run(connection, version, f"postgresql_{version}.sql")
                found = version
    if found != newest:
        raise Unavailable(f"The ledger's database has schema {found}; this version writes schema {SCHEMA}.")


async def _version(connection: asyncpg.Connection) -> int | None:
    # Read as rows: `to_regclass` may answer from a cache that waiting for an advisory lock does not renew.
    there = await connection.fetchval(
        "SELECT EXISTS (SELECT 1 FROM pg_tables WHERE schemaname = 'ledger' AND tablename = 'ledger_schema')"
    )
    return await connection.fetchval("SELECT max(version) FROM ledger.ledger_schema") if there else None


async def _make(connection: asyncpg.Connection) -> None:
    # An administrator may have made the (empty) schema for a role that may make none.
    if not await connection.fetchval("SELECT EXISTS (SELECT 1 FROM pg_namespace WHERE nspname = 'ledger')"):
        await connection.execute("CREATE SCHEMA ledger")
    await connection.execute("CREATE TABLE ledger.ledger_schema (version integer PRIMARY KEY)")
    await _run(connection, 1, "postgresql.sql")


async def _run(connection: asyncpg.Connection, version: int, file: str) -> None:
    await connection.execute("SET LOCAL search_path = ledger")
    await connection.execute((_SQL / file).read_text(encoding="utf-8"))
    await connection.execute("INSERT INTO ledger_schema VALUES ($1)", version)
