"""Keeps a blind battle's rows out of the request log until its names are known, so that no chart, count or
list shows a model's time or cost while somebody still guesses which lane is which.

Rows wait in memory: until the battle is revealed to whoever started the turn, or for 15 minutes, or until
this process ends. Roll-ups take late rows. A crash loses what waits, as it loses the log's last second;
money is the ledger's and loses nothing.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable
from typing import Final

from telemetry.rows import RequestRow

LONGEST_S: Final = 15 * 60.0

Log = Callable[[RequestRow], None]


class HeldLog:
    """Stands between the gateway and the log. On the loop only."""

    def __init__(self, log: Log) -> None:
        self._log = log
        self._held: dict[str, float] = {}  # run ids, and until when
        self._rows: dict[str, RequestRow] = {}

    def __call__(self, row: RequestRow) -> None:
        if row.run_id is not None and row.run_id in self._held:
            self._rows[row.run_id] = row
        else:
            self._log(row)

    def hold(self, run_ids: Iterable[str]) -> None:
        until_s = time.monotonic() + LONGEST_S
        self._held |= dict.fromkeys(run_ids, until_s)

    def release(self, run_ids: Iterable[str]) -> None:
        for run_id in run_ids:
            self._held.pop(run_id, None)
            if (row := self._rows.pop(run_id, None)) is not None:
                self._log(row)

    def release_old(self) -> None:
        """Now and then."""
        now_s = time.monotonic()
        self.release([run_id for run_id, until_s in self._held.items() if until_s <= now_s])

    def close(self) -> None:
        self.release(tuple(self._held))
