"""Teams, their members and invitations: every change asks the permission table, and is in the audit log.

Whoever acts, acts on their own team, or is an operator; any other team's id is as unknown as none. Leaving
and removal end access at once: personal keys are looked up through the membership, and pages and live
channels ask again. An invitation is a link for one person, good once, for a week at most.
"""

from __future__ import annotations

import hashlib
import secrets
from dataclasses import dataclass, field
from typing import Final, cast

from sqlalchemy import func, select
from sqlalchemy.orm import Session
from sqlmodel import col

from identity.audit_log import note
from identity.changes import Changing
from identity.errors import Invalid, InvitationNotFound, LastOwner, MemberNotFound, TeamNotFound
from identity.permissions import Permission, may, require
from identity.policy import Policy, checked, decoded, encoded
from identity.principal import TEAM_ROLES, Principal, TeamRole
from identity.tables import ApiKeyRow, InvitationRow, MemberRow, SignInRow, TeamRow, TrustedIssuerRow, UserRow

_DAY_MS: Final = 24 * 60 * 60 * 1000
INVITATION_MS: Final = 7 * _DAY_MS
_LONGEST_NAME: Final = 80


@dataclass(frozen=True, slots=True)
class TeamView:
    """`approved_ms` is None while the team waits for the operator."""

    id: int
    name: str
    created_ms: int
    approved_ms: int | None
    policy: Policy
    members: int


@dataclass(frozen=True, slots=True)
class MemberView:
    user_id: int
    name: str
    email: str | None
    role: TeamRole
    joined_ms: int
    by_claim: bool


@dataclass(frozen=True, slots=True)
class InvitationView:
    id: int
    role: TeamRole
    made_by: int
    created_ms: int
    expires_ms: int


@dataclass(frozen=True, slots=True)
class NewInvitation:
    """`secret` goes into a link, is shown once, and is kept as a hash."""

    invitation: InvitationView
    secret: str = field(repr=False)


# --- in a session ----------------------------------------------------------------------------


def team_for(session: Session, by: Principal, team_id: int, permission: Permission) -> TeamRow:
    """The team, where `by` may do this to it. Raises `TeamNotFound` and `NotPermitted`."""
    row = session.get(TeamRow, team_id)
    if row is None or row.deleted_ms is not None:
        raise TeamNotFound(team_id)
    if may(by, "operate"):
        return row
    if team_id != by.team_id:
        raise TeamNotFound(team_id)
    require(by, permission)
    return row


def make_team(
    session: Session, name: str, *, owner_id: int | None, approved: bool, by: Principal | None, now_ms: int
) -> TeamRow:
    """`owner_id` is who made it and owns it; None for a team that the installation's rules make."""
    row = TeamRow(
        name=checked_name(name), created_ms=now_ms, made_by=owner_id, approved_ms=now_ms if approved else None
    )
    session.add(row)
    session.flush()
    team_id = cast(int, row.id)
    note(session, "team_made", by=by, subject=row.name, team_id=team_id, detail={"approved": approved})
    if owner_id is not None:
        add_member(session, team_id, owner_id, "owner", by=by, now_ms=now_ms)
    return row


def add_member(
    session: Session,
    team_id: int,
    user_id: int,
    role: TeamRole,
    *,
    by: Principal | None,
    now_ms: int,
    by_claim: bool = False,
) -> None:
    session.add(MemberRow(team_id=team_id, user_id=user_id, role=role, joined_ms=now_ms, by_claim=by_claim))
    session.flush()
    note(
        session, "member_joined", by=by, subject=str(user_id), team_id=team_id,
        detail={"role": role, "by_claim": by_claim},
    )  # fmt: skip


