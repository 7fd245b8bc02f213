"""A batch's answers, judged by members: two at a time, blind, each pair once by each member.

Which pair comes next: one that the fewest have judged, so that votes spread over rows, and of those one
drawn by a lot of the voter's own, so that two who begin together do not judge the same order. Sides are
drawn by lot for each voter and pair, and kept with the vote. Pairs with the same text on both sides, or
with none on one, are nobody's to judge. Votes are never changed.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import combinations
from typing import Any, Final, cast

import msgspec
from sqlalchemy import func, select
from sqlalchemy.exc import IntegrityError
from sqlalchemy.orm import Session
from sqlmodel import col

from battles import batch_storage as storage
from battles.batch_asking import task_of
from battles.batch_models import Answer, Batch
from battles.batch_report import PersonVote
from battles.comparisons import Choice, Contender
from battles.errors import AlreadyVoted, BatchNotFound, NotAVoter, NotVotable
from battles.language import language_of
from battles.opening import settings_fingerprint
from battles.tables_batches import BatchAnswerRow, BatchVoteRow
from identity.permissions import require
from identity.principal import Principal
from store.databases import Database
from store.ids import new_id

CHOICES: Final[tuple[Choice, ...]] = ("left", "right", "tie", "both_bad")
_LOOKED_AT: Final = 40  # pairs whose texts are read to find one that can be judged


@dataclass(frozen=True, slots=True)
class Pair:
    """What a voter is shown: no lane, no model, no figure. `place` names it when it is voted on."""

    row_no: int
    place: str
    task: str
    left: str
    right: str
    judged: int  # pairs that this voter has judged, of
    of: int


class VoteQueue:
    """Any thread may call."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def next(self, principal: Principal, batch_id: str, skipped: Sequence[str] = ()) -> Pair | None:
        """None when this voter has judged all there is. Raises `BatchNotFound`, `NotVotable`, `NotAVoter`."""
        user_id = _voter(principal)
        with self._database.session() as session:
            batch = _open(session, principal, batch_id)
            pairs = _pairs(session, batch)
            mine, others = _judged(session, batch_id, user_id)
            left = [pair for pair in pairs if pair not in mine and _place(*pair) not in skipped]
            left.sort(key=lambda pair: (others.get(pair, 0), _lot(batch_id, user_id, pair)))
            for row_no, low, high in left[:_LOOKED_AT]:
                shown = self._shown(session, batch, row_no, low, high, user_id)
                if shown is not None:
                    task, one, other = shown
                    return Pair(row_no, _place(row_no, low, high), task, one, other, len(mine), len(pairs))
            return None

    def _shown(
        self, session: Session, batch: Batch, row_no: int, low: int, high: int, user_id: int
    ) -> tuple[str, str, str] | None:
        ((_, row, answers),) = storage.answers_page(session, batch.id, row_no, 1) or ((0, None, {}),)
        left, right = _sides(batch.id, row_no, low, high, user_id)
        one, other = answers[left].text, answers[right].text
        if row is None or not one or not other or one.strip() == other.strip():
            return None
        return task_of(batch.spec, batch.spec.lanes[low], row.values), one, other

    def vote(self, principal: Principal, batch_id: str, place: str, outcome: Choice) -> None:
        """Once. Raises as `next`, and `AlreadyVoted`."""
        user_id = _voter(principal)
        try:
            with self._database.session() as session:
                batch = _open(session, principal, batch_id)
                pair = next((pair for pair in _pairs(session, batch) if _place(*pair) == place), None)
                if pair is None or outcome not in CHOICES:
                    raise NotVotable("There is no such pair to judge.")
                session.add(_row(session, batch, pair, user_id, outcome))
        except IntegrityError:
            raise AlreadyVoted("You have judged this pair: your vote stands.") from None


def votes_of(session: Session, batch_id: str) -> tuple[PersonVote, ...]:
    """In the order in which they were cast."""
    rows = session.scalars(
        select(BatchVoteRow).where(col(BatchVoteRow.batch_id) == batch_id).order_by(col(BatchVoteRow.id))
    )
    return tuple(
        PersonVote(row.row_no, row.left_lane, row.right_lane, row.user_id, row.outcome) for row in rows
    )


