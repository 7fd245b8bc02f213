"""phases and two more histograms of roll-ups; marks of what changed; alerts that were told"""

import sqlalchemy as sa
from alembic import op

revision = "0003"
down_revision = "0002"

_ROLLUPS = ("rollup_minute", "rollup_five_minutes", "rollup_hour")
_SUMS = ("phased", "gateway_us", "waiting_us", "thinking_us", "answering_us")
_HISTOGRAMS = ("caller_first_answer", "burst")


def upgrade() -> None:
    # What older slots lack stays empty until `python -m operate rollups rebuild`.
    nothing = sa.text("''" if op.get_bind().dialect.name == "postgresql" else "x''")
    for table in _ROLLUPS:
        for name in _SUMS:
            op.add_column(table, sa.Column(name, sa.BigInteger(), nullable=False, server_default="0"))
        for name in _HISTOGRAMS:
            op.add_column(table, sa.Column(name, sa.LargeBinary(), nullable=False, server_default=nothing))
    op.create_table(
        "mark",
        sa.Column("at_ms", sa.BigInteger(), nullable=False),
        sa.Column("kind", sa.String(), nullable=False),
        sa.Column("subject", sa.String(), nullable=False),
        sa.Column("detail", sa.String(), nullable=False),
        sa.PrimaryKeyConstraint("at_ms", "kind", "subject", name=op.f("pk_mark")),
    )
    op.create_table(
        "last_seen",
        sa.Column("name", sa.String(), nullable=False),
        sa.Column("value", sa.String(), nullable=False),
        sa.PrimaryKeyConstraint("name", name=op.f("pk_last_seen")),
    )
    op.create_table(
        "alert",
        sa.Column("subject", sa.String(), nullable=False),
        sa.Column("threshold", sa.String(), nullable=False),
        sa.Column("told_ms", sa.BigInteger(), nullable=False),
        sa.Column("text", sa.String(), nullable=False),
        sa.Column("due_ms", sa.BigInteger(), nullable=False),
        sa.Column("tries", sa.Integer(), nullable=False),
        sa.Column("sent_ms", sa.BigInteger(), nullable=True),
        sa.PrimaryKeyConstraint("subject", "threshold", name=op.f("pk_alert")),
    )


def downgrade() -> None:
    for table in ("alert", "last_seen", "mark"):
        op.drop_table(table)
    for table in _ROLLUPS:
        for name in (*_HISTOGRAMS, *_SUMS):
            op.drop_column(table, name)
