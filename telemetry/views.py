"""What the latency page shows of a slice of the log: figures by group, lines over time, phases, the slowest.

By model and provider from roll-ups, else from sheets and the rows that came since (`sheet_windows.py`).
Synchronous and safe in any thread. Figures are of whole slots (`metrics.RULES`), so what is found says from
when to when it is, and whether there is more before that is not there to be read.
"""

from __future__ import annotations

import time
from collections import defaultdict
from collections.abc import Collection, Mapping
from dataclasses import dataclass, replace
from functools import partial
from typing import Any

from sqlalchemy import ColumnElement, Engine, Table, and_, select

from telemetry import adding_up, clocks, rollups, sheet_windows, sheets, spreads, stored
from telemetry.adding_up import MOST_GROUPS, REST, LineKey
from telemetry.charts import Point, point_of
from telemetry.highest import Highest
from telemetry.request_log import RequestLog
from telemetry.rollups import COUNTERS, HISTOGRAMS, OUTCOMES, PHASES, Cell, Total
from telemetry.rows import RequestRow, Series
from telemetry.sheet_windows import Need, Read, Wanted
from telemetry.slices import MOST_ROWS, Slice, groups_of
from telemetry.spreads import Share, Spread
from telemetry.tables import INSTALLATION, REQUEST, ROLLUPS
from telemetry.tails import Tails

_SKEW_MS = 1_000
MOST_POINTS = 1_000
_MOST_CANDIDATES = 100

Key = tuple[str, Series]  # group and series
_OUTCOMES = tuple(f"{kind}_{outcome}" for kind in ("requests", "attempts") for outcome in OUTCOMES)


@dataclass(frozen=True, slots=True)
class Group:
    """`figures` by the ids of `spreads.FIGURES`; `requests` are all that ended, whatever their outcome."""

    group: str
    series: Series
    requests: int
    total: Total

    def spread(self, figure_id: str) -> Spread:
        return spreads.spread_of(figure_id, self.total)

    def share(self, figure_id: str) -> Share:
        return spreads.share_of(figure_id, self.total)


@dataclass(frozen=True, slots=True)
class Found:
    """The busiest group first. Figures are of what ended in [from_ms, to_ms); `cut` says that there is more
    of the window than could be read, all of it older. `rest` are the groups beyond `MOST_GROUPS`."""

    groups: tuple[Group, ...]
    from_ms: int
    to_ms: int
    cut: bool = False
    rest: Total | None = None

    @property
    def beyond(self) -> int:
        """Requests of groups that are not told apart."""
        return 0 if self.rest is None else sum(self.rest.outcomes("requests").values())

    def of(self, group: str, series: str) -> Group | None:
        return next((one for one in self.groups if (one.group, one.series) == (group, series)), None)

    def whole(self) -> Group | None:
        """All groups together; None where there are none. A request under several tags counts under each."""
        if not self.groups:
            return None
        total = Total()
        for one in (*(group.total for group in self.groups), *([self.rest] if self.rest else [])):
            total.add(one)
        return Group("", self.groups[0].series, sum(total.outcomes("requests").values()), total)


@dataclass(frozen=True, slots=True)
class Line:
    """One group over time: [(slot's first instant, what was added up in it)], oldest first."""

    group: str
    series: Series
    slots: tuple[tuple[int, Total], ...]

    def values(self, figure_id: str, percent: int) -> list[tuple[int, float, int]]:
        """(slot, value, n), for slots in which anything counted; shares are in percent."""
        totals = [total for _, total in self.slots]
        if figure_id in spreads.SHARES:
            shares = [spreads.share_of(figure_id, total) for total in totals]
            told = [(None if one.value is None else 100 * one.value, one.n) for one in shares]
        else:
            told = spreads.percentiles_of(figure_id, totals, percent)
        slots = zip(self.slots, told, strict=True)
        return [(at_ms, value, n) for (at_ms, _), (value, n) in slots if value is not None]


@dataclass(frozen=True, slots=True)
class Lines:
    lines: tuple[Line, ...]
    from_ms: int
    to_ms: int
    width_ms: int
    cut: bool = False


@dataclass(frozen=True, slots=True)
class Phases:
    """Mean milliseconds of the phases of `n` whole streamed answers in a slot; together their total time."""

    at_ms: int
    n: int
    gateway_ms: float
    waiting_ms: float
    thinking_ms: float
    answering_ms: float


