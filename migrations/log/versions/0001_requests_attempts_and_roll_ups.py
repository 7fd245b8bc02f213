"""requests, attempts and roll-ups"""

import sqlalchemy as sa
from alembic import op

revision = "0001"
down_revision = None


def upgrade() -> None:
    op.create_table(
        "attempt",
        sa.Column("ended_at_ms", sa.BigInteger(), nullable=False),
        sa.Column("request_id", sa.String(), nullable=False),
        sa.Column("no", sa.Integer(), nullable=False),
        sa.Column("provider", sa.String(), nullable=False),
        sa.Column("provider_model", sa.String(), nullable=False),
        sa.Column("outcome", sa.String(), nullable=False),
        sa.Column("sent_ms", sa.Float(), nullable=True),
        sa.Column("first_byte_ms", sa.Float(), nullable=True),
        sa.Column("first_reasoning_ms", sa.Float(), nullable=True),
        sa.Column("first_answer_ms", sa.Float(), nullable=True),
        sa.Column("last_ms", sa.Float(), nullable=True),
        sa.Column("largest_read_share", sa.Float(), nullable=True),
        sa.Column("status", sa.Integer(), nullable=True),
        sa.Column("error", sa.String(), nullable=True),
        sa.PrimaryKeyConstraint("ended_at_ms", "request_id", "no", name=op.f("pk_attempt")),
    )
    op.create_table(
        "request",
        sa.Column("ended_at_ms", sa.BigInteger(), nullable=False),
        sa.Column("request_id", sa.String(), nullable=False),
        sa.Column("run_id", sa.String(), nullable=True),
        sa.Column("accepted_at_ms", sa.BigInteger(), nullable=False),
        sa.Column("team_id", sa.BigInteger(), nullable=True),
        sa.Column("user_id", sa.BigInteger(), nullable=True),
        sa.Column("key_id", sa.BigInteger(), nullable=True),
        sa.Column("surface", sa.String(), nullable=False),
        sa.Column("model_asked", sa.String(), nullable=False),
        sa.Column("model", sa.String(), nullable=True),
        sa.Column("provider", sa.String(), nullable=True),
        sa.Column("series", sa.String(), nullable=False),
        sa.Column("outcome", sa.String(), nullable=False),
        sa.Column("status", sa.Integer(), nullable=False),
        sa.Column("streamed", sa.Boolean(), nullable=False),
        sa.Column("error", sa.String(), nullable=True),
        sa.Column("input_tokens", sa.BigInteger(), nullable=True),
        sa.Column("cached_input_tokens", sa.BigInteger(), nullable=True),
        sa.Column("output_tokens", sa.BigInteger(), nullable=True),
        sa.Column("reasoning_tokens", sa.BigInteger(), nullable=True),
        sa.Column("cost_nano_usd", sa.BigInteger(), nullable=True),
        sa.Column("estimated", sa.Boolean(), nullable=False),
        sa.Column("total_ms", sa.Float(), nullable=True),
        sa.Column("gateway_ms", sa.Float(), nullable=True),
        sa.Column("tags", sa.JSON(), nullable=False),
        sa.Column("attempts", sa.Integer(), nullable=False),
        sa.PrimaryKeyConstraint("ended_at_ms", "request_id", name=op.f("pk_request")),
    )
    with op.batch_alter_table("request", schema=None) as batch_op:
        batch_op.create_index("ix_request_run_id", ["run_id"], unique=False)
        batch_op.create_index(
            "ix_request_team_id_ended_at_ms", ["team_id", "ended_at_ms", "request_id"], unique=False
        )

    op.create_table(
        "rollup_five_minutes",
        sa.Column("team_id", sa.BigInteger(), nullable=False),
        sa.Column("slot_ms", sa.BigInteger(), nullable=False),
        sa.Column("model", sa.String(), nullable=False),
        sa.Column("provider", sa.String(), nullable=False),
        sa.Column("series", sa.String(), nullable=False),
        sa.Column("requests_ok", sa.BigInteger(), nullable=False),
        sa.Column("requests_provider_fault", sa.BigInteger(), nullable=False),
        sa.Column("requests_gateway_fault", sa.BigInteger(), nullable=False),
        sa.Column("requests_client_fault", sa.BigInteger(), nullable=False),
        sa.Column("requests_cancelled", sa.BigInteger(), nullable=False),
        sa.Column("requests_blocked", sa.BigInteger(), nullable=False),
        sa.Column("attempts_ok", sa.BigInteger(), nullable=False),
        sa.Column("attempts_provider_fault", sa.BigInteger(), nullable=False),
        sa.Column("attempts_gateway_fault", sa.BigInteger(), nullable=False),
        sa.Column("attempts_client_fault", sa.BigInteger(), nullable=False),
        sa.Column("attempts_cancelled", sa.BigInteger(), nullable=False),
        sa.Column("attempts_blocked", sa.BigInteger(), nullable=False),
        sa.Column("input_tokens", sa.BigInteger(), nullable=False),
        sa.Column("cached_input_tokens", sa.BigInteger(), nullable=False),
        sa.Column("output_tokens", sa.BigInteger(), nullable=False),
        sa.Column("reasoning_tokens", sa.BigInteger(), nullable=False),
        sa.Column("cost_nano_usd", sa.BigInteger(), nullable=False),
        sa.Column("ttft", sa.LargeBinary(), nullable=False),
        sa.Column("first_answer", sa.LargeBinary(), nullable=False),
        sa.Column("tpot", sa.LargeBinary(), nullable=False),
        sa.Column("end_to_end_token", sa.LargeBinary(), nullable=False),
        sa.Column("total", sa.LargeBinary(), nullable=False),
        sa.Column("gateway", sa.LargeBinary(), nullable=False),
        sa.PrimaryKeyConstraint(
            "team_id", "slot_ms", "model", "provider", "series", name=op.f("pk_rollup_five_minutes")
        ),
    )
    op.create_table(
        "rollup_hour",
        sa.Column("team_id", sa.BigInteger(), nullable=False),
        sa.Column("slot_ms", sa.BigInteger(), nullable=False),
        sa.Column("model", sa.String(), nullable=False),
        sa.Column("provider", sa.String(), nullable=False),
        sa.Column("series", sa.String(), nullable=False),
        sa.Column("requests_ok", sa.BigInteger(), nullable=False),
        sa.Column("requests_provider_fault", sa.BigInteger(), nullable=False),
        sa.Column("requests_gateway_fault", sa.BigInteger(), nullable=False),
        sa.Column("requests_client_fault", sa.BigInteger(), nullable=False),
        sa.Column("requests_cancelled", sa.BigInteger(), nullable=False),
        sa.Column("requests_blocked", sa.BigInteger(), nullable=False),
        sa.Column("attempts_ok", sa.BigInteger(), nullable=False),
        sa.Column("attempts_provider_fault", sa.BigInteger(), nullable=False),
        sa.Column("attempts_gateway_fault", sa.BigInteger(), nullable=False),
        sa.Column("attempts_client_fault", sa.BigInteger(), nullable=False),
        sa.Column("attempts_cancelled", sa.BigInteger(), nullable=False),
        sa.Column("attempts_blocked", sa.BigInteger(), nullable=False),
        sa.Column("input_tokens", sa.BigInteger(), nullable=False),
        sa.Column("cached_input_tokens", sa.BigInteger(), nullable=False),
        sa.Column("output_tokens", sa.BigInteger(), nullable=False),
        sa.Column("reasoning_tokens", sa.BigInteger(), nullable=False),
        sa.Column("cost_nano_usd", sa.BigInteger(), nullable=False),
        sa.Column("ttft", sa.LargeBinary(), nullable=False),
        sa.Column("first_answer", sa.LargeBinary(), nullable=False),
        sa.Column("tpot", sa.LargeBinary(), nullable=False),
        sa.Column("end_to_end_token", sa.LargeBinary(), nullable=False),
        sa.Column("total", sa.LargeBinary(), nullable=False),
        sa.Column("gateway", sa.LargeBinary(), nullable=False),
        sa.PrimaryKeyConstraint(
            "team_id", "slot_ms", "model", "provider", "series", name=op.f("pk_rollup_hour")
        ),
    )
    op.create_table(
        "rollup_minute",
        sa.Column("team_id", sa.BigInteger(), nullable=False),
        sa.Column("slot_ms", sa.BigInteger(), nullable=False),
        sa.Column("model", sa.String(), nullable=False),
        sa.Column("provider", sa.String(), nullable=False),
        sa.Column("series", sa.String(), nullable=False),
        sa.Column("requests_ok", sa.BigInteger(), nullable=False),
        sa.Column("requests_provider_fault", sa.BigInteger(), nullable=False),
        sa.Column("requests_gateway_fault", sa.BigInteger(), nullable=False),
        sa.Column("requests_client_fault", sa.BigInteger(), nullable=False),
        sa.Column("requests_cancelled", sa.BigInteger(), nullable=False),
        sa.Column("requests_blocked", sa.BigInteger(), nullable=False),
        sa.Column("attempts_ok", sa.BigInteger(), nullable=False),
        sa.Column("attempts_provider_fault", sa.BigInteger(), nullable=False),
        sa.Column("attempts_gateway_fault", sa.BigInteger(), nullable=False),
        sa.Column("attempts_client_fault", sa.BigInteger(), nullable=False),
        sa.Column("attempts_cancelled", sa.BigInteger(), nullable=False),
        sa.Column("attempts_blocked", sa.BigInteger(), nullable=False),
        sa.Column("input_tokens", sa.BigInteger(), nullable=False),
        sa.Column("cached_input_tokens", sa.BigInteger(), nullable=False),
        sa.Column("output_tokens", sa.BigInteger(), nullable=False),
        sa.Column("reasoning_tokens", sa.BigInteger(), nullable=False),
        sa.Column("cost_nano_usd", sa.BigInteger(), nullable=False),
        sa.Column("ttft", sa.LargeBinary(), nullable=False),
        sa.Column("first_answer", sa.LargeBinary(), nullable=False),
        sa.Column("tpot", sa.LargeBinary(), nullable=False),
        sa.Column("end_to_end_token", sa.LargeBinary(), nullable=False),
        sa.Column("total", sa.LargeBinary(), nullable=False),
        sa.Column("gateway", sa.LargeBinary(), nullable=False),
        sa.PrimaryKeyConstraint(
            "team_id", "slot_ms", "model", "provider", "series", name=op.f("pk_rollup_minute")
        ),
    )


def downgrade() -> None:
    op.drop_table("rollup_minute")
    op.drop_table("rollup_hour")
    op.drop_table("rollup_five_minutes")
    with op.batch_alter_table("request", schema=None) as batch_op:
        batch_op.drop_index("ix_request_team_id_ended_at_ms")
        batch_op.drop_index("ix_request_run_id")

    op.drop_table("request")
    op.drop_table("attempt")
