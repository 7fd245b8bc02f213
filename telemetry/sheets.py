"""Sheets: what a slot of time holds, in columns, so that any figure of any group is a few sums over arrays.

A line of a sheet is what one request adds to one model and provider (`rollups.by_route`, which alone says
what counts where), or several of these added up. `words` are what it is told apart by: of requests team, key,
tags, lengths, model, provider and series; of groups a name, and model and provider where it has them. What
is added up are roll-ups' columns, `COUNTERS` and `HISTOGRAMS`. Pure; `kept_sheets.py` stores them.

As bytes a sheet is several pieces, so that a reader takes those alone that it needs: `facts`, `counts`, and
one a histogram; or, where it is small, one that is compressed. Counters that are new go to the end of
`COUNTERS`: pieces from before read as 0.
"""

from __future__ import annotations

import functools
import json
import zlib
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Final

from telemetry import clocks, columns, rollups
from telemetry.columns import Ints
from telemetry.histograms import BINS
from telemetry.numpy_later import np
from telemetry.rollups import COUNTERS, HISTOGRAMS, Cell
from telemetry.rows import RequestRow
from telemetry.slices import By, bucket_of
from telemetry.tables import INSTALLATION

if TYPE_CHECKING:
    from numpy.typing import NDArray

FACTS, COUNTS = "facts", "counts"
WHOLE: Final = "whole"  # a small sheet in one piece
_SMALL: Final = 16_384  # bytes
PIECES: Final = (FACTS, COUNTS, *HISTOGRAMS)
REQUESTS: Final = ("team", "key", "tag", "input_length", "output_length", "model", "provider", "series")
GROUPED: Final = ("name", "model", "provider", "series")
_LENGTH_BYTES: Final = 4
_BINS: Final = 512  # of a line, so that line and bin are one number

Bins = tuple[Ints, Ints, Ints]  # lines, bins of them, how often


@dataclass(frozen=True, slots=True)
class Sheet:
    """`codes` are places in `words`, a column each; `at` is when a request ended, in ms since the slot began
    (0 of groups). `requests` are the log's rows behind it. What was not read is not there."""

    requests: int
    words: Mapping[str, Sequence[str]]
    codes: Mapping[str, Ints]
    at: Ints
    counts: Mapping[str, Ints] = field(default_factory=dict)
    bins: Mapping[str, Bins] = field(default_factory=dict)

    @property
    def lines(self) -> int:
        return len(self.at)


# --- from rows --------------------------------------------------------------------------------


def of_rows(rows: Iterable[RequestRow], slot_ms: int) -> Sheet:
    """Each request's lines, by all of `REQUESTS`."""
    indexes: dict[str, dict[str, int]] = {name: {} for name in REQUESTS}
    codes: list[list[int]] = []
    at: list[int] = []
    cells: list[Cell] = []
    requests = 0
    for row in rows:
        requests += 1
        ended_ms = clocks.ended_at_ms(row) - slot_ms
        team, *lengths = _facts(row)
        for (model, provider, series), cell in rollups.by_route(row).items():
            said = (team, *lengths, model, provider, series)
            places = zip(indexes.values(), said, strict=True)
            codes.append([index.setdefault(word, len(index)) for index, word in places])
            at.append(ended_ms)
            cells.append(cell)
    placed = np.array(codes, dtype=np.int64).reshape(len(cells), len(REQUESTS))
    return Sheet(
        requests,
        {name: list(index) for name, index in indexes.items()},
        {name: placed[:, no] for no, name in enumerate(REQUESTS)},
        np.array(at, dtype=np.int64),
        {name: np.array([cell.counts[name] for cell in cells], dtype=np.int64) for name in COUNTERS},
        {name: _bins_of(cells, name) for name in HISTOGRAMS},
    )


def _facts(row: RequestRow) -> tuple[str, ...]:
    """What a request is told apart by, but for its routes."""
    return (
        str(row.team_id or INSTALLATION),
        "" if row.key_id is None else str(row.key_id),
        json.dumps(list(dict.fromkeys(row.tags))) if row.tags else "[]",
        bucket_of("input_length", row.input_tokens),
        bucket_of("output_length", row.output_tokens),
    )


def _bins_of(cells: Sequence[Cell], name: str) -> Bins:
    found = [(line, each) for line, cell in enumerate(cells) for each in cell.bins.get(name, ())]
    pairs = np.array(found, dtype=np.int64).reshape(len(found), 2)
    return pairs[:, 0], pairs[:, 1], np.ones(len(found), dtype=np.int64)


