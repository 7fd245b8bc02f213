"""Locks that processes on one PostgreSQL share, by name. On SQLite one process has the data folder to
itself, and nothing is locked.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from sqlalchemy import Connection, TextClause, text
from sqlalchemy.orm import Session


def lock_until_commit(session: Session, name: str) -> None:
    """Wait until nobody else holds the lock, then hold it until the transaction ends."""
    if session.get_bind().dialect.name == "postgresql":
        session.execute(_call("pg_advisory_xact_lock"), {"name": name})


@contextmanager
def locked(connection: Connection, name: str) -> Iterator[None]:
    """Hold a lock over several transactions of one connection; the lock goes where the connection goes.

    However long the wait and the statements inside take: they are not timed. Ends open transactions.
    """
    if connection.dialect.name != "postgresql":
        yield
        return
    connection.execute(text("SET statement_timeout = 0"))
    connection.execute(_call("pg_advisory_lock"), {"name": name})
    connection.commit()
    try:
        yield
    finally:
        connection.rollback()
        connection.execute(_call("pg_advisory_unlock"), {"name": name})
        connection.execute(text("RESET statement_timeout"))
        connection.commit()


def _call(function: str) -> TextClause:
    return text(f"SELECT {function}(hashtextextended(:name, 0))")
