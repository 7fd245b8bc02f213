"""Roll-ups: the log added up by slot, model, provider, series and team, so that a chart reads no rows.

They are written in the transaction that writes the rows, and only for rows that were new to it, so
that they equal the log at every commit; `upkeep.py` makes them again from the log alone, and forgets
narrow slots. Several processes may write: a roll-up row is made if it is missing, locked, then added to,
in the order of its key. An attempt counts in the slot in which its request ended. What a histogram is:
`histograms.py`.
"""

from __future__ import annotations

import functools
from collections import Counter, defaultdict
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal, NamedTuple, cast

from sqlalchemy import (
    ColumnElement,
    Connection,
    RowMapping,
    Select,
    String,
    Table,
    Update,
    and_,
    bindparam,
    func,
    select,
    tuple_,
    update,
)

from store.upserts import insert_new
from telemetry import clocks, histograms
from telemetry.rows import AttemptRow, Outcome, RequestRow, Series
from telemetry.tables import INSTALLATION, ROLLUPS

MINUTE_MS, FIVE_MINUTES_MS, HOUR_MS, DAY_MS = ROLLUPS

KEY = ("team_id", "slot_ms", "model", "provider", "series")
OUTCOMES: tuple[Outcome, ...] = (
    "ok", "provider_fault", "gateway_fault", "client_fault", "cancelled", "blocked",
)  # fmt: skip
TOKENS_AND_COST = (
    "input_tokens",
    "cached_input_tokens",
    "output_tokens",
    "reasoning_tokens",
    "cost_nano_usd",
)
PHASES = ("gateway_us", "waiting_us", "thinking_us", "answering_us")  # of the `phased` requests, added up
COUNTERS = (
    *(f"{kind}_{outcome}" for kind in ("requests", "attempts") for outcome in OUTCOMES),
    *TOKENS_AND_COST, "phased", *PHASES,
)  # fmt: skip
HISTOGRAMS = (
    "ttft", "first_answer", "tpot", "end_to_end_token", "total", "gateway", "caller_first_answer", "burst",
)  # fmt: skip
# How long slots are kept; hours and days for good.
KEPT_MS = {MINUTE_MS: 48 * HOUR_MS, FIVE_MINUTES_MS: 7 * 24 * HOUR_MS}
_ROWS_A_STATEMENT = 100
_EMPTY: Mapping[str, object] = dict.fromkeys(COUNTERS, 0) | dict.fromkeys(HISTOGRAMS, histograms.EMPTY)


class Key(NamedTuple):
    """`team_id` 0 is the installation; `slot_ms` the slot's first instant."""

    team_id: int
    slot_ms: int
    model: str
    provider: str
    series: str


@dataclass(slots=True)
class Cell:
    """What one roll-up row gains: counts by column, and the bins of what was measured."""

    counts: Counter[str] = field(default_factory=Counter)
    bins: defaultdict[str, list[int]] = field(default_factory=lambda: defaultdict(list))

    def measure(self, histogram: str, value_ms: float | None) -> None:
        if value_ms is not None:
            self.bins[histogram].append(histograms.bin_of(value_ms))

    def add(self, other: Cell) -> None:
        self.counts.update(other.counts)
        for histogram, bins in other.bins.items():
            self.bins[histogram].extend(bins)

    def blob(self, histogram: str) -> bytes:
        return histograms.added(histograms.EMPTY, self.bins[histogram])


Cells = Mapping[Key, Cell]
Route = tuple[str, str, str]  # model, provider, series


# --- pure: rows to cells ----------------------------------------------------------------------


def cells_of(rows: Iterable[RequestRow], width_ms: int = MINUTE_MS) -> Cells:
    """Each request once for the installation and, where it had a team, once for that."""
    slots: defaultdict[tuple[int, int], defaultdict[Route, Cell]] = defaultdict(lambda: defaultdict(Cell))
    for row in rows:
        slot_ms = slot_of(clocks.ended_at_ms(row), width_ms)
        _add_request(slots[row.team_id or INSTALLATION, slot_ms], row)
    cells: defaultdict[Key, Cell] = defaultdict(Cell)
    for (team_id, slot_ms), routes in slots.items():
        for route, cell in routes.items():
            cells[Key(INSTALLATION, slot_ms, *route)].add(cell)
            if team_id != INSTALLATION:
                cells[Key(team_id, slot_ms, *route)] = cell
    return cells


