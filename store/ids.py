"""Ids that sort by the time they were made: a prefix that says what they name, and a UUIDv7. Users,
teams and keys have small numbers instead, which their database counts up.
"""

from __future__ import annotations

import uuid_utils
from sqlalchemy import Table, func, select
from sqlalchemy.orm import Session


def new_id(prefix: str) -> str:
    """For example `run_0199f0c2a3b87c4e9d1f2a3b4c5d6e7f`."""
    return f"{prefix}_{uuid_utils.uuid7().hex}"


def count_on(session: Session, table: Table) -> None:
    """After rows were given their numbers by hand: let the database's own counting go on from there,
    which SQLite does by itself."""
    if session.get_bind().dialect.name == "postgresql":
        highest = select(func.max(table.c.id)).scalar_subquery()
        sequence = func.pg_get_serial_sequence(f'"{table.name}"', "id")
        session.execute(select(func.setval(sequence, highest)))
