"""Counting by the minute: how much was used of a limit, in a window that slides.

Two counts a subject, of this minute and of the one before, which fades as this one passes:

    used = before x (1 - share of this minute that has passed) + now

It is how the package `limits` counts in Redis for several processes (its sliding window counter); here
for one process, in a dictionary, since that package's own memory starts a thread every 10 ms and takes
five times as long.
"""

from __future__ import annotations

import math

import msgspec

WINDOW_S = 60.0


class Standing(msgspec.Struct, frozen=True):
    """How a limit stands: what may still be used now, and in how many seconds all of it may again."""

    limit: int
    remaining: int
    reset_s: float


class Windows:
    """`take` and the rest are given the time, in seconds that only grow, and never wait."""

    def __init__(self) -> None:
        self._counts: dict[str, list[int]] = {}  # name: minute, used in it, used in the one before
        self._minute = 0

    def take(self, name: str, limit: int, cost: int, now_s: float) -> bool:
        """Whether there was room for the cost, which is then used."""
        counts, passed = self._at(name, now_s)
        if counts[2] * (1 - passed) + counts[1] + cost > limit:
            return False
        counts[1] += cost
        return True

    def add(self, name: str, cost: int, now_s: float) -> None:
        """Use without asking, or give back (below 0)."""
        counts, _ = self._at(name, now_s)
        counts[1] = max(counts[1] + cost, 0)

    def standing(self, name: str, limit: int, now_s: float) -> Standing:
        counts, passed = self._at(name, now_s)
        used = counts[2] * (1 - passed) + counts[1]
        windows = 2 if counts[1] else 1 if counts[2] else 0
        return Standing(limit, max(math.floor(limit - used), 0), max(windows - passed, 0.0) * WINDOW_S)

    def room_in_s(self, name: str, limit: int, cost: int, now_s: float) -> float:
        """In how many seconds there will be room for the cost, if nobody uses more meanwhile. A cost above
        the limit never has: then as if it were the limit."""
        (_, now, before), passed = self._at(name, now_s)
        cost = min(cost, limit)
        if now + cost <= limit:
            fades_at = 1 - (limit - now - cost) / before if before else 0.0
            return max(fades_at - passed, 0.0) * WINDOW_S
        fades_at = 1 - (limit - cost) / now
        return (1 - passed + fades_at) * WINDOW_S

    def _at(self, name: str, now_s: float) -> tuple[list[int], float]:
        """Its counts, moved on to this minute, and the share of it that has passed."""
        at = now_s / WINDOW_S
        minute = int(at)
        if minute != self._minute:
            self._minute = minute
            self._counts = {key: kept for key, kept in self._counts.items() if kept[0] >= minute - 1}
        counts = self._counts.get(name)
        if counts is None:
            counts = self._counts[name] = [minute, 0, 0]
        elif counts[0] != minute:
            counts[:] = [minute, 0, counts[1] if counts[0] == minute - 1 else 0]
        return counts, at - minute