def widen(cells: Cells, width_ms: int) -> Cells:
    """The same cells in wider slots."""
    wider: defaultdict[Key, Cell] = defaultdict(Cell)
    for key, cell in cells.items():
        wider[key._replace(slot_ms=slot_of(key.slot_ms, width_ms))].add(cell)
    return wider


def by_route(row: RequestRow) -> Mapping[Route, Cell]:
    """A request counts at the model and provider that it ended with, an attempt at its own."""
    cells: defaultdict[Route, Cell] = defaultdict(Cell)
    _add_request(cells, row)
    return cells


def _add_request(cells: defaultdict[Route, Cell], row: RequestRow) -> None:
    request = cells[row.model or "", row.provider or "", row.series]
    counts = request.counts
    counts[f"requests_{row.outcome}"] += 1
    for name in TOKENS_AND_COST:
        counts[name] += getattr(row, name) or 0
    request.measure("total", row.total_ms)
    request.measure("gateway", row.gateway_ms)
    request.measure("caller_first_answer", clocks.caller_first_answer_ms(row))
    phases = clocks.phases_ms(row)
    if phases is not None:
        counts["phased"] += 1
        for name, ms in zip(PHASES, phases, strict=True):
            counts[name] += round(1_000 * ms)
    for attempt in row.attempts:
        model, series = attempt.model or row.model or "", attempt.series or row.series
        _add_attempt(cells[model, attempt.provider, series], row, attempt)


def _add_attempt(cell: Cell, row: RequestRow, attempt: AttemptRow) -> None:
    cell.counts[f"attempts_{attempt.outcome}"] += 1
    cell.measure("ttft", clocks.first_token_ms(attempt, streamed=row.streamed))
    cell.measure("first_answer", clocks.first_answer_ms(attempt, streamed=row.streamed))
    output = clocks.output_tokens_of(row, attempt)
    cell.measure("tpot", clocks.tpot_ms(attempt, output, row.reasoning_tokens, streamed=row.streamed))
    cell.measure("end_to_end_token", clocks.end_to_end_token_ms(attempt, output))
    if attempt.largest_read_share is not None:
        cell.measure("burst", 100 * attempt.largest_read_share)


def slot_of(at_ms: int, width_ms: int) -> int:
    """The first instant of the slot that holds `at_ms`."""
    return at_ms // width_ms * width_ms


# --- cells to tables --------------------------------------------------------------------------


def add(connection: Connection, rows: Iterable[RequestRow]) -> None:
    """Add rows to every level. The caller's transaction must be the one that inserted them."""
    minutes = cells_of(rows)
    for width_ms, table in ROLLUPS.items():
        merge(connection, table, widen(minutes, width_ms))


def merge(connection: Connection, table: Table, cells: Cells) -> None:
    """Add cells to one level, whose slots they are of."""
    keys = sorted(cells)
    starts = range(0, len(keys), _ROWS_A_STATEMENT)
    # All new rows first, then all locks, each in the order of the keys: two writers never wait for
    # each other.
    for start in starts:
        _make(connection, table, keys[start : start + _ROWS_A_STATEMENT])
    for start in starts:
        _add_to(connection, table, {key: cells[key] for key in keys[start : start + _ROWS_A_STATEMENT]})


def _make(connection: Connection, table: Table, keys: Sequence[Key]) -> None:
    connection.execute(insert_new(connection, table), [{**key._asdict(), **_EMPTY} for key in keys])


def _add_to(connection: Connection, table: Table, cells: Cells) -> None:
    locking = _locking(table, connection.dialect.name)
    # Said twice, because SQLite finds no index for a tuple: it would look through the whole table.
    asked = {
        "keys": list(cells),
        "teams": sorted({key.team_id for key in cells}),
        "slots": sorted({key.slot_ms for key in cells}),
    }
    locked = connection.execute(locking, asked).mappings()
    gains = [_gain(cells[Key(*(row[name] for name in KEY))], row) for row in locked]
    connection.execute(_adding(table), gains)


