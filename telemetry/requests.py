"""The request log, read by people: filtered pages, newest first, and one request with all of its attempts.

A page begins where the last one ended, by key and never by offset, so that the thousandth costs what the
first does. Models and failures have indexes; whatever else is looked for, among so many rows at a time
(`MOST_LOOKED_AT`), so that nobody waits for what is rare: `look` says how far it came. What is still waiting
to be written is seen too. A team sees its own rows alone; None is the whole installation, for an operator.
"""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Any, Final

import msgspec
from sqlalchemy import (
    ColumnElement,
    Connection,
    Engine,
    String,
    and_,
    cast,
    func,
    literal_column,
    or_,
    select,
)

from telemetry import rollups, stored
from telemetry.clocks import ended_at_ms
from telemetry.request_log import RequestLog
from telemetry.rows import Outcome, RequestRow, Series
from telemetry.tables import INSTALLATION, REQUEST, ROLLUPS

MOST_EXPORTED: Final = 100_000  # rows
_EXPORT_PAGE: Final = 2_000
MOST_LOOKED_AT: Final = 15_000  # rows, for one page
# How far apart a request's id and its end may be, clocks that differ included: nearly always, and ever.
_SPANS_MS: Final = (20 * 60 * 1_000, 24 * 60 * 60 * 1_000)
_COLUMNS: Final = tuple(name for name in RequestRow.__struct_fields__ if name != "attempts")


@dataclass(frozen=True, slots=True)
class Wanted:
    """What a row must be. None asks nothing. `from_ms` and `to_ms` bound the instant it ended at; `without`
    are runs that this reader must not see yet."""

    from_ms: int | None = None
    to_ms: int | None = None
    model: str | None = None
    provider: str | None = None
    outcome: Outcome | None = None
    series: Series | None = None
    surface: str | None = None
    user_id: int | None = None
    key_id: int | None = None
    tag: str | None = None
    least_cost_nano_usd: int | None = None
    least_total_ms: float | None = None
    least_output_tokens: int | None = None
    without: frozenset[str] = frozenset()

    def takes(self, row: RequestRow) -> bool:
        at_ms = ended_at_ms(row)
        same = (
            (self.model, row.model), (self.provider, row.provider), (self.outcome, row.outcome),
            (self.series, row.series), (self.surface, row.surface), (self.user_id, row.user_id),
            (self.key_id, row.key_id),
        )  # fmt: skip
        return (
            all(wanted in (None, found) for wanted, found in same)
            and (self.from_ms is None or at_ms >= self.from_ms)
            and (self.to_ms is None or at_ms < self.to_ms)
            and (self.tag is None or self.tag in row.tags)
            and (self.least_cost_nano_usd is None or (row.cost_nano_usd or 0) >= self.least_cost_nano_usd)
            and (self.least_total_ms is None or (row.total_ms or 0) >= self.least_total_ms)
            and (self.least_output_tokens is None or (row.output_tokens or 0) >= self.least_output_tokens)
            and row.run_id not in self.without
        )

    @property
    def is_indexed(self) -> bool:
        """Whether no row is read in vain, or nearly none: nothing is asked that no index knows."""
        return self == Wanted(
            from_ms=self.from_ms,
            to_ms=self.to_ms,
            model=self.model,
            outcome=self.outcome,
            without=self.without,
        ) and (self.model is None or self.outcome is None)


@dataclass(frozen=True, slots=True, order=True)
class Place:
    """Where a row stands in the log."""

    ended_at_ms: int
    request_id: str

    @classmethod
    def of(cls, row: RequestRow) -> Place:
        return cls(ended_at_ms(row), row.request_id)


@dataclass(frozen=True, slots=True)
class Found:
    """Newest first. Where `looked_to` is a place, what lies before it was not looked at."""

    rows: tuple[RequestRow, ...]
    looked_to: Place | None = None


