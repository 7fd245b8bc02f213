"""A battle for one reader: what they may see of it now, and what they may do."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from sqlalchemy.orm import Session

from battles import access, storage
from battles.ballots import Stage, stage_for
from battles.battle import Battles
from battles.errors import BattleNotFound, VoteRefused
from battles.models import Battle, Vote
from battles.views import BattleView, Known, heads, turn_views
from battles.votes import newest, standing_of, votes_of
from identity.principal import Principal


@dataclass(frozen=True, slots=True)
class Reader:
    """Whether the battle was revealed to whoever reads, whether to anybody, and the votes on it."""

    revealed: bool
    anybody: bool
    votes: tuple[Vote, ...]


async def view(battles: Battles, principal: Principal, battle_id: str) -> BattleView:
    """Raises `BattleNotFound`."""
    battle = await battles.find(principal, battle_id)
    known = await battles.known(battle)
    reader = await battles.database.read(lambda session: reader_of(session, principal, battle))
    return view_of(battles, principal, battle, known, reader)


async def is_hidden(battles: Battles, principal: Principal, battle: Battle) -> bool:
    if not battle.blind:
        return False
    reader = await battles.database.read(lambda session: reader_of(session, principal, battle))
    return access.is_hidden(principal, battle, reader.revealed, reader.anybody)


async def battle_of(battles: Battles, principal: Principal, run_id: str) -> str | None:
    """The battle that a run is a lane of; None where it is of none, or of one that this reader may not open
    or does not know the names of yet."""
    found = await battles.database.read(lambda session: storage.battle_runs(session, [run_id]))
    if run_id not in found:
        return None
    try:
        battle = await battles.find(principal, found[run_id])
    except BattleNotFound:
        return None
    return None if await is_hidden(battles, principal, battle) else battle.id


def reader_of(session: Session, principal: Principal, battle: Battle) -> Reader:
    user_id = principal.user_id
    return Reader(
        user_id is not None and bool(storage.revealed_to(session, user_id, [battle.id])),
        storage.revealed_to_anybody(session, battle.id),
        votes_of(session, battle.id),
    )


def view_of(
    battles: Battles, principal: Principal, battle: Battle, known: Known, reader: Reader
) -> BattleView:
    hidden = access.is_hidden(principal, battle, reader.revealed, reader.anybody)
    own = [
        vote
        for vote in reader.votes
        if principal.user_id is not None and vote.voter_user_id == principal.user_id
    ]
    stage, why = _vote_due(principal, battle, known, own, reader.revealed)
    turns = turn_views(battle, known, hidden=hidden, mask=battles.mask().whole if hidden else str)
    costs = [lane.cost_nano_usd for turn in turns for lane in turn.lanes]
    unknown = hidden or any(cost is None for cost in costs)
    return BattleView(
        id=battle.id,
        kind=battle.kind,
        blind=battle.blind,
        hidden=hidden,
        personal=battle.personal,
        category=battle.category,
        tags=battle.tags,
        order=battle.order,
        cost_cap_nano_usd=battle.cost_cap_nano_usd,
        user_id=battle.user_id,
        keeps_text=battle.keeps_text,
        created_ms=battle.created_ms,
        lanes=heads(battle, hidden=hidden),
        turns=turns,
        shared=None if hidden else battle.shared,
        votes=tuple(own) if hidden else reader.votes,
        may_vote=stage,
        why_no_vote=why,
        cost_nano_usd=None if unknown else sum(cost or 0 for cost in costs),
        batch_id=battle.batch_id,
        may_steer=access.may_steer(principal, battle),
    )


def _vote_due(
    principal: Principal, battle: Battle, known: Known, own: list[Vote], revealed: bool
) -> tuple[Stage | None, str]:
    turn: Any = newest(known)
    if own:
        turn = next((turn for turn in known.turns if turn.id == own[0].turn_id), turn)
    try:
        return stage_for(battle, standing_of(principal, known, turn, own, revealed)), ""
    except VoteRefused as refused:
        return None, str(refused)
