"""Votes: first on the text alone, then, with names, speed and price shown, once more; both are kept.

One ballot a battle, voter and stage, held by a unique key; nothing is ever changed or deleted. A vote keeps
what its lanes were (`contenders.py`), so that it stands when runs and text are gone. The first vote shows
its voter the names, in the same transaction.
"""

from __future__ import annotations

import time
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from typing import Any, Final, cast

from sqlalchemy import select
from sqlalchemy.exc import IntegrityError
from sqlalchemy.orm import Session
from sqlmodel import col

from battles import access, storage
from battles.asking import last_runs
from battles.ballots import Ballot, Stage, Standing, pairs_of, stage_for
from battles.battle import Battles, known_state
from battles.comparisons import Comparison, Contender, VoterKind, board_of
from battles.contenders import contender_of
from battles.encoding import decode, encode
from battles.errors import AlreadyRevealed, AlreadyVoted, BadBattle, NotAVoter, NotVotable
from battles.models import REASONS, Battle, LaneRun, Pair, Reason, Turn, Vote
from battles.tables import BattleVoteRow
from battles.views import Known
from identity.principal import Principal
from store.ids import new_id

_PAGE = 5_000
PEOPLE: Final[tuple[VoterKind, ...]] = ("person",)


@dataclass(frozen=True, slots=True)
class _Voter:
    name: str
    kind: VoterKind
    user_id: int | None


class Votes:
    """On the loop only, but for `comparisons`."""

    def __init__(self, battles: Battles) -> None:
        self._battles = battles
        self._database = battles.database

    async def cast(
        self,
        principal: Principal,
        battle_id: str,
        ballot: Ballot,
        *,
        reasons: Collection[Reason] = (),
        turn_id: str | None = None,
        stage: Stage | None = None,
    ) -> Vote:
        """Vote on a turn, the newest unless another is named. `stage` is what the voter believes to cast: a
        second tab's is then refused rather than taken for another. Raises `VoteRefused`, `BadBattle` and
        `BattleNotFound`."""
        if principal.user_id is None or not access.is_voter(principal):
            raise NotAVoter(
                "Votes are cast by members of the team who may send prompts, under their own name."
            )
        battle = await self._battles.find(principal, battle_id)
        known = await self._battles.known(battle)
        voter = _Voter(f"user:{principal.user_id}", "person", principal.user_id)
        revealed, own = await self._database.read(lambda session: _done_by(session, battle.id, voter))
        turn = _turn(known, own[0].turn_id if own else turn_id)
        due = stage_for(battle, standing_of(principal, known, turn, own, revealed))
        if stage is not None and stage != due:
            raise AlreadyVoted("You have cast this vote already, here or in another tab.")
        vote = await self._keep(battle, known, turn, ballot, reasons, voter, due)
        self._battles.somebody_knows()
        if turn.user_id in (None, principal.user_id):
            self._battles.show_rows([run.run_id for run in known.runs])
        return vote

    async def cast_as_judge(
        self, principal: Principal, battle_id: str, judge: str, ballot: Ballot, turn_id: str | None = None
    ) -> Vote:
        """What a model that judges says, once a battle and judge; it is never mixed with people's votes.
        Nobody is shown a name by it."""
        battle = await self._battles.find(principal, battle_id)
        known = await self._battles.known(battle)
        turn = _turn(known, turn_id)
        if any(known_state(run, known) in ("waiting", "running") for run in _runs(known, turn)):
            raise NotVotable("Some lane has not ended yet.")
        voter = _Voter(f"judge:{judge}", "judge", None)
        return await self._keep(battle, known, turn, ballot, (), voter, "first")

    async def reveal(self, principal: Principal, battle_id: str) -> None:
        """Show the names without a vote: the first vote is then over for this person. Raises `NotAVoter`."""
        battle = await self._battles.find(principal, battle_id)
        user_id = principal.user_id
        if user_id is None or not access.is_voter(principal):
            raise NotAVoter("Whoever cannot vote sees the names when a member has voted.")
        await self._database.write(lambda session: storage.reveal(session, battle.id, user_id, _now_ms()))
        self._battles.somebody_knows()
        if battle.user_id in (None, user_id):
            known = await self._battles.known(battle)
            self._battles.show_rows([run.run_id for run in known.runs])

    async def of(self, battle_id: str) -> tuple[Vote, ...]:
        """All that were cast on a battle, first first."""
        return await self._database.read(lambda session: votes_of(session, battle_id))

    async def _keep(
        self,
        battle: Battle,
        known: Known,
        turn: Turn,
        ballot: Ballot,
        reasons: Collection[Reason],
        voter: _Voter,
        stage: Stage,
    ) -> Vote:
        if unknown := set(reasons) - set(REASONS):
            raise BadBattle(f"A reason is one of {', '.join(REASONS)}; {min(unknown)!r} is none.", "reasons")
        vote = Vote(
            id=new_id("vot"),
            battle_id=battle.id,
            turn_id=turn.id,
            team_id=battle.team_id,
            voter=voter.name,
            voter_kind=voter.kind,
            voter_user_id=voter.user_id,
            stage=stage,
            pairs=pairs_of(ballot, len(battle.lanes)),
            reasons=tuple(dict.fromkeys(reasons)),
            created_ms=_now_ms(),
        )
        row = _row(vote, battle, turn, known)

        def keep(session: Session) -> None:
            session.add(row)
            session.flush()
            if voter.user_id is None:
                return
            if stage == "first" and storage.revealed_to(session, voter.user_id, [battle.id]):
                raise AlreadyRevealed("The names were shown to you in another tab: this vote is over.")
            storage.reveal(session, battle.id, voter.user_id, vote.created_ms)

        try:
            await self._database.write(keep)
        except IntegrityError:
            raise AlreadyVoted("You have cast this vote already, here or in another tab.") from None
        return vote

    # --- what they say ------------------------------------------------------------------------

    def comparisons(
        self, team_id: int, since_ms: int = 0, kinds: Collection[VoterKind] = PEOPLE
    ) -> tuple[Comparison, ...]:
        """Every vote of the team since then, two lanes at a time, oldest first. In any thread."""
        found: list[Comparison] = []
        with self._database.session() as session:
            for row in _rows_since(session, team_id, since_ms):
                if row.voter_kind in kinds:
                    found += _comparisons_of(row)
        return tuple(found)


