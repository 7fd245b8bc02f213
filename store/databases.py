"""Opens the databases that are not the ledger and brings them up to date.

Async code reads and writes through a few threads of ours, so that the event loop never waits for a
disk; script threads use `session` directly. Sessions are short: nobody holds one across an
upstream call. Ledger tables are `billing`'s alone.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Literal, TypeVar

from sqlalchemy import Connection, Engine, inspect, text
from sqlalchemy.exc import OperationalError, ProgrammingError
from sqlalchemy.orm import Session
from sqlalchemy.schema import CreateSchema

from store.engines import is_postgresql, open_engine, open_postgresql
from store.errors import DatabaseUnavailable
from store.locks import locked

__all__ = ["Database", "Databases", "Name", "migrate", "open_engine", "open_postgresql"]

T = TypeVar("T")

Name = Literal["app", "log"]
_NAMES: tuple[Name, ...] = ("app", "log")
_MIGRATIONS = Path(__file__).resolve().parent.parent / "migrations"
_THREADS = 4


def migrate(engine: Engine, name: Name, to: str | None = None) -> None:
    """Bring one database to the newest revision of its branch, or an empty one to an older revision, for
    rows that were saved from it. Processes that start together take turns.
    Raises `DatabaseUnavailable` where a newer version of us has been here, or would have to be."""
    newest = max(path.stem.partition("_")[0] for path in (_MIGRATIONS / name / "versions").glob("[0-9]*.py"))
    found = _revision(engine)
    if found == (to or newest):
        return
    if max(found or "", to or "") > newest:
        raise DatabaseUnavailable(
            f"A newer version of Tiltyard migrated the database {name!r} ({found or to}; this one knows "
            f"{newest})."
        )
    # Imported where there is something to do: it is 0.15 s and 15 MB of a start.
    from alembic import command
    from alembic.config import Config

    config = Config()
    config.set_main_option("script_location", str(_MIGRATIONS / name))
    with engine.connect() as connection, locked(connection, f"tiltyard migrates {name}"):
        if is_postgresql(engine):
            _make_schema(connection, name)
        config.attributes["connection"] = connection
        command.upgrade(config, to or "head")
        connection.commit()


def _revision(engine: Engine) -> str | None:
    """Revisions are numbers of four digits, so that they can be compared."""
    with engine.connect() as connection:
        if not inspect(connection).has_table("alembic_version"):
            return None
        found: str | None = connection.execute(text("SELECT version_num FROM alembic_version")).scalar()
        return found


def _make_schema(connection: Connection, name: Name) -> None:
    """Where it is missing: one that is there may belong to a user who may make no other."""
    found = connection.execute(text("SELECT 1 FROM pg_namespace WHERE nspname = :name"), {"name": name})
    if found.first() is None:
        connection.execute(CreateSchema(name))
    connection.commit()


class Database:
    """One database: `session` for script threads, `read` and `write` for the event loop."""

    def __init__(self, engine: Engine, threads: ThreadPoolExecutor) -> None:
        self.engine = engine
        self._threads = threads

    @contextmanager
    def session(self) -> Iterator[Session]:
        """Commits where the body ends well, rolls back where it raises."""
        with Session(self.engine, expire_on_commit=False) as session, session.begin():
            yield session

    async def read(self, work: Callable[[Session], T]) -> T:
        return await asyncio.get_running_loop().run_in_executor(self._threads, self._in_session, work)

    # The same today; told apart so that reads can go to a replica.
    write = read

    def _in_session(self, work: Callable[[Session], T]) -> T:
        with self.session() as session:
            return work(session)


class Databases:
    """`app` and `log`, open and up to date."""

    def __init__(self, app: Engine, log: Engine) -> None:
        self._threads = ThreadPoolExecutor(_THREADS, thread_name_prefix="store")
        self.app = Database(app, self._threads)
        self.log = Database(log, self._threads)

    @classmethod
    def open(cls, data_dir: Path, database_url: str | None = None) -> Databases:
        """Files in the folder, or schemas of a PostgreSQL. Raises `DatabaseUnavailable`."""
        engines = {name: _engine(name, data_dir, database_url) for name in _NAMES}
        with ExitStack() as on_failure:
            for name, engine in engines.items():
                on_failure.callback(engine.dispose)
                try:
                    migrate(engine, name)
                except (OperationalError, ProgrammingError) as error:  # it is away, or does not let us
                    raise DatabaseUnavailable(f"The database cannot be used: {error.orig}.") from error
            on_failure.pop_all()
        return cls(engines["app"], engines["log"])

    def ping(self) -> None:
        """Raises where a database does not answer."""
        for database in (self.app, self.log):
            with database.engine.connect() as connection:
                connection.execute(text("SELECT 1"))

    def close(self) -> None:
        self._threads.shutdown(wait=True)
        self.app.engine.dispose()
        self.log.engine.dispose()


def _engine(name: Name, data_dir: Path, database_url: str | None) -> Engine:
    if database_url is None:
        return open_engine(data_dir / f"{name}.db")
    return open_postgresql(database_url, name)
