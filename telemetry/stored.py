"""Request rows to the log's tables and back. Nothing here decides when, or in which transaction."""

from __future__ import annotations

import functools
from collections import defaultdict
from collections.abc import Collection, Iterable, Iterator, Sequence
from typing import Any

import msgspec
from sqlalchemy import (
    Column,
    ColumnElement,
    Connection,
    Executable,
    Row,
    Select,
    Table,
    and_,
    insert,
    select,
    tuple_,
)

from store.upserts import insert_of
from telemetry.clocks import ended_at_ms
from telemetry.rows import AttemptRow, RequestRow, Series
from telemetry.tables import ATTEMPT, REQUEST

_LONGEST_TEXT = 200  # of what callers and providers write: a log row stays a row
_ATTEMPT_FIELDS = AttemptRow.__struct_fields__
_REQUEST_FIELDS = tuple(name for name in RequestRow.__struct_fields__ if name != "attempts")
# In the order of the fields, so that a row is made by position.
_ATTEMPT_COLUMNS = tuple(ATTEMPT.c[name] for name in _ATTEMPT_FIELDS)
_REQUEST_COLUMNS = tuple(REQUEST.c[name] for name in _REQUEST_FIELDS)
_WRITING_ATTEMPTS = insert(ATTEMPT)
_LISTS = tuple(_REQUEST_FIELDS.index(name) for name in ("tags", "dropped"))  # JSON knows no tuples


def write(connection: Connection, rows: Iterable[RequestRow]) -> list[RequestRow]:
    """Insert what is not there yet and return that: writing the same rows again changes nothing."""
    by_key = {(ended_at_ms(row), row.request_id): row for row in rows}
    if not by_key:
        return []
    written = connection.execute(
        _writing(connection.dialect.name), [_request_values(row) for row in by_key.values()]
    )
    new = [by_key[(at_ms, request_id)] for at_ms, request_id in written]
    attempts = [values for row in new for values in _attempt_values(row)]
    if attempts:
        connection.execute(_WRITING_ATTEMPTS, attempts)
    return new


@functools.cache
def _writing(dialect: str) -> Executable:
    insert = insert_of(dialect, REQUEST).on_conflict_do_nothing()
    return insert.returning(REQUEST.c.ended_at_ms, REQUEST.c.request_id)


def read(connection: Connection, from_ms: int, to_ms: int) -> Iterator[RequestRow]:
    """Every request that ended in [from_ms, to_ms), in that order, with its attempts."""
    attempts: dict[tuple[int, str], list[AttemptRow]] = defaultdict(list)
    tried = select(*_key(ATTEMPT), *_ATTEMPT_COLUMNS).where(ATTEMPT.c.ended_at_ms.between(from_ms, to_ms - 1))
    for at_ms, request_id, *values in connection.execute(tried.order_by(ATTEMPT.c.no)):
        attempts[at_ms, request_id].append(AttemptRow(*values))
    asked = select(*_key(REQUEST), *_REQUEST_COLUMNS).where(REQUEST.c.ended_at_ms.between(from_ms, to_ms - 1))
    for at_ms, request_id, *values in connection.execute(asked.order_by(*_key(REQUEST))):
        yield _request_of(values, attempts[at_ms, request_id])


def keys(connection: Connection, from_ms: int, to_ms: int) -> list[tuple[int, str]]:
    """(ended_at_ms, request_id) of every request that ended in [from_ms, to_ms), in that order."""
    found = select(*_key(REQUEST)).where(REQUEST.c.ended_at_ms.between(from_ms, to_ms - 1))
    return [(at_ms, request_id) for at_ms, request_id in connection.execute(found.order_by(*_key(REQUEST)))]


def newest_keys(
    connection: Connection, team_id: int | None, from_ms: int, limit: int
) -> set[tuple[int, str]]:
    """(ended_at_ms, request_id) of the newest `limit` requests that ended at `from_ms` or later."""
    here = [REQUEST.c.ended_at_ms >= from_ms]
    if team_id is not None:
        here.append(REQUEST.c.team_id == team_id)
    newest_first = select(*_key(REQUEST)).where(*here).order_by(*(column.desc() for column in _key(REQUEST)))
    return {(at_ms, request_id) for at_ms, request_id in connection.execute(newest_first.limit(limit))}


def of_keys(connection: Connection, wanted: Sequence[tuple[int, str]]) -> list[RequestRow]:
    """The requests with these keys, each with its last attempt alone, as far as they are there; at most
    a thousand at once."""
    asked = _with_last_attempt().where(_is_one_of(REQUEST, wanted)).order_by(*_key(REQUEST))
    return [_joined(row) for row in connection.execute(asked)]


def whole(connection: Connection, rows: Sequence[RequestRow]) -> list[RequestRow]:
    """The rows, at most a few thousand, each with all of its attempts where it had the last alone."""
    more = {(ended_at_ms(row), row.request_id) for row in rows if row.attempts and row.attempts[-1].no > 1}
    attempts: dict[tuple[int, str], list[AttemptRow]] = defaultdict(list)
    for some in _in_thousands(sorted(more)):
        tried = select(*_key(ATTEMPT), *_ATTEMPT_COLUMNS).where(_is_one_of(ATTEMPT, some))
        for at_ms, request_id, *values in connection.execute(tried.order_by(ATTEMPT.c.no)):
            attempts[at_ms, request_id].append(AttemptRow(*values))
    return [
        msgspec.structs.replace(row, attempts=tuple(found))
        if (found := attempts.get((ended_at_ms(row), row.request_id)))
        else row
        for row in rows
    ]


