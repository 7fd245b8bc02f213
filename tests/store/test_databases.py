from pathlib import Path

import pytest
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from sqlalchemy import inspect, text
from sqlalchemy.orm import Session

from gateway.tables import RunRow
from identity.tables import UserRow
from store.databases import Databases
from store.ids import new_id
from telemetry.tables import LoggedRequest


async def test_a_new_folder_gets_both_databases_and_opening_again_changes_nothing(tmp_path: Path) -> None:
    for _ in range(2):
        databases = Databases.open(tmp_path)
        assert "run" in inspect(databases.app.engine).get_table_names()
        assert "request" in inspect(databases.log.engine).get_table_names()
        databases.close()


async def test_a_write_that_raises_leaves_nothing(tmp_path: Path) -> None:
    databases = Databases.open(tmp_path)

    def broken(session: Session) -> None:
        session.execute(text("CREATE TABLE gone (id INTEGER)"))
        session.execute(text("INSERT INTO gone VALUES (1)"))
        raise ValueError("half-way")

    with pytest.raises(ValueError, match="half-way"):
        await databases.app.write(broken)
    rows = await databases.app.read(lambda session: _count(session, "gone"))
    assert rows == 0
    databases.close()


def _count(session: Session, table: str) -> int:
    names = inspect(session.connection()).get_table_names()
    return session.execute(text(f"SELECT count(*) FROM {table}")).scalar_one() if table in names else 0


def test_the_tables_in_code_are_those_of_the_migrations(tmp_path: Path) -> None:
    databases = Databases.open(tmp_path)
    assert RunRow.metadata is UserRow.metadata
    for database, metadata in ((databases.app, RunRow.metadata), (databases.log, LoggedRequest.metadata)):
        with database.engine.connect() as connection:
            assert compare_metadata(MigrationContext.configure(connection), metadata) == []
    databases.close()


def test_ids_sort_by_the_time_they_were_made() -> None:
    ids = [new_id("run") for _ in range(1000)]
    assert ids == sorted(ids)
    assert len(set(ids)) == 1000
    assert all(one.startswith("run_") and len(one) == 36 for one in ids)
