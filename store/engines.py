"""How each kind of database is connected to. Nothing here knows what is kept in it.

PostgreSQL: one schema a database of ours, found through the connection's search path, so that no
statement and no migration names it. Waits are bounded: for a connection, for a statement, for a
transaction that somebody forgot.
"""

from __future__ import annotations

from pathlib import Path

from sqlalchemy import Engine, create_engine, event, make_url

_POOL = 4  # kept open, an engine and process
_POOL_MORE = 4  # under load: with the ledger's, two or three processes fit into PostgreSQL's usual 100
_POOL_WAIT_S = 10.0
_RECYCLE_S = 30 * 60
_CONNECT_S = 5
_STATEMENT_MS = 15_000
_IDLE_TRANSACTION_MS = 60_000


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


def open_postgresql(url: str, schema: str) -> Engine:
    """`url` is `postgresql://` or `postgres://`, with libpq's parameters; its `options` are kept, but for
    the search path, which is ours. Connects when first used."""
    address = make_url(url).set(drivername="postgresql+psycopg")
    theirs = address.query.get("options", "")
    options = (
        f"-c statement_timeout={_STATEMENT_MS} -c idle_in_transaction_session_timeout={_IDLE_TRANSACTION_MS}",
        theirs if isinstance(theirs, str) else " ".join(theirs),
        f"-c search_path={schema}",
    )
    defaults: dict[str, str | int] = {
        "connect_timeout": _CONNECT_S,
        "application_name": f"tiltyard {schema}",
        "keepalives_idle": 30,  # a host that is gone is noticed in a minute, not in two hours
        "keepalives_interval": 10,
        "keepalives_count": 3,
    }
    return create_engine(
        address,
        connect_args={name: value for name, value in defaults.items() if name not in address.query}
        | {"options": " ".join(part for part in options if part)},
        pool_size=_POOL,
        max_overflow=_POOL_MORE,
        pool_timeout=_POOL_WAIT_S,
        pool_recycle=_RECYCLE_S,
        pool_pre_ping=True,
    )


def is_postgresql(engine: Engine) -> bool:
    return engine.dialect.name == "postgresql"