class Requests:
    """Any thread may ask."""

    def __init__(self, engine: Engine, log: RequestLog) -> None:
        self._engine = engine
        self._log = log

    def look(
        self,
        team_id: int | None,
        wanted: Wanted,
        limit: int,
        before: Place | None = None,
        most: int = MOST_LOOKED_AT,
    ) -> Found:
        """At most `limit` rows, each with its last attempt alone, among the newest `most` that an index
        leaves."""
        waiting = self._waiting(team_id, wanted, before)
        with self._engine.connect() as connection:
            here, end = _asked(team_id, wanted, before), None
            if not wanted.is_indexed:
                end = _nth(connection, here, most)
            if end is not None:
                here = [*_asked(team_id, replace(wanted, from_ms=end.ended_at_ms), before), _is_from(end)]
            kept = _matching(connection, here, wanted, limit)
        rows = _merged(kept, waiting, limit)
        return Found(rows, end if len(rows) < limit else None)

    def page(
        self, team_id: int | None, wanted: Wanted, limit: int, before: Place | None = None
    ) -> tuple[RequestRow, ...]:
        """The same, however many rows have to be looked at."""
        waiting = self._waiting(team_id, wanted, before)
        with self._engine.connect() as connection:
            kept = _matching(connection, _asked(team_id, wanted, before), wanted, limit)
        return _merged(kept, waiting, limit)

    def _waiting(self, team_id: int | None, wanted: Wanted, before: Place | None) -> list[RequestRow]:
        """Asked for before the database is: what is stored meanwhile is then seen twice, never missed."""
        return [
            row
            for row in self._log.unstored()
            if team_id in (None, row.team_id)
            and wanted.takes(row)
            and (before is None or Place.of(row) < before)
        ]

    def one(self, team_id: int | None, request_id: str) -> RequestRow | None:
        """A request with all of its attempts, by its own id or its run's; None where this team has none."""
        for row in self._log.unstored():
            if request_id in (row.request_id, row.run_id) and team_id in (None, row.team_id):
                return row
        if "\0" in request_id:  # which PostgreSQL refuses to look for
            return None
        ways = [REQUEST.c.run_id == request_id] if request_id.startswith("run_") else _of_id(request_id)
        with self._engine.connect() as connection:
            # Whose it is, is asked of the row: SQLite would walk all rows of the team.
            asked = select(REQUEST.c.ended_at_ms, REQUEST.c.request_id, REQUEST.c.team_id).limit(1)
            tried = (connection.execute(asked.where(way)).first() for way in ways)
            found = next((row for row in tried if row is not None), None)
            if found is None:
                return None
            at_ms, own_id, whose = found
            if team_id not in (None, whose):
                return None
            rows = stored.read(connection, at_ms, at_ms + 1)
            return next(row for row in rows if row.request_id == own_id)

    def models(self, team_id: int | None, from_ms: int) -> tuple[str, ...]:
        """Models with a row since, for a filter to offer."""
        return self._told(team_id, from_ms, "model")

    def providers(self, team_id: int | None, from_ms: int) -> tuple[str, ...]:
        return self._told(team_id, from_ms, "provider")

    def as_csv(self, team_id: int | None, wanted: Wanted) -> Iterator[bytes]:
        """At most `MOST_EXPORTED` rows, newest first."""
        text = io.StringIO()
        writer = csv.writer(text)
        writer.writerow(("ended_at_ms", *_COLUMNS))
        for row in self._all(team_id, wanted):
            writer.writerow((ended_at_ms(row), *(_plain(getattr(row, name)) for name in _COLUMNS)))
            if text.tell() > 64 * 1024:
                yield text.getvalue().encode()
                text.seek(0)
                text.truncate()
        yield text.getvalue().encode()

    def as_json_lines(self, team_id: int | None, wanted: Wanted) -> Iterator[bytes]:
        for row in self._all(team_id, wanted):
            yield json.dumps({"ended_at_ms": ended_at_ms(row), **msgspec.to_builtins(row)}).encode() + b"\n"

    def as_parquet(self, team_id: int | None, wanted: Wanted) -> bytes:
        """At most `MOST_EXPORTED` rows, newest first, each with all of its attempts."""
        # Imported where it is wanted: most sessions never export.
        from telemetry.parquet import as_parquet

        return as_parquet(self._all(team_id, wanted))

    def _all(self, team_id: int | None, wanted: Wanted) -> Iterator[RequestRow]:
        left, before = MOST_EXPORTED, None
        while left > 0:
            rows = self.page(team_id, wanted, min(_EXPORT_PAGE, left), before)
            with self._engine.connect() as connection:
                yield from stored.whole(connection, rows)
            if len(rows) < _EXPORT_PAGE:
                return
            left, before = left - len(rows), Place.of(rows[-1])

    def _told(self, team_id: int | None, from_ms: int, name: str) -> tuple[str, ...]:
        """From the roll-ups: the rows themselves may be millions."""
        hours = ROLLUPS[rollups.HOUR_MS]
        here = (
            hours.c.team_id == (team_id or INSTALLATION),
            hours.c.slot_ms >= rollups.slot_of(from_ms, rollups.HOUR_MS),
            hours.c[name] != "",
        )
        with self._engine.connect() as connection:
            found = connection.execute(select(hours.c[name]).where(*here).distinct()).scalars()
            return tuple(sorted(found))


