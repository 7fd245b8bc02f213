"""An installation's people for tests: two teams, everybody that the matrix of rights speaks of."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from identity.api_keys import ApiKeys
from identity.audit_log import AuditLog
from identity.changes import Changes, NowMs
from identity.claims import Claims, Provider, Rules
from identity.local import LocalIdentity
from identity.principal import Principal, TeamRole
from identity.sign_in import SignIn
from identity.tables import MemberRow, TeamRow, UserRow
from identity.team_keys import TeamKeys
from identity.teams import Teams
from store.databases import Database
from store.ids import count_on

PROVIDER = Provider("mock", "Mock", "client-1")
ISSUER = "https://issuer.example"
ROLES: tuple[TeamRole, ...] = ("owner", "member", "viewer", "auditor")
OTHER_TEAM = 2


def claims(subject: str, now_ms: int, **more: Any) -> Claims:
    """What Streamlit's cookie holds of a person who signed in just now."""
    now_s = now_ms // 1000
    return {
        "is_logged_in": True,
        "provider": "mock",
        "iss": ISSUER,
        "aud": "client-1",
        "sub": subject,
        "email": f"{subject}@example.org",
        "email_verified": True,
        "name": subject.title(),
        "iat": now_s,
        "exp": now_s + 3600,
        "nonce": f"nonce of {subject} at {now_s}",
    } | more


@dataclass
class House:
    """Team 1 has one member a role (users 11 to 14), team 2 one owner (user 21)."""

    database: Database
    changes: Changes
    teams: Teams
    keys: TeamKeys
    api_keys: ApiKeys
    sign_in: SignIn
    audit: AuditLog
    people: dict[TeamRole, Principal]
    stranger: Principal
    operator: Principal

    def kinds(self) -> list[str]:
        """What the audit log tells, oldest first."""
        return [entry.kind for entry in reversed(self.audit.entries())]


def house(database: Database, now_ms: NowMs, rules: Rules | None = None) -> House:
    LocalIdentity.open(database, "ty_" + "l" * 40)
    people: dict[TeamRole, Principal] = {}
    with database.session() as session:
        session.add(TeamRow(id=OTHER_TEAM, name="Other", created_ms=1, approved_ms=1))
        for number, role in enumerate(ROLES, 11):
            session.add(UserRow(id=number, name=role.title(), created_ms=1))
            people[role] = Principal(1, "Local", number, role, user_name=role.title())
        session.add(UserRow(id=21, name="Stranger", created_ms=1))
        session.flush()
        for number, role in enumerate(ROLES, 11):
            session.add(MemberRow(team_id=1, user_id=number, role=role, joined_ms=1))
        session.add(MemberRow(team_id=OTHER_TEAM, user_id=21, role="owner", joined_ms=1))
        session.flush()
        for row in (UserRow, TeamRow):
            count_on(session, row.metadata.tables[str(row.__tablename__)])
    changes = Changes()
    return House(
        database=database,
        changes=changes,
        teams=Teams(database, changes, now_ms=now_ms),
        keys=TeamKeys(database, changes, now_ms=now_ms),
        api_keys=ApiKeys(database, now_ms=now_ms),
        sign_in=SignIn(database, rules or Rules(providers=(PROVIDER,)), changes, now_ms=now_ms),
        audit=AuditLog(database),
        people=people,
        stranger=Principal(OTHER_TEAM, "Other", 21, "owner"),
        operator=Principal(1, "Local", 1, "owner", operator=True),
    )
