"""The audit of `audit.py`, on a ledger in PostgreSQL: `python -m billing.audit_postgresql URL`.

The same rules, the same chain, as of one moment. What foreign keys say on SQLite is a rule here, since
there are none. Writers are not kept waiting.
"""

from __future__ import annotations

import sys
from collections.abc import Iterable, Sequence
from contextlib import closing
from typing import Any, Final

import psycopg
from psycopg import IsolationLevel, sql

from billing.audit import OPTIONS, Finding, Report, broken, chain_of, count, kept, kept_heads, rules, tell

_ROWS_AT_ONCE: Final = 5_000
# The little that PostgreSQL writes otherwise than SQLite.
_OTHERWISE: Final = (
    (" IS NOT run_id", " IS DISTINCT FROM run_id"),
    (" IS NOT starts_ms", " IS DISTINCT FROM starts_ms"),
    (" IS NOT newest_ms", " IS DISTINCT FROM newest_ms"),
    (" IS NOT first_ms", " IS DISTINCT FROM first_ms"),
    (" IS NOT made.limit_nano_usd", " IS DISTINCT FROM made.limit_nano_usd"),
    (
        "json_each(running.cap_nos) AS counts",
        "LATERAL (SELECT value::bigint FROM json_array_elements_text(running.cap_nos::json)) AS counts",
    ),
)
_REFERS: Final = "a row refers to what exists"
_REFERENCES: Final = (
    ("ledger_account", "team_id", "ledger_team", "id"),
    ("ledger_hold", "team_id", "ledger_team", "id"),
    ("ledger_hold", "team_id, first_account_no", "ledger_account", "team_id, no"),
    ("ledger_hold_line", "team_id, hold_no", "ledger_hold", "team_id, no"),
    ("ledger_hold_line", "team_id, account_no", "ledger_account", "team_id, no"),
    ("ledger_open_hold", "team_id, hold_no", "ledger_hold", "team_id, no"),
    ("ledger_void", "team_id, hold_no", "ledger_hold", "team_id, no"),
    ("ledger_entry", "team_id", "ledger_team", "id"),
    ("ledger_entry", "team_id, hold_no", "ledger_hold", "team_id, no"),
    ("ledger_posting", "team_id, seq", "ledger_entry", "team_id, seq"),
    ("ledger_posting", "team_id, account_no", "ledger_account", "team_id, no"),
    ("ledger_usage", "team_id, seq", "ledger_entry", "team_id, seq"),
    ("ledger_usage_line", "team_id, seq", "ledger_usage", "team_id, seq"),
    ("ledger_cap", "team_id", "ledger_team", "id"),
    ("ledger_cap_entry", "team_id, cap_no", "ledger_cap", "team_id, no"),
    ("ledger_cap_entry", "team_id, seq", "ledger_entry", "team_id, seq"),
    ("ledger_cap_change", "team_id, cap_no", "ledger_cap", "team_id, no"),
    ("ledger_cap_alert", "team_id, cap_no", "ledger_cap", "team_id, no"),
    ("ledger_cap_alert", "team_id, seq", "ledger_entry", "team_id, seq"),
)


def audit(url: str, *, limit_s: float | None = None, heads: Sequence[str] = ()) -> Report:
    """Check the ledger in this database. Raises `TimeoutError` where one rule takes longer than
    `limit_s`, and `psycopg.Error` where there is no ledger, or none that can be read."""
    with closing(_connect(url)) as connection:
        return audit_in(connection, limit_s=limit_s, heads=heads)


def audit_in(
    connection: psycopg.Connection, *, limit_s: float | None = None, heads: Sequence[str] = ()
) -> Report:
    """Check the ledger as this connection's transaction sees it."""
    db = _Database(connection)
    if limit_s is not None:
        db.execute("SELECT set_config('statement_timeout', ?, true)", (f"{limit_s * 1000:.0f}",))
    findings: list[Finding] = []
    named = [*((name, _in_postgresql(query)) for name, query in rules()), *_references()]
    for rule, query in named:
        findings += _within(rule, limit_s, broken(db, rule=rule, query=query))
    with closing(_InPieces(connection)) as large:
        findings += _within("the chain", limit_s, chain_of(large))
    findings += kept(db, heads)
    return Report(
        findings=tuple(findings),
        rules=len(named) + 1 + len(heads),
        teams=count(db, "ledger_team"),
        entries=count(db, "ledger_entry"),
        open_holds=count(db, "ledger_open_hold"),
    )


