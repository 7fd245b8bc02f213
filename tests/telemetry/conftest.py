import shutil
from pathlib import Path

import pytest
from sqlalchemy import Engine

from tests.databases import Home


@pytest.fixture
def engine(home: Home) -> Engine:
    """A migrated log database without rows."""
    return home.engine("log")


@pytest.fixture
def log_path(migrated_folder: Path, tmp_path: Path) -> Path:
    """The same as a file of SQLite's, for tests of what disks do."""
    return Path(shutil.copy(migrated_folder / "log.db", tmp_path))
