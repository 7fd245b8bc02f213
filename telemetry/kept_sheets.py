"""Sheets in the log's database: which are kept of an hour, how they are written and read again.

Of each slot the requests themselves, of all teams (kind `requests`: minutes for a few hours, hours for as
long as the log has their rows). Of each hour and day, for good, a team and for the installation, by each of
`BYS`:

    key           all keys, whatever model answered
    key/route     the same of each model and provider, so that keys can be compared of one model
    key/7         models and providers of a sixteenth of the keys, so that those of one key are found

Keys and tags alone have the third: one hash a name says which of its `SHARDS` it is in, so that there are
never more sheets than that however many tags people make up. A slot is replaced whole, in one transaction.
"""

from __future__ import annotations

import itertools
import zlib
from collections import defaultdict
from collections.abc import Collection, Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Final

from sqlalchemy import ColumnElement, Connection, delete, insert, select, text, update

from telemetry import sheets
from telemetry.numpy_later import np
from telemetry.rollups import COUNTERS, DAY_MS, HOUR_MS, MINUTE_MS
from telemetry.sheets import FACTS, GROUPED, PIECES, WHOLE, Sheet
from telemetry.slices import By
from telemetry.tables import INSTALLATION, SHEET_EXTENT, SHEET_PIECE

REQUESTS: Final = "requests"
BYS: Final[tuple[By, ...]] = ("key", "tag", "input_length", "output_length")
SHARDED: Final[tuple[By, ...]] = ("key", "tag")
SHARDS: Final = 16
_OURS: Final = 1  # the one row of extents
_ROWS_A_STATEMENT: Final = 500

Span = tuple[int, int, int]  # width, first instant, end


@dataclass(frozen=True, slots=True)
class Extent:
    """Which slots have been made: hours of [since_ms, hours_until_ms), and whole days within; the requests
    of these hours from `requests_since_ms` on; minutes of [hours_until_ms, until_ms). What lies before
    `since_ms` 0 is nothing."""

    since_ms: int
    requests_since_ms: int
    hours_until_ms: int
    until_ms: int

    def has_day(self, day_ms: int) -> bool:
        return self.since_ms <= day_ms and day_ms + DAY_MS <= self.hours_until_ms


@dataclass(frozen=True, slots=True)
class Kept:
    """A sheet and what it is of."""

    team_id: int
    kind: str
    width_ms: int
    slot_ms: int
    sheet: Sheet
    model: str = ""
    provider: str = ""


def by_route(by: By) -> str:
    return f"{by}/route"


def shard_of(by: By, name: str) -> str:
    return f"{by}/{zlib.crc32(name.encode('utf-8', 'replace')) % SHARDS}"


# --- what is kept of an hour ------------------------------------------------------------------


def of_hour(hour_ms: int, requests: Sheet) -> Iterator[Kept]:
    """All that is kept of an hour, made of its requests."""
    yield Kept(INSTALLATION, REQUESTS, HOUR_MS, hour_ms, requests)
    for by in BYS:
        by_team = sheets.grouped(requests, by)
        yield from _of_team(INSTALLATION, by, hour_ms, sheets.added_up(by_team, GROUPED))
        teams = by_team.words["team"]
        for place, team in enumerate(teams):
            mask = by_team.codes["team"] == place
            if int(team) != INSTALLATION and mask.any():
                one = sheets.without(sheets.where(by_team, mask), ("team",))
                yield from _of_team(int(team), by, hour_ms, one)


def _of_team(team_id: int, by: By, hour_ms: int, sheet: Sheet) -> Iterator[Kept]:
    """`sheet` is added up by `GROUPED`."""
    yield Kept(team_id, by, HOUR_MS, hour_ms, sheets.added_up(sheet, ("name", "series")))
    models, providers = sheet.words["model"], sheet.words["provider"]
    routes = sheet.codes["model"] * len(providers) + sheet.codes["provider"]
    for route in np.unique(routes):
        model, provider = divmod(int(route), len(providers))
        one = sheets.without(sheets.where(sheet, routes == route), ("model", "provider"))
        yield Kept(team_id, by_route(by), HOUR_MS, hour_ms, one, models[model], providers[provider])
    if by in SHARDED:
        kinds = [shard_of(by, name) for name in sheet.words["name"]]
        for kind in sorted(set(kinds)):
            mask = np.array([each == kind for each in kinds])[sheet.codes["name"]]
            if mask.any():
                yield Kept(team_id, kind, HOUR_MS, hour_ms, sheets.where(sheet, mask))


