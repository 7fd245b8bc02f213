"""what stands in an answer besides its words: seals of thoughts, calls that the provider ran, citations"""

import sqlalchemy as sa
from alembic import op

revision = "0011"
down_revision = "0010"


def upgrade() -> None:
    op.add_column("run", sa.Column("marks_json", sa.Text(), nullable=True))


def downgrade() -> None:
    op.drop_column("run", "marks_json")
