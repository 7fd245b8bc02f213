"""The two databases that are not the ledger: a metadata each, so that their migrations stay apart.

Here as well: what processes that share a database keep of each other. Instants are UTC milliseconds by
the database's own clock.
"""

from __future__ import annotations

from sqlalchemy import BigInteger, MetaData
from sqlmodel import Field, SQLModel

# Names for constraints, so that migrations can speak of them on every engine.
_NAMING = {
    "ix": "ix_%(column_0_N_label)s",
    "uq": "uq_%(table_name)s_%(column_0_N_name)s",
    "ck": "ck_%(table_name)s_%(constraint_name)s",
    "fk": "fk_%(table_name)s_%(column_0_N_name)s",
    "pk": "pk_%(table_name)s",
}


class AppTable(SQLModel):
    """Users, teams, keys, runs and their text; later battles, votes, prompts."""

    metadata = MetaData(naming_convention=_NAMING)


class LogTable(SQLModel):
    """The request log, its attempts and roll-ups."""

    metadata = MetaData(naming_convention=_NAMING)


class ProcessRow(AppTable, table=True):
    """A process of this installation. One whose `heartbeat_ms` stays behind is dead (`processes.py`)."""

    __tablename__ = "process"

    id: str = Field(primary_key=True)
    role: str
    host: str
    started_ms: int = Field(sa_type=BigInteger)
    heartbeat_ms: int = Field(sa_type=BigInteger)


class LeaseRow(AppTable, table=True):
    """Work that one process at a time does (`leases.py`). `holder` is a process's id."""

    __tablename__ = "lease"

    name: str = Field(primary_key=True)
    holder: str
    expires_ms: int = Field(sa_type=BigInteger)
