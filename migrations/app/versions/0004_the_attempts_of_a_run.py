"""the attempts of a run"""

import sqlalchemy as sa
from alembic import op

revision = "0004"
down_revision = "0003"


def upgrade() -> None:
    op.add_column("run", sa.Column("attempts_json", sa.Text(), nullable=True))


def downgrade() -> None:
    op.drop_column("run", "attempts_json")
