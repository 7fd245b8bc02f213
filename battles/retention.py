"""Text of battles goes when its team said so, as that of runs does (`gateway/retention.py`): prompts, system
prompts, examples and templates. What a battle was, what it cost and how it was voted on stays."""

from __future__ import annotations

import time
from typing import Any, Final, cast

from sqlalchemy import select, update
from sqlalchemy.orm import Session

from battles.tables import BattleLaneRow, BattleRow, BattleTurnRow
from identity.policy import decoded
from identity.tables import TeamRow
from store.databases import Database
from store.tables import AppTable

_DAY_MS: Final = 24 * 60 * 60 * 1000
_BATTLES, _LANES, _TURNS = (
    AppTable.metadata.tables[str(row.__tablename__)] for row in (BattleRow, BattleLaneRow, BattleTurnRow)
)


class BattleRetention:
    def __init__(self, database: Database) -> None:
        self._database = database

    async def forget_old(self, now_ms: int | None = None) -> int:
        """How many turns lost their text. One process of an installation asks each hour."""
        at_ms = time.time_ns() // 1_000_000 if now_ms is None else now_ms
        return await self._database.write(lambda session: _forget_old(session, at_ms))

    async def forget_team(self, team_id: int) -> int:
        return await self._database.write(lambda session: _forget(session, team_id, None))


def _forget_old(session: Session, now_ms: int) -> int:
    forgotten = 0
    for team in session.scalars(select(TeamRow)).all():
        policy, team_id = decoded(team.policy), cast(int, team.id)
        if team.deleted_ms is not None or policy.zero_retention:
            forgotten += _forget(session, team_id, None)
        elif policy.text_days is not None:
            forgotten += _forget(session, team_id, now_ms - policy.text_days * _DAY_MS)
    return forgotten


def _forget(session: Session, team_id: int, before_ms: int | None) -> int:
    """A battle's own text goes with its age; a turn's with the turn's."""
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
