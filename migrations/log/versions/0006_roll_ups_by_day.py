"""roll-ups by day, made of the hours that are there"""

from typing import Any

import numpy as np
import sqlalchemy as sa
from alembic import op

revision = "0006"
down_revision = "0005"

_KEY = ("team_id", "model", "provider", "series")
_DAY_MS = 86_400_000


def upgrade() -> None:
    hours = sa.Table("rollup_hour", sa.MetaData(), autoload_with=op.get_bind())
    days = op.create_table(
        "rollup_day",
        *(
            sa.Column(column.name, _type(column), nullable=False, server_default=column.server_default)
            for column in hours.columns
        ),
        sa.PrimaryKeyConstraint(
            "team_id", "slot_ms", "model", "provider", "series", name=op.f("pk_rollup_day")
        ),
    )
    connection = op.get_bind()
    first, last = connection.execute(
        sa.select(sa.func.min(hours.c.slot_ms), sa.func.max(hours.c.slot_ms))
    ).one()
    if first is None:
        return
    for day_ms in range(first // _DAY_MS * _DAY_MS, last + 1, _DAY_MS):
        within = hours.c.slot_ms.between(day_ms, day_ms + _DAY_MS - 1)
        rows = _added(connection.execute(sa.select(hours).where(within)).mappings(), day_ms)
        if rows:
            connection.execute(sa.insert(days), rows)


def downgrade() -> None:
    op.drop_table("rollup_day")


def _type(column: sa.Column[Any]) -> sa.types.TypeEngine[Any]:
    """One that both engines have, as the tables in code say it."""
    if column.name in ("model", "provider", "series"):
        return sa.String()
    return sa.BigInteger() if isinstance(column.type, sa.Integer) else sa.LargeBinary()


def _added(rows: sa.engine.MappingResult, day_ms: int) -> list[dict[str, object]]:
    """Counts add up. Histograms are lists of (bin, count): one after the other is their sum, to be packed."""
    days: dict[tuple[object, ...], dict[str, Any]] = {}
    for row in rows:
        day = days.setdefault(tuple(row[name] for name in _KEY), {})
        for name, value in row.items():
            if name in _KEY:
                day[name] = value
            elif name != "slot_ms":
                day[name] = day[name] + value if name in day else value
    return [
        {name: _packed(value) for name, value in day.items()} | {"slot_ms": day_ms} for day in days.values()
    ]


def _packed(value: Any) -> Any:
    """Of a histogram each bin once, in order."""
    if not isinstance(value, bytes) or not value:
        return value
    pairs = np.frombuffer(value, dtype=[("bin", "<u2"), ("count", "<u4")])
    counts = np.bincount(pairs["bin"], weights=pairs["count"]).astype(np.int64)
    packed = np.empty(np.count_nonzero(counts), dtype=pairs.dtype)
    packed["bin"] = np.flatnonzero(counts)
    packed["count"] = counts[packed["bin"]]
    return packed.tobytes()