# Statements are made once: to put them together takes longer than to run them.
@functools.cache
def _locking(table: Table, dialect: str) -> Select[Any]:
    columns = [table.c[name] for name in KEY]
    blobs = [table.c[name] for name in HISTOGRAMS]
    found = select(*columns, *blobs).where(
        table.c.team_id.in_(bindparam("teams", expanding=True)),
        table.c.slot_ms.in_(bindparam("slots", expanding=True)),
        tuple_(*columns).in_(bindparam("keys", expanding=True)),
    )
    return found.order_by(*_in_our_order(table, dialect)).with_for_update()


def _in_our_order(table: Table, dialect: str) -> list[ColumnElement[Any]]:
    """The key as Python sorts it, whatever language the database sorts by."""
    in_c = dialect == "postgresql"
    columns = [table.c[name] for name in KEY]
    return [column.collate("C") if in_c and isinstance(column.type, String) else column for column in columns]


@functools.cache
def _adding(table: Table) -> Update:
    at_key = [table.c[name] == bindparam(f"at_{name}") for name in KEY]
    sums = {name: table.c[name] + bindparam(f"plus_{name}") for name in COUNTERS}
    return update(table).where(*at_key).values(sums | {name: bindparam(f"new_{name}") for name in HISTOGRAMS})


def _gain(cell: Cell, stored_row: RowMapping) -> dict[str, object]:
    key = {f"at_{name}": stored_row[name] for name in KEY}
    sums = {f"plus_{name}": cell.counts[name] for name in COUNTERS}
    blobs = {
        f"new_{name}": histograms.added(stored_row[name], cell.bins[name])
        if cell.bins[name]
        else stored_row[name]
        for name in HISTOGRAMS
    }
    return key | sums | blobs


def values_of(key: Key, cell: Cell) -> dict[str, object]:
    counts = {name: cell.counts[name] for name in COUNTERS}
    return key._asdict() | counts | {name: cell.blob(name) for name in HISTOGRAMS}


# --- tables to totals -------------------------------------------------------------------------


@dataclass(slots=True)
class Total:
    """Roll-up rows of one model and series, added up; of histograms, as blobs that were read or `ready`."""

    counts: Counter[str] = field(default_factory=Counter)
    blobs: defaultdict[str, list[bytes]] = field(default_factory=lambda: defaultdict(list))
    ready: dict[str, histograms.Counts] = field(default_factory=dict)

    def outcomes(self, kind: Literal["requests", "attempts"]) -> dict[Outcome, int]:
        return {outcome: self.counts[f"{kind}_{outcome}"] for outcome in OUTCOMES}

    def histogram(self, name: str) -> histograms.Counts:
        ready = self.ready.get(name)
        if name not in self.blobs:
            return histograms.nothing() if ready is None else ready
        found = histograms.unpack(self.blobs[name])
        return found if ready is None else found + ready

    def add(self, other: Total) -> None:
        self.counts.update(other.counts)
        for name, blobs in other.blobs.items():
            self.blobs[name].extend(blobs)
        for name, counts in other.ready.items():
            self.ready[name] = counts + self.ready[name] if name in self.ready else counts


def width_for(window_ms: int, age_ms: int = 0) -> int:
    """The narrowest slots that keep a window below a thousand of them, and the longest to a few; `age_ms`
    is how long ago it began, since narrow slots are not kept for ever."""
    if window_ms <= 12 * HOUR_MS and age_ms <= KEPT_MS[MINUTE_MS]:
        return MINUTE_MS
    return FIVE_MINUTES_MS if window_ms <= 72 * HOUR_MS and age_ms <= KEPT_MS[FIVE_MINUTES_MS] else HOUR_MS