class Views:
    """`log` is this process's own, whose rows are seen before they are stored."""

    def __init__(self, engine: Engine, log: RequestLog | None = None) -> None:
        self._engine = engine
        self._log = log
        self._tails = Tails()

    def _unstored(self, team_id: int | None) -> list[RequestRow]:
        rows = self._log.unstored() if self._log is not None else ()
        return [row for row in rows if team_id in (None, row.team_id)]

    def groups(self, asked: Slice, now_ms: int | None = None, wanted: tuple[str, ...] = HISTOGRAMS) -> Found:
        """With the histograms that are `wanted`, for who shows one figure alone."""
        now_ms = _now_ms() if now_ms is None else now_ms
        from_ms, to_ms, width_ms = asked.whole_slots(now_ms)
        if not asked.rolled_up:
            read = self._read(asked, from_ms, to_ms, Need(wanted, COUNTERS))
            added = adding_up.totals(read.parts, asked.by, wanted, COUNTERS, most=MOST_GROUPS)
            rest = added.pop(REST, None)
            told = _groups({key[:2]: total for key, total in added.items()})
            return Found(told, read.from_ms, to_ms, read.cut, rest)
        with self._engine.connect() as connection:
            found = rollups.add_up_window(
                connection, (asked.by, "series"), partial(_of, asked), from_ms, to_ms, width_ms, wanted
            )
        return Found(_groups(found), from_ms, to_ms)

    def routes(self, asked: Slice, now_ms: int | None = None) -> tuple[tuple[str, ...], tuple[str, ...]]:
        """The models and the providers that were asked, whatever narrows the slice."""
        now_ms = _now_ms() if now_ms is None else now_ms
        whole = replace(asked, model=None, provider=None)
        from_ms, to_ms, width_ms, _ = whole.line_slots(now_ms)
        table = ROLLUPS[width_ms]
        here = and_(_of(whole, table), table.c.slot_ms.between(from_ms, to_ms - 1))
        asking = select(table.c.model, table.c.provider).where(here).distinct()
        with self._engine.connect() as connection:
            found = list(connection.execute(asking))
        models = {model for model, _ in found if model}
        return tuple(sorted(models)), tuple(sorted({provider for _, provider in found if provider}))

    def lines(
        self,
        asked: Slice,
        now_ms: int | None = None,
        wanted: tuple[str, ...] = HISTOGRAMS,
        only: Collection[tuple[str, str]] | None = None,
    ) -> Lines:
        """By slots of time; `wanted` are the histograms to read, and none the outcomes alone. `only` these
        (group, series), where somebody knows which are to be drawn."""
        now_ms = _now_ms() if now_ms is None else now_ms
        counters = () if wanted else _OUTCOMES
        return self._lines(asked, now_ms, wanted, counters, only)

    def phases(self, asked: Slice, now_ms: int | None = None) -> tuple[Phases, ...]:
        """Of all requests of the slice together, oldest slot first."""
        asked = replace(asked, by="model")  # of which each has one
        slots: defaultdict[int, Total] = defaultdict(Total)
        counters = ("phased", *PHASES)
        for line in self._lines(asked, _now_ms() if now_ms is None else now_ms, (), counters, None).lines:
            for at_ms, total in line.slots:
                slots[at_ms].counts.update(total.counts)
        return tuple(_phases(at_ms, slots[at_ms]) for at_ms in sorted(slots) if slots[at_ms].counts["phased"])

    def _lines(
        self,
        asked: Slice,
        now_ms: int,
        wanted: tuple[str, ...],
        counters: tuple[str, ...],
        only: Collection[tuple[str, str]] | None,
    ) -> Lines:
        from_ms, to_ms, width_ms, shown_ms = asked.line_slots(now_ms)
        if not asked.rolled_up:
            need, slots = Need(wanted, counters, shown_ms), (shown_ms, from_ms, to_ms)
            read = self._read(asked, from_ms, to_ms, need)
            added = adding_up.totals(read.parts, asked.by, wanted, counters, slots=slots, only=only)
            in_ms = {(group, series, no * shown_ms): total for (group, series, no), total in added.items()}
            return Lines(_as_lines(in_ms), read.from_ms, to_ms, shown_ms, read.cut)
        table = ROLLUPS[width_ms]
        slot = (table.c.slot_ms - table.c.slot_ms % shown_ms).label("shown_ms")
        with self._engine.connect() as connection:
            by: list[ColumnElement[Any]] = [table.c[asked.by], table.c.series, slot]
            here = and_(_of(asked, table), table.c.slot_ms.between(from_ms, to_ms - 1))
            found = rollups.add_up(connection, table, by, here, wanted, counters)
        added = {(group, series, at): total for (group, series, at), total in found}
        if only is not None:
            added = {key: total for key, total in added.items() if key[:2] in only}
        return Lines(_as_lines(added), from_ms, to_ms, shown_ms)

    def points(self, asked: Slice, now_ms: int | None = None) -> tuple[list[Point], bool]:
        """The newest `MOST_POINTS` requests, oldest first, also those not stored yet; and whether there are
        older ones."""
        now_ms = _now_ms() if now_ms is None else now_ms
        # A request's end is reckoned from its start, which the wall clock may have left behind.
        until_ms = asked.to_ms + (_SKEW_MS if asked.to_ms >= now_ms - _SKEW_MS else 0)
        waiting = self._unstored(asked.team_id)
        most = MOST_ROWS if asked.tag is not None else MOST_POINTS + 1
        with self._engine.connect() as connection:
            kept = stored.newest_where(connection, _of_rows(asked, until_ms), most)
        by_key = {(clocks.ended_at_ms(row), row.request_id): row for row in (*kept, *waiting)}
        rows = (by_key[key] for key in sorted(by_key) if asked.from_ms <= key[0] < until_ms)
        mine = (row for row in rows if _wanted(row, asked) and _is_of(row, asked))
        points = [point for row in mine if (point := point_of(row)) is not None]
        return points[-MOST_POINTS:], len(points) > MOST_POINTS

    def slowest(
        self,
        asked: Slice,
        figure_id: str,
        limit: int = 10,
        group: tuple[str, str] | None = None,
        now_ms: int | None = None,
    ) -> tuple[RequestRow, ...]:
        """The slowest requests of the slice, or of one (group, series) of it, by a figure that has a time,
        as far back as the log has their rows. Each with its last attempt alone. Of more than
        `_MOST_CANDIDATES` within 4 % of each other the newest are looked at."""
        histogram = spreads.HISTOGRAM_OF[figure_id]
        need = Need((histogram,), requests=True, also=_of_group(asked, group))
        waiting = self._unstored(asked.team_id)  # before the database is asked, as in `_read`
        with self._engine.connect() as connection:
            highest = Highest(connection, self._tails, waiting, asked, need)
        few = 2 * limit
        while True:
            with self._engine.connect() as connection:
                found = highest.most(connection, few)
            rows = self._at({at_ms for _, at_ms in found}, asked)
            mine = [row for row in rows if _is_of(row, asked) and group in (None, *_groups_of(row, asked))]
            timed = [(value, row) for row in mine if (value := value_of(figure_id, row)) is not None]
            # As many more as lie in the last bin of these, which was not read to its end.
            if len(found) < few or few >= _MOST_CANDIDATES:
                break
            least = found[-1][0]
            if sum(each > least for each, _ in found) >= limit and len(timed) >= limit:
                break
            few = min(_MOST_CANDIDATES, 4 * few)
        timed.sort(key=lambda each: each[0], reverse=figure_id not in spreads.INVERTED)
        return tuple(row for _, row in timed[:limit])

    def _at(self, instants_ms: Collection[int], asked: Slice) -> list[RequestRow]:
        """The slice's requests that ended just then, stored or not yet."""
        waiting = [row for row in self._unstored(asked.team_id) if clocks.ended_at_ms(row) in instants_ms]
        here: list[ColumnElement[bool]] = [REQUEST.c.ended_at_ms.in_(sorted(instants_ms))]
        here += [] if asked.team_id is None else [REQUEST.c.team_id == asked.team_id]
        with self._engine.connect() as connection:
            kept = stored.newest_where(connection, here, MOST_ROWS)
        by_id = {row.request_id: row for row in (*kept, *waiting)}
        return [row for row in by_id.values() if _wanted(row, asked)]

    def _read(self, asked: Slice, from_ms: int, to_ms: int, need: Need) -> Read:
        # Before the database is asked: what is stored meanwhile is then seen twice, never missed.
        waiting = self._unstored(asked.team_id)
        with self._engine.connect() as connection:
            return sheet_windows.read(connection, self._tails, waiting, asked, from_ms, to_ms, need)


