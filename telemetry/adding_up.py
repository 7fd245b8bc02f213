"""Lines of sheets added up: by group, by slot of time, and the highest of them. Pure.

Every sheet has its own words, so each is brought to places that hold for all of them; then a figure of all
groups is one sum over arrays.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Sequence
from typing import Final, cast

import numpy as np
from numpy.typing import NDArray

from telemetry import sheets
from telemetry.columns import Ints
from telemetry.histograms import BINS
from telemetry.kept_sheets import BYS
from telemetry.rollups import OUTCOMES, Total
from telemetry.rows import Series
from telemetry.sheet_windows import Part
from telemetry.slices import By

MOST_GROUPS: Final = 500  # told apart; the less busy ones are added up together

LineKey = tuple[str, Series, int]  # group, series, and a slot's first instant
REST: Final[LineKey] = ("", "paid", -1)  # of the groups beyond the most that are told apart


def totals(
    parts: Iterable[Part],
    by: By | None,
    histograms: Collection[str],
    counters: Collection[str],
    *,
    shown_ms: int | None = None,
    only: Collection[tuple[str, str]] | None = None,
    most: int | None = None,
) -> dict[LineKey, Total]:
    """What counts of the parts, by group (all are one where `by` is None), series, and slots of `shown_ms`
    (one, 0, without); of the groups in `only`, where that is given.

    Beyond the `most` busiest, for which the counters must be asked for, groups are one, `REST`.
    """
    sums = _Sums(histograms, counters, only)
    for part in parts:
        sums.take(part, by, shown_ms)
    return sums.totals(most)


def highest(parts: Iterable[Part], histogram: str, limit: int) -> list[tuple[int, int]]:
    """(bin, when it ended) of the requests with the highest bins, the highest first, of equal ones the
    newest; at most `limit`. Parts are of requests."""
    found: list[tuple[int, int]] = []
    least = 0
    for part in sorted(parts, key=lambda part: -part.slot_ms):
        line, each, _ = part.sheet.bins[histogram]
        above = np.flatnonzero(each >= least)
        lines = line[above]
        mask = part.counting(lines)
        if mask is not None:
            lines, above = lines[mask], above[mask]
        ended = part.sheet.at[lines] + part.slot_ms
        found += zip(each[above].tolist(), ended.tolist(), strict=True)
        if len(found) >= 2 * limit:
            found = sorted(found, reverse=True)[:limit]
            least = found[-1][0]
    return sorted(found, reverse=True)[:limit]


class _Sums:
    """Gathers what parts add to which place; a place is a group, series and slot."""

    def __init__(
        self,
        histograms: Collection[str],
        counters: Collection[str],
        only: Collection[tuple[str, str]] | None,
    ) -> None:
        self._places: dict[LineKey, int] = {}
        self._only = None if only is None else set(only)
        self._into: list[Ints] = []
        self._counts: dict[str, list[Ints]] = {name: [] for name in counters}
        self._bins: dict[str, list[tuple[Ints, Ints, Ints]]] = {name: [] for name in histograms}

    def take(self, part: Part, by: By | None, shown_ms: int | None) -> None:
        mask = part.counting()
        slots = _slots(part, shown_ms)
        for codes, names in _groups(part, by):
            into = self._places_of(part, codes, names, slots, mask)
            chosen = np.flatnonzero(into >= 0)
            whole = len(chosen) == len(into)
            if not len(chosen):
                continue
            self._into.append(into if whole else into[chosen])
            for name, gathered in self._counts.items():
                column = part.sheet.counts[name]
                gathered.append(column if whole else column[chosen])
            for name, some in self._bins.items():
                line, each, count = part.sheet.bins[name]
                place = into[line]
                if not whole:
                    kept = place >= 0
                    place, each, count = place[kept], each[kept], count[kept]
                some.append((place, each, count))

    def _places_of(
        self, part: Part, codes: Ints, names: Sequence[str | None], slots: tuple[Ints, int],
        mask: NDArray[np.bool_] | None,
    ) -> NDArray[np.int64]:  # fmt: skip
        """Each line's place, -1 where it does not count."""
        of_series = part.sheet.words["series"]
        within, first = slots
        width = int(within.max(initial=0)) + 1
        key = (codes.astype(np.int64) * len(of_series) + part.sheet.codes["series"]) * width + within
        present = np.bincount(key if mask is None else key[mask])
        known = np.full(len(present), -1, dtype=np.int64)
        for each in np.flatnonzero(present):
            group, series = divmod(int(each) // width, len(of_series))
            known[each] = self._place(names[group], of_series[series], first + int(each) % width)
        if mask is None:
            return known[key]
        found = np.full(len(key), -1, dtype=np.int64)
        found[mask] = known[key[mask]]
        return found

    def _place(self, group: str | None, series: str, slot: int) -> int:
        if group is None or (self._only is not None and (group, series) not in self._only):
            return -1
        return self._places.setdefault((group, cast(Series, series), slot), len(self._places))

    def totals(self, most: int | None) -> dict[LineKey, Total]:
        keys = list(self._places)
        if not keys:
            return {}
        into = np.concatenate(self._into)
        counts = {
            name: sheets.sums(into, np.concatenate(some), len(keys)) for name, some in self._counts.items()
        }
        place = np.arange(len(keys))
        if most is not None and len(keys) > most:
            keys, place = _busiest(keys, counts, most)
            counts = {name: sheets.sums(place, column, len(keys)) for name, column in counts.items()}
        found = {key: Total() for key in keys}
        for name, column in counts.items():
            for total, count in zip(found.values(), column.tolist(), strict=True):
                if count:
                    total.counts[name] = count
        for name, some in self._bins.items():
            for total, ready in zip(found.values(), _dense(some, place, len(keys)), strict=True):
                total.ready[name] = ready
        return found


def _groups(part: Part, by: By | None) -> Iterator[tuple[Ints, Sequence[str | None]]]:
    """(place of each line's group, names of these); several times where a line has several. None is none."""
    sheet = part.sheet
    if by is None:
        yield np.zeros(sheet.lines, dtype=np.int64), [""]
    elif not part.of_requests:
        column = "name" if by in BYS else by
        yield sheet.codes[column], sheet.words[column]
    elif by != "tag":
        yield sheet.codes[by], sheet.words[by]
    else:
        several = [sheets.tags_in(word) for word in sheet.words["tag"]]
        for rank in range(max(map(len, several), default=0)):
            yield sheet.codes["tag"], [tags[rank] if rank < len(tags) else None for tags in several]


def _slots(part: Part, shown_ms: int | None) -> tuple[Ints, int]:
    """(each line's slot, counted from the first; that one's number)."""
    if shown_ms is None:
        return np.zeros(part.sheet.lines, dtype=np.int64), 0
    if not part.of_requests:
        return np.zeros(part.sheet.lines, dtype=np.int64), part.slot_ms // shown_ms
    numbers = (part.sheet.at + part.slot_ms) // shown_ms
    first = int(numbers.min()) if len(numbers) else 0
    return numbers - first, first


def _busiest(
    keys: Sequence[LineKey], counts: dict[str, NDArray[np.int64]], most: int
) -> tuple[list[LineKey], NDArray[np.int64]]:
    """The keys that stay, `REST` last, and where each of all goes."""
    requests = sum(counts[f"requests_{outcome}"] for outcome in OUTCOMES)
    order = np.argsort(-np.asarray(requests), kind="stable")
    place = np.full(len(keys), most, dtype=np.int64)
    place[order[:most]] = np.arange(most)
    return [*(keys[at] for at in order[:most]), REST], place


def _dense(some: Sequence[tuple[Ints, Ints, Ints]], place: NDArray[np.int64], n: int) -> NDArray[np.int64]:
    """A row of counts a bin for each place."""
    if not some:
        return np.zeros((n, BINS), dtype=np.int64)
    into, each, count = (np.concatenate(column) for column in zip(*some, strict=True))
    return sheets.sums(place[into] * BINS + each, count, n * BINS).reshape(n, BINS)
