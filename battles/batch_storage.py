"""Batches in the app database: what a use case reads and writes, each within its caller's transaction.

Nothing here decides. Another team's batch is as unknown as none.
"""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from typing import Any, Final, cast

import msgspec
from sqlalchemy import Table, func, insert, select, update
from sqlalchemy.orm import Session
from sqlmodel import col

from battles.batch_models import (
    FINAL,
    Answer,
    AnswerState,
    Batch,
    BatchSpec,
    Item,
    Progress,
    State,
    decoded,
    encoded,
    values_json,
)
from battles.batch_rows import Row, Upload
from battles.checks import Verdict
from battles.tables_batches import BatchAnswerRow, BatchInputRow, BatchJudgementRow, BatchRow
from store.tables import AppTable
from store.upserts import insert_into

_BATCHES: Final[Table] = AppTable.metadata.tables[str(BatchRow.__tablename__)]
_ROWS: Final[Table] = AppTable.metadata.tables[str(BatchInputRow.__tablename__)]
_ANSWERS: Final[Table] = AppTable.metadata.tables[str(BatchAnswerRow.__tablename__)]
_JUDGED: Final[Table] = AppTable.metadata.tables[str(BatchJudgementRow.__tablename__)]
_PAGE: Final = 500


def now_ms() -> int:
    return time.time_ns() // 1_000_000


def storable(text: str) -> str:
    """PostgreSQL takes no NUL in a text, and no engine half of a surrogate pair."""
    if text.isascii() and "\0" not in text:
        return text
    return text.replace("\0", "\ufffd").encode("utf-8", "replace").decode("utf-8")


# --- batches ----------------------------------------------------------------------------------


def insert_batch(session: Session, batch: Batch, upload: Upload, request_key: str | None) -> None:
    session.add(
        BatchRow(
            id=batch.id,
            team_id=batch.team_id,
            user_id=batch.user_id,
            key_id=batch.key_id,
            request_key=request_key,
            name=batch.name,
            surface=batch.surface,
            state=batch.state,
            why=batch.why,
            epoch=batch.epoch,
            rows=batch.rows,
            columns_json=msgspec.json.encode(batch.columns).decode(),
            spec_json=encoded(batch.spec),
            created_ms=batch.created_ms,
            updated_ms=batch.updated_ms,
        )
    )
    session.flush()
    rows = [
        {"batch_id": batch.id, "no": no, "line_no": row.line_no, "values_json": values_json(row.values)}
        for no, row in enumerate(upload.rows)
    ]
    session.execute(insert(_ROWS), rows)


def find_batch(session: Session, team_id: int | None, batch_id: str) -> Batch | None:
    """Of any team where `team_id` is None: for work that is nobody's request."""
    if "\0" in batch_id:
        return None
    row = session.get(BatchRow, batch_id)
    if row is None or (team_id is not None and row.team_id != team_id):
        return None
    return _batch_of(row)


def find_by_request_key(session: Session, team_id: int, request_key: str) -> Batch | None:
    row = session.scalars(
        select(BatchRow).where(col(BatchRow.team_id) == team_id, col(BatchRow.request_key) == request_key)
    ).first()
    return _batch_of(row) if row is not None else None


def list_batches(session: Session, team_id: int, limit: int, before: str | None = None) -> tuple[Batch, ...]:
    """Newest first; `before` is the id of the last one that was listed."""
    query = select(BatchRow).where(col(BatchRow.team_id) == team_id)
    if before is not None and "\0" not in before:
        query = query.where(col(BatchRow.id) < before)
    return tuple(
        _batch_of(row) for row in session.scalars(query.order_by(col(BatchRow.id).desc()).limit(limit))
    )


def wanted(session: Session) -> tuple[tuple[str, int], ...]:
    """(id, epoch) of all that are to run, of every team, oldest first."""
    query = select(col(BatchRow.id), col(BatchRow.epoch)).where(col(BatchRow.state) == "running")
    return tuple((id_, epoch) for id_, epoch in session.execute(query.order_by(col(BatchRow.id))))


