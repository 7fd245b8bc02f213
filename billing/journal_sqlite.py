"""The ledger's journal in a SQLite file: plain SQL, one transaction a batch.

This is the only write connection there is: a lock on `<file>.writer` keeps a second writer out, so
teams may be remembered from batch to batch.

A commit survives the death of the process, and once `sync` has returned, a power cut: commits go to
the write-ahead log in order, so that syncing the log once makes everything before it last. SQLite
would do the same within each commit (`synchronous = FULL`); apart from it, holds need not wait for
the disk that settles wait for, and one sync serves many batches.
"""

from __future__ import annotations

import fcntl
import os
import sqlite3
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final

import msgspec

from billing.accounts import PRIORITY, AccountKind, EntryKind, SystemAccount
from billing.allowance import ALLOWANCE_NANO_USD, counted_after_ms
from billing.caps import COLUMNS as CAP_COLUMNS, cap_of, row_of as cap_row_of
from billing.commands import Facts, Hold, HoldLine, Idempotency, Receipt
from billing.journal import Refused, Stale, Unavailable
from billing.progress import Kept, facts_of, kept_progress, lines_of
from billing.state import (
    Account,
    Changes,
    Ended,
    GivenBefore,
    OpenHold,
    Past,
    Team,
    UsedKey,
    Wanted,
)

SCHEMA: Final = 3
_SQL: Final = Path(__file__).parent / "sql"
_BUSY_S: Final = 5.0
_PROGRESS: Final = msgspec.json.Decoder(Kept)
# 32 MB between checkpoints: who settles meanwhile waits some milliseconds, which should be few.
_WAL_PAGES: Final = 8_000

Key = tuple[int, int]


