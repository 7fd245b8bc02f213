"""the prompt library and share links"""

import sqlalchemy as sa
from alembic import op

revision = "0009"
down_revision = "0008"


def upgrade() -> None:
    op.create_table(
        "prompt",
        sa.Column("id", sa.String(), nullable=False),
        sa.Column("team_id", sa.BigInteger(), nullable=False),
        sa.Column("name", sa.String(), nullable=False),
        sa.Column("description", sa.Text(), nullable=False),
        sa.Column("newest_no", sa.Integer(), nullable=False),
        sa.Column("created_ms", sa.BigInteger(), nullable=False),
        sa.Column("created_by", sa.BigInteger(), nullable=True),
        sa.Column("updated_ms", sa.BigInteger(), nullable=False),
        sa.Column("archived_ms", sa.BigInteger(), nullable=True),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_prompt")),
        sa.UniqueConstraint("team_id", "name", name=op.f("uq_prompt_team_id_name")),
    )
    op.create_table(
        "prompt_label",
        sa.Column("prompt_id", sa.String(), nullable=False),
        sa.Column("label", sa.String(), nullable=False),
        sa.Column("no", sa.Integer(), nullable=False),
        sa.Column("set_ms", sa.BigInteger(), nullable=False),
        sa.Column("set_by", sa.BigInteger(), nullable=True),
        sa.PrimaryKeyConstraint("prompt_id", "label", name=op.f("pk_prompt_label")),
    )
    op.create_table(
        "prompt_values",
        sa.Column("prompt_id", sa.String(), nullable=False),
        sa.Column("no", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("values_json", sa.Text(), nullable=False),
        sa.Column("created_ms", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("prompt_id", "no", name=op.f("pk_prompt_values")),
    )
    op.create_table(
        "prompt_version",
        sa.Column("id", sa.String(), nullable=False),
        sa.Column("prompt_id", sa.String(), nullable=False),
        sa.Column("team_id", sa.BigInteger(), nullable=False),
        sa.Column("no", sa.Integer(), nullable=False),
        sa.Column("model", sa.String(), nullable=True),
        sa.Column("provider", sa.String(), nullable=True),
        sa.Column("settings_json", sa.Text(), nullable=False),
        sa.Column("said_json", sa.Text(), nullable=False),
        sa.Column("note", sa.Text(), nullable=False),
        sa.Column("restored_no", sa.Integer(), nullable=True),
        sa.Column("created_ms", sa.BigInteger(), nullable=False),
        sa.Column("created_by", sa.BigInteger(), nullable=True),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_prompt_version")),
        sa.UniqueConstraint("prompt_id", "no", name=op.f("uq_prompt_version_prompt_id_no")),
    )
    with op.batch_alter_table("prompt_version", schema=None) as batch_op:
        batch_op.create_index(batch_op.f("ix_prompt_version_team_id"), ["team_id"], unique=False)

    op.create_table(
        "share",
        sa.Column("id", sa.String(), nullable=False),
        sa.Column("team_id", sa.BigInteger(), nullable=False),
        sa.Column("kind", sa.String(), nullable=False),
        sa.Column("subject_id", sa.String(), nullable=False),
        sa.Column("sha256", sa.LargeBinary(), nullable=False),
        sa.Column("made_by", sa.BigInteger(), nullable=True),
        sa.Column("created_ms", sa.BigInteger(), nullable=False),
        sa.Column("expires_ms", sa.BigInteger(), nullable=False),
        sa.Column("hides_names", sa.Boolean(), nullable=False),
        sa.Column("hides_prompts", sa.Boolean(), nullable=False),
        sa.Column("without_sign_in", sa.Boolean(), nullable=False),
        sa.Column("revoked_ms", sa.BigInteger(), nullable=True),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_share")),
        sa.UniqueConstraint("sha256", name=op.f("uq_share_sha256")),
    )
    with op.batch_alter_table("share", schema=None) as batch_op:
        batch_op.create_index(batch_op.f("ix_share_subject_id"), ["subject_id"], unique=False)
        batch_op.create_index("ix_share_team_id_created_ms", ["team_id", "created_ms"], unique=False)

    if op.get_bind().dialect.name == "postgresql":
        op.execute(
            "CREATE FUNCTION prompt_versions_stay() RETURNS trigger LANGUAGE plpgsql AS $$ "
            "BEGIN RAISE EXCEPTION 'a version of a prompt never changes'; END $$"
        )
        op.execute(
            "CREATE TRIGGER prompt_version_stays BEFORE UPDATE ON prompt_version "
            "FOR EACH ROW EXECUTE FUNCTION prompt_versions_stay()"
        )
        return
    op.execute(
        "CREATE TRIGGER prompt_version_no_update BEFORE UPDATE ON prompt_version "
        "BEGIN SELECT RAISE(ABORT, 'a version of a prompt never changes'); END"
    )


def downgrade() -> None:
    with op.batch_alter_table("share", schema=None) as batch_op:
        batch_op.drop_index("ix_share_team_id_created_ms")
        batch_op.drop_index(batch_op.f("ix_share_subject_id"))

    op.drop_table("share")
    with op.batch_alter_table("prompt_version", schema=None) as batch_op:
        batch_op.drop_index(batch_op.f("ix_prompt_version_team_id"))

    op.drop_table("prompt_version")
    op.drop_table("prompt_values")
    op.drop_table("prompt_label")
    op.drop_table("prompt")
    if op.get_bind().dialect.name == "postgresql":
        op.execute("DROP FUNCTION prompt_versions_stay()")
