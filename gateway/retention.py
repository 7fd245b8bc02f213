"""Text goes when its team said so: prompts and answers older than the team keeps them, and all of a team
that was deleted. What a run cost, how long it took and who asked stay, here and in the ledger.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from typing import Final, cast

from sqlalchemy import Table, select, update
from sqlalchemy.orm import Session
from sqlmodel import col

from gateway.tables import NO_TEXT, RunRow
from identity.audit_log import note
from identity.policy import decoded
from identity.principal import Principal
from identity.tables import TeamRow
from store.databases import Database
from store.tables import AppTable

EVERY_S: Final = 3600.0
_DAY_MS: Final = 24 * 60 * 60 * 1000
_RUNS: Table = AppTable.metadata.tables[str(RunRow.__tablename__)]


Forget = Callable[[Session, int, int | None], int]
"""What else a team has that is text: called with the team's id, and with the instant before which it goes;
None is all of a team that was deleted. Returns how much lost its text."""


class Retention:
    def __init__(self, database: Database, also: Sequence[Forget] = ()) -> None:
        self._database = database
        self._also = also

    async def forget_old(self, now_ms: int | None = None) -> int:
        """How many runs lost their text. One process of an installation asks each hour."""
        at_ms = time.time_ns() // 1_000_000 if now_ms is None else now_ms
        return await self._database.write(lambda session: self._forget_old(session, at_ms))

    async def forget_team(self, team_id: int, by: Principal) -> int:
        """All of a team's text, at a person's word, which the audit log keeps."""

        def forget(session: Session) -> int:
            forgotten = self._forget(session, team_id, None)
            told = {"texts": forgotten}
            note(session, "text_deleted", by=by, subject=str(team_id), team_id=team_id, detail=told)
            return forgotten

        return await self._database.write(forget)

    def _forget_old(self, session: Session, now_ms: int) -> int:
        forgotten = 0
        for team in session.scalars(select(TeamRow)).all():
            policy, team_id = decoded(team.policy), cast(int, team.id)
            if team.deleted_ms is not None:
                forgotten += self._forget(session, team_id, None)
            elif policy.zero_retention:
                forgotten += self._forget(session, team_id, now_ms)
            elif policy.text_days is not None:
                forgotten += self._forget(session, team_id, now_ms - policy.text_days * _DAY_MS)
        return forgotten

    def _forget(self, session: Session, team_id: int, before_ms: int | None) -> int:
        return _forget(session, team_id, before_ms) + sum(
            forget(session, team_id, before_ms) for forget in self._also
        )


def _forget(session: Session, team_id: int, before_ms: int | None) -> int:
    """Runs that still run are left alone, but for a team that is gone."""
    change = update(_RUNS).where(_RUNS.c.team_id == team_id, _RUNS.c.messages_json.is_not(None))
    if before_ms is not None:
        change = change.where(_RUNS.c.created_ms < before_ms, _RUNS.c.state != "running")
    return len(session.execute(change.values(NO_TEXT).returning(col(RunRow.id))).all())
