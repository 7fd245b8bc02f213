"""How well each provider answered for each model lately, and which of them are given a rest.

    well       asked in its turn
    resting    it failed too often; asked only where nobody else is left
    probe      its rest is over: one request at a time finds out whether it is well again

A route rests after three failures in a row, or once half of its recent outcomes are failures: for
5 seconds at first, twice as long with each rest that a failed probe prolongs, at most two minutes;
after `Retry-After`, for as long as that says (at most five). Outcomes fade: one a minute old counts
half. Of this process and in memory alone: what another process learns it learns for itself. Nobody is
refused because of it: a route that is the only one left is asked, however ill it looks.
"""

from __future__ import annotations

import time
from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

Standing = Literal["well", "resting", "probe"]
Key = tuple[str, str]  # provider, model

IN_A_ROW = 3
LEAST_OUTCOMES = 8.0  # of them half must have failed
HALF_LIFE_S = 60.0
FIRST_REST_S = 5.0
LONGEST_REST_S = 120.0
LONGEST_RETRY_AFTER_S = 300.0
_PROBE_LOST_S = 900.0  # a probe that never said how it ended
_MOST_ROUTES = 2_000
_MOST_DOUBLINGS = 10


@dataclass(slots=True)
class _Record:
    ok: float = 0.0
    failed: float = 0.0
    as_of_s: float = 0.0
    in_a_row: int = 0
    rests: int = 0
    rests_until_s: float | None = None
    probing_since_s: float | None = None
    why: str = ""


@dataclass(frozen=True, slots=True)
class Health:
    """What is known of one route: `success` of the recent `n` (fading) outcomes, None where there are
    none; for how long it still rests, and the error that it rests for."""

    standing: Standing
    success: float | None
    n: float
    rests_for_s: float = 0.0
    why: str = ""


class RouteHealth:
    """By (provider, model), at most 2,000 of them: those that were quiet longest are forgotten first.
    On the loop only."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._records: OrderedDict[Key, _Record] = OrderedDict()

    def standing(self, key: Key) -> Standing:
        record = self._records.get(key)
        if record is None or record.rests_until_s is None:
            return "well"
        now_s = self._clock()
        if now_s < record.rests_until_s:
            return "resting"
        probing = record.probing_since_s
        return "probe" if probing is None or now_s - probing > _PROBE_LOST_S else "resting"

    def look(self, key: Key) -> Health:
        """For whoever shows it."""
        record = self._records.get(key)
        if record is None:
            return Health("well", None, 0.0)
        fade = self._fade(record)
        ok, n = record.ok * fade, (record.ok + record.failed) * fade
        rests_s = max(0.0, (record.rests_until_s or 0.0) - self._clock())
        return Health(self.standing(key), ok / n if n > 0 else None, n, rests_s, record.why)

    def begins(self, key: Key) -> None:
        """An attempt starts: where the route's rest is over, it is the probe."""
        record = self._records.get(key)
        if record is not None and record.rests_until_s is not None and self.standing(key) == "probe":
            record.probing_since_s = self._clock()

    def succeeded(self, key: Key) -> None:
        record = self._records.get(key)
        if record is None:
            record = self._new(key)
        elif record.rests_until_s is not None:
            record.ok = record.failed = 0.0  # well again: what it rested for is over
            record.rests_until_s = record.probing_since_s = None
            record.rests = 0
        self._age(record)
        record.ok += 1
        record.in_a_row = 0
        record.why = ""

    def failed(self, key: Key, why: str, retry_after_s: float | None = None) -> None:
        """It was the provider's fault, or our key for it was refused."""
        record = self._records.get(key) or self._new(key)
        self._records.move_to_end(key)
        self._age(record)
        record.failed += 1
        record.in_a_row += 1
        record.why = why
        now_s = self._clock()
        if retry_after_s is not None:
            until_s = now_s + min(max(retry_after_s, 0.0), LONGEST_RETRY_AFTER_S)
            self._rest(record, max(until_s, record.rests_until_s or 0.0))
        elif self._is_ill(record) and not now_s < (record.rests_until_s or 0.0):
            # Attempts that were under way when it fell ill and fail later prolong nothing.
            self._rest(record, now_s + min(FIRST_REST_S * 2**record.rests, LONGEST_REST_S))

    def left(self, key: Key) -> None:
        """An attempt ended that says nothing of the route: it was stopped, or the request was at fault."""
        record = self._records.get(key)
        if record is not None:
            record.probing_since_s = None

    def _is_ill(self, record: _Record) -> bool:
        if record.in_a_row >= IN_A_ROW or record.rests_until_s is not None:
            return True
        n = record.ok + record.failed
        return n >= LEAST_OUTCOMES and record.failed * 2 >= n

    def _rest(self, record: _Record, until_s: float) -> None:
        record.rests = min(record.rests + 1, _MOST_DOUBLINGS)
        record.rests_until_s = until_s
        record.probing_since_s = None

    def _new(self, key: Key) -> _Record:
        if len(self._records) >= _MOST_ROUTES:
            self._records.popitem(last=False)
        record = self._records[key] = _Record(as_of_s=self._clock())
        return record

    def _fade(self, record: _Record) -> float:
        return float(0.5 ** (max(0.0, self._clock() - record.as_of_s) / HALF_LIFE_S))

    def _age(self, record: _Record) -> None:
        fade = self._fade(record)
        record.ok *= fade
        record.failed *= fade
        record.as_of_s = self._clock()