def _in_thousands(keys: Sequence[tuple[int, str]]) -> Iterator[Sequence[tuple[int, str]]]:
    for start in range(0, len(keys), 1_000):
        yield keys[start : start + 1_000]


def known_runs(connection: Connection, run_ids: Sequence[str]) -> set[str]:
    """Those of the runs, at most a thousand at once, that have a row."""
    return set(connection.execute(select(REQUEST.c.run_id).where(REQUEST.c.run_id.in_(run_ids))).scalars())


def newest(
    connection: Connection,
    team_id: int | None,
    from_ms: int,
    to_ms: int,
    series: Collection[Series],
    limit: int,
) -> list[RequestRow]:
    """The newest `limit` requests that got as far as a model, each with its last attempt alone."""
    wanted: list[ColumnElement[bool]] = [
        REQUEST.c.ended_at_ms.between(from_ms, to_ms - 1),
        REQUEST.c.series.in_(series),
        REQUEST.c.model.is_not(None),
    ]
    if team_id is not None:
        wanted.append(REQUEST.c.team_id == team_id)
    return newest_where(connection, wanted, limit)


def newest_where(
    connection: Connection, wanted: Sequence[ColumnElement[bool]], limit: int
) -> list[RequestRow]:
    """The newest `limit` requests of which all of that holds, newest first, each with its last attempt
    alone."""
    found = _with_last_attempt().where(*wanted)
    ordered = found.order_by(*(column.desc() for column in _key(REQUEST))).limit(limit)
    return [_joined(row) for row in connection.execute(ordered)]


def newest_whole(
    connection: Connection, team_id: int | None, from_ms: int, to_ms: int, limit: int
) -> tuple[list[RequestRow], bool]:
    """The newest `limit` requests that ended in [from_ms, to_ms), oldest first, with all of their attempts;
    and whether there are more."""
    here: list[ColumnElement[bool]] = [REQUEST.c.ended_at_ms.between(from_ms, to_ms - 1)]
    if team_id is not None:
        here.append(REQUEST.c.team_id == team_id)
    asked = select(*_key(REQUEST), *_REQUEST_COLUMNS).where(*here)
    newest_first = asked.order_by(*(column.desc() for column in _key(REQUEST))).limit(limit + 1)
    found = list(connection.execute(newest_first))
    if not found:
        return [], False
    cut = len(found) > limit
    found = found[:limit][::-1]
    attempts: dict[tuple[int, str], list[AttemptRow]] = defaultdict(list)
    tried = select(*_key(ATTEMPT), *_ATTEMPT_COLUMNS).where(
        ATTEMPT.c.ended_at_ms.between(found[0][0], to_ms - 1)
    )
    if team_id is not None:
        same = and_(
            ATTEMPT.c.ended_at_ms == REQUEST.c.ended_at_ms, ATTEMPT.c.request_id == REQUEST.c.request_id
        )
        tried = tried.join(REQUEST, same).where(REQUEST.c.team_id == team_id)
    for at_ms, request_id, *values in connection.execute(tried.order_by(ATTEMPT.c.no)):
        attempts[at_ms, request_id].append(AttemptRow(*values))
    rows = [_request_of(values, attempts[at_ms, request_id]) for at_ms, request_id, *values in found]
    return rows, cut


def _with_last_attempt() -> Select[Any]:
    last = and_(
        ATTEMPT.c.ended_at_ms == REQUEST.c.ended_at_ms,
        ATTEMPT.c.request_id == REQUEST.c.request_id,
        ATTEMPT.c.no == REQUEST.c.attempts,
    )
    return select(*_REQUEST_COLUMNS, *_ATTEMPT_COLUMNS).outerjoin(ATTEMPT, last)


def _joined(row: Row[Any]) -> RequestRow:
    values, tried = row[: len(_REQUEST_COLUMNS)], row[len(_REQUEST_COLUMNS) :]
    return _request_of(values, [AttemptRow(*tried)] if tried[0] is not None else [])


def _request_of(values: Sequence[Any], attempts: Sequence[AttemptRow]) -> RequestRow:
    facts = list(values)
    for at in _LISTS:
        facts[at] = tuple(facts[at] or ())
    facts.append(tuple(attempts))
    return RequestRow(*facts)


def _key(table: Table) -> tuple[Column[Any], Column[Any]]:
    return table.c.ended_at_ms, table.c.request_id


def _is_one_of(table: Table, keys: Sequence[tuple[int, str]]) -> ColumnElement[bool]:
    """Said twice, because SQLite finds no index for a tuple: it would look through the whole table."""
    instants_ms = sorted({at_ms for at_ms, _ in keys})
    return and_(table.c.ended_at_ms.in_(instants_ms), tuple_(*_key(table)).in_(keys))


def _request_values(row: RequestRow) -> dict[str, object]:
    values: dict[str, object] = {name: getattr(row, name) for name in _REQUEST_FIELDS}
    return values | {
        "ended_at_ms": ended_at_ms(row),
        "model_asked": _text(row.model_asked),
        "tags": [_text(tag) for tag in row.tags],
        "dropped": [_text(reason) for reason in row.dropped],
        "attempts": len(row.attempts),
    }


def _attempt_values(row: RequestRow) -> list[dict[str, object]]:
    key = {"ended_at_ms": ended_at_ms(row), "request_id": row.request_id}
    return [key | {name: getattr(attempt, name) for name in _ATTEMPT_FIELDS} for attempt in row.attempts]


def _text(value: str) -> str:
    """What both engines store: no NUL, no half of a surrogate pair."""
    return value[:_LONGEST_TEXT].replace("\0", "").encode("utf-8", "replace").decode("utf-8")
