"""attempts of several models, and why others were not asked"""

import sqlalchemy as sa
from alembic import op

revision = "0002"
down_revision = "0001"


def upgrade() -> None:
    # In place on both engines: a log may be large, and a batch would copy it.
    op.add_column("attempt", sa.Column("model", sa.String(), nullable=True))
    op.add_column("attempt", sa.Column("series", sa.String(), nullable=True))
    op.add_column("request", sa.Column("dropped", sa.JSON(), nullable=True))


def downgrade() -> None:
    op.drop_column("request", "dropped")
    op.drop_column("attempt", "series")
    op.drop_column("attempt", "model")
