"""Tells whoever remembers somebody's rights that rights changed: here at once, elsewhere within 5 s.

Whatever changes rights is a `Changing` service: its writes are short transactions of script threads, and
each is followed by a call of everybody who listens.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Callable
from typing import TypeVar

from sqlalchemy.orm import Session

from store.databases import Database

_log = logging.getLogger(__name__)

T = TypeVar("T")

NowMs = Callable[[], int]


def wall_ms() -> int:
    return time.time_ns() // 1_000_000


class Changes:
    """Listeners may be called on any thread, and must not wait."""

    def __init__(self) -> None:
        self._listeners: list[Callable[[], object]] = []

    def listen(self, listener: Callable[[], object]) -> None:
        self._listeners.append(listener)

    def tell(self) -> None:
        for listener in tuple(self._listeners):
            try:
                listener()
            except Exception:
                _log.exception("somebody could not be told that rights changed")


class Changing:
    def __init__(self, database: Database, changes: Changes, *, now_ms: NowMs = wall_ms) -> None:
        self._database = database
        self._changes = changes
        self._now_ms = now_ms

    def _read(self, work: Callable[[Session], T]) -> T:
        with self._database.session() as session:
            return work(session)

    def _write(self, work: Callable[[Session], T]) -> T:
        result = self._read(work)
        self._changes.tell()
        return result
