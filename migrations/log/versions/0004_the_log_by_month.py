"""the log by month

On PostgreSQL `request` and `attempt` become tables partitioned by when a request ended. What is there stays
where it is, as the partition of everything before the month after next; a default partition takes what no
month is made for yet. On SQLite nothing changes: rows lie in the order of that key already.
"""

from datetime import UTC, datetime

import sqlalchemy as sa
from alembic import op

revision = "0004"
down_revision = "0003"

_INDEXES = {"request": ("ix_request_team_id_ended_at_ms", "ix_request_run_id"), "attempt": ()}


def upgrade() -> None:
    if op.get_bind().dialect.name != "postgresql":
        return
    until_ms, name = _month_after_next()
    for table, indexes in _INDEXES.items():
        old = f"{table}_until_{name}"
        op.execute(f"ALTER TABLE {table} RENAME TO {old}")
        op.execute(f"ALTER TABLE {old} RENAME CONSTRAINT pk_{table} TO pk_{old}")
        for index in indexes:
            op.execute(f"ALTER INDEX {index} RENAME TO {index}_until")
        op.execute(f"CREATE TABLE {table} (LIKE {old}) PARTITION BY RANGE (ended_at_ms)")
        key = "ended_at_ms, request_id" + (", no" if table == "attempt" else "")
        op.execute(f"ALTER TABLE {table} ADD CONSTRAINT pk_{table} PRIMARY KEY ({key})")
    op.execute("CREATE INDEX ix_request_team_id_ended_at_ms ON request (team_id, ended_at_ms, request_id)")
    op.execute("CREATE INDEX ix_request_run_id ON request (run_id)")
    for table in _INDEXES:
        old = f"{table}_until_{name}"
        # What ended in a future that clocks made up has no place in it.
        op.execute(f"CREATE TABLE {table}_other PARTITION OF {table} DEFAULT")
        op.execute(
            f"WITH moved AS (DELETE FROM {old} WHERE ended_at_ms >= {until_ms} RETURNING *)"
            f" INSERT INTO {table}_other SELECT * FROM moved"
        )
        op.execute(f"ALTER TABLE {table} ATTACH PARTITION {old} FOR VALUES FROM (MINVALUE) TO ({until_ms})")


def downgrade() -> None:
    if op.get_bind().dialect.name != "postgresql":
        return
    for table in _INDEXES:
        op.execute(f"ALTER TABLE {table} RENAME TO {table}_by_month")
        op.execute(f"ALTER TABLE {table}_by_month RENAME CONSTRAINT pk_{table} TO pk_{table}_by_month")
        op.execute(f"CREATE TABLE {table} (LIKE {table}_by_month)")
        op.execute(f"INSERT INTO {table} SELECT * FROM {table}_by_month")
        op.execute(f"DROP TABLE {table}_by_month CASCADE")
        key = "ended_at_ms, request_id" + (", no" if table == "attempt" else "")
        op.execute(f"ALTER TABLE {table} ADD CONSTRAINT pk_{table} PRIMARY KEY ({key})")
    op.execute("CREATE INDEX ix_request_team_id_ended_at_ms ON request (team_id, ended_at_ms, request_id)")
    op.execute("CREATE INDEX ix_request_run_id ON request (run_id)")


def _month_after_next() -> tuple[int, str]:
    """Its first instant, and its name."""
    found = op.get_bind().execute(sa.text("SELECT now() AT TIME ZONE 'UTC'")).scalar_one()
    months = found.year * 12 + found.month + 1
    first = datetime(months // 12, months % 12 + 1, 1, tzinfo=UTC)
    return int(first.timestamp()) * 1000, f"{first:%Y_%m}"