def value_of(figure_id: str, row: RequestRow) -> float | None:
    """A figure of one request, that of its last attempt where it is an attempt's."""
    if figure_id == "total_ms":
        return row.total_ms
    if figure_id == "gateway_ms":
        return row.gateway_ms
    if figure_id == "caller_first_answer_ms":
        return clocks.caller_first_answer_ms(row)
    if not row.attempts:
        return None
    attempt, tokens = row.attempts[-1], row.output_tokens
    if figure_id == "ttft_ms":
        return clocks.first_token_ms(attempt, streamed=row.streamed)
    if figure_id == "first_answer_ms":
        return clocks.first_answer_ms(attempt, streamed=row.streamed)
    if figure_id == "tpot_ms":
        return clocks.tpot_ms(attempt, tokens, row.reasoning_tokens, streamed=row.streamed)
    if figure_id == "tokens_per_s":
        return clocks.tokens_per_s(attempt, tokens, row.reasoning_tokens, streamed=row.streamed)
    if figure_id == "end_to_end_tokens_per_s":
        return clocks.end_to_end_tokens_per_s(attempt, tokens)
    if figure_id == "burst_share" and attempt.largest_read_share is not None:
        return 100 * attempt.largest_read_share
    return None


# --- from roll-ups ----------------------------------------------------------------------------