def _merged(kept: Sequence[RequestRow], waiting: Sequence[RequestRow], limit: int) -> tuple[RequestRow, ...]:
    by_place = {Place.of(row): row for row in [*kept, *waiting]}
    return tuple(by_place[place] for place in sorted(by_place, reverse=True)[:limit])


def _asked(team_id: int | None, wanted: Wanted, before: Place | None) -> list[ColumnElement[bool]]:
    """What an index is walked by."""
    here: list[ColumnElement[bool]] = []
    column = REQUEST.c
    if team_id is not None:
        here.append(column.team_id == team_id)
    if wanted.model is not None:
        here.append(column.model == wanted.model)
    if wanted.outcome is not None:
        here.append(column.outcome == wanted.outcome)
        if wanted.outcome != "ok":
            # In the words of its index, or SQLite does not see that it may use it.
            here.append(column.outcome != literal_column("'ok'"))
    # One bound on either side: of two SQLite walks by the one that it is told first.
    if wanted.from_ms is not None:
        here.append(column.ended_at_ms >= wanted.from_ms)
    if before is not None and (wanted.to_ms is None or before.ended_at_ms < wanted.to_ms):
        here += [column.ended_at_ms <= before.ended_at_ms, _is_before(before)]
    elif wanted.to_ms is not None:
        here.append(column.ended_at_ms < wanted.to_ms)
    return here


def _matching(
    connection: Connection, here: list[ColumnElement[bool]], wanted: Wanted, limit: int
) -> Sequence[RequestRow]:
    column = REQUEST.c
    asked = list(here)
    for name in ("provider", "series", "surface", "user_id", "key_id"):
        value = getattr(wanted, name)
        if value is not None:
            asked.append(column[name] == value)
    if wanted.least_cost_nano_usd is not None:
        asked.append(column.cost_nano_usd >= wanted.least_cost_nano_usd)
    if wanted.least_total_ms is not None:
        asked.append(column.total_ms >= wanted.least_total_ms)
    if wanted.least_output_tokens is not None:
        asked.append(column.output_tokens >= wanted.least_output_tokens)
    if wanted.without:
        asked.append(column.run_id.is_(None) | column.run_id.not_in(wanted.without))
    if wanted.tag is not None:
        asked.append(_has_tag(connection, wanted.tag))
    return stored.newest_where(connection, asked, limit)


def _has_tag(connection: Connection, tag: str) -> ColumnElement[bool]:
    """Whether the list has it, as it is written: first or later. Inside a tag a quote follows a backslash."""
    at = func.strpos if connection.dialect.name == "postgresql" else func.instr
    tags, written = cast(REQUEST.c.tags, String), json.dumps(tag)
    return or_(at(tags, f"[{written}") > 0, at(tags, f", {written}") > 0)


def _nth(connection: Connection, here: Sequence[ColumnElement[bool]], count: int) -> Place | None:
    """Where the `count`-th newest of those rows stands; None where there are fewer."""
    at, own = REQUEST.c.ended_at_ms, REQUEST.c.request_id
    ordered = select(at, own).where(*here).order_by(at.desc(), own.desc())
    found = connection.execute(ordered.limit(1).offset(count - 1)).first()
    return None if found is None else Place(*found)


def _is_before(place: Place) -> ColumnElement[bool]:
    """Of rows that ended then or before."""
    return or_(REQUEST.c.ended_at_ms < place.ended_at_ms, REQUEST.c.request_id < place.request_id)


def _is_from(place: Place) -> ColumnElement[bool]:
    """Of rows that ended then or after."""
    return or_(REQUEST.c.ended_at_ms > place.ended_at_ms, REQUEST.c.request_id >= place.request_id)


def _of_id(request_id: str) -> list[ColumnElement[bool]]:
    """By the key, which begins with when it ended: our ids (UUIDv7) say when they were made. The shorter
    walk first."""
    own = REQUEST.c.request_id == request_id
    try:
        made_ms = int(request_id.partition("_")[2][:12], 16)
    except ValueError:
        return [own]
    return [and_(own, REQUEST.c.ended_at_ms.between(made_ms - span, made_ms + span)) for span in _SPANS_MS]


def _plain(value: Any) -> object:
    """As a cell: lists as words, and nothing that a spreadsheet would run."""
    text = " ".join(value) if isinstance(value, tuple) else value
    if isinstance(text, str) and text[:1] in ("=", "+", "-", "@", "\t", "\r"):
        return f"'{text}"
    return "" if text is None else text
