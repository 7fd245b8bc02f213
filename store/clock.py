"""The database's clock, in SQL: processes on several hosts agree on no other.

`now_ms()` is the instant at which the statement gets to it, in UTC milliseconds, not the start of the
transaction.
"""

from __future__ import annotations

from sqlalchemy import BigInteger
from sqlalchemy.ext.compiler import compiles
from sqlalchemy.sql.compiler import SQLCompiler
from sqlalchemy.sql.functions import FunctionElement


class now_ms(FunctionElement[int]):
    type = BigInteger()
    inherit_cache = True


@compiles(now_ms, "postgresql")
def _postgresql(element: now_ms, compiler: SQLCompiler, **options: object) -> str:
    return "(extract(epoch FROM clock_timestamp()) * 1000)::bigint"


@compiles(now_ms, "sqlite")
def _sqlite(element: now_ms, compiler: SQLCompiler, **options: object) -> str:
    # The Julian day of 1970-01-01 00:00 is 2440587.5; a double holds an instant to 0.05 ms.
    return "CAST((julianday('now') - 2440587.5) * 86400000 AS INTEGER)"
