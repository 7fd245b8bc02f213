"""Share links: who made them, what they show, until when, and that they are over.

A link carries 256 random bits; only their hash is kept, and a link that is unknown, ended or taken back is
one and the same refusal. It ends on its day, when whoever made it takes it back, when they leave the team,
and when the team is deleted. Making and ending are in the audit log. What a link shows is read when it is
opened (`sharing.py`): text that is no longer kept is not shown by it either.
"""

from __future__ import annotations

import hashlib
import secrets
from dataclasses import dataclass, field
from typing import Final, Literal, cast

from sqlalchemy import delete, select
from sqlalchemy.orm import Session
from sqlmodel import col

from battles.errors import BadShare, ShareNotFound
from battles.tables_shares import ShareRow
from identity.audit_log import note
from identity.changes import NowMs, wall_ms
from identity.errors import NotPermitted
from identity.permissions import may, require
from identity.principal import Principal
from identity.tables import MemberRow, TeamRow
from store.databases import Database
from store.ids import new_id

Kind = Literal["battle", "run"]

MOST_DAYS: Final = 365
USUAL_DAYS: Final = 14
_DAY_MS: Final = 24 * 60 * 60 * 1000
_SECRET_BYTES: Final = 32
_LONGEST_SECRET: Final = 64
_MOST_OF_ONE: Final = 100  # links to one battle or run


@dataclass(frozen=True, slots=True)
class ShareWish:
    """`hides_names` leaves out models and providers, `hides_prompts` everything but answers.
    `without_sign_in`: whoever has the link may read, known here or not."""

    kind: Kind
    subject_id: str
    days: int = USUAL_DAYS
    hides_names: bool = False
    hides_prompts: bool = False
    without_sign_in: bool = False


@dataclass(frozen=True, slots=True)
class Share:
    id: str
    team_id: int
    kind: Kind
    subject_id: str
    made_by: int
    created_ms: int
    expires_ms: int
    hides_names: bool
    hides_prompts: bool
    without_sign_in: bool
    revoked_ms: int | None = None


@dataclass(frozen=True, slots=True)
class NewShare:
    """`secret` goes into the link, and is shown once."""

    share: Share
    secret: str = field(repr=False)


class Shares:
    """For script threads. Whoever calls `make` has seen that the maker may share this (`sharing.py`)."""

    def __init__(self, database: Database, *, now_ms: NowMs = wall_ms) -> None:
        self._database = database
        self._now_ms = now_ms

    def make(self, by: Principal, wish: ShareWish) -> NewShare:
        """Raises `NotPermitted` and `BadShare`."""
        require(by, "share_text")
        if wish.without_sign_in:  # out of the house: an owner's to decide
            require(by, "manage_policy")
        if by.user_id is None:
            raise NotPermitted("share_text", by.role)
        if not 1 <= wish.days <= MOST_DAYS:
            raise BadShare(f"A link lasts 1 to {MOST_DAYS} days.")
        secret, now_ms = secrets.token_urlsafe(_SECRET_BYTES), self._now_ms()
        row = ShareRow(
            id=new_id("shr"),
            team_id=by.team_id,
            kind=wish.kind,
            subject_id=wish.subject_id,
            sha256=_digest(secret),
            made_by=by.user_id,
            created_ms=now_ms,
            expires_ms=now_ms + wish.days * _DAY_MS,
            hides_names=wish.hides_names,
            hides_prompts=wish.hides_prompts,
            without_sign_in=wish.without_sign_in,
        )
        with self._database.session() as session:
            if len(_of(session, by.team_id, wish.subject_id)) >= _MOST_OF_ONE:
                raise BadShare("There are enough links to this: take one back first.")
            session.add(row)
            note(
                session, "text_shared", by=by, subject=wish.subject_id,
                detail={"share": row.id, "days": wish.days, "without_sign_in": wish.without_sign_in,
                        "hides_names": wish.hides_names, "hides_prompts": wish.hides_prompts},
            )  # fmt: skip
            return NewShare(_share(row), secret)

    def of(self, by: Principal, subject_id: str) -> tuple[Share, ...]:
        """The links to a battle or run that still work, newest first: one's own; an owner sees all."""
        require(by, "share_text")
        now_ms, all_of_them = self._now_ms(), may(by, "manage_policy")
        with self._database.session() as session:
            return tuple(
                _share(row)
                for row in _of(session, by.team_id, subject_id)
                if _works(row, now_ms) and (all_of_them or row.made_by == by.user_id)
            )

    def revoke(self, by: Principal, share_id: str) -> None:
        """Whoever made it, or an owner. Raises `ShareNotFound` and `NotPermitted`."""
        require(by, "share_text")
        with self._database.session() as session:
            row = session.get(ShareRow, share_id)
            if row is None or row.team_id != by.team_id:
                raise ShareNotFound
            if row.made_by != by.user_id:
                require(by, "manage_policy")
            if row.revoked_ms is None:
                row.revoked_ms = self._now_ms()
                note(session, "share_ended", by=by, subject=row.subject_id, detail={"share": row.id})

    def opened(self, secret: str) -> Share:
        """What a link's secret opens now. Raises `ShareNotFound`."""
        if not 0 < len(secret) <= _LONGEST_SECRET or not secret.isascii():
            raise ShareNotFound
        with self._database.session() as session:
            row = session.scalars(
                select(ShareRow).where(col(ShareRow.sha256) == _digest(secret))
            ).one_or_none()
            if row is None or not _works(row, self._now_ms()) or not _maker_is_here(session, row):
                raise ShareNotFound
            return _share(row)


def forget(session: Session, team_id: int, before_ms: int | None) -> int:
    """For `gateway/retention.py`: the links of a team that was deleted."""
    if before_ms is None:
        session.execute(delete(ShareRow).where(col(ShareRow.team_id) == team_id))
    return 0


def _of(session: Session, team_id: int, subject_id: str) -> list[ShareRow]:
    query = select(ShareRow).where(
        col(ShareRow.team_id) == team_id,
        col(ShareRow.subject_id) == subject_id,
        col(ShareRow.revoked_ms).is_(None),
    )
    return list(session.scalars(query.order_by(col(ShareRow.created_ms).desc(), col(ShareRow.id).desc())))


def _works(row: ShareRow, now_ms: int) -> bool:
    return row.revoked_ms is None and row.expires_ms > now_ms


def _maker_is_here(session: Session, row: ShareRow) -> bool:
    team = session.get(TeamRow, row.team_id)
    member = session.get(MemberRow, (row.team_id, row.made_by))
    return team is not None and team.deleted_ms is None and member is not None


def _share(row: ShareRow) -> Share:
    return Share(
        id=row.id,
        team_id=row.team_id,
        kind=cast(Kind, row.kind),
        subject_id=row.subject_id,
        made_by=cast(int, row.made_by),
        created_ms=row.created_ms,
        expires_ms=row.expires_ms,
        hides_names=row.hides_names,
        hides_prompts=row.hides_prompts,
        without_sign_in=row.without_sign_in,
        revoked_ms=row.revoked_ms,
    )


def _digest(secret: str) -> bytes:
    return hashlib.sha256(secret.encode()).digest()
