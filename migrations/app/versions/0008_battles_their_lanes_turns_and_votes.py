"""battles, their lanes, turns and votes"""

import sqlalchemy as sa
from alembic import op

revision = "0008"
down_revision = "0007"


def upgrade() -> None:
    op.create_table(
        "battle",
        sa.Column("id", sa.String(), nullable=False),
        sa.Column("team_id", sa.BigInteger(), nullable=False),
        sa.Column("user_id", sa.BigInteger(), nullable=True),
        sa.Column("key_id", sa.BigInteger(), nullable=True),
        sa.Column("request_key", sa.String(), nullable=True),
        sa.Column("kind", sa.String(), nullable=False),
        sa.Column("surface", sa.String(), nullable=False),
        sa.Column("personal", sa.Boolean(), nullable=False),
        sa.Column("blind", sa.Boolean(), nullable=False),
        sa.Column("category", sa.String(), nullable=True),
        sa.Column("tags_json", sa.Text(), nullable=False),
        sa.Column("start_order", sa.String(), nullable=False),
        sa.Column("cost_cap_nano_usd", sa.BigInteger(), nullable=True),
        sa.Column("settings_json", sa.Text(), nullable=False),
        sa.Column("prompt_json", sa.Text(), nullable=True),
        sa.Column("keeps_text", sa.Boolean(), nullable=False),
        sa.Column("batch_id", sa.String(), nullable=True),
        sa.Column("created_ms", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_battle")),
        sa.UniqueConstraint("team_id", "request_key", name=op.f("uq_battle_team_id_request_key")),
    )
    with op.batch_alter_table("battle", schema=None) as batch_op:
        batch_op.create_index(batch_op.f("ix_battle_batch_id"), ["batch_id"], unique=False)
        batch_op.create_index("ix_battle_team_id_created_ms", ["team_id", "created_ms"], unique=False)

    op.create_table(
        "battle_lane",
        sa.Column("battle_id", sa.String(), nullable=False),
        sa.Column("no", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("asked_no", sa.Integer(), nullable=False),
        sa.Column("model_id", sa.String(), nullable=False),
        sa.Column("snapshot", sa.String(), nullable=True),
        sa.Column("provider", sa.String(), nullable=True),
        sa.Column("prompt_version_id", sa.String(), nullable=True),
        sa.Column("settings_json", sa.Text(), nullable=False),
        sa.Column("prompt_json", sa.Text(), nullable=True),
        sa.Column("own_json", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("battle_id", "no", name=op.f("pk_battle_lane")),
    )
    with op.batch_alter_table("battle_lane", schema=None) as batch_op:
        batch_op.create_index(batch_op.f("ix_battle_lane_model_id"), ["model_id"], unique=False)
        batch_op.create_index(
            batch_op.f("ix_battle_lane_prompt_version_id"), ["prompt_version_id"], unique=False
        )

    op.create_table(
        "battle_reveal",
        sa.Column("battle_id", sa.String(), nullable=False),
        sa.Column("user_id", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("created_ms", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("battle_id", "user_id", name=op.f("pk_battle_reveal")),
    )
    op.create_table(
        "battle_run",
        sa.Column("turn_id", sa.String(), nullable=False),
        sa.Column("lane", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("no", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("run_id", sa.String(), nullable=False),
        sa.Column("state", sa.String(), nullable=False),
        sa.Column("process_id", sa.String(), nullable=True),
        sa.Column("shares_cpu", sa.Boolean(), nullable=False),
        sa.Column("failure_kind", sa.String(), nullable=True),
        sa.Column("failure_message", sa.Text(), nullable=True),
        sa.Column("created_ms", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("turn_id", "lane", "no", name=op.f("pk_battle_run")),
        sa.UniqueConstraint("run_id", name=op.f("uq_battle_run_run_id")),
    )
    with op.batch_alter_table("battle_run", schema=None) as batch_op:
        batch_op.create_index(batch_op.f("ix_battle_run_state"), ["state"], unique=False)

    op.create_table(
        "battle_turn",
        sa.Column("id", sa.String(), nullable=False),
        sa.Column("battle_id", sa.String(), nullable=False),
        sa.Column("parent_turn_id", sa.String(), nullable=True),
        sa.Column("no", sa.Integer(), nullable=False),
        sa.Column("user_id", sa.BigInteger(), nullable=True),
        sa.Column("prompt_json", sa.Text(), nullable=True),
        sa.Column("search", sa.Text(), nullable=True),
        sa.Column("prompt_sha256", sa.String(), nullable=False),
        sa.Column("language", sa.String(), nullable=True),
        sa.Column("created_ms", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_battle_turn")),
        sa.UniqueConstraint("battle_id", "no", name=op.f("uq_battle_turn_battle_id_no")),
    )
    op.create_table(
        "battle_vote",
        sa.Column("id", sa.String(), nullable=False),
        sa.Column("battle_id", sa.String(), nullable=False),
        sa.Column("turn_id", sa.String(), nullable=False),
        sa.Column("team_id", sa.BigInteger(), nullable=False),
        sa.Column("voter", sa.String(), nullable=False),
        sa.Column("voter_kind", sa.String(), nullable=False),
        sa.Column("voter_user_id", sa.BigInteger(), nullable=True),
        sa.Column("stage", sa.String(), nullable=False),
        sa.Column("pairs_json", sa.Text(), nullable=False),
        sa.Column("lanes_json", sa.Text(), nullable=False),
        sa.Column("reasons_json", sa.Text(), nullable=False),
        sa.Column("tags_json", sa.Text(), nullable=False),
        sa.Column("category", sa.String(), nullable=True),
        sa.Column("prompt_sha256", sa.String(), nullable=False),
        sa.Column("prompt_language", sa.String(), nullable=True),
        sa.Column("created_ms", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_battle_vote")),
        sa.UniqueConstraint("battle_id", "voter", "stage", name=op.f("uq_battle_vote_battle_id_voter_stage")),
    )
    with op.batch_alter_table("battle_vote", schema=None) as batch_op:
        batch_op.create_index("ix_battle_vote_team_id_created_ms", ["team_id", "created_ms"], unique=False)

    _refuse_changes()


def _refuse_changes() -> None:
    """A vote that was cast stays as it was, whoever asks."""
    if op.get_bind().dialect.name == "postgresql":
        op.execute(
            "CREATE FUNCTION votes_are_append_only() RETURNS trigger LANGUAGE plpgsql AS $$ "
            "BEGIN RAISE EXCEPTION 'votes are append-only'; END $$"
        )
        op.execute(
            "CREATE TRIGGER battle_vote_stays BEFORE UPDATE OR DELETE ON battle_vote "
            "FOR EACH ROW EXECUTE FUNCTION votes_are_append_only()"
        )
        op.execute(
            "CREATE TRIGGER battle_vote_stays_whole BEFORE TRUNCATE ON battle_vote "
            "FOR EACH STATEMENT EXECUTE FUNCTION votes_are_append_only()"
        )
        return
    for name in ("UPDATE", "DELETE"):
        op.execute(
            f"CREATE TRIGGER battle_vote_no_{name.lower()} BEFORE {name} ON battle_vote "
            "BEGIN SELECT RAISE(ABORT, 'votes are append-only'); END"
        )


def downgrade() -> None:
    with op.batch_alter_table("battle_vote", schema=None) as batch_op:
        batch_op.drop_index("ix_battle_vote_team_id_created_ms")

    op.drop_table("battle_vote")
    if op.get_bind().dialect.name == "postgresql":
        op.execute("DROP FUNCTION votes_are_append_only()")
    op.drop_table("battle_turn")
    with op.batch_alter_table("battle_run", schema=None) as batch_op:
        batch_op.drop_index(batch_op.f("ix_battle_run_state"))

    op.drop_table("battle_run")
    op.drop_table("battle_reveal")
    with op.batch_alter_table("battle_lane", schema=None) as batch_op:
        batch_op.drop_index(batch_op.f("ix_battle_lane_prompt_version_id"))
        batch_op.drop_index(batch_op.f("ix_battle_lane_model_id"))

    op.drop_table("battle_lane")
    with op.batch_alter_table("battle", schema=None) as batch_op:
        batch_op.drop_index("ix_battle_team_id_created_ms")
        batch_op.drop_index(batch_op.f("ix_battle_batch_id"))

    op.drop_table("battle")