def contender(batch: Batch, answer: Answer) -> Contender:
    """A lane's answer as ratings see it."""
    lane = batch.spec.lanes[answer.lane]
    return Contender(
        model=answer.model_id or lane.model,
        snapshot=lane.model if lane.model != answer.model_id else None,
        provider=answer.provider,
        prompt_version_id=lane.prompt_version_id,
        settings=settings_fingerprint(lane.settings),
        cost_nano_usd=answer.cost_nano_usd,
        first_answer_ms=answer.first_answer_ms,
        total_ms=answer.total_ms,
        output_chars=len(answer.text or ""),
    )


def _row(
    session: Session, batch: Batch, pair: tuple[int, int, int], user_id: int, outcome: Choice
) -> BatchVoteRow:
    row_no, low, high = pair
    ((_, row, answers),) = storage.answers_page(session, batch.id, row_no, 1)
    left, right = _sides(batch.id, row_no, low, high, user_id)
    task = task_of(batch.spec, batch.spec.lanes[low], row.values)
    sides = [contender(batch, answers[lane]) for lane in (left, right)]
    return BatchVoteRow(
        id=new_id("vot"),
        batch_id=batch.id,
        team_id=batch.team_id,
        row_no=row_no,
        low_lane=low,
        high_lane=high,
        left_lane=left,
        right_lane=right,
        user_id=user_id,
        outcome=outcome,
        sides_json=msgspec.json.encode(sides).decode(),
        prompt_sha256=hashlib.sha256(task.encode("utf-8", "surrogatepass")).hexdigest(),
        prompt_language=language_of(task),
        created_ms=storage.now_ms(),
    )


def _voter(principal: Principal) -> int:
    require(principal, "run_models")
    if principal.user_id is None:
        raise NotAVoter("A service key has no opinion: a member votes.")
    return principal.user_id


def _open(session: Session, principal: Principal, batch_id: str) -> Batch:
    batch = storage.find_batch(session, principal.team_id, batch_id)
    if batch is None:
        raise BatchNotFound(batch_id)
    if not batch.votes_open:
        raise NotVotable("This batch has no open vote queue.")
    return batch


def _pairs(session: Session, batch: Batch) -> list[tuple[int, int, int]]:
    """(row, low lane, high lane) of all that have both answers."""
    lanes: dict[int, list[int]] = {}
    for row_no, lane in session.execute(
        select(col(BatchAnswerRow.row_no), col(BatchAnswerRow.lane))
        .where(col(BatchAnswerRow.batch_id) == batch.id, col(BatchAnswerRow.state) == "done")
        .order_by(col(BatchAnswerRow.row_no), col(BatchAnswerRow.lane))
    ):
        lanes.setdefault(row_no, []).append(lane)
    return [(row_no, low, high) for row_no, there in lanes.items() for low, high in combinations(there, 2)]


def _judged(
    session: Session, batch_id: str, user_id: int
) -> tuple[set[tuple[int, int, int]], dict[tuple[int, int, int], int]]:
    """What this voter has judged, and how many have judged what."""
    row = BatchVoteRow
    where = (col(row.row_no), col(row.low_lane), col(row.high_lane))
    mine = session.execute(select(*where).where(col(row.batch_id) == batch_id, col(row.user_id) == user_id))
    counts = session.execute(
        select(*where, func.count()).where(col(row.batch_id) == batch_id).group_by(*where)
    )
    return (
        {cast(Any, tuple(each)) for each in mine},
        {(row_no, low, high): int(count) for row_no, low, high, count in counts},
    )


def _place(row_no: int, low: int, high: int) -> str:
    return f"{row_no}.{low}.{high}"


def _lot(batch_id: str, user_id: int, pair: tuple[int, int, int]) -> bytes:
    return hashlib.sha256(f"{batch_id}:{user_id}:{_place(*pair)}".encode()).digest()


def _sides(batch_id: str, row_no: int, low: int, high: int, user_id: int) -> tuple[int, int]:
    """The same at each look, and nothing to be learnt from it."""
    drawn = hashlib.sha256(f"sides:{batch_id}:{user_id}:{_place(row_no, low, high)}".encode()).digest()[0]
    return (low, high) if drawn % 2 else (high, low)
