"""Saves everything an installation on PostgreSQL keeps, while it runs, and puts it back, verified.

All schemas are read in one transaction, so the whole backup is as of one moment, and nobody waits for it.
It holds rows alone, a file a table, as `COPY` writes them, and the number of each schema's version:
tables, rules and functions are made by this program, at the version that the rows were saved from, and
brought to its own afterwards. So it goes from one server's version to another's, and needs no `pg_dump`.

Runs that were open are ended at the first start, at what they had come to.
"""

from __future__ import annotations

import asyncio
import re
from collections.abc import Iterator
from contextlib import closing, suppress
from pathlib import Path
from typing import Any, Final, LiteralString, cast

import asyncpg
import psycopg
from psycopg import IsolationLevel, sql

from billing import audit_postgresql
from billing.journal import Unavailable
from billing.schema_postgresql import SCHEMA as LEDGER_SCHEMA, ensure_schema
from operations.backup_files import (
    SECRET,
    BackupRefused,
    Files,
    Restored,
    Saved,
    check_secret,
    describe,
    manifest_of,
    opened,
    read_checked,
    writing,
)
from store.databases import migrate
from store.engines import open_postgresql
from store.errors import DatabaseUnavailable

SCHEMAS: Final = ("ledger", "app", "log")
_VERSIONS: Final = {"ledger": "ledger_schema", "app": "alembic_version", "log": "alembic_version"}
_FILE: Final = re.compile(r"(ledger|app|log)\.([a-z][a-z0-9_]*)\.copy")
_Table = tuple[str, str]


# --- saving -----------------------------------------------------------------------------------


def save(url: str, target: Path, secret: bytes) -> Saved:
    """Write a backup of this database to a new folder or, by its name, a new archive.

    Raises `BackupRefused` where the target exists or cannot be written, or something cannot be read.
    """
    with writing(target) as folder, closing(_reading(url)) as db:
        versions = {schema: _version(db, schema) for schema in SCHEMAS}
        tables = {f"{schema}.{name}.copy": (schema, name) for schema, name in _tables(db)}
        columns = {file: _columns(db, table) for file, table in tables.items()}
        for file, table in tables.items():
            _copy_out(db, table, columns[file], folder / file)
        (folder / SECRET).write_bytes(secret)
        sequences = {schema: _sequences(db, schema) for schema in SCHEMAS}
        db.execute("SELECT set_config('search_path', 'ledger, pg_temp', true)")
        report, heads = audit_postgresql.audit_in(db), _heads(db)
        names = [*tables, SECRET]
        size = describe(
            folder, names, secret, report, heads,
            engine="postgresql", versions=versions, columns=columns, sequences=sequences,
        )  # fmt: skip
    return Saved(target, (*SCHEMAS, SECRET), size, report, True)


def _connect(url: str, *, autocommit: bool = False) -> psycopg.Connection:
    return psycopg.connect(url, autocommit=autocommit, client_encoding="utf8")


def _reading(url: str) -> psycopg.Connection:
    connection = _connect(url)
    connection.isolation_level = IsolationLevel.REPEATABLE_READ
    connection.read_only = True
    return connection


def _version(db: psycopg.Connection, schema: str) -> str:
    """What its newest migration is called. Raises `BackupRefused` where there is none."""
    table = sql.Identifier(schema, _VERSIONS[schema])
    column = sql.Identifier("version" if schema == "ledger" else "version_num")
    try:
        row = db.execute(sql.SQL("SELECT max({}) FROM {}").format(column, table)).fetchone()
    except (psycopg.errors.UndefinedTable, psycopg.errors.InvalidSchemaName):
        row = None
    if row is None or row[0] is None:
        raise BackupRefused(f"The database has no schema {schema!r} of ours yet: start the server once.")
    return str(row[0])


def _tables(db: psycopg.Connection) -> list[_Table]:
    """Every table of ours but those that say which version a schema is of; a partitioned one as a whole."""
    rows = db.execute(
        "SELECT nspname, relname FROM pg_class JOIN pg_namespace ON pg_namespace.oid = relnamespace"
        " WHERE relkind IN ('r', 'p') AND NOT relispartition AND nspname = ANY (%s) ORDER BY 1, 2",
        (list(SCHEMAS),),
    )
    return [(schema, name) for schema, name in rows if name != _VERSIONS[schema]]


