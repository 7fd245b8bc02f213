"""What is kept of the prompt library in the app database.

A version is written once: the database refuses to change one. What a team deletes goes as a whole, with
its versions. `settings_json` and `said_json` hold the encoding of `battles/encoding.py`.
"""

from __future__ import annotations

from sqlalchemy import BigInteger, Column, Text, UniqueConstraint
from sqlmodel import Field

from store.tables import AppTable


class PromptRow(AppTable, table=True):
    """`newest_no` counts versions, from 1. An archived prompt keeps its name."""

    __tablename__ = "prompt"
    __table_args__ = (UniqueConstraint("team_id", "name"),)

    id: str = Field(primary_key=True)
    team_id: int = Field(sa_type=BigInteger)
    name: str
    description: str = Field(default="", sa_column=Column(Text, nullable=False))
    newest_no: int
    created_ms: int = Field(sa_type=BigInteger)
    created_by: int | None = Field(default=None, sa_type=BigInteger)
    updated_ms: int = Field(sa_type=BigInteger)
    archived_ms: int | None = Field(default=None, sa_type=BigInteger)


class PromptVersionRow(AppTable, table=True):
    """`restored_no` is the version whose content a rollback brought back."""

    __tablename__ = "prompt_version"
    __table_args__ = (UniqueConstraint("prompt_id", "no"),)

    id: str = Field(primary_key=True)
    prompt_id: str
    team_id: int = Field(sa_type=BigInteger, index=True)
    no: int
    model: str | None = None
    provider: str | None = None
    settings_json: str = Field(sa_column=Column(Text, nullable=False))
    said_json: str = Field(sa_column=Column(Text, nullable=False))
    note: str = Field(default="", sa_column=Column(Text, nullable=False))
    restored_no: int | None = None
    created_ms: int = Field(sa_type=BigInteger)
    created_by: int | None = Field(default=None, sa_type=BigInteger)


class PromptLabelRow(AppTable, table=True):
    """Which version a label names now; its moves are in the audit log."""

    __tablename__ = "prompt_label"

    prompt_id: str = Field(primary_key=True)
    label: str = Field(primary_key=True)
    no: int
    set_ms: int = Field(sa_type=BigInteger)
    set_by: int | None = Field(default=None, sa_type=BigInteger)


class PromptValuesRow(AppTable, table=True):
    """A saved row of values for a prompt's variables: a JSON object of texts."""

    __tablename__ = "prompt_values"

    prompt_id: str = Field(primary_key=True)
    no: int = Field(primary_key=True, sa_column_kwargs={"autoincrement": False})
    values_json: str = Field(sa_column=Column(Text, nullable=False))
    created_ms: int = Field(sa_type=BigInteger)
