"""Refusals that come before a request is a request: no key, a body that cannot be read, too large.

The gateway logs what it is asked; these never get there, and would be missing from the log and from every
success rate made of it. A row says the status and the error's name, and whose it was where the key is known;
of the body it says nothing. So many a second are written and no more: whoever knocks with wrong keys must
not fill the disk. What was left out is counted.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Final

from api.errors import status_of
from api.exchange import PRINCIPAL, Exchange
from identity.principal import Principal
from telemetry.rows import RequestRow

A_SECOND: Final = 20.0
BURST: Final = 100.0


class Refusals:
    """`record` on the loop only. `left_out` counts what was refused and not written."""

    def __init__(
        self, log: Callable[[RequestRow], None], *, now_s: Callable[[], float] = time.monotonic
    ) -> None:
        self._log = log
        self._now_s = now_s
        self._room = BURST
        self._at_s = now_s()
        self.left_out = 0

    def record(self, exchange: Exchange, error: Exception) -> None:
        if getattr(error, "logged", False):
            return
        now_s = self._now_s()
        self._room = min(BURST, self._room + (now_s - self._at_s) * A_SECOND)
        self._at_s = now_s
        if self._room < 1:
            self.left_out += 1
            return
        self._room -= 1
        self._log(_row(exchange, error))


def _row(exchange: Exchange, error: Exception) -> RequestRow:
    principal: Principal | None = exchange.scope.get(PRINCIPAL)
    total_ms = (time.monotonic_ns() - exchange.accepted_ns) / 1e6
    status = status_of(error)
    return RequestRow(
        request_id=exchange.request_id,
        run_id=None,
        accepted_at_ms=round(time.time_ns() / 1e6 - total_ms),
        team_id=principal.team_id if principal else None,
        user_id=principal.user_id if principal else None,
        key_id=principal.key_id if principal else None,
        surface="api",
        model_asked="",
        model=None,
        provider=None,
        series="paid",
        outcome="gateway_fault" if status >= 500 else "client_fault",
        status=status,
        streamed=False,
        error=type(error).__name__,
        total_ms=total_ms,
    )
