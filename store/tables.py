"""The two databases that are not the ledger: a metadata each, so that their migrations stay apart."""

from __future__ import annotations

from sqlalchemy import MetaData
from sqlmodel import SQLModel

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