def _within(rule: str, limit_s: float | None, findings: Iterable[Finding]) -> list[Finding]:
    try:
        return list(findings)
    except psycopg.errors.QueryCanceled as error:
        raise TimeoutError(f"{rule!r} took longer than {limit_s:g} s to check") from error


def _references() -> Iterable[tuple[str, str]]:
    for table, columns, parent, keys in _REFERENCES:
        theirs = columns.split(", ")
        same = " AND ".join(
            f"parent.{key} = child.{mine}" for key, mine in zip(keys.split(", "), theirs, strict=True)
        )
        yield (
            _REFERS,
            f"SELECT DISTINCT child.team_id, '{table} to {parent}' FROM {table} AS child"
            f" LEFT JOIN {parent} AS parent ON {same}"
            f" WHERE child.{theirs[-1]} IS NOT NULL AND parent.{keys.split(', ')[0]} IS NULL",
        )


def _in_postgresql(query: str) -> str:
    for theirs, ours in _OTHERWISE:
        query = query.replace(theirs, ours)
    return query.removesuffix(";")


def _connect(url: str) -> psycopg.Connection:
    connection = psycopg.connect(url)
    connection.isolation_level = IsolationLevel.REPEATABLE_READ
    connection.read_only = True
    connection.execute("SELECT set_config('search_path', 'ledger, pg_temp', true)")
    return connection


class _Database:
    def __init__(self, connection: psycopg.Connection) -> None:
        self._connection = connection

    def execute(self, query: str, values: Sequence[Any] = (), /) -> Any:
        if values:
            return self._connection.execute(query.replace("?", "%s").encode(), values)
        return self._connection.execute(query.encode())


class _InPieces:
    """Rows come a few thousand at a time, however many there are, and from several queries at once."""

    def __init__(self, connection: psycopg.Connection) -> None:
        self._connection = connection
        self._cursors: list[psycopg.ServerCursor] = []

    def close(self) -> None:
        if not self._connection.broken:
            for cursor in self._cursors:
                cursor.close()

    def execute(self, query: str, values: Sequence[Any] = (), /) -> Any:
        cursor = self._connection.cursor(name=f"audit_{len(self._cursors)}")
        cursor.itersize = _ROWS_AT_ONCE
        self._cursors.append(cursor)
        return cursor.execute(query.encode(), values or None)


def _newest(url: str) -> Iterable[str]:
    with closing(_connect(url)) as connection:
        rows = connection.execute(sql.SQL("SELECT id, entry_seq, head FROM ledger_team ORDER BY id"))
        for team_id, seq, head in rows:
            yield f"{team_id}:{seq}:{head.hex()}"


def main(arguments: Sequence[str]) -> int:
    """The command: 0 where everything holds, 1 where something does not, 2 where it was not understood."""
    if len(arguments) % 2 == 0 or arguments[0].startswith("-") or set(arguments[1::2]) - OPTIONS:
        sys.stderr.write(
            "usage: python -m billing.audit_postgresql URL [--extends TEAM:SEQ:HASH | --extends EXPORT]...\n"
        )
        return 2
    url = arguments[0]
    try:
        heads = [str(head) for kept in arguments[2::2] for head in kept_heads(kept)]
    except (OSError, ValueError) as error:
        sys.stderr.write(f"--extends takes a head or an older export: {error}\n")
        return 2
    try:
        return tell(audit(url, heads=heads), _newest(url))
    except (psycopg.Error, ValueError) as error:
        sys.stderr.write(f"there is no ledger that can be read: {error}\n")
        return 2


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
