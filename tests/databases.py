"""The app's databases for a test, migrated and empty, on both engines: whoever asks for `home` runs twice.

Migrations run once a process of the tests and engine; each test gets a copy.
"""

from __future__ import annotations

import atexit
import functools
import shutil
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

import pytest
from sqlalchemy import Engine

from store.databases import Databases, Name, open_engine, open_postgresql
from tests.postgresql import PostgreSQL

ENGINES = ("sqlite", pytest.param("postgresql", marks=pytest.mark.postgresql))


@dataclass
class Home:
    """Where one installation's databases lie. `url` is None on SQLite."""

    folder: Path
    url: str | None = None
    _opened: list[Databases] = field(default_factory=list)
    _engines: list[Engine] = field(default_factory=list)

    def open(self) -> Databases:
        """As one process of the installation would; each call is another process."""
        self._opened.append(Databases.open(self.folder, self.url))
        return self._opened[-1]

    def engine(self, name: Name) -> Engine:
        """A connection pool of one's own."""
        engine = (
            open_engine(self.folder / f"{name}.db") if self.url is None else open_postgresql(self.url, name)
        )
        self._engines.append(engine)
        return engine

    def close(self) -> None:
        for databases in self._opened:
            databases.close()
        for engine in self._engines:
            engine.dispose()


@functools.cache
def _migrated() -> Path:
    folder = Path(tempfile.mkdtemp(prefix="tiltyard-migrated-"))
    atexit.register(shutil.rmtree, folder, ignore_errors=True)
    Databases.open(folder).close()
    return folder


def open_migrated(folder: Path) -> Databases:
    """As `Databases.open`; a folder without any gets copies of empty ones, which is forty times faster."""
    if not (folder / "app.db").exists():
        shutil.copytree(_migrated(), folder, dirs_exist_ok=True)
    return Databases.open(folder)


@pytest.fixture(scope="session")
def migrated_folder() -> Path:
    """To be copied, never written to."""
    return _migrated()


@pytest.fixture(scope="session")
def migrated_postgresql(postgresql: PostgreSQL) -> Iterator[str]:
    url = postgresql.new_database()
    Databases.open(Path(), url).close()
    yield url
    postgresql.drop(url)


@pytest.fixture
def sqlite_home(migrated_folder: Path, tmp_path: Path) -> Iterator[Home]:
    """Empty databases of this test's own, in files."""
    home = Home(tmp_path / "home")
    shutil.copytree(migrated_folder, home.folder)
    yield home
    home.close()


@pytest.fixture
def postgresql_home(postgresql: PostgreSQL, migrated_postgresql: str, tmp_path: Path) -> Iterator[Home]:
    """Empty databases of this test's own, which several processes may share."""
    url = postgresql.new_database(migrated_postgresql)
    home = Home(tmp_path, url)
    yield home
    home.close()
    postgresql.drop(url)


@pytest.fixture(params=ENGINES)
def home(request: pytest.FixtureRequest) -> Home:
    """Either, one after the other."""
    found: Home = request.getfixturevalue(f"{request.param}_home")
    return found