def _done_by(session: Session, battle_id: str, voter: _Voter) -> tuple[bool, list[Vote]]:
    """Whether they know the names, and their votes. In this order: a vote that is cast meanwhile in another
    tab is then told as a vote, and not as names that were shown."""
    revealed = voter.user_id is not None and bool(storage.revealed_to(session, voter.user_id, [battle_id]))
    return revealed, [vote for vote in votes_of(session, battle_id) if vote.voter == voter.name]


def standing_of(
    principal: Principal, known: Known, turn: Turn | None, own: Sequence[Vote], revealed: bool
) -> Standing:
    runs = _runs(known, turn) if turn is not None else []
    records = [record for run in runs if (record := known.records.get(run.run_id)) is not None]
    return Standing(
        voter=access.is_voter(principal),
        revealed=revealed,
        states=[cast(Any, known_state(run, known)) for run in runs],
        answered=sum(bool(record.text or record.tool_calls) for record in records),
        simulated=any(record.series == "simulated" for record in records),
        voters_own=own,
    )


def newest(known: Known) -> Turn | None:
    return max(known.turns, key=lambda turn: turn.no, default=None)


def votes_of(session: Session, battle_id: str) -> tuple[Vote, ...]:
    row = BattleVoteRow
    rows = session.scalars(
        select(row).where(col(row.battle_id) == battle_id).order_by(col(row.created_ms), col(row.id))
    )
    return tuple(_vote_of(each) for each in rows)


def _runs(known: Known, turn: Turn) -> list[LaneRun]:
    return list(last_runs(run for run in known.runs if run.turn_id == turn.id).values())


def _turn(known: Known, turn_id: str | None) -> Turn:
    if turn_id is None:
        found = newest(known)
    else:
        found = next((turn for turn in known.turns if turn.id == turn_id), None)
    if found is None:
        raise NotVotable("There is nothing to vote on yet.")
    return found


def _row(vote: Vote, battle: Battle, turn: Turn, known: Known) -> BattleVoteRow:
    last = {run.lane: run for run in _runs(known, turn)}
    lanes = tuple(
        contender_of(lane, last[lane.no], known.records.get(last[lane.no].run_id)) for lane in battle.lanes
    )
    return BattleVoteRow(
        id=vote.id,
        battle_id=vote.battle_id,
        turn_id=vote.turn_id,
        team_id=vote.team_id,
        voter=vote.voter,
        voter_kind=vote.voter_kind,
        voter_user_id=vote.voter_user_id,
        stage=vote.stage,
        pairs_json=encode(vote.pairs),
        lanes_json=encode(lanes),
        reasons_json=encode(vote.reasons),
        tags_json=encode(battle.tags),
        category=battle.category,
        prompt_sha256=turn.prompt_sha256,
        prompt_language=turn.language,
        created_ms=vote.created_ms,
    )


def _vote_of(row: BattleVoteRow) -> Vote:
    return Vote(
        id=row.id,
        battle_id=row.battle_id,
        turn_id=row.turn_id,
        team_id=row.team_id,
        voter=row.voter,
        voter_kind=cast(Any, row.voter_kind),
        voter_user_id=row.voter_user_id,
        stage=cast(Any, row.stage),
        pairs=decode(row.pairs_json, tuple[Pair, ...]),
        reasons=decode(row.reasons_json, tuple[Reason, ...]),
        created_ms=row.created_ms,
    )


def _rows_since(session: Session, team_id: int, since_ms: int) -> Sequence[BattleVoteRow]:
    row = BattleVoteRow
    return session.scalars(
        select(row)
        .where(col(row.team_id) == team_id, col(row.created_ms) >= since_ms)
        .order_by(col(row.created_ms), col(row.id))
        .execution_options(yield_per=_PAGE)
    ).all()


def _comparisons_of(row: BattleVoteRow) -> list[Comparison]:
    lanes = decode(row.lanes_json, tuple[Contender, ...])
    return [
        Comparison(
            battle_id=row.battle_id,
            vote_id=row.id,
            voter=row.voter,
            voter_user_id=row.voter_user_id,
            voter_kind=cast(Any, row.voter_kind),
            team_id=row.team_id,
            prompt_sha256=row.prompt_sha256,
            prompt_language=row.prompt_language,
            category=row.category,
            tags=decode(row.tags_json, tuple[str, ...]),
            reasons=decode(row.reasons_json, tuple[str, ...]),
            left=lanes[pair.left],
            right=lanes[pair.right],
            outcome=pair.outcome,
            stage=cast(Any, row.stage),
            board=board_of(lanes[pair.left], lanes[pair.right]),
            created_ms=row.created_ms,
        )
        for pair in decode(row.pairs_json, tuple[Pair, ...])
    ]


def _now_ms() -> int:
    return time.time_ns() // 1_000_000