def tags_in(word: str) -> list[str]:
    """The tags that a word of the column `tag` of requests stands for; "" where it has none."""
    found: list[str] = json.loads(word)
    return found or [""]


# --- put together, taken apart, added up --------------------------------------------------------


def joined(sheets: Sequence[Sheet], shifts_ms: Sequence[int] | None = None) -> Sheet:
    """One below the other; `shifts_ms` are how far the slots of requests lie behind the first. All of the
    same columns; raises IndexError of none."""
    words, codes = {}, {}
    for name in sheets[0].words:
        index: dict[str, int] = {}
        placed = []
        for sheet in sheets:
            known = [index.setdefault(word, len(index)) for word in sheet.words[name]]
            placed.append(np.array(known, dtype=np.int64)[sheet.codes[name]])
        words[name], codes[name] = list(index), np.concatenate(placed)
    firsts = np.cumsum([0, *(sheet.lines for sheet in sheets[:-1])])
    shifts = [0] * len(sheets) if shifts_ms is None else shifts_ms
    return Sheet(
        sum(sheet.requests for sheet in sheets),
        words,
        codes,
        np.concatenate([sheet.at + shift for sheet, shift in zip(sheets, shifts, strict=True)]),
        {name: np.concatenate([sheet.counts[name] for sheet in sheets]) for name in sheets[0].counts},
        {
            name: (
                np.concatenate(
                    [sheet.bins[name][0] + first for sheet, first in zip(sheets, firsts, strict=True)]
                ),
                np.concatenate([sheet.bins[name][1] for sheet in sheets]),
                np.concatenate([sheet.bins[name][2] for sheet in sheets]),
            )
            for name in sheets[0].bins
        },
    )


def where(sheet: Sheet, mask: NDArray[np.bool_]) -> Sheet:
    """The lines for which the mask holds, with the words that they use."""
    words, codes = {}, {}
    for name, column in sheet.codes.items():
        used, codes[name] = np.unique(column[mask], return_inverse=True)
        words[name] = [sheet.words[name][place] for place in used]
    place = np.cumsum(mask) - 1
    bins = {}
    for name, (line, each, count) in sheet.bins.items():
        kept = mask[line]
        bins[name] = place[line[kept]], each[kept], count[kept]
    counts = {name: column[mask] for name, column in sheet.counts.items()}
    return Sheet(0, words, codes, sheet.at[mask], counts, bins)


def without(sheet: Sheet, names: Sequence[str]) -> Sheet:
    """The same lines, told apart by fewer words: who asks knows that they still are."""
    words = {name: words for name, words in sheet.words.items() if name not in names}
    return replace(sheet, words=words, codes={name: sheet.codes[name] for name in words})


def added_up(sheet: Sheet, by: Sequence[str]) -> Sheet:
    """Lines that are alike in the columns `by` made one, in the order of these columns' places."""
    key = np.zeros(sheet.lines, dtype=np.int64)
    for name in by:
        key = key * len(sheet.words[name]) + sheet.codes[name]
    groups, into = np.unique(key, return_inverse=True)
    codes: dict[str, Ints] = {}
    for name in reversed(by):
        groups, codes[name] = np.divmod(groups, max(1, len(sheet.words[name])))
    n = len(groups)
    return Sheet(
        sheet.requests,
        {name: sheet.words[name] for name in by},
        {name: codes[name] for name in by},
        np.zeros(n, dtype=np.int64),
        {name: sums(into, column, n) for name, column in sheet.counts.items()},
        {name: _added_bins(into, bins) for name, bins in sheet.bins.items()},
    )


def grouped(sheet: Sheet, by: By) -> Sheet:
    """Requests added up by team and `GROUPED`. One under several tags counts under each."""
    if by != "tag":
        renamed = _renamed(sheet, sheet.words[by], sheet.codes[by])
        return added_up(renamed, ("team", *GROUPED))
    several = [tags_in(word) for word in sheet.words["tag"]]
    found = []
    for rank in range(max(map(len, several), default=1)):
        names = [tags[rank] if rank < len(tags) else "" for tags in several]
        has = np.array([rank < len(tags) for tags in several], dtype=bool)[sheet.codes["tag"]]
        index = {name: place for place, name in enumerate(dict.fromkeys(names))}
        places = np.array([index[name] for name in names], dtype=np.int64)[sheet.codes["tag"]]
        found.append(where(_renamed(sheet, list(index), places), has))
    return added_up(joined(found), ("team", *GROUPED))