# --- writing ----------------------------------------------------------------------------------


def lock(connection: Connection) -> None:
    """Until commit nobody else writes sheets; on SQLite nobody writes at all once we have begun to."""
    if connection.dialect.name == "postgresql":
        connection.execute(text("SET LOCAL statement_timeout = 0"))
        connection.execute(text(f"LOCK TABLE {SHEET_PIECE.name} IN EXCLUSIVE MODE"))
    else:
        connection.execute(delete(SHEET_PIECE).where(SHEET_PIECE.c.width_ms < 0))


def replace(connection: Connection, width_ms: int, slot_ms: int, kept: Iterable[Kept]) -> None:
    """Have these sheets of a slot and no other."""
    at = SHEET_PIECE.c.slot_ms == slot_ms
    connection.execute(delete(SHEET_PIECE).where(SHEET_PIECE.c.width_ms == width_ms, at))
    rows: list[dict[str, object]] = []
    for one in kept:
        if one.sheet.lines:
            rows += _rows(one)
        if len(rows) >= _ROWS_A_STATEMENT:
            connection.execute(insert(SHEET_PIECE), rows)
            rows = []
    if rows:
        connection.execute(insert(SHEET_PIECE), rows)


def _rows(kept: Kept) -> list[dict[str, object]]:
    of = {
        "team_id": kept.team_id, "kind": kept.kind, "width_ms": kept.width_ms, "slot_ms": kept.slot_ms,
        "model": kept.model, "provider": kept.provider,
    }  # fmt: skip
    requests = kept.sheet.requests if kept.kind == REQUESTS else 0
    return [
        {**of, "piece": piece, "requests": requests if piece in (FACTS, WHOLE) else 0, "body": body}
        for piece, body in sheets.pieces(kept.sheet).items()
    ]


def write_minute(connection: Connection, minute_ms: int, requests: Sheet) -> None:
    replace(connection, MINUTE_MS, minute_ms, [Kept(INSTALLATION, REQUESTS, MINUTE_MS, minute_ms, requests)])


def write_hour(connection: Connection, hour_ms: int, requests: Sheet) -> None:
    replace(connection, HOUR_MS, hour_ms, of_hour(hour_ms, requests))


def write_day(connection: Connection, day_ms: int) -> None:
    """Made of its hours."""
    within = (
        SHEET_PIECE.c.width_ms == HOUR_MS, SHEET_PIECE.c.slot_ms.between(day_ms, day_ms + DAY_MS - 1),
        SHEET_PIECE.c.kind != REQUESTS, SHEET_PIECE.c.piece.in_((FACTS, WHOLE)),
    )  # fmt: skip
    asked = select(SHEET_PIECE.c.team_id, SHEET_PIECE.c.kind).where(*within).distinct()
    known = [(team_id, kind) for team_id, kind in connection.execute(asked)]
    replace(connection, DAY_MS, day_ms, _of_day(connection, day_ms, known))


def _of_day(connection: Connection, day_ms: int, known: Sequence[tuple[int, str]]) -> Iterator[Kept]:
    for team_id, kind in known:
        hours = read(connection, team_id, kind, [(HOUR_MS, day_ms, day_ms + DAY_MS)], PIECES)
        by_of: defaultdict[tuple[str, str], list[Sheet]] = defaultdict(list)
        for one in hours:
            by_of[one.model, one.provider].append(one.sheet)
        for (model, provider), some in by_of.items():
            sheet = sheets.added_up(sheets.joined(some), list(some[0].words))
            yield Kept(team_id, kind, DAY_MS, day_ms, sheet, model, provider)