def any_wanted(session: Session) -> bool:
    return (
        session.scalar(select(col(BatchRow.id)).where(col(BatchRow.state) == "running").limit(1)) is not None
    )


def move(
    session: Session,
    batch_id: str,
    to: State,
    *,
    come_from: Sequence[State],
    why: str = "",
    epoch: int | None = None,
    again: bool = False,
) -> bool:
    """From one of these states (and this epoch) to another: whether it was this call that did it. `again`
    begins a new epoch."""
    at_ms = now_ms()
    change = update(_BATCHES).where(_BATCHES.c.id == batch_id, _BATCHES.c.state.in_(come_from))
    if epoch is not None:
        change = change.where(_BATCHES.c.epoch == epoch)
    values: dict[str, Any] = {"state": to, "why": storable(why)[:500], "updated_ms": at_ms}
    values["ended_ms"] = at_ms if to in ("done", "stopped") else None
    if again:
        values["epoch"] = _BATCHES.c.epoch + 1
    return int(cast(Any, session.execute(change.values(values))).rowcount) == 1


def say_why(session: Session, batch_id: str, epoch: int, why: str) -> None:
    """What a running batch waits for."""
    change = update(_BATCHES).where(
        _BATCHES.c.id == batch_id, _BATCHES.c.epoch == epoch, _BATCHES.c.state == "running",
        _BATCHES.c.why != why,
    )  # fmt: skip
    session.execute(change.values(why=storable(why)[:500], updated_ms=now_ms()))


def set_cap(session: Session, batch_id: str, limit_nano_usd: int) -> None:
    row = session.get_one(BatchRow, batch_id)
    row.spec_json = encoded(replace(decoded(row.spec_json), cost_cap_nano_usd=limit_nano_usd))
    row.updated_ms = now_ms()


def open_votes(session: Session, batch_id: str, *, are_open: bool) -> None:
    session.execute(update(_BATCHES).where(_BATCHES.c.id == batch_id).values(votes_open=are_open))


def _batch_of(row: BatchRow) -> Batch:
    return Batch(
        id=row.id,
        team_id=row.team_id,
        user_id=row.user_id,
        key_id=row.key_id,
        name=row.name,
        surface=cast(Any, row.surface),
        state=cast(Any, row.state),
        why=row.why,
        epoch=row.epoch,
        rows=row.rows,
        columns=msgspec.json.decode(row.columns_json, type=tuple[str, ...]),
        spec=decoded(row.spec_json),
        keeps_text=row.keeps_text,
        votes_open=row.votes_open,
        created_ms=row.created_ms,
        updated_ms=row.updated_ms,
        ended_ms=row.ended_ms,
    )


# --- rows -------------------------------------------------------------------------------------


def row_of(session: Session, batch_id: str, no: int) -> Row | None:
    """None where there is none, or where its text is gone."""
    row = session.get(BatchInputRow, (batch_id, no))
    return _row_of(row) if row is not None and row.values_json is not None else None


def rows_of(session: Session, batch_id: str, nos: Sequence[int]) -> dict[int, Row]:
    """Those whose text is still there."""
    found = session.scalars(
        select(BatchInputRow).where(col(BatchInputRow.batch_id) == batch_id, col(BatchInputRow.no).in_(nos))
    )
    return {row.no: _row_of(row) for row in found if row.values_json is not None}


def _row_of(row: BatchInputRow) -> Row:
    return Row(row.line_no, msgspec.json.decode(row.values_json or "{}", type=dict[str, str]))


def items_from(
    session: Session, batch: Batch, first_row: int, rows: int, *, within: int | None = None
) -> tuple[Item, ...]:
    """The items of these rows that have not ended, in order."""
    until = min(first_row + rows, within if within is not None else batch.rows)
    ended = session.execute(
        select(col(BatchAnswerRow.row_no), col(BatchAnswerRow.lane)).where(
            col(BatchAnswerRow.batch_id) == batch.id,
            col(BatchAnswerRow.row_no) >= first_row,
            col(BatchAnswerRow.row_no) < until,
            col(BatchAnswerRow.state).in_(tuple(FINAL)),
        )
    )
    over = {(row, lane) for row, lane in ended}
    lanes = range(len(batch.spec.lanes))
    return tuple(
        Item(row, lane) for row in range(first_row, until) for lane in lanes if (row, lane) not in over
    )


