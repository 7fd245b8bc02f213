"""Battles in the app database: what a use case reads and writes, each within its caller's transaction.

Nothing here decides. Text is written only where the battle keeps it. Votes are `battles/ballot_box.py`'s.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any, cast

from sqlalchemy import Table, func, select, update
from sqlalchemy.orm import Session
from sqlmodel import col

from battles.encoding import decode, encode, prompt_json, prompt_of, said_json, settings_json, settings_of
from battles.models import Battle, Lane, LaneRun, Turn
from battles.tables import (
    BattleLaneRow,
    BattleRevealRow,
    BattleRow,
    BattleRunRow,
    BattleTurnRow,
    BattleVoteRow,
)
from store.clock import now_ms
from store.processes import living_ids
from store.tables import AppTable
from store.upserts import insert_into

INTERRUPTED = ("Interrupted", "The server ended before this lane was asked. Nothing was charged.")
_LONGEST_SEARCH = 2_000
_RUNS: Table = AppTable.metadata.tables[str(BattleRunRow.__tablename__)]
_REVEALS: Table = AppTable.metadata.tables[str(BattleRevealRow.__tablename__)]


def storable(name: str) -> bool:
    """PostgreSQL refuses even to look for what has a NUL in it."""
    return "\0" not in name


# --- battles and lanes ------------------------------------------------------------------------


def insert_battle(
    session: Session, battle: Battle, key_id: int | None = None, request_key: str | None = None
) -> None:
    session.add(
        BattleRow(
            id=battle.id,
            team_id=battle.team_id,
            user_id=battle.user_id,
            key_id=key_id,
            request_key=request_key,
            kind=battle.kind,
            surface=battle.surface,
            personal=battle.personal,
            blind=battle.blind,
            category=battle.category,
            tags_json=encode(battle.tags),
            start_order=battle.order,
            cost_cap_nano_usd=battle.cost_cap_nano_usd,
            settings_json=settings_json(battle.shared),
            prompt_json=said_json(battle.shared) if battle.keeps_text else None,
            keeps_text=battle.keeps_text,
            batch_id=battle.batch_id,
            created_ms=battle.created_ms,
        )
    )
    session.add_all(_lane_row(battle, lane) for lane in battle.lanes)


def _lane_row(battle: Battle, lane: Lane) -> BattleLaneRow:
    return BattleLaneRow(
        battle_id=battle.id,
        no=lane.no,
        asked_no=lane.asked_no,
        model_id=lane.model,
        snapshot=lane.snapshot,
        provider=lane.provider,
        prompt_version_id=lane.prompt_version_id,
        settings_json=settings_json(lane.settings),
        prompt_json=said_json(lane.settings) if battle.keeps_text else None,
        own_json=encode(lane.own),
    )


def find_battle(session: Session, team_id: int, battle_id: str) -> Battle | None:
    """Another team's battle is as unknown as none."""
    if not storable(battle_id):
        return None
    row = session.get(BattleRow, battle_id)
    return battles_of(session, [row])[0] if row is not None and row.team_id == team_id else None


def find_by_request_key(session: Session, team_id: int, request_key: str) -> Battle | None:
    rows = session.scalars(
        select(BattleRow).where(col(BattleRow.team_id) == team_id, col(BattleRow.request_key) == request_key)
    ).all()
    return battles_of(session, rows)[0] if rows else None


def battles_of(session: Session, rows: Sequence[BattleRow]) -> tuple[Battle, ...]:
    """With their lanes, in one query for all."""
    lanes: dict[str, list[Lane]] = {row.id: [] for row in rows}
    of_these = select(BattleLaneRow).where(col(BattleLaneRow.battle_id).in_(lanes))
    for lane in session.scalars(of_these.order_by(col(BattleLaneRow.no))):
        lanes[lane.battle_id].append(_lane_of(lane))
    return tuple(_battle_of(row, tuple(lanes[row.id])) for row in rows)


def _lane_of(row: BattleLaneRow) -> Lane:
    return Lane(
        no=row.no,
        asked_no=row.asked_no,
        model=row.model_id,
        snapshot=row.snapshot,
        provider=row.provider,
        prompt_version_id=row.prompt_version_id,
        settings=settings_of(row.settings_json, row.prompt_json),
        own=decode(row.own_json, tuple[str, ...]),
    )


