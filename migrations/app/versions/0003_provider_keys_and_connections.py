"""provider keys and connections"""

import sqlalchemy as sa
from alembic import op

revision = "0003"
down_revision = "0002"


def upgrade() -> None:
    op.create_table(
        "connection",
        sa.Column("provider_id", sa.String(), nullable=False),
        sa.Column("provider_json", sa.Text(), nullable=False),
        sa.Column("models_json", sa.Text(), nullable=False),
        sa.Column("created_ms", sa.BigInteger(), nullable=False),
        sa.Column("created_by", sa.BigInteger(), nullable=True),
        sa.PrimaryKeyConstraint("provider_id", name=op.f("pk_connection")),
    )
    op.create_table(
        "provider_key",
        sa.Column("team_id", sa.BigInteger(), nullable=False),
        sa.Column("provider_id", sa.String(), nullable=False),
        sa.Column("sealed", sa.LargeBinary(), nullable=False),
        sa.Column("sealed_with", sa.String(), nullable=False),
        sa.Column("hint", sa.String(), nullable=False),
        sa.Column("falls_back", sa.Boolean(), nullable=False),
        sa.Column("created_ms", sa.BigInteger(), nullable=False),
        sa.Column("created_by", sa.BigInteger(), nullable=True),
        sa.PrimaryKeyConstraint("team_id", "provider_id", name=op.f("pk_provider_key")),
    )


def downgrade() -> None:
    op.drop_table("provider_key")
    op.drop_table("connection")
