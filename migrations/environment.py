"""What both databases' Alembic environments share: run on the connection that `store` hands over."""

from __future__ import annotations

from typing import Literal

from alembic import context
from alembic.autogenerate.api import AutogenContext
from sqlalchemy import MetaData
from sqlmodel.sql.sqltypes import AutoString


def run(metadata: MetaData) -> None:
    connection = context.config.attributes["connection"]
    # SQLite cannot alter most things in place; batch mode copies the table instead.
    batch = connection.dialect.name == "sqlite"
    context.configure(
        connection=connection,
        target_metadata=metadata,
        render_as_batch=batch,
        render_item=_without_sqlmodel,
    )
    with context.begin_transaction():
        context.run_migrations()


def _without_sqlmodel(kind: str, item: object, _: AutogenContext) -> str | Literal[False]:
    """Migrations outlive libraries: they name SQLAlchemy's own types."""
    return "sa.String()" if kind == "type" and isinstance(item, AutoString) else False
