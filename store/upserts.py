"""INSERT with ON CONFLICT, which both engines have and SQLAlchemy spells once for each."""

from __future__ import annotations

import functools
from typing import TYPE_CHECKING, cast

from sqlalchemy import Connection, Table

if TYPE_CHECKING:
    from sqlalchemy.dialects import sqlite


def insert_into(connection: Connection, table: Table) -> sqlite.Insert:
    """An insert of this connection's engine, with `on_conflict_do_nothing` and `on_conflict_do_update`."""
    return insert_of(connection.dialect.name, table)


def insert_new(connection: Connection, table: Table) -> sqlite.Insert:
    """An insert that leaves rows whose key is taken as they are."""
    return _insert_new(connection.dialect.name, table)


# Made once: to put a statement together takes as long as to run it.
@functools.cache
def _insert_new(dialect: str, table: Table) -> sqlite.Insert:
    return insert_of(dialect, table).on_conflict_do_nothing()


def insert_of(dialect: str, table: Table) -> sqlite.Insert:
    """The same by the engine's name, for whoever keeps the statement."""
    # Imported here: PostgreSQL's dialect loads an adapter for each of its drivers, 0.2 s of every start.
    if dialect == "postgresql":
        from sqlalchemy.dialects.postgresql import insert as insert_postgresql

        return cast("sqlite.Insert", insert_postgresql(table))
    from sqlalchemy.dialects.sqlite import insert as insert_sqlite

    return insert_sqlite(table)
