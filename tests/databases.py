"""The app's databases for a test, migrated and empty, on both engines: whoever asks for `home` runs twice.

Migrations run once a test run and engine; each test gets a copy.
"""

from __future__ import annotations

import shutil
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


@pytest.fixture(scope="session")
def migrated_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("migrated")
    Databases.open(folder).close()
    return folder


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
