"""Who is who without sign-in: one user, who owns team 1 "Local".

Both are kept when sign-in comes, and the first operator claims them. The first start makes one API
key, which `app.py` prints once; an installation that sets its own key gets none made.
"""

from __future__ import annotations

import logging
import time

from sqlalchemy import select
from sqlalchemy.orm import Session
from sqlmodel import col

from identity.api_keys import create_key, digest
from identity.policy import decoded
from identity.principal import Principal
from identity.tables import ApiKeyRow, MemberRow, TeamRow, UserRow
from store.databases import Database
from store.ids import count_on
from store.locks import lock_until_commit

_log = logging.getLogger(__name__)

TEAM_ID = 1
USER_ID = 1
NAME = "Local"
FIRST_KEY = "first key"
_REREAD_NS = 5_000_000_000
SET_KEY = "TILTYARD_LOCAL_API_KEY"


class LocalIdentity:
    """`new_key` is the API key that this start made, to be shown once; else None. The team's name and
    rules are read again when `forget` was called, and every 5 s."""

    def __init__(
        self, principal: Principal, new_key: str | None = None, database: Database | None = None
    ) -> None:
        self._principal = principal
        self._database = database
        self._read_ns = time.monotonic_ns()
        self.new_key = new_key

    @classmethod
    def open(
        cls, database: Database, local_api_key: str | None = None, *, make_key: bool = True
    ) -> LocalIdentity:
        """Make user, team and key (where wanted) that are missing. Called once, before anything is served."""
        now_ms = time.time_ns() // 1_000_000
        with database.session() as session:
            lock_until_commit(session, "tiltyard local identity")  # another process may be starting too
            team = session.get(TeamRow, TEAM_ID) or _make_team(session, now_ms)
            new_key = None
            if local_api_key is not None:
                _use_set_key(session, local_api_key, now_ms)
            elif make_key and not _has_keys(session):
                new_key = create_key(session, TEAM_ID, USER_ID, FIRST_KEY, now_ms=now_ms).secret
            return cls(_principal(team), new_key, database)

    def principal(self) -> Principal:
        """Whoever opens a page here."""
        if self._database is not None and time.monotonic_ns() - self._read_ns > _REREAD_NS:
            with self._database.session() as session:
                self._principal = _principal(session.get_one(TeamRow, TEAM_ID))
            self._read_ns = time.monotonic_ns()
        return self._principal

    def forget(self) -> None:
        self._read_ns = -_REREAD_NS


def _principal(team: TeamRow) -> Principal:
    """Without sign-in whoever opens a page is the operator, too."""
    return Principal(
        TEAM_ID, team.name, USER_ID, "owner", operator=True, policy=decoded(team.policy), user_name=NAME
    )


def _make_team(session: Session, now_ms: int) -> TeamRow:
    if session.scalars(select(col(TeamRow.id))).first() is not None:
        raise RuntimeError("the app database has teams already, but not the local one")
    team = TeamRow(id=TEAM_ID, name=NAME, created_ms=now_ms, approved_ms=now_ms)
    session.add_all([UserRow(id=USER_ID, name=NAME, created_ms=now_ms, operator=True), team])
    session.flush()
    session.add(MemberRow(team_id=TEAM_ID, user_id=USER_ID, role="owner", joined_ms=now_ms))
    session.flush()
    for row in (UserRow, TeamRow):
        count_on(session, row.metadata.tables[str(row.__tablename__)])
    return team


def _has_keys(session: Session) -> bool:
    return (
        session.scalars(select(col(ApiKeyRow.id)).where(col(ApiKeyRow.team_id) == TEAM_ID)).first()
        is not None
    )


def _use_set_key(session: Session, secret: str, now_ms: int) -> None:
    """Let the key that the installation sets in, and end those that it set before."""
    sha256 = digest(secret)
    known = None
    for row in session.scalars(select(ApiKeyRow)).all():
        if row.sha256 == sha256:
            known = row
        elif row.name == SET_KEY and row.revoked_ms is None:
            row.revoked_ms = now_ms
    if known is None:
        create_key(session, TEAM_ID, USER_ID, SET_KEY, now_ms=now_ms, secret=secret)
    elif known.revoked_ms is not None:
        _log.warning("the key in %s was revoked and lets nobody in; set another", SET_KEY)
