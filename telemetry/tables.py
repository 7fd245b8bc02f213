"""The tables of the log database: one row a request, one an attempt, roll-ups at four widths and by group,
marks, alerts.

`request` and `attempt` are append-only and keyed by the instant at which the request *ended*, so
that rows arrive in order, "what ended since" is one range of the key, and PostgreSQL can partition
by it. A roll-up row adds up what ended in its slot for one model, provider and series: `team_id` 0
is the whole installation, every other row one team. `model` and `provider` are "" where a request
was refused before it had one. Instants are milliseconds, UTC; other times milliseconds counted from
`accepted`, as in `rows.py`. `rollups.py` says what the counts and histograms hold.
"""

from __future__ import annotations

from sqlalchemy import JSON, BigInteger, Index, LargeBinary, Table, text
from sqlmodel import Field

from store.tables import LogTable

INSTALLATION = 0
_FAILED = text("outcome <> 'ok'")


class LoggedRequest(LogTable, table=True):
    __tablename__ = "request"
    __table_args__ = (
        Index("ix_request_team_id_ended_at_ms", "team_id", "ended_at_ms", "request_id"),
        Index("ix_request_team_id_model_ended_at_ms", "team_id", "model", "ended_at_ms", "request_id"),
        Index(
            "ix_request_failed",
            "team_id",
            "outcome",
            "ended_at_ms",
            "request_id",
            sqlite_where=_FAILED,
            postgresql_where=_FAILED,
        ),
        Index("ix_request_run_id", "run_id"),
    )

    ended_at_ms: int = Field(primary_key=True, sa_type=BigInteger)
    request_id: str = Field(primary_key=True)
    run_id: str | None = None
    accepted_at_ms: int = Field(sa_type=BigInteger)
    team_id: int | None = Field(default=None, sa_type=BigInteger)
    user_id: int | None = Field(default=None, sa_type=BigInteger)
    key_id: int | None = Field(default=None, sa_type=BigInteger)
    surface: str
    model_asked: str
    model: str | None = None
    provider: str | None = None
    series: str
    outcome: str
    status: int
    streamed: bool
    error: str | None = None
    input_tokens: int | None = Field(default=None, sa_type=BigInteger)
    cached_input_tokens: int | None = Field(default=None, sa_type=BigInteger)
    output_tokens: int | None = Field(default=None, sa_type=BigInteger)
    reasoning_tokens: int | None = Field(default=None, sa_type=BigInteger)
    cost_nano_usd: int | None = Field(default=None, sa_type=BigInteger)
    estimated: bool
    total_ms: float | None = None
    gateway_ms: float | None = None
    tags: list[str] = Field(sa_type=JSON)
    attempts: int
    dropped: list[str] | None = Field(default=None, sa_type=JSON)


class LoggedAttempt(LogTable, table=True):
    """`no` counts from 1; the last attempt of a request is the one that answered it."""

    __tablename__ = "attempt"

    ended_at_ms: int = Field(primary_key=True, sa_type=BigInteger)
    request_id: str = Field(primary_key=True)
    no: int = Field(primary_key=True)
    provider: str
    provider_model: str
    outcome: str
    sent_ms: float | None = None
    first_byte_ms: float | None = None
    first_reasoning_ms: float | None = None
    first_answer_ms: float | None = None
    last_ms: float | None = None
    largest_read_share: float | None = None
    status: int | None = None
    error: str | None = None
    model: str | None = None
    series: str | None = None


class _Rollup(LogTable):
    """One (slot, series, model, provider, team); `slot_ms` is the slot's first instant."""

    team_id: int = Field(primary_key=True, sa_type=BigInteger)
    slot_ms: int = Field(primary_key=True, sa_type=BigInteger)
    model: str = Field(primary_key=True)
    provider: str = Field(primary_key=True)
    series: str = Field(primary_key=True)

    requests_ok: int = Field(sa_type=BigInteger)
    requests_provider_fault: int = Field(sa_type=BigInteger)
    requests_gateway_fault: int = Field(sa_type=BigInteger)
    requests_client_fault: int = Field(sa_type=BigInteger)
    requests_cancelled: int = Field(sa_type=BigInteger)
    requests_blocked: int = Field(sa_type=BigInteger)
    attempts_ok: int = Field(sa_type=BigInteger)
    attempts_provider_fault: int = Field(sa_type=BigInteger)
    attempts_gateway_fault: int = Field(sa_type=BigInteger)
    attempts_client_fault: int = Field(sa_type=BigInteger)
    attempts_cancelled: int = Field(sa_type=BigInteger)
    attempts_blocked: int = Field(sa_type=BigInteger)
    input_tokens: int = Field(sa_type=BigInteger)
    cached_input_tokens: int = Field(sa_type=BigInteger)
    output_tokens: int = Field(sa_type=BigInteger)
    reasoning_tokens: int = Field(sa_type=BigInteger)
    cost_nano_usd: int = Field(sa_type=BigInteger)
    phased: int = Field(sa_type=BigInteger)
    gateway_us: int = Field(sa_type=BigInteger)
    waiting_us: int = Field(sa_type=BigInteger)
    thinking_us: int = Field(sa_type=BigInteger)
    answering_us: int = Field(sa_type=BigInteger)

    ttft: bytes = Field(sa_type=LargeBinary)
    first_answer: bytes = Field(sa_type=LargeBinary)
    tpot: bytes = Field(sa_type=LargeBinary)
    end_to_end_token: bytes = Field(sa_type=LargeBinary)
    total: bytes = Field(sa_type=LargeBinary)
    gateway: bytes = Field(sa_type=LargeBinary)
    caller_first_answer: bytes = Field(sa_type=LargeBinary)
    burst: bytes = Field(sa_type=LargeBinary)