# --- answers ----------------------------------------------------------------------------------


def answer_of(session: Session, batch_id: str, item: Item) -> Answer | None:
    row = session.get(BatchAnswerRow, (batch_id, item.row_no, item.lane))
    return _answer_of(row) if row is not None else None


def put_answer(session: Session, batch_id: str, item: Item, values: Mapping[str, Any]) -> None:
    """Write these columns, and leave the others as they are."""
    told = {name: storable(value) if isinstance(value, str) else value for name, value in values.items()}
    told["updated_ms"] = now_ms()
    statement = insert_into(session.connection(), _ANSWERS).values(
        batch_id=batch_id, row_no=item.row_no, lane=item.lane, **_BLANK | told
    )
    session.execute(statement.on_conflict_do_update(index_elements=["batch_id", "row_no", "lane"], set_=told))


_BLANK: Final[dict[str, Any]] = {"round": 0, "tries": 0, "cost_nano_usd": 0, "earlier_nano_usd": 0}


def ask_again(session: Session, batch_id: str, states: Sequence[AnswerState]) -> int:
    """A new round of the items in these states; what they cost stays counted. How many."""
    change = (
        update(_ANSWERS)
        .where(_ANSWERS.c.batch_id == batch_id, _ANSWERS.c.state.in_(states))
        .values(
            state="waiting",
            round=_ANSWERS.c.round + 1,
            tries=0,
            earlier_nano_usd=_ANSWERS.c.earlier_nano_usd + _ANSWERS.c.cost_nano_usd,
            cost_nano_usd=0,
            run_id=None,
            text=None,
            passed=None,
            verdicts_json=None,
            failure_kind=None,
            failure_message=None,
            updated_ms=now_ms(),
        )
    )
    return int(cast(Any, session.execute(change)).rowcount)


def answers_page(
    session: Session, batch_id: str, first_row: int, rows: int
) -> tuple[tuple[int, Row, dict[int, Answer]], ...]:
    """Rows with their answers by lane, in order."""
    nos = range(first_row, first_row + rows)
    found = rows_of(session, batch_id, nos)
    answers = session.scalars(
        select(BatchAnswerRow).where(
            col(BatchAnswerRow.batch_id) == batch_id,
            col(BatchAnswerRow.row_no) >= nos.start,
            col(BatchAnswerRow.row_no) < nos.stop,
        )
    )
    by_row: dict[int, dict[int, Answer]] = {}
    for answer in answers:
        by_row.setdefault(answer.row_no, {})[answer.lane] = _answer_of(answer)
    return tuple((no, found[no], by_row.get(no, {})) for no in sorted(found))


def every_answer(session: Session, batch_id: str) -> Iterator[Answer]:
    """Without their text."""
    columns = [column for column in _ANSWERS.columns if column.name not in ("text", "verdicts_json")]
    query = (
        select(*columns).where(_ANSWERS.c.batch_id == batch_id).order_by(_ANSWERS.c.row_no, _ANSWERS.c.lane)
    )
    for row in session.execute(query).mappings():
        yield _answer_of(cast(Any, _Light({**row, "text": None, "verdicts_json": None})))


class _Light:
    """A row of some columns, read like a row of all."""

    def __init__(self, values: dict[str, Any]) -> None:
        self.__dict__.update(values)


def failures(session: Session, batch_id: str, limit: int) -> tuple[tuple[Answer, int], ...]:
    """What failed or was cut, with the line of the upload."""
    found = session.execute(
        select(BatchAnswerRow, col(BatchInputRow.line_no))
        .join(
            BatchInputRow,
            (col(BatchInputRow.batch_id) == col(BatchAnswerRow.batch_id))
            & (col(BatchInputRow.no) == col(BatchAnswerRow.row_no)),
        )
        .where(col(BatchAnswerRow.batch_id) == batch_id, col(BatchAnswerRow.state).in_(("failed", "cut")))
        .order_by(col(BatchAnswerRow.row_no), col(BatchAnswerRow.lane))
        .limit(limit)
    )
    return tuple((_answer_of(row), line_no) for row, line_no in found)