def _battle_of(row: BattleRow, lanes: tuple[Lane, ...]) -> Battle:
    return Battle(
        id=row.id,
        team_id=row.team_id,
        user_id=row.user_id,
        kind=cast(Any, row.kind),
        surface=cast(Any, row.surface),
        personal=row.personal,
        blind=row.blind,
        category=cast(Any, row.category),
        tags=decode(row.tags_json, tuple[str, ...]),
        order=cast(Any, row.start_order),
        cost_cap_nano_usd=row.cost_cap_nano_usd,
        shared=settings_of(row.settings_json, row.prompt_json),
        lanes=lanes,
        keeps_text=row.keeps_text,
        created_ms=row.created_ms,
        batch_id=row.batch_id,
    )


# --- turns ------------------------------------------------------------------------------------


def insert_turn(session: Session, turn: Turn, *, keeps_text: bool) -> None:
    prompt = turn.prompt if keeps_text else None
    session.add(
        BattleTurnRow(
            id=turn.id,
            battle_id=turn.battle_id,
            parent_turn_id=turn.parent_turn_id,
            no=turn.no,
            user_id=turn.user_id,
            prompt_json=prompt_json(prompt) if prompt else None,
            search=searched(prompt.text) if prompt else None,
            prompt_sha256=turn.prompt_sha256,
            language=turn.language,
            created_ms=turn.created_ms,
        )
    )


def searched(text: str) -> str:
    """A prompt, or what somebody looks for in prompts, in the form in which the two are compared."""
    return " ".join(text.replace("\0", " ").casefold().split())[:_LONGEST_SEARCH]


def turns_of(session: Session, battle_ids: Iterable[str]) -> tuple[Turn, ...]:
    """First first."""
    rows = session.scalars(
        select(BattleTurnRow)
        .where(col(BattleTurnRow.battle_id).in_(tuple(battle_ids)))
        .order_by(col(BattleTurnRow.battle_id), col(BattleTurnRow.no))
    )
    return tuple(_turn_of(row) for row in rows)


def find_turn(session: Session, turn_id: str) -> Turn | None:
    row = session.get(BattleTurnRow, turn_id) if storable(turn_id) else None
    return _turn_of(row) if row is not None else None


def _turn_of(row: BattleTurnRow) -> Turn:
    return Turn(
        id=row.id,
        battle_id=row.battle_id,
        parent_turn_id=row.parent_turn_id,
        no=row.no,
        user_id=row.user_id,
        prompt=prompt_of(row.prompt_json) if row.prompt_json is not None else None,
        prompt_sha256=row.prompt_sha256,
        language=row.language,
        created_ms=row.created_ms,
    )


def lock_battle(session: Session, battle_id: str) -> None:
    """Nobody else starts a turn in it until this transaction ends. A write, because SQLite takes its lock
    with the first one."""
    row = BattleRow
    same = update(row).where(col(row.id) == battle_id).values(kind=col(row.kind))
    session.execute(same, execution_options={"synchronize_session": False})


def next_turn_no(session: Session, battle_id: str) -> int:
    most = session.scalar(
        select(func.max(col(BattleTurnRow.no))).where(col(BattleTurnRow.battle_id) == battle_id)
    )
    return (most or 0) + 1


# --- runs of lanes ----------------------------------------------------------------------------


def insert_runs(session: Session, runs: Iterable[LaneRun], process_id: str | None) -> None:
    session.add_all(
        BattleRunRow(
            turn_id=run.turn_id,
            lane=run.lane,
            no=run.no,
            run_id=run.run_id,
            state=run.state,
            process_id=process_id,
            shares_cpu=run.shares_cpu,
            created_ms=run.created_ms,
        )
        for run in runs
    )


def runs_of(session: Session, turn_ids: Iterable[str]) -> tuple[LaneRun, ...]:
    """By turn, lane and try."""
    row = BattleRunRow
    found = session.scalars(
        select(row)
        .where(col(row.turn_id).in_(tuple(turn_ids)))
        .order_by(col(row.turn_id), col(row.lane), col(row.no))
    )
    return tuple(_run_of(each) for each in found)


def _run_of(row: BattleRunRow) -> LaneRun:
    return LaneRun(
        turn_id=row.turn_id,
        lane=row.lane,
        no=row.no,
        run_id=row.run_id,
        state=cast(Any, row.state),
        created_ms=row.created_ms,
        failure=(row.failure_kind, row.failure_message or "") if row.failure_kind else None,
        shares_cpu=row.shares_cpu,
    )


