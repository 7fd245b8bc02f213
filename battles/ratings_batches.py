"""What batches add to the leaderboard: the votes of their queues, and how many rows each lane passes.

Two lanes' pass rates are only held against each other on rows that both answered. Lanes that differ in the
model alone count for the models, others for their whole set-ups.
"""

from __future__ import annotations

import time
from collections import OrderedDict
from collections.abc import Collection, Iterator, Sequence
from itertools import combinations
from typing import Any, Final, cast

import msgspec
from sqlalchemy import case, func, select
from sqlalchemy.orm import Session, aliased
from sqlmodel import col

from battles.batch_models import BatchSpec, decoded
from battles.comparisons import Comparison, Contender, VoterKind, board_of
from battles.models import LaneWish
from battles.opening import settings_fingerprint
from battles.ratings_choice import Passes, PassPairs
from battles.ratings_votes import Setup
from battles.tables_batches import BatchAnswerRow, BatchRow, BatchVoteRow
from store.databases import Database

_KEPT_S: Final = 30.0
_KEPT_TEAMS: Final = 32
_NEWEST: Final = 50  # batches of a team
_PEOPLE: Final[tuple[VoterKind, ...]] = ("person",)


class BatchRatings:
    """Any thread may call."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._passes: OrderedDict[int, tuple[float, PassPairs]] = OrderedDict()

    def comparisons(
        self, team_id: int, since_ms: int = 0, kinds: Collection[VoterKind] = _PEOPLE
    ) -> Sequence[Comparison]:
        """People's votes on rows, oldest first. Names, speed and price are never shown there: each vote is a
        first one."""
        if "person" not in kinds:
            return ()
        vote, batch = BatchVoteRow, BatchRow
        query = (
            select(vote, col(batch.spec_json))
            .join(batch, col(batch.id) == col(vote.batch_id))
            .where(col(vote.team_id) == team_id, col(vote.created_ms) >= since_ms)
            .order_by(col(vote.created_ms), col(vote.id))
        )
        with self._database.session() as session:
            specs: dict[str, BatchSpec] = {}
            found = []
            for row, spec_json in session.execute(query):
                if row.batch_id not in specs:
                    specs[row.batch_id] = decoded(spec_json)
                found.append(_comparison(row, specs[row.batch_id]))
        return found

    def passes(self, team_id: int) -> PassPairs:
        """Of the newest batches; kept for half a minute."""
        kept = self._passes.get(team_id)
        if kept is not None and time.monotonic() - kept[0] < _KEPT_S:
            return kept[1]
        with self._database.session() as session:
            found = _pass_pairs(session, team_id)
        self._passes[team_id] = (time.monotonic(), found)
        while len(self._passes) > _KEPT_TEAMS:
            self._passes.popitem(last=False)
        return found


def _comparison(row: BatchVoteRow, spec: BatchSpec) -> Comparison:
    left, right = msgspec.json.decode(row.sides_json, type=tuple[Contender, Contender])
    return Comparison(
        battle_id=f"{row.batch_id}:{row.row_no}",
        vote_id=row.id,
        voter=f"user:{row.user_id}",
        voter_user_id=row.user_id,
        voter_kind="person",
        team_id=row.team_id,
        prompt_sha256=row.prompt_sha256,
        prompt_language=row.prompt_language,
        category=spec.category,
        tags=spec.tags,
        left=left,
        right=right,
        outcome=cast(Any, row.outcome),
        stage="first",
        board=board_of(left, right),
        created_ms=row.created_ms,
    )


def _pass_pairs(session: Session, team_id: int) -> PassPairs:
    batches = session.execute(
        select(col(BatchRow.id), col(BatchRow.spec_json))
        .where(col(BatchRow.team_id) == team_id)
        .order_by(col(BatchRow.created_ms).desc())
        .limit(_NEWEST)
    ).all()
    found: dict[tuple[Setup, Setup], tuple[Passes, Passes]] = {}
    for batch_id, spec_json in batches:
        spec = decoded(spec_json)
        counts = _counted(session, batch_id)
        for one, other in combinations(range(len(spec.lanes)), 2):
            if (both := counts.get((one, other))) is None:
                continue
            for setups in _setups(spec.lanes[one], spec.lanes[other]):
                _add(found, setups, both)
                _add(found, (setups[1], setups[0]), (both[1], both[0]))
    return found


def _counted(session: Session, batch_id: str) -> dict[tuple[int, int], tuple[Passes, Passes]]:
    """By two lanes, on rows of which both answers were checked."""
    one, other = aliased(BatchAnswerRow), aliased(BatchAnswerRow)

    def passed(which: type[BatchAnswerRow]) -> Any:
        return func.coalesce(func.sum(case((col(which.passed).is_(True), 1), else_=0)), 0)

    query = (
        select(col(one.lane), col(other.lane), func.count(), passed(one), passed(other))
        .join(other, (col(other.batch_id) == col(one.batch_id)) & (col(other.row_no) == col(one.row_no)))
        .where(
            col(one.batch_id) == batch_id,
            col(one.lane) < col(other.lane),
            col(one.passed).is_not(None),
            col(other.passed).is_not(None),
        )
        .group_by(col(one.lane), col(other.lane))
    )
    return {
        (low, high): (Passes(int(ours), int(rows)), Passes(int(theirs), int(rows)))
        for low, high, rows, ours, theirs in session.execute(query)
    }


def _setups(one: LaneWish, other: LaneWish) -> Iterator[tuple[Setup, Setup]]:
    ours, theirs = _setup(one), _setup(other)
    if ours[1:] != theirs[1:]:
        yield ours, theirs
    elif one.model != other.model:
        yield Setup(one.model), Setup(other.model)


def _setup(lane: LaneWish) -> Setup:
    return Setup(lane.model, lane.prompt_version_id, settings_fingerprint(lane.settings))


def _add(
    found: dict[tuple[Setup, Setup], tuple[Passes, Passes]],
    setups: tuple[Setup, Setup],
    both: tuple[Passes, Passes],
) -> None:
    nothing = Passes(0, 0)
    before = found.get(setups, (nothing, nothing))
    found[setups] = cast(
        Any,
        tuple(
            Passes(old.passed + new.passed, old.checked + new.checked)
            for old, new in zip(before, both, strict=True)
        ),
    )
