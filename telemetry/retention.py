"""Keeps the request log in its months: makes those to come, lets those go that are too old.

One process of an installation does it, by lease. What goes, and what stays for ever: `partitions.py`.
"""

from __future__ import annotations

import asyncio
import logging
import time
from typing import Final

from sqlalchemy import Engine

from telemetry import partitions

EVERY_S: Final = 300.0

_log = logging.getLogger(__name__)


class LogRetention:
    """`days` None keeps every row."""

    def __init__(self, engine: Engine, days: int | None) -> None:
        self._engine = engine
        self._days = days

    async def turn(self) -> None:
        await asyncio.to_thread(self._turn, time.time_ns() // 1_000_000)

    def _turn(self, now_ms: int) -> None:
        partitions.prepare(self._engine, now_ms)
        if self._days is not None:
            gone = partitions.forget(self._engine, partitions.limit_of(now_ms, self._days))
            if gone.requests:
                _log.info("%d requests older than %d days left the request log", gone.requests, self._days)
