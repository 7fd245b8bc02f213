"""INSERT with ON CONFLICT, which both engines have and SQLAlchemy spells once for each."""

from __future__ import annotations

from typing import TYPE_CHECKING, cast

from sqlalchemy import Connection, Table

if TYPE_CHECKING:
    from sqlalchemy.dialects import sqlite


def insert_into(connection: Connection, table: Table) -> sqlite.Insert:
    """An insert of this connection's engine, with `on_conflict_do_nothing` and `on_conflict_do_update`."""
    # Imported here: PostgreSQL's dialect loads an adapter for each of its drivers, 0.2 s of every start.
    if connection.dialect.name == "postgresql":
        from sqlalchemy.dialects.postgresql import insert as insert_postgresql

        return cast("sqlite.Insert", insert_postgresql(table))
    from sqlalchemy.dialects.sqlite import insert as insert_sqlite

    return insert_sqlite(table)
