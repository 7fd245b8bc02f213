"""Reading a ledger where it lies: a SQLite file, or the schema `ledger` of a PostgreSQL database.

A *moment* is a context in which everything that is read belongs together, whatever writers do
meanwhile. It has its own short read-only connection, so any thread may have one. The same SQL is
understood by both engines, with `?` for values.
"""

from __future__ import annotations

import sqlite3
import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, closing, contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, Protocol

from billing.errors import LedgerUnavailable

if TYPE_CHECKING:
    import psycopg

_WAIT_S: Final = 5.0
_CONNECT_WITHIN_S: Final = 3
# So that readers, however many threads ask, leave the server's connections to others.
_POSTGRESQL_READERS: Final = 8


class Rows(Protocol):
    def fetchone(self) -> Any: ...
    def fetchall(self) -> list[Any]: ...
    def __iter__(self) -> Iterator[Any]: ...


class Reader(Protocol):
    def execute(self, query: str, values: Sequence[Any] = ()) -> Rows: ...


Moments = Callable[[], AbstractContextManager[Reader]]


def moments_of(where: Path | str) -> Moments:
    """What opens a moment of the ledger in this file, or at this `postgresql://` URL.

    Opening one, and reading in it, raises `LedgerUnavailable`.
    """
    return _of_postgresql(where) if isinstance(where, str) else _of_sqlite(where)


def _of_sqlite(path: Path) -> Moments:
    uri = f"{path.resolve().as_uri()}?mode=ro"

    @contextmanager
    def moment() -> Iterator[Reader]:
        try:
            with closing(sqlite3.connect(uri, uri=True, timeout=_WAIT_S, isolation_level=None)) as db:
                db.execute("BEGIN")
                yield db
        except sqlite3.OperationalError as error:
            raise LedgerUnavailable("The ledger cannot be read now.") from error

    return moment


def _of_postgresql(url: str) -> Moments:
    import psycopg  # here: most installations have no PostgreSQL, and it is 25 MB of a process
    from psycopg import IsolationLevel

    free = threading.BoundedSemaphore(_POSTGRESQL_READERS)

    @contextmanager
    def moment() -> Iterator[Reader]:
        if not free.acquire(timeout=_WAIT_S):
            raise LedgerUnavailable("Too many are reading the ledger.")
        try:
            with closing(psycopg.connect(url, connect_timeout=_CONNECT_WITHIN_S)) as db:
                db.isolation_level = IsolationLevel.REPEATABLE_READ
                db.read_only = True
                db.execute(
                    "SELECT set_config('search_path', 'ledger, pg_temp', true),"
                    " set_config('statement_timeout', '5s', true)"
                )
                yield _PostgresqlReader(db)
        except psycopg.OperationalError as error:
            raise LedgerUnavailable("The ledger cannot be read now.") from error
        finally:
            free.release()

    return moment


class _PostgresqlReader:
    def __init__(self, db: psycopg.Connection) -> None:
        self._db = db

    def execute(self, query: str, values: Sequence[Any] = ()) -> Rows:
        if not values:
            return self._db.execute(query.encode())
        return self._db.execute(query.replace("?", "%s").encode(), values)
