"""Finds the sheets that make up a window of a slice which the roll-ups by model do not know: by key, tag or
length, of one key or tag, or each request of it.

As far as they are made: whole days and hours where a slice is of what they are kept by, else the requests of
its hours, as far back as the log has their rows. Then the rows that came since, stored or not, so that a
request counts at once. What is added up of them: `adding_up.py`. Synchronous and safe in any thread.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final

from sqlalchemy import Connection

from telemetry import clocks, kept_sheets, rollups, sheets, stored
from telemetry.columns import Ints
from telemetry.kept_sheets import Extent, Span
from telemetry.numpy_later import np
from telemetry.rollups import DAY_MS, HOUR_MS, MINUTE_MS
from telemetry.rows import RequestRow
from telemetry.sheets import COUNTS, Sheet
from telemetry.slices import MOST_ROWS, Slice
from telemetry.tables import INSTALLATION, ROLLUPS
from telemetry.tails import Tails

if TYPE_CHECKING:
    from numpy.typing import NDArray

_WIDTH_OF: Final = {table.name: width_ms for width_ms, table in ROLLUPS.items()}

Wanted = Mapping[str, Callable[[str], bool]]  # by column, of its words


@dataclass(frozen=True, slots=True)
class Part:
    """A sheet of the window and which of its lines count: those that ended in [from_ms, to_ms) where these
    are set, and of which the words are `wanted`."""

    sheet: Sheet
    slot_ms: int
    of_requests: bool
    wanted: Wanted
    within: tuple[int, int] | None = None

    def counting(self, lines: Ints | None = None) -> NDArray[np.bool_] | None:
        """Which of the lines, or of some of them, count; None for all."""
        found: NDArray[np.bool_] | None = None
        for name, holds in self.wanted.items():
            words = np.array([holds(word) for word in self.sheet.words[name]], dtype=bool)
            if not words.all():
                codes = self.sheet.codes[name]
                mask = words[codes if lines is None else codes[lines]]
                found = mask if found is None else found & mask
        if self.within is not None:
            at = self.sheet.at if lines is None else self.sheet.at[lines]
            mask = (at >= self.within[0] - self.slot_ms) & (at < self.within[1] - self.slot_ms)
            found = mask if found is None else found & mask
        return found


@dataclass(frozen=True, slots=True)
class Read:
    """What was read of a window; `cut`: there is more of it, older than `from_ms`."""

    parts: list[Part]
    from_ms: int
    cut: bool


@dataclass(frozen=True, slots=True)
class Need:
    """What of the lines is needed: the histograms and the counters; `shown_ms` is how wide the slots
    are that will be told apart; `requests` says each request, never what is added up."""

    histograms: Collection[str] = ()
    counters: Collection[str] = ()
    shown_ms: int | None = None
    requests: bool = False
    also: Wanted = field(default_factory=dict)  # of requests, beside what the slice says

    @property
    def pieces(self) -> list[str]:
        return [*self.histograms, *([COUNTS] if self.counters else [])]


def read(
    connection: Connection,
    tails: Tails,
    waiting: Sequence[RequestRow],
    asked: Slice,
    from_ms: int,
    to_ms: int,
    need: Need,
) -> Read:
    """The slice's lines of [from_ms, to_ms). `waiting` are the team's rows that may not be stored yet, taken
    before they can have been."""
    made = kept_sheets.extent(connection)
    tail_ms = from_ms if made is None else max(from_ms, min(made.until_ms, to_ms))
    wanted = {**_of_slice(asked), **need.also}
    sheet = None
    if made is not None and tail_ms < to_ms:
        sheet = tails.read(connection, waiting, asked.team_id, made.until_ms, MOST_ROWS)
    if made is not None and sheet is not None:
        found = [Part(sheet, made.until_ms, True, wanted, (tail_ms, to_ms))] if sheet.lines else []
    else:
        fresh, cut = _fresh(connection, waiting, asked, tail_ms, to_ms)
        found = [Part(sheets.of_rows(fresh, tail_ms), tail_ms, True, wanted)] if fresh else []
        if cut:
            return Read(found, clocks.ended_at_ms(fresh[0]), cut)
    if made is None or tail_ms == from_ms:
        return Read(found, from_ms, False)
    by_group = not need.requests and (need.shown_ms or DAY_MS) >= HOUR_MS and _kind_of(asked) is not None
    plan = _plan(made, from_ms, tail_ms, by_group, need.shown_ms)
    if by_group:
        found += grouped(connection, asked, plan.groups, need)
    for edge in plan.edges:
        spans = _spans(made, edge)
        for one in kept_sheets.read(
            connection, INSTALLATION, kept_sheets.REQUESTS, spans, need.pieces, counters=need.counters
        ):
            whole = edge[0] <= one.slot_ms and one.slot_ms + one.width_ms <= edge[1]
            found.append(Part(one.sheet, one.slot_ms, True, wanted, None if whole else edge))
    return Read(found, plan.from_ms, plan.from_ms > from_ms)


def _fresh(
    connection: Connection, waiting: Sequence[RequestRow], asked: Slice, from_ms: int, to_ms: int
) -> tuple[list[RequestRow], bool]:
    """Rows of [from_ms, to_ms) by when they ended, stored or not; and whether older ones were left out."""
    if from_ms >= to_ms:
        return [], False
    rows, cut = stored.newest_whole(connection, asked.team_id, from_ms, to_ms, MOST_ROWS)
    since_ms = clocks.ended_at_ms(rows[0]) if cut else from_ms
    by_key = {(clocks.ended_at_ms(row), row.request_id): row for row in (*rows, *waiting)}
    return [by_key[key] for key in sorted(by_key) if since_ms <= key[0] < to_ms], cut


@dataclass(frozen=True, slots=True)
class _Plan:
    """From when on, which sheets of groups, and of which stretches each request."""

    from_ms: int
    groups: list[Span]
    edges: list[tuple[int, int]]


def _plan(made: Extent, from_ms: int, to_ms: int, by_group: bool, shown_ms: int | None) -> _Plan:
    if not by_group:
        first_ms = max(from_ms, min(made.requests_since_ms, to_ms))
        return _Plan(first_ms, [], [(first_ms, to_ms)])
    first_ms = max(from_ms, min(made.since_ms, to_ms))
    begin_ms = -(-first_ms // HOUR_MS) * HOUR_MS
    end_ms = rollups.slot_of(min(to_ms, made.hours_until_ms), HOUR_MS)
    if first_ms < min(begin_ms, made.requests_since_ms):
        first_ms = begin_ms  # of the hour in which the window begins no requests are left
    if begin_ms >= end_ms:
        return _Plan(first_ms, [], [(first_ms, to_ms)])
    groups = [(HOUR_MS, begin_ms, end_ms)]
    if shown_ms is None or shown_ms % DAY_MS == 0:
        groups = widest(begin_ms, end_ms)
    return _Plan(first_ms, groups, [(first_ms, begin_ms), (end_ms, to_ms)])


def widest(begin_ms: int, end_ms: int) -> list[Span]:
    """The whole days and hours of [begin_ms, end_ms), which are whole hours."""
    covered = rollups.cover(begin_ms, end_ms, HOUR_MS)
    return [(_WIDTH_OF[table.name], first, end) for table, first, end in covered]


def whole_hours(connection: Connection, from_ms: int, to_ms: int) -> tuple[int, int]:
    """The hours of [from_ms, to_ms) of which there are requests and groups; none are at `from_ms`."""
    made = kept_sheets.extent(connection)
    if made is None:
        return from_ms, from_ms
    begin_ms = -(-max(from_ms, made.requests_since_ms) // HOUR_MS) * HOUR_MS
    end_ms = rollups.slot_of(min(to_ms, made.hours_until_ms), HOUR_MS)
    return (begin_ms, end_ms) if begin_ms < end_ms else (from_ms, from_ms)


def _spans(made: Extent, edge: tuple[int, int]) -> list[Span]:
    """The slots of requests that touch a stretch: hours as far as they are made, then minutes."""
    from_ms, to_ms = edge
    limit_ms = made.hours_until_ms
    spans = [
        (HOUR_MS, rollups.slot_of(from_ms, HOUR_MS), min(to_ms, limit_ms)),
        (MINUTE_MS, rollups.slot_of(max(from_ms, limit_ms), MINUTE_MS), to_ms),
    ]
    return [span for span in spans if span[1] < span[2]]


# --- which lines of which sheets ----------------------------------------------------------------


def _kind_of(asked: Slice) -> str | None:
    """The kind of sheets that such slices are kept by; None where only requests know them."""
    if asked.by in kept_sheets.BYS:
        if asked.tag is not None or (asked.key_id is not None and asked.by != "key"):
            return None
        narrowed = asked.model is not None or asked.provider is not None
        return kept_sheets.by_route(asked.by) if narrowed else asked.by
    if (asked.key_id is None) == (asked.tag is None):
        return None
    if asked.tag is not None:
        return kept_sheets.shard_of("tag", asked.tag)
    return kept_sheets.shard_of("key", str(asked.key_id))


def requests_of(connection: Connection, asked: Slice, span: Span, need: Need) -> list[Part]:
    """Each request of whole slots."""
    wanted = {**_of_slice(asked), **need.also}
    found = kept_sheets.read(
        connection, INSTALLATION, kept_sheets.REQUESTS, [span], need.pieces, counters=need.counters
    )
    return [Part(one.sheet, one.slot_ms, True, wanted) for one in found]


def grouped(connection: Connection, asked: Slice, spans: Sequence[Span], need: Need) -> list[Part]:
    """What is kept by group of whole slots; nothing of a slice that it is not kept of."""
    kind = _kind_of(asked)
    if kind is None:
        return []
    by_name = asked.by in kept_sheets.BYS
    found = kept_sheets.read(
        connection, asked.team_id or INSTALLATION, kind, spans, need.pieces,
        asked.model if by_name else None, asked.provider if by_name else None, need.counters,
    )  # fmt: skip
    wanted = {"series": lambda series: series in asked.series, **({} if by_name else _of_route(asked))}
    if asked.tag is not None:
        wanted["name"] = lambda name: name == asked.tag
    elif asked.key_id is not None:
        wanted["name"] = lambda name: name == str(asked.key_id)
    return [Part(one.sheet, one.slot_ms, False, wanted) for one in found]


def _of_slice(asked: Slice) -> dict[str, Callable[[str], bool]]:
    """What the slice wants of requests."""
    wanted = {"series": lambda series: series in asked.series, **_of_route(asked)}
    if asked.team_id is not None:
        wanted["team"] = lambda team: team == str(asked.team_id)
    if asked.key_id is not None:
        wanted["key"] = lambda key: key == str(asked.key_id)
    if asked.tag is not None:
        wanted["tag"] = lambda tags: asked.tag in sheets.tags_in(tags)
    return wanted


def _of_route(asked: Slice) -> dict[str, Callable[[str], bool]]:
    wanted: dict[str, Callable[[str], bool]] = {}
    if asked.model is not None:
        wanted["model"] = lambda model: model == asked.model
    if asked.provider is not None:
        wanted["provider"] = lambda provider: provider == asked.provider
    return wanted
