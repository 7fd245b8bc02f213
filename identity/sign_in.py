"""Signed-in people: from a provider's claims to a user, a team and a principal.

The provider's own word is taken by the pages' sign-in (Authlib), and comes here as claims with each
rerun. The first time that a sign-in is seen, its user is made or brought up to date, its claims open and
close teams, and the audit log has it; after that it is looked up, and remembered for 2 s. It ends with its
token, or when it is signed out in any tab. Whoever is in no team gets none, and may bring an invitation.
"""

from __future__ import annotations

import threading
from dataclasses import dataclass
from typing import Final, cast

from sqlalchemy import delete, select
from sqlalchemy.orm import Session
from sqlmodel import col

from identity.audit_log import note
from identity.changes import Changes, Changing, NowMs, wall_ms
from identity.claims import Claims, Person, Rules, admit, is_operator, person_of, teams_of
from identity.errors import NotAdmitted, NotAuthenticated
from identity.local import USER_ID
from identity.policy import decoded
from identity.principal import Principal, TeamRole
from identity.tables import (
    EndedSessionRow,
    MemberRow,
    SeenSessionRow,
    SignInRow,
    TeamRow,
    UserRow,
)
from identity.teams import add_member, make_team, remove_member
from store.databases import Database
from store.locks import lock_until_commit

REMEMBERED_MS: Final = 2_000
_DAY_MS: Final = 24 * 60 * 60 * 1000
_REMEMBERED_MOST: Final = 5_000


@dataclass(frozen=True, slots=True)
class SignedIn:
    """Somebody who came in. `principal` is None where they are in no team yet."""

    user_id: int
    name: str
    email: str | None
    operator: bool
    session: str
    expires_ms: int
    principal: Principal | None
    teams: tuple[tuple[int, str], ...]