def _of(asked: Slice, table: Table) -> ColumnElement[bool]:
    """The slice's roll-up rows, whenever they are of."""
    here = [table.c.team_id == (asked.team_id or INSTALLATION), table.c.series.in_(asked.series)]
    if asked.model is not None:
        here.append(table.c.model == asked.model)
    if asked.provider is not None:
        here.append(table.c.provider == asked.provider)
    return and_(*here)


def _of_rows(asked: Slice, until_ms: int) -> list[ColumnElement[bool]]:
    columns = REQUEST.c
    here: list[ColumnElement[bool]] = [
        columns.ended_at_ms.between(asked.from_ms, until_ms - 1),
        columns.series.in_(asked.series),
        columns.model.is_not(None),
    ]
    for name in ("team_id", "model", "provider", "key_id"):
        value = getattr(asked, name)
        if value is not None:
            here.append(columns[name] == value)
    return here


# --- from rows --------------------------------------------------------------------------------


def _wanted(row: RequestRow, asked: Slice) -> bool:
    return asked.key_id in (None, row.key_id) and (asked.tag is None or asked.tag in row.tags)


def _is_of(row: RequestRow, asked: Slice) -> bool:
    return (
        row.series in asked.series
        and asked.model in (None, row.model)
        and asked.provider in (None, row.provider)
    )


def _of_group(asked: Slice, group: tuple[str, str] | None) -> Wanted:
    """What a group's requests have in their columns."""
    if group is None:
        return {}
    name, of_series = group
    same: Wanted = {"series": lambda series: series == of_series}
    if asked.by == "tag":
        return {**same, "tag": lambda word: name in sheets.tags_in(word)}
    return {**same, asked.by: lambda word: word == name}


def _groups_of(row: RequestRow, asked: Slice) -> list[tuple[str, str]]:
    found = groups_of(
        asked.by, model=row.model, provider=row.provider, key_id=row.key_id, tags=row.tags,
        input_tokens=row.input_tokens, output_tokens=row.output_tokens,
    )  # fmt: skip
    return [(group, row.series) for group in found]


def total_of(cell: Cell) -> Total:
    """A cell as what was read of the roll-ups would be."""
    total = Total(cell.counts)
    for name in HISTOGRAMS:
        total.blobs[name].append(cell.blob(name))
    return total


# --- put together -----------------------------------------------------------------------------


def _groups(totals: Mapping[Any, Total]) -> tuple[Group, ...]:
    found = [
        Group(group, series, sum(total.outcomes("requests").values()), total)
        for (group, series), total in totals.items()
    ]
    return tuple(sorted(found, key=lambda one: (-one.requests, one.group, one.series)))


def _as_lines(totals: Mapping[LineKey, Total]) -> tuple[Line, ...]:
    lines: defaultdict[Key, list[tuple[int, Total]]] = defaultdict(list)
    for group, series, at_ms in sorted(totals):
        lines[group, series].append((at_ms, totals[group, series, at_ms]))
    return tuple(Line(*key, tuple(slots)) for key, slots in lines.items())


def _phases(at_ms: int, total: Total) -> Phases:
    n = total.counts["phased"]
    return Phases(at_ms, n, *(total.counts[name] / n / 1_000 for name in PHASES))


def _now_ms() -> int:
    return time.time_ns() // 1_000_000
