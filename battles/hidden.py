"""Which runs a reader must not see yet: those of blind battles that they may still vote on.

A list of requests, a balance with its entries and an answer to "what was this run" would each tell by time,
length or cost which lane is which model. Whoever draws one of them leaves these runs out, and says so. A
week after it was opened a battle hides nothing any more.
"""

from __future__ import annotations

import time
from typing import Final

from sqlalchemy import Select, exists, or_, select
from sqlmodel import col

from battles.access import is_voter
from battles.tables import BattleRevealRow, BattleRow, BattleRunRow, BattleTurnRow
from identity.principal import Principal
from store.databases import Database

LONGEST_MS: Final = 7 * 24 * 60 * 60 * 1_000
_REMEMBERED_S: Final = 2.0
_MOST: Final = 2_000

_Reader = tuple[int, int | None, bool]


class HiddenRuns:
    """What was asked is remembered for two seconds; `changed` forgets it."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._known: dict[_Reader, tuple[float, frozenset[str]]] = {}

    def of(self, principal: Principal) -> frozenset[str]:
        """Their ids. In a script's thread, or any other that may wait for a database."""
        known = self._remembered(_reader(principal))
        if known is not None:
            return known
        with self._database.session() as session:
            return self._remember(principal, frozenset(session.scalars(_hidden_from(principal, _now_ms()))))

    async def hides(self, principal: Principal, run_id: str) -> bool:
        """Whether this is one. On the loop."""
        known = self._remembered(_reader(principal))
        if known is None:
            at_ms = _now_ms()
            known = await self._database.read(
                lambda session: frozenset(session.scalars(_hidden_from(principal, at_ms)))
            )
            self._remember(principal, known)
        return run_id in known

    def changed(self) -> None:
        """Somebody started a blind turn, voted, or had names shown."""
        self._known = {}

    def _remembered(self, reader: _Reader) -> frozenset[str] | None:
        known = self._known.get(reader)
        return known[1] if known is not None and time.monotonic() < known[0] else None

    def _remember(self, principal: Principal, found: frozenset[str]) -> frozenset[str]:
        if len(self._known) >= _MOST:
            self._known = {}
        self._known[_reader(principal)] = (time.monotonic() + _REMEMBERED_S, found)
        return found


def _reader(principal: Principal) -> _Reader:
    return principal.team_id, principal.user_id, is_voter(principal)


def _hidden_from(principal: Principal, now_ms: int) -> Select[str]:
    battle, turn, run, shown = BattleRow, BattleTurnRow, BattleRunRow, BattleRevealRow
    told = exists().where(col(shown.battle_id) == col(battle.id))
    if is_voter(principal):
        told = told.where(col(shown.user_id) == principal.user_id)
    return (
        select(col(run.run_id))
        .join(turn, col(turn.id) == col(run.turn_id))
        .join(battle, col(battle.id) == col(turn.battle_id))
        .where(
            col(battle.team_id) == principal.team_id,
            col(battle.blind).is_(True),
            col(battle.created_ms) > now_ms - LONGEST_MS,
            or_(col(battle.personal).is_(False), col(battle.user_id) == principal.user_id),
            ~told,
        )
    )


def _now_ms() -> int:
    return time.time_ns() // 1_000_000
