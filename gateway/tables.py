"""What is kept of a run in the app database: facts always, text only where the team keeps text."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from sqlalchemy import BigInteger, Column, Index, LargeBinary, Text, text
from sqlmodel import Field

from store.tables import AppTable

_BY_VERSION: Final = text("prompt_version_id IS NOT NULL")  # most runs have none


class RunRow(AppTable, table=True):
    """One admitted request. JSON columns hold `gateway/kept_runs.py`'s encoding of our own types.

    `process_id` is whose it is, where several processes share the database; `stop_requested` is how
    another one asks the owner to stop it. `asked_json` (`gateway/kept_requests.py`) and `marks_json`
    (`gateway/marks.py`) go with the text.
    """

    __tablename__ = "run"
    __table_args__ = (
        Index("ix_run_team_id_created_ms", "team_id", "created_ms"),
        Index(
            "ix_run_prompt_version_id_created_ms",
            "prompt_version_id",
            "created_ms",
            sqlite_where=_BY_VERSION,
            postgresql_where=_BY_VERSION,
        ),
    )

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
    attempts_json: str | None = Field(default=None, sa_column=Column(Text, nullable=True))
    prompt_version_id: str | None = None
    asked_json: str | None = Field(default=None, sa_column=Column(Text, nullable=True))
    marks_json: str | None = Field(default=None, sa_column=Column(Text, nullable=True))


# What becomes of a run's columns where its text goes; the facts stay.
NO_TEXT: Final[Mapping[str, object]] = {
    "keeps_text": False, "messages_json": None, "text": None, "reasoning": None, "tool_calls_json": None,
    "asked_json": None, "marks_json": None,
}  # fmt: skip


class RateLimitRow(AppTable, table=True):
    """What an operator lets a team or a key ask in a minute; None is no limit. `subject` is one of
    `tiers.Subject`."""

    __tablename__ = "rate_limit"

    subject: str = Field(primary_key=True)
    subject_id: int = Field(primary_key=True, sa_type=BigInteger, sa_column_kwargs={"autoincrement": False})
    requests_per_minute: int | None = None
    tokens_per_minute: int | None = Field(default=None, sa_type=BigInteger)


class ProviderKeyRow(AppTable, table=True):
    """A key for a provider: the installation's own where `team_id` is 0, else a team's.

    `sealed` is opened by `identity/sealing.py` alone. `hint` is the key's last letters. With
    `falls_back` a team's request goes to the installation's key where its own fails.
    """

    __tablename__ = "provider_key"

    team_id: int = Field(primary_key=True, sa_type=BigInteger)
    provider_id: str = Field(primary_key=True)
    sealed: bytes = Field(sa_type=LargeBinary)
    sealed_with: str
    hint: str
    falls_back: bool = False
    created_ms: int = Field(sa_type=BigInteger)
    created_by: int | None = Field(default=None, sa_type=BigInteger)


class ConnectionRow(AppTable, table=True):
    """A server that was connected in the page: tables as `tiltyard.toml` would have them, as JSON."""

    __tablename__ = "connection"

    provider_id: str = Field(primary_key=True)
    provider_json: str = Field(sa_column=Column(Text, nullable=False))
    models_json: str = Field(sa_column=Column(Text, nullable=False))
    created_ms: int = Field(sa_type=BigInteger)
    created_by: int | None = Field(default=None, sa_type=BigInteger)
