"""What is kept of share links in the app database: never the link's secret, and no text."""

from __future__ import annotations

from sqlalchemy import BigInteger, Index, LargeBinary
from sqlmodel import Field

from store.tables import AppTable


class ShareRow(AppTable, table=True):
    """`kind` and `subject_id` say what is shown: a battle, or the conversation that a run ends. `sha256` is
    the hash of the secret in the link."""

    __tablename__ = "share"
    __table_args__ = (Index("ix_share_team_id_created_ms", "team_id", "created_ms"),)

    id: str = Field(primary_key=True)
    team_id: int = Field(sa_type=BigInteger)
    kind: str
    subject_id: str = Field(index=True)
    sha256: bytes = Field(sa_type=LargeBinary, unique=True)
    made_by: int | None = Field(default=None, sa_type=BigInteger)
    created_ms: int = Field(sa_type=BigInteger)
    expires_ms: int = Field(sa_type=BigInteger)
    hides_names: bool
    hides_prompts: bool
    without_sign_in: bool
    revoked_ms: int | None = Field(default=None, sa_type=BigInteger)
