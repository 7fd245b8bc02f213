"""what slots hold by key, tag and length; filled afterwards, beside the serving"""

import sqlalchemy as sa
from alembic import op

revision = "0007"
down_revision = "0006"

_KEY = (
    ("team_id", sa.BigInteger()), ("kind", sa.String()), ("width_ms", sa.BigInteger()),
    ("slot_ms", sa.BigInteger()), ("model", sa.String()), ("provider", sa.String()), ("piece", sa.String()),
)  # fmt: skip


def upgrade() -> None:
    op.create_table(
        "sheet_piece",
        *(sa.Column(name, kind, nullable=False) for name, kind in _KEY),
        sa.Column("requests", sa.BigInteger(), nullable=False),
        sa.Column("body", sa.LargeBinary(), nullable=False),
        sa.PrimaryKeyConstraint(*(name for name, _ in _KEY), name=op.f("pk_sheet_piece")),
    )
    op.create_index("ix_sheet_piece_width_ms_slot_ms", "sheet_piece", ["width_ms", "slot_ms"])
    if op.get_bind().dialect.name == "postgresql":
        # Packed already: to try it again costs more than it saves.
        op.execute("ALTER TABLE sheet_piece ALTER COLUMN body SET STORAGE EXTERNAL")
    op.create_table(
        "sheet_extent",
        sa.Column("id", sa.BigInteger(), autoincrement=False, nullable=False),
        *(
            sa.Column(name, sa.BigInteger(), nullable=False)
            for name in ("since_ms", "requests_since_ms", "hours_until_ms", "until_ms")
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_sheet_extent")),
    )


def downgrade() -> None:
    op.drop_table("sheet_extent")
    op.drop_table("sheet_piece")