def remove_member(session: Session, row: MemberRow, *, by: Principal | None, now_ms: int) -> None:
    """Their personal keys of this team end with it. Raises `LastOwner`."""
    if row.role == "owner":
        _keep_an_owner(session, row)
    for key in session.scalars(
        select(ApiKeyRow).where(
            col(ApiKeyRow.team_id) == row.team_id,
            col(ApiKeyRow.user_id) == row.user_id,
            col(ApiKeyRow.role).is_(None),
            col(ApiKeyRow.revoked_ms).is_(None),
        )
    ):
        key.revoked_ms = now_ms
    session.delete(row)
    session.flush()
    note(session, "member_left", by=by, subject=str(row.user_id), team_id=row.team_id)


def checked_name(name: str) -> str:
    name = " ".join(name.split())
    if not 0 < len(name) <= _LONGEST_NAME or not name.isprintable():
        raise Invalid(f"A name has 1 to {_LONGEST_NAME} characters.")
    return name


def checked_role(role: str) -> TeamRole:
    if role not in TEAM_ROLES:
        raise Invalid(f"A role is one of {', '.join(TEAM_ROLES)}.")
    return role


def _keep_an_owner(session: Session, leaving: MemberRow) -> None:
    others = session.scalar(
        select(func.count()).where(
            col(MemberRow.team_id) == leaving.team_id,
            col(MemberRow.role) == "owner",
            col(MemberRow.user_id) != leaving.user_id,
        )
    )
    if not others:
        raise LastOwner


def _member(session: Session, team_id: int, user_id: int) -> MemberRow:
    row = session.get(MemberRow, (team_id, user_id))
    if row is None:
        raise MemberNotFound(user_id)
    return row


def digest(secret: str) -> bytes:
    return hashlib.sha256(secret.encode()).digest()


# --- the service -----------------------------------------------------------------------------


