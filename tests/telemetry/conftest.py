from collections.abc import Iterator
from pathlib import Path

import pytest
from sqlalchemy import Engine

from store.databases import migrate, open_engine


@pytest.fixture(scope="session")
def empty_log(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A migrated log database without rows, to copy."""
    path = tmp_path_factory.mktemp("log") / "log.db"
    engine = open_engine(path)
    migrate(engine, "log")
    engine.dispose()
    return path


@pytest.fixture
def log_path(empty_log: Path, tmp_path: Path) -> Path:
    path = tmp_path / "log.db"
    path.write_bytes(empty_log.read_bytes())
    return path


@pytest.fixture
def engine(log_path: Path) -> Iterator[Engine]:
    engine = open_engine(log_path)
    yield engine
    engine.dispose()
