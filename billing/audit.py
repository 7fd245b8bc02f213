"""Checks a ledger from its rows alone: everything that must hold of it, and its hash chain.

`python -m billing.audit FILE` does so for a SQLite file, or for a team's exported entries
(`audit_export.py`), with nothing but the standard library and `chain`, so that anybody can check what
they were handed. What a chain cannot show is a ledger that was rewritten as a whole: for that, keep the
heads that it printed before (`--extends TEAM:SEQ:HASH`, or an older export, says whether what was there
is still what it was).

This module shares no code with the writer: it lays out the hashed bytes by `accounts.py`'s text, and
states the rules again in SQL (`sql/audit.sql`).
"""

from __future__ import annotations

import sqlite3
import sys
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import closing
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any, Final, Protocol

import billing.audit_export as audit_export
import chain
from billing.audit_entry import Finding as Finding, Said, Used, digest
from billing.audit_export import Head, head_of


class Database(Protocol):
    """What the rules need of either engine."""

    def execute(self, query: str, values: Sequence[Any] = ..., /) -> Any: ...


Check = Callable[[sqlite3.Connection], Iterable["Finding"]]


@dataclass(frozen=True, slots=True)
class Report:
    findings: tuple[Finding, ...]
    rules: int
    teams: int
    entries: int
    open_holds: int


def audit(path: Path, *, limit_s: float | None = None, heads: Sequence[str] = ()) -> Report:
    """Check the ledger in this file, as of one moment; writers are not kept waiting.

    Raises `TimeoutError` where one rule takes longer than `limit_s`, and `sqlite3.DatabaseError`
    where the file is no ledger.
    """
    with closing(sqlite3.connect(f"{path.resolve().as_uri()}?mode=ro", uri=True, isolation_level=None)) as db:
        db.execute("BEGIN")
        findings: list[Finding] = []
        for rule, check in _CHECKS:
            findings += _within(db, rule, limit_s, check)
        named = rules()
        for rule, query in named:
            findings += _within(db, rule, limit_s, partial(broken, rule=rule, query=query))
        findings += kept(db, heads)
        return Report(
            findings=tuple(findings),
            rules=len(named) + len(_CHECKS) + len(heads),
            teams=count(db, "ledger_team"),
            entries=count(db, "ledger_entry"),
            open_holds=count(db, "ledger_open_hold"),
        )


def rules() -> tuple[tuple[str, str], ...]:
    """Each rule's name and its query, in the order of `sql/audit.sql`."""
    text = (Path(__file__).parent / "sql" / "audit.sql").read_text(encoding="utf-8")
    _, *parts = text.split("\n-- rule: ")
    return tuple((name, query.strip()) for name, _, query in (part.partition("\n") for part in parts))


def broken(db: Database, *, rule: str, query: str) -> Iterator[Finding]:
    for team_id, detail in db.execute(query):
        yield Finding(rule, team_id, str(detail))


# --- the chain ------------------------------------------------------------------------------------


def chain_of(db: Database) -> Iterator[Finding]:
    """Recompute every hash, team by team, and compare the last with the team's head."""
    heads: dict[int, bytes] = {}
    for team_id, seq, stored, computed in _hashes(db, heads):
        if stored != computed:
            yield Finding("an entry hashes to what it says", team_id, f"entry {seq}")
    for team_id, head in db.execute("SELECT id, head FROM ledger_team ORDER BY id"):
        if heads.get(team_id, chain.GENESIS) != head:
            yield Finding("a team's head is the hash of its newest entry", team_id, "head")


def _hashes(db: Database, heads: dict[int, bytes]) -> Iterator[tuple[int, int, bytes, bytes]]:
    """Each entry's stored hash and the one that follows from its rows and the stored one before it."""
    postings = _Rows(db, "team_id, seq, account_no, amount_nano_usd", "ledger_posting", "account_no")
    usage = _Rows(
        db,
        "team_id, seq, user_id, key_id, estimated, model, provider, price_version, series, tags",
        "ledger_usage",
        "seq",
    )
    lines = _Rows(db, "team_id, seq, bucket, quantity, price_pico_usd", "ledger_usage_line", "no")
    for team_id, seq, kind, at_ms, hold_no, actor, balance_after, ref, reason, stored in db.execute(
        "SELECT team_id, seq, kind, at_ms, hold_no, actor_user_id, balance_after_nano_usd, ref, reason, hash"
        " FROM ledger_entry ORDER BY team_id, seq"
    ):
        used = [
            Used(user_id, key_id, estimated, tuple(texts), tuple(lines.of(team_id, seq)))
            for user_id, key_id, estimated, *texts in usage.of(team_id, seq)
        ]
        said = Said(
            team_id=team_id,
            seq=seq,
            kind=kind,
            at_ms=at_ms,
            hold_no=hold_no,
            actor_user_id=actor,
            balance_after_nano_usd=balance_after,
            ref=ref,
            reason=reason,
            postings=postings.of(team_id, seq),
            used=used[0] if used else None,
        )
        previous = heads.get(team_id, chain.GENESIS)
        heads[team_id] = stored
        yield team_id, seq, stored, digest(previous, said)


class _Rows:
    """The rows of a table in order, handed out entry by entry."""

    def __init__(self, db: Database, columns: str, table: str, last: str) -> None:
        self._rows = iter(db.execute(f"SELECT {columns} FROM {table} ORDER BY team_id, seq, {last}"))
        self._next: tuple[Any, ...] | None = next(self._rows, None)

    def of(self, team_id: int, seq: int) -> list[Any]:
        found: list[Any] = []
        while self._next is not None and self._next[:2] <= (team_id, seq):
            if self._next[:2] == (team_id, seq):
                found.append(self._next[2:])
            self._next = next(self._rows, None)
        return found


