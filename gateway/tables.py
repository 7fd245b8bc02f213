"""What is kept of a run in the app database: facts always, text only where the team keeps text."""

from __future__ import annotations

from sqlalchemy import BigInteger, Column, Index, Text
from sqlmodel import Field

from store.tables import AppTable


class RunRow(AppTable, table=True):
    """One admitted request. JSON columns hold `gateway/kept_runs.py`'s encoding of our own types.

    `process_id` is whose it is, where several processes share the database; `stop_requested` is how
    another one asks the owner to stop it.
    """

    __tablename__ = "run"
    __table_args__ = (Index("ix_run_team_id_created_ms", "team_id", "created_ms"),)

    id: str = Field(primary_key=True)
    team_id: int = Field(sa_type=BigInteger)
    user_id: int | None = Field(default=None, sa_type=BigInteger)
    parent_run_id: str | None = None
    process_id: str | None = None
    stop_requested: bool = False
    surface: str
    state: str = Field(index=True)
    model_id: str
    model_name: str
    provider: str
    series: str
    created_ms: int = Field(sa_type=BigInteger)
    updated_ms: int = Field(sa_type=BigInteger)
    out_cap: int
    keeps_text: bool
    messages_json: str | None = Field(default=None, sa_column=Column(Text, nullable=True))
    text: str | None = Field(default=None, sa_column=Column(Text, nullable=True))
    reasoning: str | None = Field(default=None, sa_column=Column(Text, nullable=True))
    tool_calls_json: str | None = Field(default=None, sa_column=Column(Text, nullable=True))
    notes_json: str = Field(sa_column=Column(Text, nullable=False))
    figures_json: str = Field(sa_column=Column(Text, nullable=False))
    finish_reason: str | None = None
    failure_kind: str | None = None
    failure_message: str | None = Field(default=None, sa_column=Column(Text, nullable=True))