class SqliteJournal:
    """Raises `Unavailable` where the file cannot be opened, and where another writer has it."""

    def __init__(self, path: Path) -> None:
        self._lock = _lock(path.with_name(path.name + ".writer"))
        try:
            with _trouble():
                self._db = sqlite3.connect(path, timeout=_BUSY_S, isolation_level=None, cached_statements=256)
                self._prepare()
        except BaseException:
            os.close(self._lock)
            raise
        self._seen_version = self._data_version()
        self._log = path.with_name(path.name + "-wal")
        self._log_file: int | None = None

    def _prepare(self) -> None:
        # recursive_triggers: without them INSERT OR REPLACE walks past a delete trigger. Foreign keys would
        # be a fifteenth of a request's time; as on PostgreSQL, the audit checks what they say.
        for pragma in (
            "journal_mode = WAL",
            "synchronous = NORMAL",
            "foreign_keys = OFF",
            "recursive_triggers = ON",
            "trusted_schema = OFF",
            f"wal_autocheckpoint = {_WAL_PAGES}",
        ):
            self._db.execute(f"PRAGMA {pragma}")
        (schema,) = self._db.execute("PRAGMA user_version").fetchone()
        if schema > SCHEMA:
            raise Unavailable(f"The ledger's file has schema {schema}; this version writes schema {SCHEMA}.")
        for version in range(schema + 1, SCHEMA + 1):  # foreign keys are off, or no table could be made anew
            self._run(version, "sqlite.sql" if version == 1 else f"sqlite_{version}.sql")

    def _run(self, version: int, file: str) -> None:
        script = (_SQL / file).read_text(encoding="utf-8")
        try:
            self._db.executescript(f"BEGIN IMMEDIATE;\n{script}\nPRAGMA user_version = {version};\nCOMMIT;")
        except sqlite3.Error:
            if self._db.in_transaction:
                self._db.execute("ROLLBACK")
            raise

    def announce(self, door: str) -> None:
        """Write into the locked file where this writer takes commands, for `door.py`."""
        os.ftruncate(self._lock, 0)
        os.pwrite(self._lock, door.encode(), 0)

    def close(self) -> None:
        self._db.close()
        if self._log_file is not None:
            os.close(self._log_file)
        os.close(self._lock)

    # --- reading ------------------------------------------------------------------------------

    def load(self, team_ids: Iterable[int]) -> dict[int, Team]:
        with _trouble():
            return {team_id: self._team(team_id) for team_id in team_ids}

    def _team(self, team_id: int) -> Team:
        row = self._db.execute(
            "SELECT id, first_use_ms, allowance_starts_ms, first_payment_ms, entry_seq, head, hold_seq,"
            " account_seq, cap_seq, clock_ms, used_nano_usd, version FROM ledger_team WHERE id = ?",
            (team_id,),
        ).fetchone()
        if row is None:
            return Team(team_id, is_new=True)
        team = Team(*row)
        for no, kind, *rest in self._db.execute(
            "SELECT no, kind, priority, starts_ms, expires_ms, balance_nano_usd, held_nano_usd"
            " FROM ledger_account WHERE team_id = ? AND balance_nano_usd > 0",
            (team_id,),
        ):
            team.accounts[no] = Account(no, AccountKind(kind), *rest)
        for cap in self._db.execute(f"SELECT {CAP_COLUMNS} FROM ledger_cap WHERE team_id = ?", (team_id,)):
            team.caps[cap[0]] = cap_of(cap)
        for open_hold in self._open_holds(team_id):
            team.holds[open_hold.hold.run_id] = open_hold
        return team

    def _open_holds(self, team_id: int) -> Iterator[OpenHold]:
        further: dict[int, list[HoldLine]] = {}
        for no, account_no, amount in self._db.execute(
            "SELECT line.hold_no, line.account_no, line.amount_nano_usd FROM ledger_open_hold AS running"
            " JOIN ledger_hold_line AS line USING (team_id, hold_no)"
            " JOIN ledger_account AS account"
            " ON account.team_id = running.team_id AND account.no = line.account_no"
            " WHERE running.team_id = ? ORDER BY line.hold_no, account.priority,"
            " coalesce(account.expires_ms, 1 << 62), account.starts_ms, account.no",
            (team_id,),
        ):
            further.setdefault(no, []).append(HoldLine(account_no, amount))
        rows = self._db.execute(
            "SELECT hold.no, hold.run_id, hold.amount_nano_usd, hold.first_account_no,"
            " hold.first_amount_nano_usd, hold.created_ms, running.lease_ms, running.expires_ms,"
            " running.progress_nano_usd, running.progress, running.facts, running.scopes, running.cap_nos,"
            " running.key_sha256, used.fingerprint"
            " FROM ledger_open_hold AS running"
            " JOIN ledger_hold AS hold ON hold.team_id = running.team_id AND hold.no = running.hold_no"
            " LEFT JOIN ledger_idempotency AS used"
            " ON used.team_id = running.team_id AND used.key_sha256 = running.key_sha256"
            " WHERE running.team_id = ?",
            (team_id,),
        )
        for (
            no, run_id, amount, first_no, first_amount, created_ms, lease_ms, expires_ms,
            progress_nano_usd, progress, facts, scopes, cap_nos, key, fingerprint,
        ) in rows:  # fmt: skip
            first = (HoldLine(first_no, first_amount),) if first_no is not None else ()
            hold = Hold(
                team_id=team_id,
                no=no,
                run_id=run_id,
                amount_nano_usd=amount,
                lines=(*first, *further.get(no, ())),
                scopes=msgspec.json.decode(scopes, type=tuple[tuple[str, str], ...]),
                facts=msgspec.json.decode(facts, type=Facts),
                created_ms=created_ms,
                expires_ms=expires_ms,
                available_after_nano_usd=0,  # as of the reserve, which nobody asks for again
                idempotency=Idempotency(key, fingerprint) if key else None,
            )
            kept = _PROGRESS.decode(progress)
            yield OpenHold(
                hold=hold,
                lease_ms=lease_ms,
                expires_ms=expires_ms,
                cap_nos=msgspec.json.decode(cap_nos, type=tuple[int, ...]),
                key_sha256=key,
                progress=lines_of(kept),
                answered=facts_of(kept),
                progress_nano_usd=progress_nano_usd,
            )

    def past(self, wanted: Wanted) -> Past:
        found = Past()
        with _trouble():
            if wanted.runs:
                self._find_runs(wanted, found)
            for team_id, key in wanted.keys:
                row = self._db.execute(
                    "SELECT fingerprint, run_id FROM ledger_idempotency WHERE team_id = ? AND key_sha256 = ?",
                    (team_id, key),
                ).fetchone()
                if row:
                    found.keys[team_id, key] = UsedKey(*row)
            for team_id, ref in wanted.refs:
                row = self._db.execute(_GRANT, (ref, team_id)).fetchone()
                if row:
                    found.refs[team_id, ref] = GivenBefore(*row)
        return found

    def _find_runs(self, wanted: Wanted, found: Past) -> None:
        run_ids = msgspec.json.encode(sorted({run_id for _, run_id in wanted.runs})).decode()
        for team_id, run_id, no in self._db.execute(
            "SELECT hold.team_id, hold.run_id, hold.no FROM json_each(?) AS asked"
            " CROSS JOIN ledger_hold AS hold ON hold.run_id = asked.value",
            (run_ids,),
        ).fetchall():
            if (team_id, run_id) in wanted.runs:
                ended = self._ended(team_id, run_id, no)
                if ended is not None:
                    found.runs[team_id, run_id] = ended

    def _ended(self, team_id: int, run_id: str, hold_no: int) -> Ended | None:
        row = self._db.execute(
            "SELECT seq, kind, at_ms, hash, estimated"
            " FROM ledger_entry JOIN ledger_usage USING (team_id, seq) WHERE hold_no = ? AND team_id = ?",
            (hold_no, team_id),
        ).fetchone()
        if row is None:
            voided = self._db.execute(
                "SELECT 1 FROM ledger_void WHERE team_id = ? AND hold_no = ?", (team_id, hold_no)
            ).fetchone()
            return Ended("voided", None) if voided else None
        seq, kind, at_ms, digest, estimated = row
        amounts = dict(
            self._db.execute(
                "SELECT account_no, amount_nano_usd FROM ledger_posting"
                " WHERE team_id = ? AND seq = ? AND account_no < 0",
                (team_id, seq),
            ).fetchall()
        )
        cost = amounts.get(SystemAccount.SPENT, 0)
        writeoff = -amounts.get(SystemAccount.WRITTEN_OFF, 0)
        receipt = Receipt(
            team_id=team_id,
            run_id=run_id,
            entry_seq=seq,
            cost_nano_usd=cost,
            charged_nano_usd=cost - writeoff,
            writeoff_nano_usd=writeoff,
            available_after_nano_usd=0,  # replaced by what is there when somebody asks
            entry_hash=digest,
            at_ms=at_ms,
            estimated=bool(estimated),
        )
        return Ended("expired" if kind == EntryKind.EXPIRE else "settled", receipt)

    def free_money_committed_nano_usd(self, now_ms: int) -> int:
        with _trouble():
            (teams,) = self._db.execute(
                "SELECT count(*) FROM ledger_team WHERE allowance_starts_ms > ?", (counted_after_ms(now_ms),)
            ).fetchone()
        return int(teams) * ALLOWANCE_NANO_USD

    def overdue(self, now_ms: int, at_most: int) -> list[tuple[int, str]]:
        with _trouble():
            return self._db.execute(
                "SELECT running.team_id, hold.run_id FROM ledger_open_hold AS running"
                " JOIN ledger_hold AS hold ON hold.team_id = running.team_id AND hold.no = running.hold_no"
                " WHERE running.expires_ms <= ?1 OR running.expires_ms > ?1 + running.lease_ms LIMIT ?2",
                (now_ms, at_most),
            ).fetchall()

    # --- writing ------------------------------------------------------------------------------

    def write(self, changes: Changes) -> None:
        with _trouble():
            self._db.execute("BEGIN IMMEDIATE")
            try:
                if self._data_version() != self._seen_version:
                    self._seen_version = self._data_version()
                    raise Stale
                self._write_rows(changes)
                self._db.execute("COMMIT")
            except BaseException:
                if self._db.in_transaction:
                    self._db.execute("ROLLBACK")
                raise
        for team in changes.teams.values():
            team.is_new = False
            team.version += 1

    def _write_rows(self, changes: Changes) -> None:
        """In the order that the triggers ask for: an entry after its postings and usage.

        `OR ROLLBACK`: what fails ends the transaction, see `sql/sqlite_3.sql`."""
        many = self._db.executemany
        new_teams = [team for team in changes.teams.values() if team.is_new]
        if new_teams:
            many(_NEW_TEAM, [(team.id, bytes(32)) for team in new_teams])
            many(_NEW_ACCOUNT, [row for team in new_teams for row in _system_accounts(team)])
        if changes.new_accounts:
            many(_NEW_ACCOUNT, [_account_row(key, a) for key, a in changes.new_accounts.items()])
        if changes.holds:
            many(_HOLD, changes.holds)
        if changes.hold_lines:
            many(_HOLD_LINE, changes.hold_lines)
        if changes.opened:
            many(_OPEN_HOLD, [_open_hold_row(key, hold) for key, hold in changes.opened.items()])
        if changes.renewed:
            rows = [_renewed_row(key, hold) for key, hold in changes.renewed.items()]
            _all_found(many(_RENEW, rows), len(rows))
        if changes.new_keys:
            many(_NEW_KEY, [(*key, used.fingerprint, used.run_id) for key, used in changes.new_keys.items()])
        if changes.entries:
            many(_POSTING, changes.postings)
            many(_USAGE, changes.usage)
            many(_USAGE_LINE, changes.usage_lines)
            many(_ENTRY, [(*entry, digest) for entry, digest in changes.entries])
        if changes.voids:
            many(_VOID, changes.voids)
        if changes.freed_keys:
            many(_FREE_KEY, changes.freed_keys)
        if changes.closed:
            _all_found(many(_CLOSE, changes.closed), len(changes.closed))
        if changes.caps:
            many(_CAP, [cap_row_of(team_id, cap) for (team_id, _), cap in changes.caps.items()])
            many(_CAP_ENTRY, changes.cap_entries)
            many(_CAP_CHANGE, changes.cap_changes)
            many(_CAP_ALERT, changes.cap_alerts)
        if changes.accounts:
            rows = [_balance_row(key, account) for key, account in changes.accounts.items()]
            _all_found(many(_ACCOUNT, rows), len(rows))
        if changes.teams:
            rows = [_team_row(team) for team in changes.teams.values()]
            _all_found(many(_TEAM, rows), len(rows))

    def sync(self) -> None:
        """May be called from another thread than everything else. Raises `OSError`."""
        if self._log_file is None or os.fstat(self._log_file).st_ino != self._log.stat().st_ino:
            self._open_log()
        assert self._log_file is not None
        _sync(self._log_file)

    def _open_log(self) -> None:
        if self._log_file is not None:
            os.close(self._log_file)
        self._log_file = os.open(self._log, os.O_RDONLY | os.O_CLOEXEC)
        folder = os.open(self._log.parent, os.O_RDONLY | os.O_CLOEXEC)
        try:
            os.fsync(folder)  # that the log is there at all must last, too
        finally:
            os.close(folder)

    def _data_version(self) -> int:
        """A number that changes when another connection writes."""
        (version,) = self._db.execute("PRAGMA data_version").fetchone()
        return int(version)


