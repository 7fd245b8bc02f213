"""What judging models said of a batch's answers, in the app database: read and written within the caller's
transaction, like `batch_storage.py`. Nothing here decides.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from sqlalchemy import Table, select
from sqlalchemy.orm import Session

from battles.batch_models import Batch
from battles.batch_storage import now_ms, storable
from battles.tables_batches import BatchAnswerRow, BatchJudgementRow
from store.tables import AppTable
from store.upserts import insert_into

_ANSWERS: Final[Table] = AppTable.metadata.tables[str(BatchAnswerRow.__tablename__)]
_JUDGED: Final[Table] = AppTable.metadata.tables[str(BatchJudgementRow.__tablename__)]


def put_judgement(
    session: Session, batch_id: str, row_no: int, first: int, second: int, values: Mapping[str, Any]
) -> None:
    told = {name: storable(value) if isinstance(value, str) else value for name, value in values.items()}
    told["updated_ms"] = now_ms()
    blank: dict[str, Any] = {"tries": 0, "cost_nano_usd": 0}
    statement = insert_into(session.connection(), _JUDGED).values(
        batch_id=batch_id, row_no=row_no, first_lane=first, second_lane=second, **blank | told
    )
    keys = ["batch_id", "row_no", "first_lane", "second_lane"]
    session.execute(statement.on_conflict_do_update(index_elements=keys, set_=told))


def judgement_of(
    session: Session, batch_id: str, row_no: int, first: int, second: int
) -> BatchJudgementRow | None:
    return session.get(BatchJudgementRow, (batch_id, row_no, first, second))


def judgements(session: Session, batch_id: str) -> dict[tuple[int, int, int], str | None]:
    """(row, lane shown first, lane shown second) -> what was said; None where the judge gave no answer."""
    rows = session.execute(
        select(_JUDGED.c.row_no, _JUDGED.c.first_lane, _JUDGED.c.second_lane, _JUDGED.c.said).where(
            _JUDGED.c.batch_id == batch_id, _JUDGED.c.state.in_(("done", "failed"))
        )
    )
    return {(row, first, second): said for row, first, second, said in rows}


def to_judge(session: Session, batch: Batch, first_row: int, rows: int) -> tuple[tuple[int, int, int], ...]:
    """(row, first, second) of these rows whose answers are both there and that no judge has compared."""
    until = min(first_row + rows, batch.rows)
    done: dict[int, set[int]] = {}
    for row, lane in session.execute(
        select(_ANSWERS.c.row_no, _ANSWERS.c.lane).where(
            _ANSWERS.c.batch_id == batch.id, _ANSWERS.c.row_no >= first_row, _ANSWERS.c.row_no < until,
            _ANSWERS.c.state == "done",
        )
    ):  # fmt: skip
        done.setdefault(row, set()).add(lane)
    over = {
        (row, first, second)
        for row, first, second in session.execute(
            select(_JUDGED.c.row_no, _JUDGED.c.first_lane, _JUDGED.c.second_lane).where(
                _JUDGED.c.batch_id == batch.id, _JUDGED.c.row_no >= first_row, _JUDGED.c.row_no < until,
                _JUDGED.c.state.in_(("done", "failed")),
            )
        )
    }  # fmt: skip
    return tuple(
        (row, first, second)
        for row in sorted(done)
        for first in sorted(done[row])
        for second in sorted(done[row])
        if first != second and (row, first, second) not in over
    )
