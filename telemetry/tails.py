"""The rows that came since sheets were last made, as a sheet, each worked out once however often it is read.

A page draws several charts of the same minute. Rows are never changed, so of those that are known nothing is
read again but that they are still there. Safe in any thread: at worst two work out the same.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from sqlalchemy import Connection

from telemetry import clocks, sheets, stored
from telemetry.rows import RequestRow
from telemetry.sheets import Sheet

_MOST_TEAMS: Final = 32

_Key = tuple[int, str]  # when it ended, and its id


@dataclass(frozen=True, slots=True)
class _Tail:
    since_ms: int
    keys: frozenset[_Key]
    sheet: Sheet


class Tails:
    def __init__(self) -> None:
        self._known: dict[int | None, _Tail] = {}

    def read(
        self,
        connection: Connection,
        waiting: Sequence[RequestRow],
        team_id: int | None,
        since_ms: int,
        most: int,
    ) -> Sheet | None:
        """A team's requests, or all, that ended at `since_ms` or later, stored or waiting, in ms since then;
        None where there are more than `most`."""
        by_key = {(clocks.ended_at_ms(row), row.request_id): row for row in waiting}
        unstored = {key: row for key, row in by_key.items() if key[0] >= since_ms}
        keys = unstored.keys() | stored.newest_keys(connection, team_id, since_ms, most + 1)
        if len(keys) > most:
            return None
        known = self._known.get(team_id)
        if known is None or known.since_ms != since_ms or not known.keys <= keys:
            known = _Tail(since_ms, frozenset(), sheets.of_rows((), since_ms))
        new = sorted(keys - known.keys)
        if new:
            read, _ = stored.newest_whole(connection, team_id, new[0][0], new[-1][0] + 1, most)
            by_key = {(clocks.ended_at_ms(row), row.request_id): row for row in read} | unstored
            rows = [by_key[key] for key in new if key in by_key]
            sheet = sheets.joined([known.sheet, sheets.of_rows(rows, since_ms)])
            known = _Tail(since_ms, frozenset(keys), sheet)
            self._keep(team_id, known)
        return known.sheet

    def _keep(self, team_id: int | None, tail: _Tail) -> None:
        self._known = {**dict(list(self._known.items())[-_MOST_TEAMS:]), team_id: tail}