def forget(connection: Connection, width_ms: int, kind: str, before_ms: int) -> int:
    """Delete sheets of slots that began before that. Returns how many pieces that was."""
    old = (SHEET_PIECE.c.width_ms == width_ms, SHEET_PIECE.c.kind == kind, SHEET_PIECE.c.slot_ms < before_ms)
    return connection.execute(delete(SHEET_PIECE).where(SHEET_PIECE.c.team_id == INSTALLATION, *old)).rowcount


# --- reading ----------------------------------------------------------------------------------


def read(
    connection: Connection,
    team_id: int,
    kind: str,
    spans: Iterable[Span],
    pieces: Collection[str],
    model: str | None = None,
    provider: str | None = None,
    counters: Collection[str] = COUNTERS,
) -> list[Kept]:
    """The sheets of a kind in these spans, as far as there are any, with these pieces and of `counts` with
    these `counters`; `model` and `provider` narrow those by route. Oldest first within a span."""
    columns = SHEET_PIECE.c
    here: list[ColumnElement[bool]] = [columns.team_id == team_id, columns.kind == kind]
    here += [columns.model == model] if model is not None else []
    here += [columns.provider == provider] if provider is not None else []
    asked = select(columns.slot_ms, columns.model, columns.provider, columns.piece, columns.body)
    found: list[Kept] = []
    for width_ms, first_ms, end_ms in spans:
        within = (columns.width_ms == width_ms, columns.slot_ms.between(first_ms, end_ms - 1))
        rows = connection.execute(
            asked.where(*here, *within, columns.piece.in_({WHOLE, FACTS, *pieces})).order_by(
                columns.slot_ms, columns.model, columns.provider
            )
        )
        for (slot_ms, of_model, of_provider), some in itertools.groupby(rows, lambda row: row[:3]):
            sheet = sheets.of_pieces({row[3]: row[4] for row in some}, pieces, counters)
            found.append(Kept(team_id, kind, width_ms, slot_ms, sheet, of_model, of_provider))
    return found


def requests_by_slot(connection: Connection, width_ms: int, from_ms: int, to_ms: int) -> dict[int, int]:
    """Of how many rows of the log each slot was made, where there was any."""
    columns = SHEET_PIECE.c
    asked = select(columns.slot_ms, columns.requests).where(
        columns.team_id == INSTALLATION, columns.kind == REQUESTS, columns.width_ms == width_ms,
        columns.slot_ms.between(from_ms, to_ms - 1), columns.piece.in_((FACTS, WHOLE)),
    )  # fmt: skip
    return {row.slot_ms: row.requests for row in connection.execute(asked)}


def extent(connection: Connection) -> Extent | None:
    """None where nobody has begun."""
    columns = SHEET_EXTENT.c
    asked = select(columns.since_ms, columns.requests_since_ms, columns.hours_until_ms, columns.until_ms)
    found = connection.execute(asked.where(columns.id == _OURS)).first()
    return None if found is None else Extent(*found)


def extend(connection: Connection, made: Extent) -> Extent:
    """Say that this has been made, beside what others have made meanwhile. Returns both."""
    known = extent(connection)
    if known is not None:
        made = Extent(
            min(made.since_ms, known.since_ms),
            min(made.requests_since_ms, known.requests_since_ms),
            max(made.hours_until_ms, known.hours_until_ms),
            max(made.until_ms, known.until_ms),
        )
    if made != known:
        keep_extent(connection, made)
    return made


def keep_extent(connection: Connection, now: Extent) -> None:
    values = {
        "since_ms": now.since_ms, "requests_since_ms": now.requests_since_ms,
        "hours_until_ms": now.hours_until_ms, "until_ms": now.until_ms,
    }  # fmt: skip
    changed = connection.execute(update(SHEET_EXTENT).where(SHEET_EXTENT.c.id == _OURS).values(values))
    if not changed.rowcount:
        connection.execute(insert(SHEET_EXTENT).values(id=_OURS, **values))
