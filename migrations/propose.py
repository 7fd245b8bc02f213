"""Write the migration that brings a database's newest revision to the tables in code.

    python -m migrations.propose app "what changes and why"

Read what it wrote before you commit it: it cannot see a rename.
"""

from __future__ import annotations

import sys
import tempfile
from pathlib import Path

from alembic import command
from alembic.config import Config

from store.databases import Name, migrate, open_engine


def propose(name: Name, message: str) -> None:
    with tempfile.TemporaryDirectory() as folder:
        engine = open_engine(Path(folder) / "newest.db")
        migrate(engine, name)
        config = Config()
        config.set_main_option("script_location", str(Path(__file__).parent / name))
        config.set_main_option("path_separator", "os")
        with engine.connect() as connection:
            config.attributes["connection"] = connection
            command.revision(config, message, autogenerate=True, rev_id=_next(name))
        engine.dispose()


def _next(name: Name) -> str:
    return f"{len(list((Path(__file__).parent / name / 'versions').glob('*.py'))) + 1:04d}"


if __name__ == "__main__":
    chosen, why = sys.argv[1:3]
    assert chosen in ("app", "log")
    propose("app" if chosen == "app" else "log", why)
