"""What is kept of batches in the app database: rows, answers, what a judge and what people said of them.

Rows and answers are text: they are there because somebody opened a batch, and go when the team's texts go
(`batch_retention.py`). Columns that end in `_json` hold `batch_models.py`'s values.
"""

from __future__ import annotations

from sqlalchemy import BigInteger, Column, Index, Text, UniqueConstraint
from sqlmodel import Field

from store.tables import AppTable

_NO = {"autoincrement": False}


class BatchRow(AppTable, table=True):
    """`epoch` counts how often it was set going: what belongs to an earlier one stops by itself.
    `request_key` is the sha256 of the idempotency key that opened it through the API."""

    __tablename__ = "batch"
    __table_args__ = (
        Index("ix_batch_team_id_created_ms", "team_id", "created_ms"),
        Index("ix_batch_state", "state"),
        UniqueConstraint("team_id", "request_key"),
    )

    id: str = Field(primary_key=True)
    team_id: int = Field(sa_type=BigInteger)
    user_id: int | None = Field(default=None, sa_type=BigInteger)
    key_id: int | None = Field(default=None, sa_type=BigInteger)
    request_key: str | None = None
    name: str = Field(sa_column=Column(Text, nullable=False))
    surface: str
    state: str
    why: str = Field(default="", sa_column=Column(Text, nullable=False))
    epoch: int
    rows: int
    columns_json: str = Field(sa_column=Column(Text, nullable=False))
    spec_json: str = Field(sa_column=Column(Text, nullable=False))
    keeps_text: bool = True
    votes_open: bool = False
    created_ms: int = Field(sa_type=BigInteger)
    updated_ms: int = Field(sa_type=BigInteger)
    ended_ms: int | None = Field(default=None, sa_type=BigInteger)


class BatchInputRow(AppTable, table=True):
    """A row as it was uploaded."""

    __tablename__ = "batch_row"

    batch_id: str = Field(primary_key=True)
    no: int = Field(primary_key=True, sa_column_kwargs=_NO)
    line_no: int
    values_json: str | None = Field(default=None, sa_column=Column(Text, nullable=True))


class BatchAnswerRow(AppTable, table=True):
    """What became of a row on a lane. `tries` counts those of the present round that came to nothing for
    nothing; `round` counts how often somebody asked for it again, and `earlier_nano_usd` is what the
    rounds before it cost."""

    __tablename__ = "batch_answer"

    batch_id: str = Field(primary_key=True)
    row_no: int = Field(primary_key=True, sa_column_kwargs=_NO)
    lane: int = Field(primary_key=True, sa_column_kwargs=_NO)
    state: str
    round: int = 0
    tries: int = 0
    run_id: str | None = None
    text: str | None = Field(default=None, sa_column=Column(Text, nullable=True))
    finish_reason: str | None = None
    failure_kind: str | None = None
    failure_message: str | None = Field(default=None, sa_column=Column(Text, nullable=True))
    model_id: str | None = None
    provider: str | None = None
    cost_nano_usd: int = Field(default=0, sa_type=BigInteger)
    earlier_nano_usd: int = Field(default=0, sa_type=BigInteger)
    input_tokens: int | None = Field(default=None, sa_type=BigInteger)
    output_tokens: int | None = Field(default=None, sa_type=BigInteger)
    first_answer_ms: float | None = None
    total_ms: float | None = None
    passed: bool | None = None
    verdicts_json: str | None = Field(default=None, sa_column=Column(Text, nullable=True))
    updated_ms: int = Field(sa_type=BigInteger)


class BatchJudgementRow(AppTable, table=True):
    """What the judging model said of two lanes' answers to a row, shown in one order."""

    __tablename__ = "batch_judgement"

    batch_id: str = Field(primary_key=True)
    row_no: int = Field(primary_key=True, sa_column_kwargs=_NO)
    first_lane: int = Field(primary_key=True, sa_column_kwargs=_NO)
    second_lane: int = Field(primary_key=True, sa_column_kwargs=_NO)
    state: str
    tries: int = 0
    run_id: str | None = None
    said: str | None = None
    failure_message: str | None = Field(default=None, sa_column=Column(Text, nullable=True))
    cost_nano_usd: int = Field(default=0, sa_type=BigInteger)
    updated_ms: int = Field(sa_type=BigInteger)


class BatchVoteRow(AppTable, table=True):
    """One person's word on two lanes' answers to a row: `left_lane` and `right_lane` as they were shown,
    `low_lane` and `high_lane` the same two in the order of their numbers, so that nobody votes twice.
    `sides_json` is what the lanes were when it was cast."""

    __tablename__ = "batch_vote"
    __table_args__ = (
        UniqueConstraint("batch_id", "row_no", "low_lane", "high_lane", "user_id"),
        Index("ix_batch_vote_team_id_created_ms", "team_id", "created_ms"),
    )

    id: str = Field(primary_key=True)
    batch_id: str
    team_id: int = Field(sa_type=BigInteger)
    row_no: int
    low_lane: int
    high_lane: int
    left_lane: int
    right_lane: int
    user_id: int = Field(sa_type=BigInteger)
    outcome: str
    sides_json: str = Field(sa_column=Column(Text, nullable=False))
    prompt_sha256: str
    prompt_language: str | None = None
    created_ms: int = Field(sa_type=BigInteger)
