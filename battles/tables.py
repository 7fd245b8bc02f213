"""What is kept of battles in the app database. Text is there only where the team keeps text: `prompt_json`
columns are null where it does not, and answers are the runs' (`gateway/tables.py`).

Votes are append-only: the database refuses to change or delete one. Columns that end in `_json` hold the
encoding of `battles/encoding.py`.
"""

from __future__ import annotations

from sqlalchemy import BigInteger, Column, Index, Text, UniqueConstraint
from sqlmodel import Field

from store.tables import AppTable


class BattleRow(AppTable, table=True):
    """`request_key` is the sha256 of the idempotency key that opened it through the API."""

    __tablename__ = "battle"
    __table_args__ = (
        Index("ix_battle_team_id_created_ms", "team_id", "created_ms"),
        UniqueConstraint("team_id", "request_key"),
    )

    id: str = Field(primary_key=True)
    team_id: int = Field(sa_type=BigInteger)
    user_id: int | None = Field(default=None, sa_type=BigInteger)
    key_id: int | None = Field(default=None, sa_type=BigInteger)
    request_key: str | None = None
    kind: str
    surface: str
    personal: bool
    blind: bool
    category: str | None = None
    tags_json: str = Field(sa_column=Column(Text, nullable=False))
    start_order: str
    cost_cap_nano_usd: int | None = Field(default=None, sa_type=BigInteger)
    settings_json: str = Field(sa_column=Column(Text, nullable=False))
    prompt_json: str | None = Field(default=None, sa_column=Column(Text, nullable=True))
    keeps_text: bool
    batch_id: str | None = Field(default=None, index=True)
    created_ms: int = Field(sa_type=BigInteger)


class BattleLaneRow(AppTable, table=True):
    __tablename__ = "battle_lane"

    battle_id: str = Field(primary_key=True)
    no: int = Field(primary_key=True, sa_column_kwargs={"autoincrement": False})
    asked_no: int
    model_id: str = Field(index=True)
    snapshot: str | None = None
    provider: str | None = None
    prompt_version_id: str | None = Field(default=None, index=True)
    settings_json: str = Field(sa_column=Column(Text, nullable=False))
    prompt_json: str | None = Field(default=None, sa_column=Column(Text, nullable=True))
    own_json: str = Field(sa_column=Column(Text, nullable=False))


class BattleTurnRow(AppTable, table=True):
    """`search` is the prompt in lower case, for the history to look in."""

    __tablename__ = "battle_turn"
    __table_args__ = (UniqueConstraint("battle_id", "no"),)

    id: str = Field(primary_key=True)
    battle_id: str
    parent_turn_id: str | None = None
    no: int
    user_id: int | None = Field(default=None, sa_type=BigInteger)
    prompt_json: str | None = Field(default=None, sa_column=Column(Text, nullable=True))
    search: str | None = Field(default=None, sa_column=Column(Text, nullable=True))
    prompt_sha256: str
    language: str | None = None
    created_ms: int = Field(sa_type=BigInteger)


class BattleRunRow(AppTable, table=True):
    """A try of a lane at a turn. `process_id` is whose it is to start while it waits."""

    __tablename__ = "battle_run"

    turn_id: str = Field(primary_key=True)
    lane: int = Field(primary_key=True, sa_column_kwargs={"autoincrement": False})
    no: int = Field(primary_key=True, sa_column_kwargs={"autoincrement": False})
    run_id: str = Field(unique=True)
    state: str = Field(index=True)
    process_id: str | None = None
    shares_cpu: bool = False
    failure_kind: str | None = None
    failure_message: str | None = Field(default=None, sa_column=Column(Text, nullable=True))
    created_ms: int = Field(sa_type=BigInteger)


class BattleVoteRow(AppTable, table=True):
    """A ballot. `lanes_json` is what the lanes were when it was cast: model, snapshot, provider, settings,
    cost and times, for ever, whatever becomes of the runs."""

    __tablename__ = "battle_vote"
    __table_args__ = (
        UniqueConstraint("battle_id", "voter", "stage"),
        Index("ix_battle_vote_team_id_created_ms", "team_id", "created_ms"),
    )

    id: str = Field(primary_key=True)
    battle_id: str
    turn_id: str
    team_id: int = Field(sa_type=BigInteger)
    voter: str
    voter_kind: str
    voter_user_id: int | None = Field(default=None, sa_type=BigInteger)
    stage: str
    pairs_json: str = Field(sa_column=Column(Text, nullable=False))
    lanes_json: str = Field(sa_column=Column(Text, nullable=False))
    reasons_json: str = Field(sa_column=Column(Text, nullable=False))
    tags_json: str = Field(sa_column=Column(Text, nullable=False))
    category: str | None = None
    prompt_sha256: str
    prompt_language: str | None = None
    created_ms: int = Field(sa_type=BigInteger)


class BattleRevealRow(AppTable, table=True):
    """Who was shown a blind battle's names: from then on they cannot cast its first vote."""

    __tablename__ = "battle_reveal"

    battle_id: str = Field(primary_key=True)
    user_id: int = Field(primary_key=True, sa_type=BigInteger, sa_column_kwargs={"autoincrement": False})
    created_ms: int = Field(sa_type=BigInteger)
