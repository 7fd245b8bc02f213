"""Finds the requests of a window with the highest bins, and reads no hour that cannot hold one of them.

What is kept by group says of each day, and of its hours, how high they go: they are looked into in that
order, the highest first and the newest of equal ones, until what was found is above all that is left.
"""

from __future__ import annotations

import heapq
from collections.abc import Sequence
from dataclasses import replace
from typing import Final

from sqlalchemy import Connection

from telemetry import adding_up, sheet_windows
from telemetry.kept_sheets import Span
from telemetry.rollups import DAY_MS, HOUR_MS
from telemetry.rows import RequestRow
from telemetry.sheet_windows import Need, Part
from telemetry.slices import Slice
from telemetry.tails import Tails

Ended = tuple[int, int]  # a bin, and when the request ended

_NARROW: Final = "output_length"  # of what is kept of all requests of a team, that of the fewest groups


class Highest:
    """Of a slice's requests. Parts that were read are kept, so that whoever wants more goes on from there."""

    def __init__(
        self,
        connection: Connection,
        tails: Tails,
        waiting: Sequence[RequestRow],
        asked: Slice,
        need: Need,
    ) -> None:
        """`need` is of requests and has one histogram."""
        self._asked, self._need = asked, need
        (self._histogram,) = need.histograms
        first_ms, end_ms = sheet_windows.whole_hours(connection, asked.from_ms, asked.to_ms)
        self._parts: list[Part] = []
        for edge in ((asked.from_ms, first_ms), (end_ms, asked.to_ms)):
            if edge[0] < edge[1]:
                self._parts += sheet_windows.read(connection, tails, waiting, asked, *edge, need).parts
        self._left: list[tuple[int, int, int]] = []  # how high a slot goes, its end, both negative; its width
        for span in sheet_windows.widest(first_ms, end_ms):
            self._leave(connection, span)

    def most(self, connection: Connection, limit: int) -> list[Ended]:
        """At most `limit`, the highest first, of equal ones the newest."""
        found = adding_up.highest(self._parts, self._histogram, limit)
        while self._left and (len(found) < limit or found[-1] < (-self._left[0][0], -self._left[0][1])):
            _, minus_end_ms, width_ms = heapq.heappop(self._left)
            slot_ms = -minus_end_ms - width_ms
            if width_ms == DAY_MS:
                self._leave(connection, (HOUR_MS, slot_ms, slot_ms + DAY_MS))
                continue
            span = (HOUR_MS, slot_ms, slot_ms + HOUR_MS)
            hour = sheet_windows.requests_of(connection, self._asked, span, self._need)
            self._parts += hour
            least = found[-1][0] if len(found) >= limit else 0
            more = adding_up.highest(hour, self._histogram, limit, least)
            found = sorted(found + more, reverse=True)[:limit]
        return found

    def _leave(self, connection: Connection, span: Span) -> None:
        """Put down how high the slots of a span go."""
        tops: dict[int, int] = {}
        for part in _holding(connection, self._asked, span, self._histogram):
            line, each, _ = part.sheet.bins[self._histogram]
            mask = part.counting()
            bins = each if mask is None else each[mask[line]]
            if len(bins):
                tops[part.slot_ms] = max(tops.get(part.slot_ms, 0), int(bins.max()))
        for slot_ms, top in tops.items():
            heapq.heappush(self._left, (-top, -(slot_ms + span[0]), span[0]))


def _holding(connection: Connection, asked: Slice, span: Span, histogram: str) -> list[Part]:
    """Sheets of groups that hold what the slice does, and maybe more."""
    if asked.key_id is None and asked.tag is None:
        wider = replace(asked, by=_NARROW)
    else:
        wider = replace(asked, by="model", tag=None if asked.key_id is not None else asked.tag)
    return sheet_windows.grouped(connection, wider, [span], Need((histogram,)))