_GRANT = (
    "SELECT kind, (SELECT sum(amount_nano_usd) FROM ledger_posting AS posting WHERE posting.team_id ="
    " entry.team_id AND posting.seq = entry.seq AND account_no > 0), seq"
    " FROM ledger_entry AS entry WHERE ref = ? AND team_id = ? AND hold_no IS NULL"
)
_NEW_TEAM = "INSERT INTO ledger_team VALUES (?, NULL, NULL, NULL, 0, ?, 0, 0, 0, 0, 0, 0)"
_TEAM = (
    "UPDATE OR ROLLBACK ledger_team SET first_use_ms = ?, allowance_starts_ms = ?, first_payment_ms = ?,"
    " entry_seq = ?, head = ?, hold_seq = ?, account_seq = ?, cap_seq = ?, clock_ms = ?, used_nano_usd = ?,"
    " version = version + 1 WHERE id = ? AND version = ?"
)
_NEW_ACCOUNT = "INSERT INTO ledger_account VALUES (?, ?, ?, ?, ?, ?, ?, ?)"
_ACCOUNT = (
    "UPDATE OR ROLLBACK ledger_account SET balance_nano_usd = ?, held_nano_usd = ?"
    " WHERE team_id = ? AND no = ?"
)
_HOLD = "INSERT OR ROLLBACK INTO ledger_hold VALUES (?, ?, ?, ?, ?, ?, ?)"
_HOLD_LINE = "INSERT OR ROLLBACK INTO ledger_hold_line VALUES (?, ?, ?, ?)"
_OPEN_HOLD = "INSERT OR ROLLBACK INTO ledger_open_hold VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)"
_RENEW = (
    "UPDATE OR ROLLBACK ledger_open_hold SET lease_ms = ?, expires_ms = ?, progress_nano_usd = ?,"
    " progress = ? WHERE team_id = ? AND hold_no = ?"
)
_CLOSE = "DELETE FROM ledger_open_hold WHERE team_id = ? AND hold_no = ?"
_FREE_KEY = "DELETE FROM ledger_idempotency WHERE team_id = ? AND key_sha256 = ?"
_VOID = "INSERT OR ROLLBACK INTO ledger_void VALUES (?, ?, ?)"
_ENTRY = "INSERT OR ROLLBACK INTO ledger_entry VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)"
_POSTING = "INSERT OR ROLLBACK INTO ledger_posting VALUES (?, ?, ?, ?)"
_USAGE = "INSERT OR ROLLBACK INTO ledger_usage VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)"
_USAGE_LINE = "INSERT OR ROLLBACK INTO ledger_usage_line VALUES (?, ?, ?, ?, ?, ?)"
_NEW_KEY = "INSERT INTO ledger_idempotency VALUES (?, ?, ?, ?)"
_CAP = (
    "INSERT INTO ledger_cap VALUES (:team_id, :no, :scope, :subject, :window, :limit_nano_usd,"
    " :window_starts_ms, :spent_nano_usd, :held_nano_usd, :days, :zone, :alert_at, :window_ends_ms, :steps,"
    " :alerted, :change_no) ON CONFLICT (team_id, no) DO UPDATE SET"
    " limit_nano_usd = excluded.limit_nano_usd, window_starts_ms = excluded.window_starts_ms,"
    " spent_nano_usd = excluded.spent_nano_usd, held_nano_usd = excluded.held_nano_usd,"
    " zone = excluded.zone, alert_at = excluded.alert_at, window_ends_ms = excluded.window_ends_ms,"
    " steps = excluded.steps, alerted = excluded.alerted, change_no = excluded.change_no"
)
_CAP_ENTRY = "INSERT OR ROLLBACK INTO ledger_cap_entry VALUES (?, ?, ?, ?)"
_CAP_CHANGE = "INSERT INTO ledger_cap_change VALUES (?, ?, ?, ?, ?, ?, ?, ?)"
_CAP_ALERT = "INSERT INTO ledger_cap_alert VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)"


