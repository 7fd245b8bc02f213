import os
import subprocess
import sys
from pathlib import Path

import pytest
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from sqlalchemy import inspect, text
from sqlalchemy.exc import OperationalError
from sqlalchemy.orm import Session

from gateway.tables import RunRow
from identity.tables import UserRow
from store.databases import Databases
from store.engines import open_postgresql
from store.errors import DatabaseUnavailable
from store.ids import new_id
from telemetry.partitions import is_partition
from telemetry.tables import LoggedRequest
from tests.databases import Home


async def test_a_new_folder_gets_both_databases_and_opening_again_changes_nothing(tmp_path: Path) -> None:
    for _ in range(2):
        databases = Databases.open(tmp_path)
        assert "run" in inspect(databases.app.engine).get_table_names()
        assert "request" in inspect(databases.log.engine).get_table_names()
        databases.close()


async def test_a_write_that_raises_leaves_nothing(home: Home) -> None:
    databases = home.open()

    def broken(session: Session) -> None:
        session.execute(text("CREATE TABLE gone (id INTEGER)"))
        session.execute(text("INSERT INTO gone VALUES (1)"))
        raise ValueError("half-way")

    with pytest.raises(ValueError, match="half-way"):
        await databases.app.write(broken)
    rows = await databases.app.read(lambda session: _count(session, "gone"))
    assert rows == 0


def _count(session: Session, table: str) -> int:
    names = inspect(session.connection()).get_table_names()
    return session.execute(text(f"SELECT count(*) FROM {table}")).scalar_one() if table in names else 0


def test_the_tables_in_code_are_those_of_the_migrations(home: Home) -> None:
    databases = home.open()
    assert RunRow.metadata is UserRow.metadata
    for database, metadata in ((databases.app, RunRow.metadata), (databases.log, LoggedRequest.metadata)):
        with database.engine.connect() as connection:
            context = MigrationContext.configure(connection, opts={"include_name": _is_whole})
            assert compare_metadata(context, metadata) == []


def _is_whole(name: str | None, kind: str, _: object) -> bool:
    """Not a month of the log, which PostgreSQL lists as a table too."""
    return kind != "table" or not is_partition(str(name))


def test_ids_sort_by_the_time_they_were_made() -> None:
    ids = [new_id("run") for _ in range(1000)]
    assert ids == sorted(ids)
    assert len(set(ids)) == 1000
    assert all(one.startswith("run_") and len(one) == 36 for one in ids)


# --- PostgreSQL ------------------------------------------------------------------------------

_OPEN = """
import sys
from pathlib import Path
from store.databases import Databases
sys.stdin.readline()  # until all are ready
Databases.open(Path(), sys.argv[1]).close()
"""
_ROOT = Path(__file__).resolve().parents[2]


@pytest.mark.slow
@pytest.mark.postgresql
def test_processes_that_start_together_migrate_an_empty_postgresql_once(postgresql_url: str) -> None:
    processes = [
        subprocess.Popen(
            [sys.executable, "-c", _OPEN, postgresql_url],
            stdin=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            cwd=_ROOT,
            env={**os.environ, "PYTHONPATH": str(_ROOT)},
        )
        for _ in range(3)
    ]
    for process in processes:
        assert process.stdin is not None
        process.stdin.write("go\n")
        process.stdin.flush()
    ends = [process.communicate(timeout=60) for process in processes]
    assert [process.returncode for process in processes] == [0, 0, 0], ends
    for schema, table in (("app", "run"), ("log", "request")):
        engine = open_postgresql(postgresql_url, schema)
        with engine.connect() as connection:
            assert inspect(connection).has_table(table, schema=schema)
            assert len(connection.execute(text("SELECT version_num FROM alembic_version")).all()) == 1
            assert inspect(connection).get_table_names(schema="public") == []
        engine.dispose()


@pytest.mark.postgresql
def test_a_schema_made_by_somebody_else_is_enough(postgresql_url: str) -> None:
    """A role that may use its schemas, and make none."""
    role = f"tenant_{os.getpid()}"
    owner = open_postgresql(postgresql_url, "public")
    with owner.begin() as connection:
        connection.execute(text(f"CREATE ROLE {role} LOGIN"))
        connection.execute(text(f"CREATE SCHEMA app AUTHORIZATION {role}"))
        connection.execute(text(f"CREATE SCHEMA log AUTHORIZATION {role}"))
    name = owner.url.database
    url = owner.url.set(drivername="postgresql", username=role).render_as_string(hide_password=False)
    Databases.open(Path(), url).close()
    with owner.begin() as connection:
        assert inspect(connection).has_table("run", schema="app"), name
        connection.execute(text(f"DROP OWNED BY {role}"))
        connection.execute(text(f"DROP ROLE {role}"))
    owner.dispose()


@pytest.mark.postgresql
def test_a_role_that_may_make_no_schema_is_told_so(postgresql_url: str) -> None:
    role = f"guest_{os.getpid()}"
    owner = open_postgresql(postgresql_url, "public")
    with owner.begin() as connection:
        connection.execute(text(f"CREATE ROLE {role} LOGIN"))
    url = owner.url.set(drivername="postgresql", username=role).render_as_string(hide_password=False)
    with pytest.raises(DatabaseUnavailable, match="permission denied"):
        Databases.open(Path(), url)
    with owner.begin() as connection:
        connection.execute(text(f"DROP ROLE {role}"))
    owner.dispose()


def test_a_database_that_a_newer_version_has_migrated_is_left_alone(home: Home) -> None:
    with home.engine("app").begin() as connection:
        connection.execute(text("UPDATE alembic_version SET version_num = '9999'"))
    with pytest.raises(DatabaseUnavailable, match="newer version.*9999"):
        home.open()


@pytest.mark.postgresql
def test_no_statement_waits_for_ever(postgresql_url: str) -> None:
    engine = open_postgresql(
        postgresql_url + _also(postgresql_url, "options=-c%20statement_timeout%3D100"), "app"
    )
    with engine.connect() as connection, pytest.raises(OperationalError, match="statement timeout"):
        connection.execute(text("SELECT pg_sleep(5)"))
    engine.dispose()
    bounded = open_postgresql(postgresql_url, "app")
    with bounded.connect() as connection:
        shown = [
            connection.execute(text(f"SHOW {name}")).scalar_one()
            for name in ("statement_timeout", "search_path")
        ]
    assert shown == ["15s", "app"]
    bounded.dispose()


@pytest.mark.postgresql
def test_a_connection_that_was_cut_while_idle_is_replaced(postgresql_home: Home) -> None:
    databases = postgresql_home.open()
    databases.ping()
    with databases.log.engine.connect() as connection:
        connection.execute(
            text(
                "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE pid <> pg_backend_pid() "
                "AND datname = current_database()"
            )
        )
    databases.ping()


def test_a_database_that_does_not_answer_is_said_without_its_password() -> None:
    with pytest.raises(DatabaseUnavailable, match="cannot be used.*refused") as refused:
        Databases.open(Path(), "postgresql://me:swordfish@127.0.0.1:1/tiltyard")
    assert "swordfish" not in str(refused.value)


def _also(url: str, parameter: str) -> str:
    return f"&{parameter}" if "?" in url else f"?{parameter}"
