"""The battles that a reader may see, newest first, by page and by what is looked for in their prompts.

A page begins where the last one ended, by key. A line says nothing of who fought while that is hidden
from its reader; neither does a search by model find such a battle.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final, cast

from sqlalchemy import ColumnElement, and_, exists, or_, select
from sqlalchemy.orm import Session, aliased
from sqlmodel import col

from battles import access, storage
from battles.models import Battle, Category, Kind, Turn, Vote
from battles.tables import BattleLaneRow, BattleRevealRow, BattleRow, BattleTurnRow
from battles.votes import votes_of
from identity.permissions import may
from identity.principal import Principal
from store.databases import Database

MOST: Final = 100
_TITLE: Final = 120


@dataclass(frozen=True, slots=True)
class Sought:
    """None asks nothing. `text` is looked for in prompts, whatever their case."""

    text: str | None = None
    model: str | None = None
    category: Category | None = None
    tag: str | None = None
    kind: Kind | None = None
    mine: bool = False
    batch_id: str | None = None
    before: str | None = None  # the id of the last line that was seen


@dataclass(frozen=True, slots=True)
class BattleLine:
    """A battle in a list. `title` is how its first prompt begins, "" where no text is kept; `models` are in
    the order of the lanes, empty while hidden. `voted`: the reader has."""

    id: str
    kind: Kind
    title: str
    blind: bool
    hidden: bool
    personal: bool
    category: Category | None
    tags: tuple[str, ...]
    models: tuple[str, ...]
    turns: int
    votes: int
    voted: bool
    user_id: int | None
    created_ms: int


def lines(
    database: Database, principal: Principal, sought: Sought, limit: int = 50
) -> tuple[BattleLine, ...]:
    """In any thread."""
    with database.session() as session:
        rows = session.scalars(
            select(BattleRow)
            .where(*_seen_by(principal), *_wanted(principal, sought))
            .order_by(col(BattleRow.created_ms).desc(), col(BattleRow.id).desc())
            .limit(max(1, min(limit, MOST)))
        ).all()
        return _lines_of(session, principal, storage.battles_of(session, rows))


def _lines_of(session: Session, principal: Principal, battles: Sequence[Battle]) -> tuple[BattleLine, ...]:
    ids = [battle.id for battle in battles]
    turns: dict[str, list[Turn]] = {battle_id: [] for battle_id in ids}
    for turn in storage.turns_of(session, ids):
        turns[turn.battle_id].append(turn)
    user_id = principal.user_id
    revealed = storage.revealed_to(session, user_id, ids) if user_id is not None else frozenset()
    return tuple(
        _line(
            principal,
            battle,
            turns[battle.id],
            votes_of(session, battle.id),
            battle.id in revealed,
            battle.blind and storage.revealed_to_anybody(session, battle.id),
        )
        for battle in battles
    )


def _line(
    principal: Principal,
    battle: Battle,
    turns: Sequence[Turn],
    votes: Sequence[Vote],
    revealed: bool,
    anybody: bool,
) -> BattleLine:
    hidden = access.is_hidden(principal, battle, revealed, anybody)
    first = turns[0].prompt if turns else None
    return BattleLine(
        id=battle.id,
        kind=battle.kind,
        title=" ".join(first.text.split())[:_TITLE] if first is not None else "",
        blind=battle.blind,
        hidden=hidden,
        personal=battle.personal,
        category=battle.category,
        tags=battle.tags,
        models=() if hidden else tuple(lane.model for lane in battle.lanes),
        turns=len(turns),
        votes=len({vote.voter for vote in votes}),
        voted=principal.user_id is not None
        and any(vote.voter_user_id == principal.user_id for vote in votes),
        user_id=battle.user_id,
        created_ms=battle.created_ms,
    )


def _seen_by(principal: Principal) -> list[ColumnElement[bool]]:
    """As `access.may_see` says it of one."""
    row = BattleRow
    own = col(row.user_id) == principal.user_id if principal.user_id is not None else None
    shared = col(row.personal).is_(False) if may(principal, "read_runs") else None
    ways = [way for way in (own, shared) if way is not None]
    return [col(row.team_id) == principal.team_id, or_(*ways) if ways else col(row.id).is_(None)]


def _wanted(principal: Principal, sought: Sought) -> list[ColumnElement[bool]]:
    row = BattleRow
    wanted: list[ColumnElement[bool]] = []
    for column, value in (
        (row.category, sought.category), (row.kind, sought.kind), (row.batch_id, sought.batch_id),
    ):  # fmt: skip
        if value is not None:
            wanted.append(col(cast(Any, column)) == value)
    if sought.mine:
        wanted.append(col(row.user_id) == principal.user_id)
    if sought.tag is not None:
        wanted.append(col(row.tags_json).contains(storage.as_listed(sought.tag), autoescape=True))
    if sought.text and (text := storage.searched(sought.text)):
        turn = BattleTurnRow
        said = and_(col(turn.battle_id) == col(row.id), col(turn.search).contains(text, autoescape=True))
        wanted.append(exists().where(said))
    if sought.model is not None:
        wanted += _with_model(principal, sought.model)
    if sought.before is not None and storage.storable(sought.before):
        wanted.append(_before(sought.before))
    return wanted


def _with_model(principal: Principal, model: str) -> list[ColumnElement[bool]]:
    lane, shown = BattleLaneRow, BattleRevealRow
    found = exists().where(col(lane.battle_id) == col(BattleRow.id), col(lane.model_id) == model)
    known = exists().where(col(shown.battle_id) == col(BattleRow.id), col(shown.user_id) == principal.user_id)
    return [found, or_(col(BattleRow.blind).is_(False), known)]


def _before(battle_id: str) -> ColumnElement[bool]:
    last = aliased(BattleRow)
    at = select(col(last.created_ms)).where(col(last.id) == battle_id).scalar_subquery()
    row = BattleRow
    return or_(col(row.created_ms) < at, and_(col(row.created_ms) == at, col(row.id) < battle_id))
