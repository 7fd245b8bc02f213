"""Text of battles goes when its team said so, with that of runs (`gateway/retention.py`): prompts, system
prompts, examples and templates. What a battle was, what it cost and how it was voted on stays."""

from __future__ import annotations

from typing import Any, cast

from sqlalchemy import select, update
from sqlalchemy.orm import Session

from battles.tables import BattleLaneRow, BattleRow, BattleTurnRow
from store.tables import AppTable

_BATTLES, _LANES, _TURNS = (
    AppTable.metadata.tables[str(row.__tablename__)] for row in (BattleRow, BattleLaneRow, BattleTurnRow)
)


def forget(session: Session, team_id: int, before_ms: int | None) -> int:
    """As `gateway.retention.Forget`. A battle's own text goes with its age, a turn's with the turn's."""
    of_team = select(_BATTLES.c.id).where(_BATTLES.c.team_id == team_id)
    old = of_team if before_ms is None else of_team.where(_BATTLES.c.created_ms < before_ms)
    for table, key in ((_LANES, _LANES.c.battle_id), (_BATTLES, _BATTLES.c.id)):
        change = update(table).where(key.in_(old), table.c.prompt_json.is_not(None))
        session.execute(change.values(prompt_json=None))
    turns = update(_TURNS).where(_TURNS.c.battle_id.in_(of_team), _TURNS.c.prompt_json.is_not(None))
    if before_ms is not None:
        turns = turns.where(_TURNS.c.created_ms < before_ms)
    done = session.execute(turns.values(prompt_json=None, search=None))
    return int(cast(Any, done).rowcount)
