"""Who acts when nobody asks: work that a person or a key began goes on in their name, with the rights they
have now.

A look-up is remembered for 5 s at most, which is how long somebody's work may go on after they lost the
right to it.
"""

from __future__ import annotations

import time
from typing import Final, cast

from sqlalchemy import select
from sqlalchemy.orm import Session
from sqlmodel import col

from identity.api_keys import key_principal
from identity.errors import NotAuthenticated
from identity.policy import decoded
from identity.principal import Principal, TeamRole
from identity.tables import ApiKeyRow, MemberRow, TeamRow, UserRow
from store.databases import Database

_REMEMBERED_NS: Final = 5_000_000_000
_REMEMBERED_MOST: Final = 1_000

_Who = tuple[int, int | None, int | None]


class Standing:
    """On the loop."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._known: dict[_Who, tuple[Principal, int]] = {}

    async def principal_of(self, team_id: int, user_id: int | None, key_id: int | None) -> Principal:
        """Raises `NotAuthenticated` where the key has ended, or the person left the team."""
        who, now_ns = (team_id, user_id, key_id), time.monotonic_ns()
        known = self._known.get(who)
        if known is not None and now_ns - known[1] < _REMEMBERED_NS:
            return known[0]
        if len(self._known) >= _REMEMBERED_MOST:
            self._known.clear()
        principal = await self._database.read(lambda session: _find(session, team_id, user_id, key_id))
        if principal is None:
            self._known.pop(who, None)
            raise NotAuthenticated
        self._known[who] = (principal, now_ns)
        return principal

    def forget(self) -> None:
        self._known.clear()


def _find(session: Session, team_id: int, user_id: int | None, key_id: int | None) -> Principal | None:
    if key_id is not None:
        row = session.get(ApiKeyRow, key_id)
        if row is None or row.team_id != team_id:
            return None
        return key_principal(session, row.sha256, time.time_ns() // 1_000_000)
    found = session.execute(
        select(TeamRow, UserRow, col(MemberRow.role))
        .join(MemberRow, col(MemberRow.team_id) == col(TeamRow.id))
        .join(UserRow, col(UserRow.id) == col(MemberRow.user_id))
        .where(
            col(TeamRow.id) == team_id,
            col(UserRow.id) == user_id,
            col(TeamRow.deleted_ms).is_(None),
            col(UserRow.deactivated_ms).is_(None),
        )
    ).one_or_none()
    if found is None:
        return None
    team, user, role = found
    return Principal(
        team_id=team_id,
        team_name=team.name,
        user_id=user_id,
        role=cast(TeamRole, role),
        operator=user.operator,
        policy=decoded(team.policy),
        ready=team.approved_ms is not None,
        user_name=user.name,
    )