def move_run(session: Session, run_id: str, to: str, failure: tuple[str, str] | None = None) -> bool:
    """From waiting to something else, once: whether it was this call that did it."""
    kind, message = failure or (None, None)
    change = (
        update(_RUNS)
        .where(_RUNS.c.run_id == run_id, _RUNS.c.state == "waiting")
        .values(state=to, failure_kind=kind, failure_message=message, created_ms=now_ms())
    )
    return int(cast(Any, session.execute(change)).rowcount) == 1


def refuse_run(session: Session, run_id: str, failure: tuple[str, str]) -> None:
    """The gateway or the ledger would not have it."""
    kind, message = failure
    change = update(_RUNS).where(_RUNS.c.run_id == run_id)
    session.execute(change.values(state="refused", failure_kind=kind, failure_message=message[:2_000]))


def end_interrupted(session: Session, process_id: str | None) -> int:
    """Lanes that waited for their turn in a process that is dead were never asked. Alone (without a
    `process_id`) that is every one that waits: call it before the first battle."""
    waiting = _RUNS.c.state == "waiting"
    if process_id is not None:
        owner = _RUNS.c.process_id
        waiting &= owner.is_(None) | ((owner != process_id) & owner.not_in(living_ids()))
    kind, message = INTERRUPTED
    change = update(_RUNS).where(waiting)
    change = change.values(state="refused", failure_kind=kind, failure_message=message)
    return int(cast(Any, session.execute(change)).rowcount)


def battle_runs(session: Session, run_ids: Iterable[str]) -> dict[str, str]:
    """Which of these runs belong to a battle, and to which."""
    run, turn = BattleRunRow, BattleTurnRow
    rows = session.execute(
        select(col(run.run_id), col(turn.battle_id))
        .join(turn, col(turn.id) == col(run.turn_id))
        .where(col(run.run_id).in_(tuple(run_ids)))
    )
    return {row[0]: row[1] for row in rows}


# --- who knows the names ----------------------------------------------------------------------


def reveal(session: Session, battle_id: str, user_id: int, at_ms: int) -> None:
    """From now on this person knows; once is enough."""
    insert = insert_into(session.connection(), _REVEALS)
    session.execute(
        insert.values(battle_id=battle_id, user_id=user_id, created_ms=at_ms).on_conflict_do_nothing()
    )


def revealed_to(session: Session, user_id: int, battle_ids: Iterable[str]) -> frozenset[str]:
    rows = session.scalars(
        select(_REVEALS.c.battle_id).where(
            _REVEALS.c.user_id == user_id, _REVEALS.c.battle_id.in_(tuple(battle_ids))
        )
    )
    return frozenset(rows)


def has_votes(session: Session, battle_id: str, turn_id: str | None = None) -> bool:
    vote = select(col(BattleVoteRow.id)).where(col(BattleVoteRow.battle_id) == battle_id)
    if turn_id is not None:
        vote = vote.where(col(BattleVoteRow.turn_id) == turn_id)
    return session.execute(vote.limit(1)).first() is not None


def revealed_to_anybody(session: Session, battle_id: str) -> bool:
    anybody = select(_REVEALS.c.user_id).where(_REVEALS.c.battle_id == battle_id).limit(1)
    return session.execute(anybody).first() is not None


def as_listed(tag: str) -> str:
    """How a tag stands in a list of tags."""
    return encode(tag)


def battles_in(session: Session, team_id: int, user_id: int, batch_id: str) -> tuple[Battle, ...]:
    """A person's battles of one batch, in the order in which they were opened."""
    row = BattleRow
    rows = session.scalars(
        select(row)
        .where(col(row.batch_id) == batch_id, col(row.team_id) == team_id, col(row.user_id) == user_id)
        .order_by(col(row.created_ms), col(row.id))
    ).all()
    return battles_of(session, rows)


def newest_batch(session: Session, team_id: int, user_id: int, kind: str) -> str | None:
    row = BattleRow
    return session.scalar(
        select(col(row.batch_id))
        .where(col(row.team_id) == team_id, col(row.user_id) == user_id, col(row.kind) == kind)
        .order_by(col(row.created_ms).desc(), col(row.id).desc())
        .limit(1)
    )
