"""Whose tokens act for a team: an issuer, and the claims that a token of it must have.

The audience is ours and names the team (`audience_of`): a token is made for one team of one installation,
and no other team can ask for the same one. Without a claim to match, everybody at that issuer would be
let in, so at least one is asked for.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final, cast

from sqlalchemy import select
from sqlalchemy.orm import Session
from sqlmodel import col

from identity.audit_log import note
from identity.changes import Changes, Changing, NowMs, wall_ms
from identity.errors import Invalid, IssuerNotFound
from identity.principal import Principal, TeamRole
from identity.tables import TrustedIssuerRow
from identity.teams import checked_role, team_for
from net.guard import UrlRefused, check_url
from store.databases import Database

MOST: Final = 50
ROLES: Final[tuple[TeamRole, ...]] = ("member", "viewer", "auditor")


@dataclass(frozen=True, slots=True)
class IssuerView:
    id: int
    team_id: int
    issuer: str
    audience: str
    claims: Mapping[str, str]
    role: TeamRole
    tag: str
    created_ms: int


@dataclass(frozen=True, slots=True)
class IssuerWish:
    """`claims`: each of these must be in the token, with just this value. `tag` marks what it spends."""

    issuer: str
    claims: Mapping[str, str]
    tag: str
    role: TeamRole = "member"


def audience_of(base_url: str, team_id: int) -> str:
    """What a token for this team must be made for."""
    return f"{base_url}/teams/{team_id}"


class TrustedIssuers(Changing):
    """For script threads; the API calls it on a thread too. `private` lets issuers have private addresses."""

    def __init__(
        self,
        database: Database,
        base_url: str,
        changes: Changes,
        *,
        private: bool = False,
        now_ms: NowMs = wall_ms,
    ) -> None:
        super().__init__(database, changes, now_ms=now_ms)
        self._base_url = base_url
        self._private = private

    def audience(self, team_id: int) -> str:
        return audience_of(self._base_url, team_id)

    def trust(self, by: Principal, team_id: int, wish: IssuerWish) -> IssuerView:
        """Raises `Invalid`."""
        self._check(wish)

        def work(session: Session) -> IssuerView:
            team_for(session, by, team_id, "manage_issuers")
            if len(_of_team(session, team_id)) >= MOST:
                raise Invalid(f"A team trusts {MOST} issuers at most.")
            row = TrustedIssuerRow(
                team_id=team_id,
                issuer=wish.issuer,
                audience=self.audience(team_id),
                claims=json.dumps(dict(wish.claims), sort_keys=True),
                role=wish.role,
                tag=wish.tag,
                made_by=by.user_id,
                created_ms=self._now_ms(),
            )
            session.add(row)
            session.flush()
            note(
                session, "issuer_trusted", by=by, subject=wish.issuer, team_id=team_id,
                detail={"claims": dict(wish.claims), "role": wish.role, "tag": wish.tag},
            )  # fmt: skip
            return view_of(row)

        return self._write(work)

    def list(self, by: Principal, team_id: int) -> tuple[IssuerView, ...]:
        def work(session: Session) -> tuple[IssuerView, ...]:
            team_for(session, by, team_id, "read_team")
            return _of_team(session, team_id)

        return self._read(work)

    def remove(self, by: Principal, team_id: int, issuer_id: int) -> None:
        """Raises `IssuerNotFound`."""

        def work(session: Session) -> None:
            team_for(session, by, team_id, "manage_issuers")
            row = session.get(TrustedIssuerRow, issuer_id)
            if row is None or row.team_id != team_id or row.removed_ms is not None:
                raise IssuerNotFound(issuer_id)
            row.removed_ms = self._now_ms()
            session.flush()
            note(session, "issuer_removed", by=by, subject=row.issuer, team_id=team_id)

        self._write(work)

    def _check(self, wish: IssuerWish) -> None:
        try:
            check_url(wish.issuer, allow_private_address=self._private)
        except UrlRefused as error:
            raise Invalid(str(error)) from None
        if checked_role(wish.role) not in ROLES:
            raise Invalid("A token may act as a member, a viewer or an auditor, never as an owner.")
        if not 0 < len(wish.claims) <= 10:
            raise Invalid("Name 1 to 10 claims: without one, everybody at that issuer would be let in.")
        if any(not (0 < len(name) <= 80 and 0 < len(value) <= 300) for name, value in wish.claims.items()):
            raise Invalid("A claim has a name and a value.")
        if not 0 < len(wish.tag) <= 64 or not wish.tag.isprintable():
            raise Invalid("A tag has 1 to 64 characters.")


def view_of(row: TrustedIssuerRow) -> IssuerView:
    return IssuerView(
        cast(int, row.id), row.team_id, row.issuer, row.audience, json.loads(row.claims),
        cast(TeamRole, row.role), row.tag, row.created_ms,
    )  # fmt: skip


def _of_team(session: Session, team_id: int) -> tuple[IssuerView, ...]:
    rows = session.scalars(
        select(TrustedIssuerRow)
        .where(col(TrustedIssuerRow.team_id) == team_id, col(TrustedIssuerRow.removed_ms).is_(None))
        .order_by(col(TrustedIssuerRow.id))
    )
    return tuple(view_of(row) for row in rows)