class SignIn(Changing):
    def __init__(
        self, database: Database, rules: Rules, changes: Changes, *, now_ms: NowMs = wall_ms
    ) -> None:
        super().__init__(database, changes, now_ms=now_ms)
        self.rules = rules
        self._known: dict[str, tuple[int, SignedIn]] = {}
        self._lock = threading.Lock()
        self._arriving = threading.Lock()  # two tabs may open at once with a sign-in that nobody knows
        changes.listen(self.forget)

    def who(self, claims: Claims) -> SignedIn:
        """Raises `NotAuthenticated` where the sign-in is over, `NotAdmitted` where no rule lets it in."""
        now_ms = self._now_ms()
        person = person_of(claims, self.rules, now_ms)
        with self._lock:
            known = self._known.get(person.session)
        if known is not None and now_ms < known[0]:
            return known[1]
        try:
            with self._arriving:
                found = self._read(lambda session: self._find(session, person, claims, now_ms))
        except NotAdmitted as error:
            self._note_refusal(person, str(error))
            raise
        with self._lock:
            if len(self._known) >= _REMEMBERED_MOST:
                self._known.clear()
            self._known[person.session] = (now_ms + REMEMBERED_MS, found)
        return found

    def open_team(self, who: SignedIn, team_id: int) -> None:
        """Let this person's pages show that team from now on; nothing where they are not in it."""

        def work(session: Session) -> None:
            user = session.get(UserRow, who.user_id)
            if user is not None and session.get(MemberRow, (team_id, who.user_id)) is not None:
                user.team_id = team_id

        self._write(work)

    def sign_out(self, who: SignedIn) -> None:
        """End the sign-in in every tab, here at once and elsewhere within 2 s."""

        def work(session: Session) -> None:
            now_ms = self._now_ms()
            if session.get(EndedSessionRow, who.session) is None:
                session.add(EndedSessionRow(session=who.session, user_id=who.user_id, ended_ms=now_ms))
                note(session, "signed_out", by=who.principal, subject=str(who.user_id))

        self._write(work)

    def ask_for_team(self, who: SignedIn, name: str) -> int:
        """Make a team of one's own, where the rules let anybody. It waits for the operator unless it is the
        first of a verified identity and none need approval. Raises `NotAdmitted`."""
        if self.rules.new_teams == "operator" and not who.operator:
            raise NotAdmitted("Teams are made by the operator here.")

        def work(session: Session) -> int:
            row = self._own_team(session, who.user_id, name, self._now_ms())
            user = session.get(UserRow, who.user_id)
            if user is not None:
                user.team_id = row.id
            return cast(int, row.id)

        return self._write(work)

    def still(self, principal: Principal) -> bool:
        """Whether what a ticket said of somebody is so now: the sign-in goes on, the role stands, and
        with it whose text it reads."""

        def work(session: Session) -> bool:
            if principal.session is not None:
                seen = session.get(SeenSessionRow, principal.session)
                over = seen is None or seen.expires_ms <= self._now_ms()
                if over or session.get(EndedSessionRow, principal.session) is not None:
                    return False
            row = session.get(MemberRow, (principal.team_id, principal.user_id))
            team = session.get(TeamRow, principal.team_id)
            return (
                row is not None and row.role == principal.role
                and team is not None and team.deleted_ms is None
                and decoded(team.policy).text_readers == principal.policy.text_readers
            )  # fmt: skip

        return self._read(work)

    def forget(self) -> None:
        with self._lock:
            self._known.clear()

    # --- in a session -------------------------------------------------------------------------

    def _find(self, session: Session, person: Person, claims: Claims, now_ms: int) -> SignedIn:
        if session.get(EndedSessionRow, person.session) is not None:
            raise NotAuthenticated
        row = session.get(SignInRow, (person.issuer, person.subject))
        if row is None or session.get(SeenSessionRow, person.session) is None:
            row = self._arrive(session, person, claims, now_ms)
        user = session.get(UserRow, row.user_id)
        if user is None or user.deactivated_ms is not None:
            raise NotAuthenticated
        return self._signed_in(session, user, person)

    def _arrive(self, session: Session, person: Person, claims: Claims, now_ms: int) -> SignInRow:
        """A sign-in that is seen for the first time."""
        admit(person, self.rules)
        lock_until_commit(session, "tiltyard sign-in")
        operator = is_operator(person, self.rules)
        row = session.get(SignInRow, (person.issuer, person.subject))
        if row is None:
            row = SignInRow(
                issuer=person.issuer,
                subject=person.subject,
                user_id=self._user_for(session, person, operator, now_ms),
                email=person.email,
                created_ms=now_ms,
                last_ms=now_ms,
            )
            session.add(row)
        row.email, row.last_ms = person.email, now_ms
        user = session.get_one(UserRow, row.user_id)
        user.name, user.operator, user.verified = person.name, operator, person.address is not None
        session.execute(delete(SeenSessionRow).where(col(SeenSessionRow.expires_ms) < now_ms - _DAY_MS))
        session.execute(delete(EndedSessionRow).where(col(EndedSessionRow.ended_ms) < now_ms - 90 * _DAY_MS))
        session.merge(
            SeenSessionRow(
                session=person.session, user_id=row.user_id, seen_ms=now_ms, expires_ms=person.expires_ms
            )
        )
        session.flush()
        self._open_teams(session, user, claims, now_ms)
        note(
            session, "signed_in", by=None, subject=str(row.user_id),
            detail={"provider": person.provider, "operator": operator},
        )  # fmt: skip
        return row

    def _user_for(self, session: Session, person: Person, operator: bool, now_ms: int) -> int:
        """The first operator claims whoever was here without sign-in, and so the team "Local"."""
        claimed = session.scalars(select(SignInRow).where(col(SignInRow.user_id) == USER_ID)).first()
        if operator and claimed is None and session.get(UserRow, USER_ID) is not None:
            return USER_ID
        user = UserRow(name=person.name, created_ms=now_ms)
        session.add(user)
        session.flush()
        return cast(int, user.id)

    def _open_teams(self, session: Session, user: UserRow, claims: Claims, now_ms: int) -> None:
        user_id = cast(int, user.id)
        roles = {
            self._team_for(session, named, now_ms): role
            for named, role in teams_of(claims, self.rules).items()
        }
        members = session.scalars(select(MemberRow).where(col(MemberRow.user_id) == user_id)).all()
        for member in members:
            if member.by_claim and member.team_id not in roles:
                remove_member(session, member, by=None, now_ms=now_ms)
            elif member.by_claim and member.role != roles[member.team_id]:
                member.role = roles[member.team_id]
        there = {member.team_id for member in members}
        for team_id, role in roles.items():
            if team_id is not None and team_id not in there:
                add_member(session, team_id, user_id, role, by=None, now_ms=now_ms, by_claim=True)
        session.flush()
        nowhere = session.scalars(select(MemberRow).where(col(MemberRow.user_id) == user_id)).first() is None
        if nowhere and self.rules.new_teams != "operator":
            self._own_team(session, user_id, user.name, now_ms)

    def _team_for(self, session: Session, named: int | str, now_ms: int) -> int | None:
        """A rule's team: by id, or by name among those that rules made, so that nobody can be first."""
        if isinstance(named, int):
            return named if session.get(TeamRow, named) is not None else None
        found = session.scalars(
            select(col(TeamRow.id))
            .where(
                col(TeamRow.name) == named, col(TeamRow.made_by).is_(None), col(TeamRow.deleted_ms).is_(None)
            )
            .order_by(col(TeamRow.id))
        ).first()
        if found is not None:
            return found
        return make_team(session, named, owner_id=None, approved=True, by=None, now_ms=now_ms).id

    def _own_team(self, session: Session, user_id: int, name: str, now_ms: int) -> TeamRow:
        """Free credit is one team's a verified identity: the second waits for the operator's word."""
        user = session.get_one(UserRow, user_id)
        made = session.scalars(select(TeamRow).where(col(TeamRow.made_by) == user_id)).first()
        first = self.rules.new_teams == "anyone" and user.verified and made is None
        approved = first or user.operator
        return make_team(session, name, owner_id=user_id, approved=approved, by=None, now_ms=now_ms)

    def _signed_in(self, session: Session, user: UserRow, person: Person) -> SignedIn:
        rows = session.execute(
            select(TeamRow, col(MemberRow.role))
            .join(MemberRow, col(MemberRow.team_id) == col(TeamRow.id))
            .where(col(MemberRow.user_id) == user.id, col(TeamRow.deleted_ms).is_(None))
            .order_by(col(TeamRow.name), col(TeamRow.id))
        ).all()
        chosen = next((pair for pair in rows if pair[0].id == user.team_id), rows[0] if rows else None)
        user_id = cast(int, user.id)
        operator = is_operator(person, self.rules)
        principal = None
        if chosen is not None:
            team, role = chosen
            principal = Principal(
                team_id=cast(int, team.id),
                team_name=team.name,
                user_id=user_id,
                role=cast(TeamRole, role),
                operator=operator,
                policy=decoded(team.policy),
                ready=team.approved_ms is not None,
                user_name=user.name,
                session=person.session,
            )
        return SignedIn(
            user_id=user_id,
            name=user.name,
            email=person.email,
            operator=operator,
            session=person.session,
            expires_ms=person.expires_ms,
            principal=principal,
            teams=tuple((cast(int, team.id), team.name) for team, _ in rows),
        )

    def _note_refusal(self, person: Person, why: str) -> None:
        """Once a sign-in, however often its page is loaded again."""

        def work(session: Session) -> None:
            if session.get(SeenSessionRow, person.session) is None:
                session.add(
                    SeenSessionRow(
                        session=person.session,
                        user_id=0,
                        seen_ms=self._now_ms(),
                        expires_ms=person.expires_ms,
                    )
                )
                note(
                    session, "refused_sign_in", by=None, subject=person.provider,
                    detail={"issuer": person.issuer, "why": why},
                )  # fmt: skip

        self._read(work)