def _answer_of(row: BatchAnswerRow) -> Answer:
    return Answer(
        row_no=row.row_no,
        lane=row.lane,
        state=cast(Any, row.state),
        round=row.round,
        tries=row.tries,
        run_id=row.run_id,
        text=row.text,
        finish_reason=row.finish_reason,
        failure_kind=row.failure_kind,
        failure_message=row.failure_message,
        model_id=row.model_id,
        provider=row.provider,
        cost_nano_usd=row.cost_nano_usd,
        earlier_nano_usd=row.earlier_nano_usd,
        input_tokens=row.input_tokens,
        output_tokens=row.output_tokens,
        first_answer_ms=row.first_answer_ms,
        total_ms=row.total_ms,
        passed=row.passed,
        verdicts=msgspec.json.decode(row.verdicts_json or "[]", type=tuple[Verdict, ...]),
    )


def progress(session: Session, batch: Batch) -> Progress:
    counts: Counter[str] = Counter()
    paid = 0
    for state, count, cost, earlier in session.execute(
        select(
            _ANSWERS.c.state,
            func.count(),
            func.coalesce(func.sum(_ANSWERS.c.cost_nano_usd), 0),
            func.coalesce(func.sum(_ANSWERS.c.earlier_nano_usd), 0),
        )
        .where(_ANSWERS.c.batch_id == batch.id)
        .group_by(_ANSWERS.c.state)
    ):
        counts[state] += count
        paid += int(cost) + int(earlier)
    judged, judge_cost = session.execute(
        select(func.count(), func.coalesce(func.sum(_JUDGED.c.cost_nano_usd), 0)).where(
            _JUDGED.c.batch_id == batch.id, _JUDGED.c.state.in_(("done", "failed"))
        )
    ).one()
    lanes = len(batch.spec.lanes)
    pairs = lanes * (lanes - 1) if batch.spec.judge is not None else 0
    return Progress(
        items=batch.rows * lanes,
        done=counts["done"],
        failed=counts["failed"],
        cut=counts["cut"],
        waiting=counts["waiting"] + counts["answered"],
        paid_nano_usd=paid + int(judge_cost),
        judged=judged,
        to_judge=pairs * batch.rows,
    )


# --- text -------------------------------------------------------------------------------------


def forget_text(session: Session, team_id: int, before_ms: int | None) -> int:
    """Rows, prompts and answers of batches that have ended; all of a team's where `before_ms` is None.
    How many batches lost their text."""
    query = select(BatchRow).where(col(BatchRow.team_id) == team_id, col(BatchRow.keeps_text))
    if before_ms is not None:
        query = query.where(
            col(BatchRow.created_ms) < before_ms, col(BatchRow.state).in_(("done", "stopped"))
        )
    rows = session.scalars(query).all()
    for row in rows:
        row.spec_json = encoded(_without_text(decoded(row.spec_json)))
        row.keeps_text, row.votes_open = False, False
        if row.state in ("running", "paused"):
            row.state, row.why, row.ended_ms = "stopped", "the team's text was deleted", now_ms()
        session.execute(update(_ROWS).where(_ROWS.c.batch_id == row.id).values(values_json=None))
        gone = {"text": None, "verdicts_json": None, "failure_message": None}
        session.execute(update(_ANSWERS).where(_ANSWERS.c.batch_id == row.id).values(gone))
    return len(rows)


def _without_text(spec: BatchSpec) -> BatchSpec:
    lanes = tuple(
        replace(lane, settings=replace(lane.settings, system=None, examples=(), template=None))
        for lane in spec.lanes
    )
    judge = replace(spec.judge, criteria="") if spec.judge is not None else None
    return replace(spec, template="", lanes=lanes, checks=(), judge=judge)