# --- the file -------------------------------------------------------------------------------------


def _pages(db: sqlite3.Connection) -> Iterator[Finding]:
    for (problem,) in db.execute("PRAGMA quick_check"):
        if problem != "ok":
            yield Finding("the file is whole", None, problem)


def _keys(db: sqlite3.Connection) -> Iterator[Finding]:
    for table, _, parent, _ in db.execute("PRAGMA foreign_key_check"):
        yield Finding("a row refers to what exists", None, f"{table} to {parent}")


def kept(db: Database, heads: Sequence[str]) -> Iterator[Finding]:
    """Heads that somebody kept, as TEAM:SEQ:HASH."""
    for head in heads:
        team_id, seq, digest = head.split(":")
        row = db.execute(
            "SELECT hash FROM ledger_entry WHERE team_id = ? AND seq = ?", (int(team_id), int(seq))
        ).fetchone()
        if row is None or row[0].hex() != digest:
            yield Finding("an entry is what it was when its head was kept", int(team_id), f"entry {seq}")


_CHECKS: Final = (
    ("the file is whole", _pages),
    ("a row refers to what exists", _keys),
    ("the chain", chain_of),
)


def _within(db: sqlite3.Connection, rule: str, limit_s: float | None, check: Check) -> list[Finding]:
    """Run one check, for so long at most."""
    if limit_s is None:
        return list(check(db))
    until_s = time.monotonic() + limit_s
    db.set_progress_handler(lambda: time.monotonic() > until_s, 1_000)
    try:
        return list(check(db))
    except sqlite3.OperationalError as error:
        if time.monotonic() > until_s:
            raise TimeoutError(f"{rule!r} took longer than {limit_s:g} s to check") from error
        raise
    finally:
        db.set_progress_handler(None, 0)


def count(db: Database, table: str) -> int:
    (rows,) = db.execute(f"SELECT count(*) FROM {table}").fetchone()
    return int(rows)


def _newest(path: Path) -> Iterable[str]:
    with closing(sqlite3.connect(f"{path.resolve().as_uri()}?mode=ro", uri=True)) as db:
        for team_id, seq, head in db.execute("SELECT id, entry_seq, head FROM ledger_team ORDER BY id"):
            yield f"{team_id}:{seq}:{head.hex()}"


def main(arguments: Sequence[str]) -> int:
    """The command: 0 where everything holds, 1 where something does not, 2 where it was not understood."""
    if len(arguments) % 2 == 0 or arguments[0].startswith("-") or set(arguments[1::2]) - OPTIONS:
        print(_USAGE, file=sys.stderr)
        return 2
    path = Path(arguments[0])
    try:
        heads = [head for kept in arguments[2::2] for head in kept_heads(kept)]
    except (OSError, ValueError) as error:
        print(f"--extends takes a head or an older export: {error}", file=sys.stderr)
        return 2
    try:
        if not _is_database(path):
            return _tell_of_export(audit_export.read(path), heads)
        report = audit(path, heads=[str(head) for head in heads])
    except (OSError, sqlite3.Error, ValueError) as error:
        print(f"{path} is no ledger that can be read, and no export: {error}", file=sys.stderr)
        return 2
    return tell(report, _newest(path))


OPTIONS: Final = {"--head", "--extends"}
_USAGE: Final = "usage: python -m billing.audit FILE [--extends TEAM:SEQ:HASH | --extends OLDER_EXPORT]..."


def _is_database(path: Path) -> bool:
    with path.open("rb") as file:
        return file.read(16) == b"SQLite format 3\0"


def kept_heads(kept: str) -> list[Head]:
    """The head that somebody kept, or that of the export that they kept.

    Raises `ValueError`, and `OSError` where the export cannot be read."""
    path = Path(kept)
    if not path.is_file():
        return [head_of(kept)]
    older = audit_export.read(path)
    broken = next(audit_export.check(older), None)
    if broken is not None:
        raise ValueError(f"{path} is not sound itself: {broken}")
    return [older.head]


def _tell_of_export(export: audit_export.Export, heads: Sequence[Head]) -> int:
    """Print what was found in a team's exported entries; the command's answer."""
    findings = [*audit_export.check(export), *audit_export.kept(export, heads)]
    for finding in findings:
        print(f"BROKEN  {finding}")
    if not findings:
        for head in heads:
            print(f"extends {head}")
        print(f"head    {export.head}")
        for name, amount in (
            ("entries sum to", sum(entry.amount_nano_usd for entry in export.entries)),
            ("allowance that the next request brings", export.allowance_due_nano_usd),
            ("ended, though no entry says so yet", -export.ended_nano_usd),
            ("balance", export.balance_nano_usd),
        ):
            if amount or name == "balance":
                print(f"{_usd(amount):>20}  {name}")
    print(f"team {export.team_id}, {len(export.entries)} entries: {len(findings)} findings")
    return 1 if findings else 0


def _usd(nano_usd: int) -> str:
    whole, part = divmod(abs(nano_usd), 1_000_000_000)
    return f"{'-' if nano_usd < 0 else ''}${whole}.{part:09d}"


def tell(report: Report, heads: Iterable[str]) -> int:
    """Print what was found, and the heads to keep; the command's answer."""
    for finding in report.findings:
        print(f"BROKEN  {finding}")
    for head in heads:
        print(f"head    {head}")
    print(
        f"{report.teams} teams, {report.entries} entries, {report.open_holds} open holds:"
        f" {report.rules} rules checked, {len(report.findings)} findings"
    )
    return 1 if report.findings else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
