"""Users, teams, who belongs to which, and the API keys that act for a team. Instants are UTC milliseconds."""

from __future__ import annotations

from sqlalchemy import BigInteger, ForeignKey, Integer, LargeBinary
from sqlmodel import Field

from store.tables import AppTable

# SQLite counts up by itself only where the primary key is an INTEGER.
_ID = BigInteger().with_variant(Integer(), "sqlite")


class UserRow(AppTable, table=True):
    __tablename__ = "user"

    id: int | None = Field(default=None, primary_key=True, sa_type=_ID)
    name: str
    email: str | None = Field(default=None, unique=True)
    created_ms: int = Field(sa_type=BigInteger)
    deactivated_ms: int | None = Field(default=None, sa_type=BigInteger)


class TeamRow(AppTable, table=True):
    """`keeps_text`: prompts and answers of this team are written down."""

    __tablename__ = "team"

    id: int | None = Field(default=None, primary_key=True, sa_type=_ID)
    name: str
    created_ms: int = Field(sa_type=BigInteger)
    keeps_text: bool = True


class MemberRow(AppTable, table=True):
    """`role` is one of `principal.TeamRole`."""

    __tablename__ = "member"

    team_id: int = Field(primary_key=True, sa_type=_ID, sa_column_args=(ForeignKey("team.id"),))
    user_id: int = Field(primary_key=True, sa_type=_ID, sa_column_args=(ForeignKey("user.id"),), index=True)
    role: str
    joined_ms: int = Field(sa_type=BigInteger)


class ApiKeyRow(AppTable, table=True):
    """A key as we keep it: its hash and its first characters, never the key.

    It acts for `team_id` with the role that `user_id`, who made it, has there now.
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
