"""Writes into the audit log that somebody read what another member wrote: once an hour a reader and run."""

from __future__ import annotations

import logging
import time
from concurrent.futures import ThreadPoolExecutor
from typing import Final

from identity.audit_log import AuditLog
from identity.principal import Principal

_log = logging.getLogger(__name__)

_AGAIN_S: Final = 3600.0
_MOST: Final = 10_000


class TextReads:
    """Called on the loop; written on a thread of its own."""

    def __init__(self, audit: AuditLog) -> None:
        self._audit = audit
        self._known: dict[tuple[int | None, int | None, str], float] = {}
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="text reads")

    def __call__(self, reader: Principal, run_id: str) -> None:
        key, now_s = (reader.user_id, reader.key_id, run_id), time.monotonic()
        if now_s - self._known.get(key, -_AGAIN_S) < _AGAIN_S:
            return
        if len(self._known) >= _MOST:
            self._known.clear()
        self._known[key] = now_s
        self._thread.submit(self._note, reader, run_id)

    def close(self) -> None:
        self._thread.shutdown(wait=True)

    def _note(self, reader: Principal, run_id: str) -> None:
        try:
            self._audit.note("text_read", by=reader, subject=run_id)
        except Exception:
            _log.exception("that a member's text was read could not be written into the audit log")