def _columns(db: psycopg.Connection, table: _Table) -> list[str]:
    rows = db.execute(
        "SELECT column_name FROM information_schema.columns WHERE table_schema = %s AND table_name = %s"
        " AND is_generated = 'NEVER' ORDER BY ordinal_position",
        table,
    )
    return [name for (name,) in rows]


def _copy_out(db: psycopg.Connection, table: _Table, columns: list[str], path: Path) -> None:
    query = sql.SQL("COPY (SELECT {} FROM {}) TO STDOUT").format(_names(columns), sql.Identifier(*table))
    with path.open("xb") as file, db.cursor() as cursor, cursor.copy(query) as rows:
        for data in rows:
            file.write(data)


def _sequences(db: psycopg.Connection, schema: str) -> dict[str, int]:
    """The last number that each gave; those that gave none are left out."""
    rows = db.execute(
        "SELECT sequencename, last_value FROM pg_sequences WHERE schemaname = %s AND last_value IS NOT NULL",
        (schema,),
    )
    return dict(rows.fetchall())


def _heads(db: psycopg.Connection) -> list[str]:
    rows = db.execute("SELECT id, entry_seq, head FROM ledger.ledger_team WHERE entry_seq > 0 ORDER BY id")
    return [f"{team_id}:{seq}:{head.hex()}" for team_id, seq, head in rows]


# --- putting back -----------------------------------------------------------------------------


def restore(source: Path, url: str, secret_set: bytes | None) -> Restored:
    """Put a backup into a database that has nothing of ours, after its checksums were verified; then
    check the ledger's rules and its chain with the heads that the manifest names.

    Raises `BackupRefused`; then the database is as it was.
    """
    try:
        with opened(source) as files:
            manifest = manifest_of(files, "postgresql", _are_ours)
            names = sorted(manifest["files"])
            for name in names:
                for piece in read_checked(files, name, manifest["files"][name]):
                    if name == SECRET:
                        check_secret(manifest, secret_set, piece)
            with closing(_connect(url)) as db:
                refuse_used(db)
            try:
                return _put_back(files, manifest, url)
            except BaseException:
                _take_away(url)
                raise
    except (OSError, EOFError, KeyError, psycopg.Error, asyncpg.PostgresError) as error:
        raise BackupRefused(f"{source} could not be restored: {error}") from error
    except (DatabaseUnavailable, Unavailable) as error:
        raise BackupRefused(f"{source} is of a newer version of Tiltyard: {error}") from error


def refuse_used(db: psycopg.Connection) -> None:
    """Raises `BackupRefused` where one of our schemas has a table, or a server of ours is at work."""
    there = db.execute(
        "SELECT count(*) FROM pg_stat_activity"
        " WHERE datname = current_database() AND application_name LIKE 'tiltyard%'"
    ).fetchone()
    if there is not None and there[0]:
        raise BackupRefused("A server is running on this database: stop it, and make a new database.")
    rows = db.execute(
        "SELECT DISTINCT schemaname FROM pg_tables WHERE schemaname = ANY (%s) ORDER BY 1", (list(SCHEMAS),)
    ).fetchall()
    if rows:
        raise BackupRefused(
            f"The database is in use: it has {', '.join(name for (name,) in rows)}. Make a new one and name "
            "it in TILTYARD_DATABASE_URL; a restore overwrites nothing."
        )


def _are_ours(names: set[str]) -> bool:
    return SECRET in names and all(name == SECRET or _FILE.fullmatch(name) for name in names)