def _renamed(sheet: Sheet, names: Sequence[str], places: Ints) -> Sheet:
    kept = ("team", "model", "provider", "series")
    return Sheet(
        sheet.requests,
        {"name": names} | {name: sheet.words[name] for name in kept},
        {"name": places} | {name: sheet.codes[name] for name in kept},
        sheet.at,
        sheet.counts,
        sheet.bins,
    )


def sums(into: Ints, values: Ints, n: int) -> NDArray[np.int64]:
    """The values added up at the places that `into` says; exact up to 2^53."""
    return np.bincount(into, weights=values, minlength=n).astype(np.int64)


def _added_bins(into: Ints, bins: Bins) -> Bins:
    line, each, count = bins
    key, place = np.unique(into[line] * _BINS + each, return_inverse=True)
    return key // _BINS, key % _BINS, sums(place, count, len(key))


# --- bytes ------------------------------------------------------------------------------------


def pieces(sheet: Sheet) -> dict[str, bytes]:
    found = _pieces(sheet)
    if sum(map(len, found.values())) > _SMALL:
        return found
    lengths = columns.pack([np.array([len(found[piece]) for piece in PIECES])])
    return {WHOLE: zlib.compress(lengths + b"".join(found[piece] for piece in PIECES), 1)}


def _taken_apart(whole: bytes) -> dict[str, bytes]:
    packed = zlib.decompress(whole)
    lengths, at = columns.unpacked(packed, 0)
    found = {}
    for piece, length in zip(PIECES, lengths.tolist(), strict=False):
        found[piece] = packed[at : at + length]
        at += length
    return found


def _sorted(sheet: Sheet) -> Sheet:
    """With its words in their order, and those alone that it uses: sheets of the same groups say the same."""
    words, codes = {}, {}
    for name, column in sheet.codes.items():
        used, places = np.unique(column, return_inverse=True)
        known = [sheet.words[name][place] for place in used.tolist()]
        words[name] = sorted(known)
        moved = {word: place for place, word in enumerate(words[name])}
        codes[name] = np.array([moved[word] for word in known], dtype=np.int64)[places]
    return replace(sheet, words=words, codes=codes)


def _pieces(sheet: Sheet) -> dict[str, bytes]:
    sheet = _sorted(sheet)
    told = json.dumps([sheet.requests, {name: list(words) for name, words in sheet.words.items()}])
    head = told.encode()
    return {
        FACTS: len(head).to_bytes(_LENGTH_BYTES, "little")
        + head
        + columns.pack([sheet.at, *(sheet.codes[name] for name in sheet.words)]),
        COUNTS: columns.pack([sheet.counts[name] for name in COUNTERS]),
        **{name: columns.pack(sheet.bins[name]) for name in HISTOGRAMS},
    }


def of_pieces(
    found: Mapping[str, bytes], wanted: Collection[str] = PIECES, counters: Collection[str] = COUNTERS
) -> Sheet:
    """As much of a sheet as was read and is wanted; its facts must have been."""
    if WHOLE in found:
        found = {
            piece: body
            for piece, body in _taken_apart(found[WHOLE]).items()
            if piece == FACTS or piece in wanted
        }
    facts = found[FACTS]
    end = _LENGTH_BYTES + int.from_bytes(facts[:_LENGTH_BYTES], "little")
    requests, words = _head(facts[_LENGTH_BYTES:end])
    at, *codes = columns.unpack(facts, end)
    counts: dict[str, Ints] = {}
    if COUNTS in found:
        counts = dict.fromkeys(counters, np.zeros(len(at), dtype=np.int64))
        places = {COUNTERS.index(name): name for name in counters}
        counts |= {places[no]: column for no, column in columns.some(found[COUNTS], places)}
    bins = {name: _three(found[name]) for name in HISTOGRAMS if name in found}
    named = dict(zip(words, codes, strict=True))
    return Sheet(requests, words, named, at.astype(np.int64), counts, bins)  # `at`: instants are added to it


@functools.lru_cache(maxsize=64)
def _head(told: bytes) -> tuple[int, dict[str, list[str]]]:
    """The same words for the same bytes: slot by slot the groups are mostly the same."""
    requests, words = json.loads(told)
    return requests, words


def _three(packed: bytes) -> Bins:
    line, each, count = columns.unpack(packed)
    return line, each, count


assert BINS <= _BINS
