"""Users, teams, who belongs to which, and every credential that acts for a team. Instants are UTC
milliseconds. No secret is kept here: of keys and invitations their hash, of issuers where to ask.
"""

from __future__ import annotations

from sqlalchemy import BigInteger, Column, ForeignKey, Integer, LargeBinary, Text
from sqlmodel import Field

from store.tables import AppTable

# SQLite counts up by itself only where the primary key is an INTEGER.
_ID = BigInteger().with_variant(Integer(), "sqlite")


class UserRow(AppTable, table=True):
    """A person. Their address is the sign-in's; `email` is of older versions."""

    __tablename__ = "user"

    id: int | None = Field(default=None, primary_key=True, sa_type=_ID)
    name: str
    email: str | None = Field(default=None, unique=True)
    created_ms: int = Field(sa_type=BigInteger)
    deactivated_ms: int | None = Field(default=None, sa_type=BigInteger)
    operator: bool = Field(default=False, sa_column_kwargs={"server_default": "0"})
    verified: bool = Field(default=False, sa_column_kwargs={"server_default": "0"})
    team_id: int | None = Field(default=None, sa_type=_ID)  # the one that pages opened last


class SignInRow(AppTable, table=True):
    """Whom a provider's subject is: (issuer, subject) is the identity, never an address."""

    __tablename__ = "sign_in"

    issuer: str = Field(primary_key=True)
    subject: str = Field(primary_key=True)
    user_id: int = Field(sa_type=_ID, sa_column_args=(ForeignKey("user.id"),), index=True)
    email: str | None = None  # what the provider said last; shown, and never looked up by
    created_ms: int = Field(sa_type=BigInteger)
    last_ms: int = Field(sa_type=BigInteger)


class EndedSessionRow(AppTable, table=True):
    """A sign-in that was ended before its token: no tab of it is let in again."""

    __tablename__ = "ended_session"

    session: str = Field(primary_key=True)
    user_id: int = Field(sa_type=BigInteger)
    ended_ms: int = Field(sa_type=BigInteger)


class SeenSessionRow(AppTable, table=True):
    """A sign-in that was let in: written in the audit log once."""

    __tablename__ = "seen_session"

    session: str = Field(primary_key=True)
    user_id: int = Field(sa_type=BigInteger, index=True)
    seen_ms: int = Field(sa_type=BigInteger)
    expires_ms: int = Field(sa_type=BigInteger)


class TeamRow(AppTable, table=True):
    """`policy` is `policy.Policy` as JSON. `approved_ms` is None while the team waits for the operator."""

    __tablename__ = "team"

    id: int | None = Field(default=None, primary_key=True, sa_type=_ID)
    name: str
    created_ms: int = Field(sa_type=BigInteger)
    policy: str = Field(default="{}", sa_column=Column(Text, nullable=False, server_default="{}"))
    made_by: int | None = Field(default=None, sa_type=_ID)
    approved_ms: int | None = Field(default=None, sa_type=BigInteger)
    deleted_ms: int | None = Field(default=None, sa_type=BigInteger)


class MemberRow(AppTable, table=True):
    """`role` is one of `principal.TeamRole`."""

    __tablename__ = "member"

    team_id: int = Field(primary_key=True, sa_type=_ID, sa_column_args=(ForeignKey("team.id"),))
    user_id: int = Field(primary_key=True, sa_type=_ID, sa_column_args=(ForeignKey("user.id"),), index=True)
    role: str
    joined_ms: int = Field(sa_type=BigInteger)
    by_claim: bool = Field(default=False, sa_column_kwargs={"server_default": "0"})


class InvitationRow(AppTable, table=True):
    """A link that makes its first bearer a member, once."""

    __tablename__ = "invitation"

    id: int | None = Field(default=None, primary_key=True, sa_type=_ID)
    team_id: int = Field(sa_type=_ID, sa_column_args=(ForeignKey("team.id"),), index=True)
    role: str
    sha256: bytes = Field(sa_type=LargeBinary, unique=True)
    made_by: int = Field(sa_type=BigInteger)
    created_ms: int = Field(sa_type=BigInteger)
    expires_ms: int = Field(sa_type=BigInteger)
    used_ms: int | None = Field(default=None, sa_type=BigInteger)
    used_by: int | None = Field(default=None, sa_type=BigInteger)
    withdrawn_ms: int | None = Field(default=None, sa_type=BigInteger)


class ApiKeyRow(AppTable, table=True):
    """A key as we keep it: its hash and its first characters, never the key.

    A personal key acts for `team_id` with the role that `user_id`, who made it, has there now, and dies
    with the membership. A service key belongs to the team, and has `role`. Lists are JSON; `scopes` of
    None are all that the role has.
    """

    __tablename__ = "api_key"

    id: int | None = Field(default=None, primary_key=True, sa_type=_ID)
    team_id: int = Field(sa_type=_ID, sa_column_args=(ForeignKey("team.id"),), index=True)
    user_id: int = Field(sa_type=_ID, sa_column_args=(ForeignKey("user.id"),))
    name: str
    prefix: str
    sha256: bytes = Field(sa_type=LargeBinary, unique=True)
    created_ms: int = Field(sa_type=BigInteger)
    expires_ms: int | None = Field(default=None, sa_type=BigInteger)
    last_used_ms: int | None = Field(default=None, sa_type=BigInteger)
    revoked_ms: int | None = Field(default=None, sa_type=BigInteger)
    role: str | None = None
    scopes: str | None = None
    models: str = Field(default="[]", sa_column=Column(Text, nullable=False, server_default="[]"))
    tags: str = Field(default="[]", sa_column=Column(Text, nullable=False, server_default="[]"))
    rotates_id: int | None = Field(default=None, sa_type=BigInteger)


class TrustedIssuerRow(AppTable, table=True):
    """Tokens of `issuer` for `audience` whose claims match act for the team, with `role` and `tag`.
    `claims` is JSON: a claim's name and the value that it must have."""

    __tablename__ = "trusted_issuer"

    id: int | None = Field(default=None, primary_key=True, sa_type=_ID)
    team_id: int = Field(sa_type=_ID, sa_column_args=(ForeignKey("team.id"),), index=True)
    issuer: str = Field(index=True)
    audience: str
    claims: str = Field(sa_column=Column(Text, nullable=False))
    role: str
    tag: str
    made_by: int | None = Field(default=None, sa_type=BigInteger)
    created_ms: int = Field(sa_type=BigInteger)
    removed_ms: int | None = Field(default=None, sa_type=BigInteger)


class AuditRow(AppTable, table=True):
    """One thing that somebody did; `hash` covers it and all before it (`audit_log.py`)."""

    __tablename__ = "audit"

    seq: int = Field(primary_key=True, sa_type=_ID)
    at_ms: int = Field(sa_type=BigInteger)
    kind: str
    team_id: int | None = Field(default=None, sa_type=BigInteger, index=True)
    user_id: int | None = Field(default=None, sa_type=BigInteger)
    key_id: int | None = Field(default=None, sa_type=BigInteger)
    subject: str
    detail: str = Field(sa_column=Column(Text, nullable=False))
    hash: bytes = Field(sa_type=LargeBinary)


class AuditHeadRow(AppTable, table=True):
    """The one row that says where the audit log ends; taking its number is what keeps writers in turn."""

    __tablename__ = "audit_head"

    id: int = Field(primary_key=True, sa_type=Integer)
    seq: int = Field(sa_type=BigInteger)
    hash: bytes = Field(sa_type=LargeBinary)