class Teams(Changing):
    """For script threads; the API calls it on a thread too."""

    def of_user(self, user_id: int) -> tuple[TeamView, ...]:
        """The teams that a person is in, by name."""

        def work(session: Session) -> tuple[TeamView, ...]:
            rows = session.scalars(
                select(TeamRow)
                .join(MemberRow, col(MemberRow.team_id) == col(TeamRow.id))
                .where(col(MemberRow.user_id) == user_id, col(TeamRow.deleted_ms).is_(None))
                .order_by(col(TeamRow.name), col(TeamRow.id))
            )
            return tuple(_view(session, row) for row in rows)

        return self._read(work)

    def all(self, by: Principal) -> tuple[TeamView, ...]:
        """Every team of the installation, those that wait for approval first."""
        require(by, "operate")

        def work(session: Session) -> tuple[TeamView, ...]:
            rows = session.scalars(
                select(TeamRow)
                .where(col(TeamRow.deleted_ms).is_(None))
                .order_by(col(TeamRow.approved_ms).is_not(None), col(TeamRow.id))
            )
            return tuple(_view(session, row) for row in rows)

        return self._read(work)

    def show(self, by: Principal, team_id: int) -> TeamView:
        return self._read(lambda session: _view(session, team_for(session, by, team_id, "read_team")))

    def may_audit(self, by: Principal, team_id: int) -> None:
        """Raises `TeamNotFound` and `NotPermitted` for whoever may not read this team's audit log."""
        self._read(lambda session: team_for(session, by, team_id, "read_audit"))

    def may_export(self, by: Principal, team_id: int) -> None:
        """Raises `TeamNotFound` and `NotPermitted` for whoever may not take this team's data away."""
        self._read(lambda session: team_for(session, by, team_id, "export_team"))

    def create(self, by: Principal, name: str, *, owner_id: int | None = None) -> TeamView:
        """A team by an operator's hand, approved at once."""
        require(by, "operate")

        def work(session: Session) -> TeamView:
            if owner_id is not None and session.get(UserRow, owner_id) is None:
                raise MemberNotFound(owner_id)
            row = make_team(session, name, owner_id=owner_id, approved=True, by=by, now_ms=self._now_ms())
            return _view(session, row)

        return self._write(work)

    def rename(self, by: Principal, team_id: int, name: str) -> TeamView:
        def work(session: Session) -> TeamView:
            row = team_for(session, by, team_id, "manage_policy")
            row.name = checked_name(name)
            session.flush()
            note(session, "team_renamed", by=by, subject=row.name, team_id=team_id)
            return _view(session, row)

        return self._write(work)

    def approve(self, by: Principal, team_id: int) -> TeamView:
        require(by, "operate")

        def work(session: Session) -> TeamView:
            row = team_for(session, by, team_id, "operate")
            if row.approved_ms is None:
                row.approved_ms = self._now_ms()
                session.flush()
                note(session, "team_approved", by=by, subject=row.name, team_id=team_id)
            return _view(session, row)

        return self._write(work)

    def set_policy(self, by: Principal, team_id: int, said: object) -> Policy:
        """Replace a team's rules, as JSON values. Raises `BadPolicy`."""
        policy = checked(said)

        def work(session: Session) -> Policy:
            row = team_for(session, by, team_id, "manage_policy")
            before, row.policy = row.policy, encoded(policy)
            session.flush()
            note(
                session, "policy_changed", by=by, subject=row.name, team_id=team_id,
                detail={"before": before, "after": row.policy},
            )  # fmt: skip
            return policy

        return self._write(work)

    def delete(self, by: Principal, team_id: int) -> None:
        """End a team: nobody gets in, no key works. What it spent stays in the ledger; its text is
        deleted by whoever keeps text."""

        def work(session: Session) -> None:
            row = team_for(session, by, team_id, "delete_team")
            now_ms = self._now_ms()
            row.deleted_ms = now_ms
            for key in session.scalars(select(ApiKeyRow).where(col(ApiKeyRow.team_id) == team_id)):
                key.revoked_ms = key.revoked_ms or now_ms
            for issuer in session.scalars(
                select(TrustedIssuerRow).where(col(TrustedIssuerRow.team_id) == team_id)
            ):
                issuer.removed_ms = issuer.removed_ms or now_ms
            for member in session.scalars(select(MemberRow).where(col(MemberRow.team_id) == team_id)):
                session.delete(member)
            session.flush()
            note(session, "team_deleted", by=by, subject=row.name, team_id=team_id)

        self._write(work)

    # --- members ----------------------------------------------------------------------------

    def members(self, by: Principal, team_id: int) -> tuple[MemberView, ...]:
        def work(session: Session) -> tuple[MemberView, ...]:
            team_for(session, by, team_id, "read_team")
            rows = session.execute(
                select(MemberRow, UserRow, func.max(col(SignInRow.email)))
                .join(UserRow, col(UserRow.id) == col(MemberRow.user_id))
                .outerjoin(SignInRow, col(SignInRow.user_id) == col(UserRow.id))
                .where(col(MemberRow.team_id) == team_id)
                .group_by(col(MemberRow.team_id), col(MemberRow.user_id), col(UserRow.id))
                .order_by(col(MemberRow.joined_ms))
            )
            return tuple(
                MemberView(
                    member.user_id, user.name, email, cast(TeamRole, member.role), member.joined_ms,
                    member.by_claim,
                )
                for member, user, email in rows
            )  # fmt: skip

        return self._read(work)

    def change_role(self, by: Principal, team_id: int, user_id: int, role: str) -> None:
        """Raises `LastOwner`."""
        wanted = checked_role(role)

        def work(session: Session) -> None:
            team_for(session, by, team_id, "manage_members")
            row = _member(session, team_id, user_id)
            if row.role == "owner" and wanted != "owner":
                _keep_an_owner(session, row)
            before, row.role = row.role, wanted
            session.flush()
            note(
                session, "member_changed", by=by, subject=str(user_id), team_id=team_id,
                detail={"before": before, "after": wanted},
            )  # fmt: skip

        self._write(work)

    def remove(self, by: Principal, team_id: int, user_id: int) -> None:
        """Remove a member; whoever removes themselves leaves. Raises `LastOwner`."""

        def work(session: Session) -> None:
            team_for(session, by, team_id, "read_team" if user_id == by.user_id else "manage_members")
            remove_member(session, _member(session, team_id, user_id), by=by, now_ms=self._now_ms())

        self._write(work)

    # --- invitations ------------------------------------------------------------------------

    def invite(
        self, by: Principal, team_id: int, role: str, *, life_ms: int = INVITATION_MS
    ) -> NewInvitation:
        wanted = checked_role(role)
        if not 0 < life_ms <= INVITATION_MS:
            raise Invalid("An invitation lives for seven days at most.")

        def work(session: Session) -> NewInvitation:
            team_for(session, by, team_id, "manage_members")
            now_ms, secret = self._now_ms(), secrets.token_urlsafe(32)
            row = InvitationRow(
                team_id=team_id,
                role=wanted,
                sha256=digest(secret),
                made_by=by.user_id or 0,
                created_ms=now_ms,
                expires_ms=now_ms + life_ms,
            )
            session.add(row)
            session.flush()
            note(
                session, "invitation_made", by=by, subject=str(row.id), team_id=team_id, detail={"role": role}
            )
            return NewInvitation(_invitation(row), secret)

        return self._write(work)

    def invitations(self, by: Principal, team_id: int) -> tuple[InvitationView, ...]:
        """Those that still let somebody in."""

        def work(session: Session) -> tuple[InvitationView, ...]:
            team_for(session, by, team_id, "manage_members")
            rows = session.scalars(
                select(InvitationRow).where(
                    col(InvitationRow.team_id) == team_id,
                    col(InvitationRow.used_ms).is_(None),
                    col(InvitationRow.withdrawn_ms).is_(None),
                    col(InvitationRow.expires_ms) > self._now_ms(),
                )
            )
            return tuple(_invitation(row) for row in rows)

        return self._read(work)

    def withdraw(self, by: Principal, team_id: int, invitation_id: int) -> None:
        def work(session: Session) -> None:
            team_for(session, by, team_id, "manage_members")
            row = session.get(InvitationRow, invitation_id)
            if row is None or row.team_id != team_id:
                raise InvitationNotFound
            row.withdrawn_ms = row.withdrawn_ms or self._now_ms()
            session.flush()
            note(session, "invitation_withdrawn", by=by, subject=str(invitation_id), team_id=team_id)

        self._write(work)

    def accept(self, user_id: int, secret: str) -> TeamView:
        """Make this person a member. An invitation to a team that they are in already is not used up.
        Raises `InvitationNotFound`."""

        def work(session: Session) -> TeamView:
            now_ms = self._now_ms()
            row = session.scalars(
                select(InvitationRow).where(col(InvitationRow.sha256) == digest(secret)).with_for_update()
            ).one_or_none()
            if row is None or row.withdrawn_ms or row.used_ms or row.expires_ms <= now_ms:
                raise InvitationNotFound
            team = session.get(TeamRow, row.team_id)
            if team is None or team.deleted_ms is not None:
                raise InvitationNotFound
            if session.get(MemberRow, (row.team_id, user_id)) is None:
                row.used_ms, row.used_by = now_ms, user_id
                session.flush()
                add_member(session, row.team_id, user_id, cast(TeamRole, row.role), by=None, now_ms=now_ms)
            user = session.get(UserRow, user_id)
            if user is not None:
                user.team_id = row.team_id
            return _view(session, team)

        return self._write(work)


def _view(session: Session, row: TeamRow) -> TeamView:
    members = session.scalar(select(func.count()).where(col(MemberRow.team_id) == row.id)) or 0
    return TeamView(
        cast(int, row.id), row.name, row.created_ms, row.approved_ms, decoded(row.policy), members
    )


def _invitation(row: InvitationRow) -> InvitationView:
    return InvitationView(
        cast(int, row.id), cast(TeamRole, row.role), row.made_by, row.created_ms, row.expires_ms
    )
