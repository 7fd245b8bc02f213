"""Keeps a blind battle's rows out of the request log until its names are known, so that no chart, count or
list shows a model's time or cost while somebody still guesses which lane is which.

Rows wait in memory: until the battle is revealed to whoever started the turn, or for 15 minutes, or until
this process ends. Roll-ups take late rows. A crash loses what waits, as it loses the log's last second;
money is the ledger's and loses nothing.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable
from typing import Final

from telemetry.rows import RequestRow

LONGEST_S: Final = 15 * 60.0

Log = Callable[[RequestRow], None]


class HeldLog:
    """Stands between the gateway and the log. On the loop only."""

    def __init__(self, log: Log, longest_s: float = LONGEST_S) -> None:
        self._log = log
        self._longest_s = longest_s
        self._held: set[str] = set()  # run ids
        self._rows: dict[str, RequestRow] = {}

    def __call__(self, row: RequestRow) -> None:
        if row.run_id in self._held:
            self._rows[row.run_id] = row
        else:
            self._log(row)

    def hold(self, run_ids: Iterable[str]) -> None:
        held = tuple(run_ids)
        self._held.update(held)
        asyncio.get_running_loop().call_later(self._longest_s, self.release, held)

    def release(self, run_ids: Iterable[str]) -> None:
        for run_id in run_ids:
            self._held.discard(run_id)
            if (row := self._rows.pop(run_id, None)) is not None:
                self._log(row)

    def close(self) -> None:
        self.release(tuple(self._held))
