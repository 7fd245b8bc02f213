"""failures and models are found by index"""

import sqlalchemy as sa
from alembic import op

revision = "0005"
down_revision = "0004"

_MODEL, _FAILED = "ix_request_team_id_model_ended_at_ms", "ix_request_failed"


def upgrade() -> None:
    if op.get_bind().dialect.name == "postgresql":
        op.execute("SET LOCAL statement_timeout = 0")  # a long log is long to sort
    op.create_index(_MODEL, "request", ["team_id", "model", "ended_at_ms", "request_id"])
    failed = sa.text("outcome <> 'ok'")
    op.create_index(
        _FAILED, "request", ["team_id", "outcome", "ended_at_ms", "request_id"],
        sqlite_where=failed, postgresql_where=failed,
    )  # fmt: skip


def downgrade() -> None:
    op.drop_index(_FAILED, "request")
    op.drop_index(_MODEL, "request")
