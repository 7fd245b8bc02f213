"""sign-in, invitations, policies, trusted issuers and the audit log"""

from typing import Any

import sqlalchemy as sa
from alembic import op

revision = "0005"
down_revision = "0004"

_ID = sa.BigInteger().with_variant(sa.Integer(), "sqlite")


def upgrade() -> None:
    _make_tables()
    for table, columns in _new_columns().items():
        for column in columns:
            op.add_column(table, column)
    op.execute("UPDATE team SET approved_ms = created_ms")
    op.execute('UPDATE "user" SET operator = true WHERE id = 1')  # whoever was here without sign-in
    op.execute("ALTER TABLE team DROP COLUMN keeps_text")
    _refuse_changes()


def downgrade() -> None:
    raise NotImplementedError("an audit log is not taken away; restore the backup that was made before")


def _new_columns() -> dict[str, tuple[sa.Column[Any], ...]]:
    """SQLite adds columns in place; for anything else it would copy tables that others point at."""
    return {
        "user": (
            sa.Column("operator", sa.Boolean(), server_default=sa.false(), nullable=False),
            sa.Column("verified", sa.Boolean(), server_default=sa.false(), nullable=False),
            sa.Column("team_id", _ID, nullable=True),
        ),
        "team": (
            sa.Column("policy", sa.Text(), server_default="{}", nullable=False),
            sa.Column("made_by", _ID, nullable=True),
            sa.Column("approved_ms", sa.BigInteger(), nullable=True),
            sa.Column("deleted_ms", sa.BigInteger(), nullable=True),
        ),
        "member": (sa.Column("by_claim", sa.Boolean(), server_default=sa.false(), nullable=False),),
        "api_key": (
            sa.Column("role", sa.String(), nullable=True),
            sa.Column("scopes", sa.String(), nullable=True),
            sa.Column("models", sa.Text(), server_default="[]", nullable=False),
            sa.Column("tags", sa.Text(), server_default="[]", nullable=False),
            sa.Column("rotates_id", sa.BigInteger(), nullable=True),
        ),
    }


def _make_tables() -> None:
    op.create_table(
        "audit",
        sa.Column("seq", _ID, nullable=False),
        sa.Column("at_ms", sa.BigInteger(), nullable=False),
        sa.Column("kind", sa.String(), nullable=False),
        sa.Column("team_id", sa.BigInteger(), nullable=True),
        sa.Column("user_id", sa.BigInteger(), nullable=True),
        sa.Column("key_id", sa.BigInteger(), nullable=True),
        sa.Column("subject", sa.String(), nullable=False),
        sa.Column("detail", sa.Text(), nullable=False),
        sa.Column("hash", sa.LargeBinary(), nullable=False),
        sa.PrimaryKeyConstraint("seq", name=op.f("pk_audit")),
    )
    op.create_index(op.f("ix_audit_team_id"), "audit", ["team_id"], unique=False)
    op.create_table(
        "audit_head",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("seq", sa.BigInteger(), nullable=False),
        sa.Column("hash", sa.LargeBinary(), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_audit_head")),
    )
    op.create_table(
        "ended_session",
        sa.Column("session", sa.String(), nullable=False),
        sa.Column("user_id", sa.BigInteger(), nullable=False),
        sa.Column("ended_ms", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("session", name=op.f("pk_ended_session")),
    )
    op.create_table(
        "seen_session",
        sa.Column("session", sa.String(), nullable=False),
        sa.Column("user_id", sa.BigInteger(), nullable=False),
        sa.Column("seen_ms", sa.BigInteger(), nullable=False),
        sa.Column("expires_ms", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("session", name=op.f("pk_seen_session")),
    )
    op.create_index(op.f("ix_seen_session_user_id"), "seen_session", ["user_id"], unique=False)
    op.create_table(
        "invitation",
        sa.Column("id", _ID, nullable=False),
        sa.Column("team_id", _ID, nullable=False),
        sa.Column("role", sa.String(), nullable=False),
        sa.Column("sha256", sa.LargeBinary(), nullable=False),
        sa.Column("made_by", sa.BigInteger(), nullable=False),
        sa.Column("created_ms", sa.BigInteger(), nullable=False),
        sa.Column("expires_ms", sa.BigInteger(), nullable=False),
        sa.Column("used_ms", sa.BigInteger(), nullable=True),
        sa.Column("used_by", sa.BigInteger(), nullable=True),
        sa.Column("withdrawn_ms", sa.BigInteger(), nullable=True),
        sa.ForeignKeyConstraint(["team_id"], ["team.id"], name=op.f("fk_invitation_team_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_invitation")),
        sa.UniqueConstraint("sha256", name=op.f("uq_invitation_sha256")),
    )
    op.create_index(op.f("ix_invitation_team_id"), "invitation", ["team_id"], unique=False)
    op.create_table(
        "sign_in",
        sa.Column("issuer", sa.String(), nullable=False),
        sa.Column("subject", sa.String(), nullable=False),
        sa.Column("user_id", _ID, nullable=False),
        sa.Column("email", sa.String(), nullable=True),
        sa.Column("created_ms", sa.BigInteger(), nullable=False),
        sa.Column("last_ms", sa.BigInteger(), nullable=False),
        sa.ForeignKeyConstraint(["user_id"], ["user.id"], name=op.f("fk_sign_in_user_id")),
        sa.PrimaryKeyConstraint("issuer", "subject", name=op.f("pk_sign_in")),
    )
    op.create_index(op.f("ix_sign_in_user_id"), "sign_in", ["user_id"], unique=False)
    op.create_table(
        "trusted_issuer",
        sa.Column("id", _ID, nullable=False),
        sa.Column("team_id", _ID, nullable=False),
        sa.Column("issuer", sa.String(), nullable=False),
        sa.Column("audience", sa.String(), nullable=False),
        sa.Column("claims", sa.Text(), nullable=False),
        sa.Column("role", sa.String(), nullable=False),
        sa.Column("tag", sa.String(), nullable=False),
        sa.Column("made_by", sa.BigInteger(), nullable=True),
        sa.Column("created_ms", sa.BigInteger(), nullable=False),
        sa.Column("removed_ms", sa.BigInteger(), nullable=True),
        sa.ForeignKeyConstraint(["team_id"], ["team.id"], name=op.f("fk_trusted_issuer_team_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_trusted_issuer")),
    )
    op.create_index(op.f("ix_trusted_issuer_issuer"), "trusted_issuer", ["issuer"], unique=False)
    op.create_index(op.f("ix_trusted_issuer_team_id"), "trusted_issuer", ["team_id"], unique=False)


def _refuse_changes() -> None:
    """What is in the audit log stays as it is, whoever asks."""
    if op.get_bind().dialect.name == "postgresql":
        op.execute(
            "CREATE FUNCTION audit_is_append_only() RETURNS trigger LANGUAGE plpgsql AS $$ "
            "BEGIN RAISE EXCEPTION 'the audit log is append-only'; END $$"
        )
        op.execute(
            "CREATE TRIGGER audit_stays BEFORE UPDATE OR DELETE ON audit "
            "FOR EACH ROW EXECUTE FUNCTION audit_is_append_only()"
        )
        op.execute(
            "CREATE TRIGGER audit_stays_whole BEFORE TRUNCATE ON audit "
            "FOR EACH STATEMENT EXECUTE FUNCTION audit_is_append_only()"
        )
        return
    for name in ("UPDATE", "DELETE"):
        op.execute(
            f"CREATE TRIGGER audit_no_{name.lower()} BEFORE {name} ON audit "
            "BEGIN SELECT RAISE(ABORT, 'the audit log is append-only'); END"
        )
