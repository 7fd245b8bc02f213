"""what a run asked besides its messages, and by which version of a prompt"""

import sqlalchemy as sa
from alembic import op

revision = "0007"
down_revision = "0006"


def upgrade() -> None:
    op.add_column("run", sa.Column("prompt_version_id", sa.String(), nullable=True))
    op.add_column("run", sa.Column("asked_json", sa.Text(), nullable=True))
    by_version = sa.text("prompt_version_id IS NOT NULL")
    op.create_index(
        "ix_run_prompt_version_id_created_ms",
        "run",
        ["prompt_version_id", "created_ms"],
        sqlite_where=by_version,
        postgresql_where=by_version,
    )


def downgrade() -> None:
    op.drop_index("ix_run_prompt_version_id_created_ms", "run")
    op.drop_column("run", "asked_json")
    op.drop_column("run", "prompt_version_id")