def _put_back(files: Files, manifest: dict[str, Any], url: str) -> Restored:
    versions: dict[str, str] = manifest["versions"]
    _make_ledger(url, int(versions["ledger"]))
    for name in ("app", "log"):
        _migrate(url, name, versions[name])
    with closing(_connect(url)) as db:
        _load(db, files, manifest)
        db.commit()
    _make_ledger(url, LEDGER_SCHEMA)  # what is older becomes ours
    for name in ("app", "log"):
        _migrate(url, name, None)
    report = audit_postgresql.audit(url, heads=manifest["ledger"]["heads"])
    if report.findings:
        raise BackupRefused(f"The ledger in the backup is broken: {report.findings[0]}")
    if report.entries != manifest["ledger"]["entries"]:
        raise BackupRefused(f"The ledger has {report.entries} entries, and not what the manifest says.")
    return Restored(SCHEMAS, str(manifest["made_at"]), report)


def _make_ledger(url: str, version: int) -> None:
    async def make() -> None:
        connection = await asyncpg.connect(url)
        try:
            await ensure_schema(connection, version)
        finally:
            await connection.close()

    asyncio.run(make())


def _migrate(url: str, name: str, revision: str | None) -> None:
    engine = open_postgresql(url, cast(Any, name))
    try:
        migrate(engine, cast(Any, name), revision)
    finally:
        engine.dispose()


def _load(db: psycopg.Connection, files: Files, manifest: dict[str, Any]) -> None:
    """All rows in one transaction, with rules and references out of the way until they are there: what
    the rules say of whole ledgers is the audit's, and references are checked when they are made again."""
    tables = _tables(db)
    references = list(_references(db))
    for schema, table, name, _ in references:
        drop = sql.SQL("ALTER TABLE {} DROP CONSTRAINT {}")
        db.execute(drop.format(sql.Identifier(schema, table), sql.Identifier(name)))
    for one in tables:
        db.execute(sql.SQL("ALTER TABLE {} DISABLE TRIGGER USER").format(sql.Identifier(*one)))
        # What a migration put there is among what was saved.
        db.execute(sql.SQL("DELETE FROM {}").format(sql.Identifier(*one)))
    for file in sorted(manifest["columns"]):
        _copy_in(db, files, file, manifest)
    for schema in SCHEMAS:
        for name, last in manifest["sequences"][schema].items():
            db.execute("SELECT setval(%s::regclass, %s)", (sql.Identifier(schema, name).as_string(db), last))
    for one in tables:
        db.execute(sql.SQL("ALTER TABLE {} ENABLE TRIGGER USER").format(sql.Identifier(*one)))
    for schema, table, name, definition in references:
        add = "ALTER TABLE {} ADD CONSTRAINT {} " + definition
        db.execute(sql.SQL(add).format(sql.Identifier(schema, table), sql.Identifier(name)))


def _copy_in(db: psycopg.Connection, files: Files, name: str, manifest: dict[str, Any]) -> None:
    """Raises `BackupRefused` where the file is not what was saved, or no file of a table of ours."""
    found = _FILE.fullmatch(name)
    if found is None or name not in manifest["files"]:
        raise BackupRefused(f"The backup describes no table by {name!r}.")
    table = sql.Identifier(found[1], found[2])
    query = sql.SQL("COPY {} ({}) FROM STDIN").format(table, _names(manifest["columns"][name]))
    with db.cursor() as cursor, cursor.copy(query) as rows:
        for piece in read_checked(files, name, manifest["files"][name]):
            rows.write(piece)


def _references(db: psycopg.Connection) -> Iterator[tuple[str, str, str, LiteralString]]:
    yield from db.execute(
        "SELECT namespace.nspname, class.relname, made.conname, pg_get_constraintdef(made.oid)"
        " FROM pg_constraint AS made JOIN pg_class AS class ON class.oid = made.conrelid"
        " JOIN pg_namespace AS namespace ON namespace.oid = class.relnamespace"
        " WHERE made.contype = 'f' AND namespace.nspname = ANY (%s)",
        (list(SCHEMAS),),
    ).fetchall()


def _take_away(url: str) -> None:
    """What a restore that failed has made: there was nothing of ours before."""
    with suppress(psycopg.Error), closing(_connect(url, autocommit=True)) as db:
        for schema in SCHEMAS:
            db.execute(sql.SQL("DROP SCHEMA IF EXISTS {} CASCADE").format(sql.Identifier(schema)))


def _names(columns: list[str]) -> sql.Composed:
    return sql.SQL(", ").join(sql.Identifier(column) for column in columns)