class SheetPiece(LogTable, table=True):
    """A piece of a sheet (`sheets.py`): what a slot holds, of requests or added up by group. `kind` says by
    what (`kept_sheets.py`); `team_id` 0 is the whole installation, `model` and `provider` are "" where it is
    of all. `requests` are the log's rows behind it, in the first piece of kind `requests`, else 0."""

    __tablename__ = "sheet_piece"
    __table_args__ = (Index("ix_sheet_piece_width_ms_slot_ms", "width_ms", "slot_ms"),)

    team_id: int = Field(primary_key=True, sa_type=BigInteger)
    kind: str = Field(primary_key=True)
    width_ms: int = Field(primary_key=True, sa_type=BigInteger)
    slot_ms: int = Field(primary_key=True, sa_type=BigInteger)
    model: str = Field(primary_key=True)
    provider: str = Field(primary_key=True)
    piece: str = Field(primary_key=True)
    requests: int = Field(sa_type=BigInteger)
    body: bytes = Field(sa_type=LargeBinary)


class SheetExtent(LogTable, table=True):
    """One row, `id` 1: which slots have been made. Hours (and days within) [since_ms, hours_until_ms), with
    their requests from `requests_since_ms` on; minutes from there to `until_ms`."""

    __tablename__ = "sheet_extent"

    id: int = Field(primary_key=True, sa_type=BigInteger)
    since_ms: int = Field(sa_type=BigInteger)
    requests_since_ms: int = Field(sa_type=BigInteger)
    hours_until_ms: int = Field(sa_type=BigInteger)
    until_ms: int = Field(sa_type=BigInteger)


class Mark(LogTable, table=True):
    """What changed at an instant and may explain a chart. `kind` is deploy or alias."""

    __tablename__ = "mark"

    at_ms: int = Field(primary_key=True, sa_type=BigInteger)
    kind: str = Field(primary_key=True)
    subject: str = Field(primary_key=True)
    detail: str


class LastSeen(LogTable, table=True):
    """What was so when somebody last looked, by name, so that a change is noticed once."""

    __tablename__ = "last_seen"

    name: str = Field(primary_key=True)
    value: str


class Alert(LogTable, table=True):
    """What is to be told, or was: one row a subject and threshold. `told_ms` is when it was decided to,
    `sent_ms` when it left; `tries` that failed, and `due_ms` of the next one."""

    __tablename__ = "alert"

    subject: str = Field(primary_key=True)
    threshold: str = Field(primary_key=True)
    told_ms: int = Field(sa_type=BigInteger)
    text: str
    due_ms: int = Field(sa_type=BigInteger)
    tries: int = 0
    sent_ms: int | None = Field(default=None, sa_type=BigInteger)


class RollupMinute(_Rollup, table=True):
    __tablename__ = "rollup_minute"


class RollupFiveMinutes(_Rollup, table=True):
    __tablename__ = "rollup_five_minutes"


class RollupHour(_Rollup, table=True):
    __tablename__ = "rollup_hour"


class RollupDay(_Rollup, table=True):
    __tablename__ = "rollup_day"


# For statements that go around the ORM, which costs more than the write itself.
REQUEST: Table = LogTable.metadata.tables["request"]
ATTEMPT: Table = LogTable.metadata.tables["attempt"]
# Slot width in ms -> its table, narrowest first.
ROLLUPS: dict[int, Table] = {
    60_000: LogTable.metadata.tables["rollup_minute"],
    300_000: LogTable.metadata.tables["rollup_five_minutes"],
    3_600_000: LogTable.metadata.tables["rollup_hour"],
    86_400_000: LogTable.metadata.tables["rollup_day"],
}
SHEET_PIECE: Table = LogTable.metadata.tables["sheet_piece"]
SHEET_EXTENT: Table = LogTable.metadata.tables["sheet_extent"]
MARK: Table = LogTable.metadata.tables["mark"]
LAST_SEEN: Table = LogTable.metadata.tables["last_seen"]
ALERT: Table = LogTable.metadata.tables["alert"]
