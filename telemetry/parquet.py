"""Rows of the request log as a Parquet file: one row a request, its attempts a list inside it.

Counts are 64-bit integers, times 64-bit floats of milliseconds, instants UTC timestamps; what did not happen
is null. Imported where it is wanted: it is 40 MB of a process.
"""

from __future__ import annotations

import io
from collections.abc import Iterable, Sequence
from itertools import islice
from typing import Any, Final

import msgspec
import pyarrow as pa
import pyarrow.parquet as pq

from telemetry.clocks import ended_at_ms
from telemetry.rows import RequestRow

_ROWS_A_GROUP: Final = 10_000
_INSTANT: Final = pa.timestamp("ms", tz="UTC")
_ATTEMPT: Final = pa.struct(
    [
        ("no", pa.int64()),
        *((name, pa.string()) for name in ("provider", "provider_model", "outcome")),
        *(
            (name, pa.float64())
            for name in (
                "sent_ms", "first_byte_ms", "first_reasoning_ms", "first_answer_ms", "last_ms",
                "largest_read_share",
            )
        ),
        ("status", pa.int64()),
        *((name, pa.string()) for name in ("error", "model", "series")),
    ]
)  # fmt: skip
SCHEMA: Final = pa.schema(
    [
        ("ended_at", _INSTANT),
        ("accepted_at", _INSTANT),
        *((name, pa.string()) for name in ("request_id", "run_id")),
        *((name, pa.int64()) for name in ("team_id", "user_id", "key_id")),
        *(
            (name, pa.string())
            for name in ("surface", "model_asked", "model", "provider", "series", "outcome")
        ),
        ("status", pa.int64()),
        ("streamed", pa.bool_()),
        ("error", pa.string()),
        *(
            (name, pa.int64())
            for name in (
                "input_tokens", "cached_input_tokens", "output_tokens", "reasoning_tokens", "cost_nano_usd",
            )
        ),
        ("estimated", pa.bool_()),
        *((name, pa.float64()) for name in ("total_ms", "gateway_ms")),
        *((name, pa.list_(pa.string())) for name in ("tags", "dropped")),
        ("attempts", pa.list_(_ATTEMPT)),
    ]
)  # fmt: skip


def as_parquet(rows: Iterable[RequestRow]) -> bytes:
    """The whole file, compressed; of no rows, one with the columns alone."""
    file, left = io.BytesIO(), iter(rows)
    with pq.ParquetWriter(file, SCHEMA, compression="zstd") as writer:
        while some := list(islice(left, _ROWS_A_GROUP)):
            writer.write_table(_table(some))
    return file.getvalue()


def _table(rows: Sequence[RequestRow]) -> pa.Table:
    return pa.Table.from_pylist([_values(row) for row in rows], schema=SCHEMA)


def _values(row: RequestRow) -> dict[str, Any]:
    values: dict[str, Any] = msgspec.to_builtins(row)
    return values | {"ended_at": ended_at_ms(row), "accepted_at": row.accepted_at_ms}
