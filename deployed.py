"""Which code runs, and what changed since the last start: marks on the charts of latency."""

from __future__ import annotations

import asyncio
import hashlib
import logging
import time
from pathlib import Path

from sqlalchemy.exc import SQLAlchemyError

from gateway.catalog import Catalog
from live_charts import aliases_of
from stores import Stores
from telemetry.marks import Marks

_log = logging.getLogger("tiltyard")

_ROOT = Path(__file__).parent
_NOT_RUN = {"tests", "bench", "tools", "migrations"}


def code_version() -> str:
    """A short fingerprint of the code in this folder: the same where it is the same."""
    digest = hashlib.sha256()
    for path in sorted((*_ROOT.glob("*.py"), *_ROOT.glob("[a-z]*/**/*.py"))):
        if path.relative_to(_ROOT).parts[0] not in _NOT_RUN:
            digest.update(path.relative_to(_ROOT).as_posix().encode() + b"\0" + path.read_bytes())
    return digest.hexdigest()[:8]


async def notice_changes(stores: Stores, catalog: Catalog) -> None:
    """Beside the start, which does not wait for it."""
    marks = Marks(stores.databases.log.engine)
    try:
        code = await asyncio.to_thread(code_version)
        await asyncio.to_thread(marks.notice, code, aliases_of(catalog), time.time_ns() // 1_000_000)
    except (OSError, SQLAlchemyError) as error:
        _log.warning("what changed since the last start could not be noticed: %s", error)
