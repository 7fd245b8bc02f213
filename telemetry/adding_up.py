"""Lines of sheets added up: by group, by slot of time, and the highest of them. Pure.

Every sheet has its own words, so each is brought to places that hold for all of them; then a figure of all
groups is one sum over arrays.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Sequence
from typing import TYPE_CHECKING, Final, cast

from telemetry import sheets
from telemetry.columns import Ints
from telemetry.histograms import BINS
from telemetry.kept_sheets import BYS
from telemetry.numpy_later import np
from telemetry.rollups import OUTCOMES, Total
from telemetry.rows import Series
from telemetry.sheet_windows import Part
from telemetry.slices import By

if TYPE_CHECKING:
    from numpy.typing import NDArray

MOST_GROUPS: Final = 500  # told apart; the less busy ones are added up together

LineKey = tuple[str, Series, int]  # group, series, and a slot's first instant
_NOWHERE: Final = -(2**40)  # times the number of slots, still below 0 with any of them added
REST: Final[LineKey] = ("", "paid", -1)  # of the groups beyond the most that are told apart


def totals(
    parts: Iterable[Part],
    by: By | None,
    histograms: Collection[str],
    counters: Collection[str],
    *,
    slots: tuple[int, int, int] | None = None,
    only: Collection[tuple[str, str]] | None = None,
    most: int | None = None,
) -> dict[LineKey, Total]:
    """What counts of the parts, by group (all are one where `by` is None), series, and slot: `slots` are
    their width and the window from when to when; one, 0, without. Of the groups in `only`, where that is
    given.

    Beyond the `most` busiest, for which the counters must be asked for, groups are one, `REST`.
    """
    shown_ms, from_ms, to_ms = slots if slots is not None else (None, 0, 1)
    first, last = (from_ms // shown_ms, (to_ms - 1) // shown_ms) if shown_ms is not None else (0, 0)
    sums = _Sums(histograms, counters, only, (first, last + 1 - first))
    for part in parts:
        sums.take(part, by, shown_ms)
    return sums.totals(most)


def highest(parts: Iterable[Part], histogram: str, limit: int, least: int = 0) -> list[tuple[int, int]]:
    """(bin, when it ended) of the requests with the highest bins, the highest first, of equal ones the
    newest; at most `limit`, none below `least`. Parts are of requests."""
    found: list[tuple[int, int]] = []
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
    """Gathers what parts add to which place; a place is a group and series, times a slot."""

    def __init__(
        self,
        histograms: Collection[str],
        counters: Collection[str],
        only: Collection[tuple[str, str]] | None,
        slots: tuple[int, int],
    ) -> None:
        """`slots` are the number of the first, and how many there are."""
        self._groups: dict[tuple[str, str], int] = {}
        self._known: dict[tuple[int, int], tuple[object, NDArray[np.int64]]] = {}
        self._only = None if only is None else set(only)
        self._first, self._slots = slots
        self._into: list[Ints] = []
        self._counts: dict[str, list[Ints]] = {name: [] for name in counters}
        self._bins: dict[str, list[tuple[Ints, Ints, Ints]]] = {name: [] for name in histograms}

    def take(self, part: Part, by: By | None, shown_ms: int | None) -> None:
        mask = part.counting()
        slots = _slots(part, shown_ms) - self._first
        for rank, (codes, names) in enumerate(_groups(part, by)):
            into = self._places_of(part, rank, codes, names) * self._slots + slots
            out = (into < 0) if mask is None else (into < 0) | ~mask
            whole = not out.any()
            chosen = slice(None) if whole else np.flatnonzero(~out)
            self._into.append(into[chosen])
            for name, gathered in self._counts.items():
                gathered.append(part.sheet.counts[name][chosen])
            for name, some in self._bins.items():
                line, each, count = part.sheet.bins[name]
                if not whole:
                    kept = ~out[line]
                    line, each, count = line[kept], each[kept], count[kept]
                some.append((into[line], each, count))

    def _places_of(
        self, part: Part, rank: int, codes: Ints, names: Sequence[str | None]
    ) -> NDArray[np.int64]:
        """Each line's group and series, by number; one far below 0 where they do not count."""
        words = part.sheet.words
        of_series = words["series"]
        known = self._known.get((id(words), rank))
        if known is None:
            places = [self._place(name, series) for name in names for series in of_series]
            # With the words, so that they are not forgotten and others get their identity.
            known = self._known[id(words), rank] = words, np.array(places, dtype=np.int64)
        return known[1][codes.astype(np.int64) * len(of_series) + part.sheet.codes["series"]]

    def _place(self, group: str | None, series: str) -> int:
        if group is None or (self._only is not None and (group, series) not in self._only):
            return _NOWHERE
        return self._groups.setdefault((group, series), len(self._groups))

    def totals(self, most: int | None) -> dict[LineKey, Total]:
        if not self._into:
            return {}
        into = np.concatenate(self._into)
        there = np.flatnonzero(np.bincount(into, minlength=len(self._groups) * self._slots))
        groups = list(self._groups)
        keys = []
        for at in there.tolist():
            group, series = groups[at // self._slots]
            keys.append((group, cast(Series, series), self._first + at % self._slots))
        place = np.zeros(len(groups) * self._slots, dtype=np.int64)
        place[there] = np.arange(len(keys))
        counts = {
            name: sheets.sums(place[into], np.concatenate(some), len(keys))
            for name, some in self._counts.items()
        }
        if most is not None and len(keys) > most:
            keys, moved = _busiest(keys, counts, most)
            counts = {name: sheets.sums(moved, column, len(keys)) for name, column in counts.items()}
            place[there] = moved
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


def _slots(part: Part, shown_ms: int | None) -> Ints | int:
    """The number of each line's slot, or of that of all of them."""
    if shown_ms is None:
        return 0
    return (part.sheet.at + part.slot_ms) // shown_ms if part.of_requests else part.slot_ms // shown_ms


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