def cover(from_ms: int, to_ms: int, width_ms: int) -> list[tuple[Table, int, int]]:
    """The fewest slots that make up [from_ms, to_ms), which are whole ones of `width_ms`: wide ones within,
    narrow ones at the edges. As (table, first instant, end), none twice."""
    if from_ms >= to_ms:
        return []
    wider = min((each for each in ROLLUPS if each > width_ms), default=None)
    if wider is not None:
        first_ms, end_ms = -(-from_ms // wider) * wider, slot_of(to_ms, wider)
        if first_ms < end_ms:
            edges = [(from_ms, first_ms), (end_ms, to_ms)]
            narrow = [(ROLLUPS[width_ms], first, end) for first, end in edges if first < end]
            return [*narrow, *cover(first_ms, end_ms, wider)]
    return [(ROLLUPS[width_ms], from_ms, to_ms)]


def totals(
    connection: Connection,
    team_id: int | None,
    from_ms: int,
    to_ms: int,
    series: Collection[Series],
    wanted: Sequence[str] = HISTOGRAMS,
) -> dict[tuple[str, Series], Total]:
    """(model, series) -> what ended in the slots from the one that holds `from_ms` to before `to_ms`.

    `team_id` None is the whole installation; `wanted` names the histograms to read.
    """
    added = _added(connection, ("model", "series"), team_id, from_ms, to_ms, series, wanted)
    return {(model, cast(Series, of_series)): total for (model, of_series), total in added.items()}


def totals_by_route(
    connection: Connection, from_ms: int, to_ms: int, series: Collection[Series]
) -> dict[tuple[str, str], Total]:
    """(model, provider) -> what ended in the same slots, of the whole installation; with the histograms of
    its pace."""
    return _added(connection, ("model", "provider"), None, from_ms, to_ms, series, ("ttft", "tpot"))


def _added(
    connection: Connection,
    names: tuple[str, str],
    team_id: int | None,
    from_ms: int,
    to_ms: int,
    series: Collection[Series],
    wanted: Sequence[str],
) -> dict[tuple[str, str], Total]:
    width_ms = width_for(to_ms - from_ms)
    first_ms, last_ms = slot_of(from_ms, width_ms), slot_of(to_ms - 1, width_ms)

    def here(table: Table) -> ColumnElement[bool]:
        return and_(table.c.team_id == (team_id or INSTALLATION), table.c.series.in_(series))

    added = add_up_window(connection, names, here, first_ms, last_ms + width_ms, width_ms, wanted)
    return {(first, second): total for (first, second), total in added.items()}


def add_up_window(
    connection: Connection,
    by: Sequence[str],
    here: Callable[[Table], ColumnElement[bool]],
    from_ms: int,
    to_ms: int,
    width_ms: int,
    wanted: Sequence[str] = HISTOGRAMS,
) -> dict[tuple[Any, ...], Total]:
    """The whole slots of `width_ms` in [from_ms, to_ms) added up by the columns `by`, read as `cover` says;
    of a table the rows of which `here` holds."""
    found: dict[tuple[Any, ...], Total] = {}
    for table, first_ms, end_ms in cover(from_ms, to_ms, width_ms):
        within = and_(here(table), table.c.slot_ms.between(first_ms, end_ms - 1))
        for key, total in add_up(connection, table, [table.c[name] for name in by], within, wanted):
            found.setdefault(key, Total()).add(total)
    return found


def add_up(
    connection: Connection,
    table: Table,
    by: Sequence[ColumnElement[Any]],
    here: ColumnElement[bool],
    wanted: Sequence[str] = HISTOGRAMS,
    counters: Sequence[str] = COUNTERS,
) -> list[tuple[tuple[Any, ...], Total]]:
    """The roll-up rows of which `here` holds, added up by `by`; with the histograms that are `wanted` and
    the counters, which are as dear to add up as they are many."""
    found: defaultdict[tuple[Any, ...], Total] = defaultdict(Total)
    sums = [func.sum(table.c[name]) for name in counters]
    if counters:
        for row in connection.execute(select(*by, *sums).where(here).group_by(*by)):
            counts = zip(counters, row[len(by) :], strict=True)
            found[tuple(row[: len(by)])].counts.update({name: int(count) for name, count in counts})
    if not wanted:
        return list(found.items())
    known = frozenset(found)
    for row in connection.execute(select(*by, *(table.c[name] for name in wanted)).where(here)):
        key = tuple(row[: len(by)])
        if counters and key not in known:
            continue  # a row that was written since has no sums: the next look has it whole
        for name, blob in zip(wanted, row[len(by) :], strict=True):
            found[key].blobs[name].append(blob)
    return list(found.items())