def _system_accounts(team: Team) -> list[tuple[int | None, ...]]:
    kind = AccountKind.SYSTEM
    return [(team.id, int(no), int(kind), PRIORITY[kind], 0, None, 0, 0) for no in SystemAccount]


def _account_row(key: Key, account: Account) -> tuple[int | None, ...]:
    return (
        *key,
        int(account.kind),
        account.priority,
        account.starts_ms,
        account.expires_ms,
        account.balance_nano_usd,
        account.held_nano_usd,
    )


def _balance_row(key: Key, account: Account) -> tuple[Any, ...]:
    return (account.balance_nano_usd, account.held_nano_usd, *key)


def _team_row(team: Team) -> tuple[Any, ...]:
    return (
        team.first_use_ms,
        team.allowance_starts_ms,
        team.first_payment_ms,
        team.entry_seq,
        team.head,
        team.hold_seq,
        team.account_seq,
        team.cap_seq,
        team.clock_ms,
        team.used_nano_usd,
        team.id,
        team.version,
    )


def _open_hold_row(key: Key, running: OpenHold) -> tuple[Any, ...]:
    return (
        *key,
        running.lease_ms,
        running.expires_ms,
        running.progress_nano_usd,
        _json(kept_progress(running.progress, running.answered)),
        _json(running.hold.facts),
        _json(running.hold.scopes),
        _json(running.cap_nos),
        running.key_sha256,
    )


