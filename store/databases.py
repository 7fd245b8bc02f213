"""Opens the databases that are not the ledger and brings them up to date.

Async code reads and writes through a few threads of ours, so that the event loop never waits for a
disk; script threads use `session` directly. Sessions are short: nobody holds one across an
upstream call. Ledger tables are `billing`'s alone.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from typing import Literal, TypeVar

from alembic import command
from alembic.config import Config
from sqlalchemy import Engine, create_engine, event, text
from sqlalchemy.orm import Session

T = TypeVar("T")

Name = Literal["app", "log"]
_MIGRATIONS = Path(__file__).resolve().parent.parent / "migrations"
_THREADS = 4


def open_engine(path: Path) -> Engine:
    """A SQLite file in WAL mode, for several threads; a busy writer is waited for, never failed at once."""
    engine = create_engine(f"sqlite:///{path}", connect_args={"timeout": 10.0})

    @event.listens_for(engine, "connect")
    def prepare(connection: object, record: object) -> None:
        cursor = connection.cursor()  # type: ignore[attr-defined]  # sqlite3's, which SQLAlchemy hands on
        for pragma in ("journal_mode=WAL", "synchronous=NORMAL", "foreign_keys=ON", "temp_store=MEMORY"):
            cursor.execute(f"PRAGMA {pragma}")
        cursor.close()

    return engine


def migrate(engine: Engine, name: Name) -> None:
    """Bring one database to the newest revision of its branch; a database that is there costs 1 query."""
    config = Config()
    config.set_main_option("script_location", str(_MIGRATIONS / name))
    with engine.connect() as connection:
        config.attributes["connection"] = connection
        command.upgrade(config, "head")
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
    def open(cls, data_dir: Path) -> Databases:
        engines = {name: open_engine(data_dir / f"{name}.db") for name in ("app", "log")}
        migrate(engines["app"], "app")
        migrate(engines["log"], "log")
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