def _renewed_row(key: Key, running: OpenHold) -> tuple[Any, ...]:
    return (
        running.lease_ms,
        running.expires_ms,
        running.progress_nano_usd,
        _json(kept_progress(running.progress, running.answered)),
        *key,
    )


def _json(value: object) -> str:
    return msgspec.json.encode(value).decode()


def _all_found(cursor: sqlite3.Cursor, rows: int) -> None:
    if cursor.rowcount != rows:
        raise Stale


def _sync(descriptor: int) -> None:
    if hasattr(os, "fdatasync"):
        os.fdatasync(descriptor)
    else:
        os.fsync(descriptor)


def _lock(path: Path) -> int:
    """Hold this file for as long as the process lives. Raises `Unavailable`."""
    try:
        descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    except OSError as error:
        raise Unavailable(f"The ledger's folder cannot be written: {error}.") from error
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError as error:
        os.close(descriptor)
        raise Unavailable(f"Another ledger writer has {path}.") from error
    return descriptor


@contextmanager
def _trouble() -> Iterator[None]:
    """SQLite's errors, named by whose fault they are: the rules', or the disk's."""
    try:
        yield
    except (sqlite3.IntegrityError, sqlite3.ProgrammingError, sqlite3.DataError, OverflowError) as error:
        raise Refused(str(error)) from error
    except sqlite3.Error as error:
        full = getattr(error, "sqlite_errorcode", 0) & 0xFF == sqlite3.SQLITE_FULL
        raise Unavailable(str(error), for_all=not full) from error
