"""The ledger's journal in PostgreSQL, over one asyncpg connection: one function call is one batch.

Whoever writes here may have company: other processes write to the same teams. `write` therefore
refuses (`Stale`) where a team is no longer as it was loaded; inside `locked()` that cannot happen.
What only holds money may be lost with the server, which is why a settle carries its hold; what
moves money is on its disk before anybody is told, by its own commit or by a later one
(`syncer_postgresql.py`).
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator, Mapping, Sequence
from contextlib import asynccontextmanager, contextmanager, suppress
from typing import Any, Final

import asyncpg

from billing.accounts import EntryKind
from billing.commands import Receipt
from billing.journal import Refused, Stale, Unavailable
from billing.rows_postgresql import TYPES, arguments, caps_argument, team_of
from billing.schema_postgresql import ensure_schema
from billing.state import Changes, Ended, GivenBefore, Past, Team, UsedKey, Wanted

_CONNECT_WITHIN_S: Final = 3.0
_ANSWER_WITHIN_S: Final = 12.0
_SESSION: Final = {
    "application_name": "tiltyard ledger",
    "lock_timeout": "2s",
    "statement_timeout": "10s",
    "idle_in_transaction_session_timeout": "10s",
    "timezone": "UTC",
    "jit": "off",
    "search_path": "ledger, pg_temp",
}


class Lost(Exception):
    """The connection is gone. What was sent last may have been written or not."""


class Blocked(Unavailable):
    """Somebody else kept a team, or the statement took too long; nothing was written."""

    def __init__(self, message: str) -> None:
        super().__init__(message, for_all=False)


class Changed(Stale):
    """These teams are no longer as they were remembered."""

    def __init__(self, team_ids: Sequence[int]) -> None:
        super().__init__(f"teams {team_ids}")
        self.team_ids = team_ids


class PostgresJournal:
    """Every method may raise `Unavailable`, `Blocked` and `Lost`."""

    def __init__(self, connection: asyncpg.Connection) -> None:
        self._db = connection

    @classmethod
    async def connect(cls, dsn: str) -> PostgresJournal:
        """With the ledger's schema in place. Raises `Unavailable`."""
        try:
            connection = await asyncpg.connect(
                dsn, timeout=_CONNECT_WITHIN_S, command_timeout=_ANSWER_WITHIN_S, server_settings=_SESSION
            )
        except (OSError, TimeoutError, asyncpg.PostgresError, asyncpg.InterfaceError) as error:
            raise Unavailable(f"No connection to the ledger's database: {error}") from error
        try:
            with _trouble():
                # An operator may ask for more than `on` (a replica that has applied it), but not for less.
                await connection.execute(
                    "SELECT set_config('synchronous_commit', 'on', false)"
                    " WHERE current_setting('synchronous_commit') = 'off'"
                )
                await ensure_schema(connection)
        except BaseException as error:
            connection.terminate()
            if isinstance(error, Lost | Stale | Refused):
                raise Unavailable(f"The ledger's database: {error}") from error
            raise
        return cls(connection)

    @property
    def is_closed(self) -> bool:
        return bool(self._db.is_closed())

    async def close(self) -> None:
        with suppress(OSError, TimeoutError, asyncpg.PostgresError, asyncpg.InterfaceError):
            await self._db.close(timeout=_CONNECT_WITHIN_S)

    def terminate(self) -> None:
        """Close without waiting for anybody."""
        self._db.terminate()

    @asynccontextmanager
    async def locked(self) -> AsyncIterator[None]:
        """One transaction. What `load` locks in it is nobody else's to change until it ends."""
        with _trouble():
            transaction = self._db.transaction()
            await transaction.start()
        try:
            yield
        except BaseException:
            if not self._db.is_closed():
                with suppress(OSError, TimeoutError, asyncpg.PostgresError, asyncpg.InterfaceError):
                    await transaction.rollback()
            raise
        with _trouble():
            await transaction.commit()

    # --- reading ------------------------------------------------------------------------------

    async def load(
        self, team_ids: Sequence[int], known: Mapping[int, Team], *, lock: bool = False
    ) -> dict[int, Team]:
        """Each team as it stands: the one that is known where it is of this version, else as it is
        written down; one that is not there yet is new and empty."""
        ordered = sorted(team_ids)
        versions = [_version(known.get(team_id)) for team_id in ordered]
        with _trouble():
            rows = await self._db.fetch(
                "SELECT team_id, state FROM ledger_load_v2($1, $2, $3)", ordered, versions, lock
            )
        read = {team_id: team_of(state) for team_id, state in rows}
        return {
            team_id: read.get(team_id) or known.get(team_id) or Team(team_id, is_new=True)
            for team_id in ordered
        }

    async def past(self, wanted: Wanted) -> Past:
        found = Past()
        with _trouble():
            if wanted.runs:
                for row in await self._db.fetch(_RUNS, *_two_columns(wanted.runs)):
                    found.runs[row["team_id"], row["run_id"]] = _ended(row)
            if wanted.keys:
                for team_id, key, fingerprint, run_id in await self._db.fetch(
                    _KEYS, *_two_columns(wanted.keys)
                ):
                    found.keys[team_id, key] = UsedKey(fingerprint, run_id)
            if wanted.refs:
                for team_id, ref, kind, amount, seq in await self._db.fetch(
                    _REFS, *_two_columns(wanted.refs)
                ):
                    found.refs[team_id, ref] = GivenBefore(kind, amount, seq)
        return found

    async def allowances(self, counted_after_ms: int) -> int:
        """Teams whose newest allowance began after this instant."""
        with _trouble():
            return int(
                await self._db.fetchval(
                    "SELECT count(*) FROM ledger_team WHERE allowance_starts_ms > $1", counted_after_ms
                )
            )

    async def overdue(self, now_ms: int, at_most: int, skew_ms: int) -> list[tuple[int, str]]:
        """Open holds, as (team, run), whose lease has passed, or is longer than any clock that is
        `skew_ms` ahead of this one could have given."""
        with _trouble():
            rows = await self._db.fetch(_OVERDUE, now_ms, at_most, skew_ms)
        return [(team_id, run_id) for team_id, run_id in rows]

    async def lock_open_holds(self, holds: Sequence[tuple[int, str]]) -> None:
        """Wait for checkpoints of these runs that are being written, and keep others from beginning."""
        with _trouble():
            await self._db.execute(_LOCK_OPEN, *_two_columns(holds))

    async def now_ms(self) -> int:
        with _trouble():
            return int(
                await self._db.fetchval("SELECT (extract(epoch FROM clock_timestamp()) * 1000)::bigint")
            )

    # --- writing ------------------------------------------------------------------------------

    async def write(
        self,
        changes: Changes,
        *,
        seen: Sequence[Team] = (),
        most_allowances: int | None = None,
        counted_after_ms: int | None = None,
        synced: bool = False,
    ) -> None:
        """Write a batch. On return it stands, or does with the transaction that `locked()` began.

        Where it is not `synced`, the commit does not wait for the disk; `rows_postgresql.arguments` says
        what the others mean. Raises `Stale` and `Refused`.
        """
        values = arguments(
            changes,
            seen=seen,
            most_allowances=most_allowances,
            counted_after_ms=counted_after_ms,
            synced=synced,
        )
        with _trouble():
            if changes.caps:
                await self._db.fetchval(_COMMIT_WITH_CAPS, *values, caps_argument(changes))
            else:
                await self._db.fetchval(_COMMIT, *values)
        for team in changes.teams.values():
            team.is_new = False
            team.version += 1


_COMMIT: Final = (
    f"SELECT ledger_commit_v1({', '.join(f'${no}::{type_}' for no, type_ in enumerate(TYPES, 1))})"
)
_COMMIT_WITH_CAPS: Final = f"{_COMMIT}, ledger_caps_v1(${len(TYPES) + 1}::json)"
_RUNS: Final = "SELECT * FROM ledger_ended_v1($1, $2)"
_REFS: Final = "SELECT team_id, ref, kind, amount_nano_usd, seq FROM ledger_given_v1($1, $2)"
_KEYS: Final = """
SELECT used.team_id, used.key_sha256, used.fingerprint, used.run_id
FROM unnest($1::bigint[], $2::bytea[]) AS asked (team_id, key_sha256)
JOIN ledger_idempotency AS used ON used.team_id = asked.team_id AND used.key_sha256 = asked.key_sha256
"""
_OVERDUE: Final = """
SELECT running.team_id, hold.run_id
FROM ledger_open_hold AS running
JOIN ledger_hold AS hold ON hold.team_id = running.team_id AND hold.no = running.hold_no
WHERE running.expires_ms <= $1::bigint OR running.expires_ms > $1::bigint + running.lease_ms + $3::bigint
LIMIT $2
"""
_LOCK_OPEN: Final = """
SELECT 1
FROM unnest($1::bigint[], $2::text[]) AS asked (team_id, run_id)
JOIN ledger_hold AS hold ON hold.run_id = asked.run_id AND hold.team_id = asked.team_id
JOIN ledger_open_hold AS running ON running.team_id = hold.team_id AND running.hold_no = hold.no
ORDER BY running.team_id, running.hold_no
FOR UPDATE OF running
"""


def _version(team: Team | None) -> int:
    return -1 if team is None or team.is_new else team.version


def _two_columns(pairs: Any) -> tuple[list[Any], list[Any]]:
    return [first for first, _ in pairs], [second for _, second in pairs]


def _ended(row: Mapping[str, Any]) -> Ended:
    if row["seq"] is None:
        return Ended("voided", None)
    receipt = Receipt(
        team_id=row["team_id"],
        run_id=row["run_id"],
        entry_seq=row["seq"],
        cost_nano_usd=row["cost_nano_usd"],
        charged_nano_usd=row["cost_nano_usd"] - row["writeoff_nano_usd"],
        writeoff_nano_usd=row["writeoff_nano_usd"],
        available_after_nano_usd=0,  # replaced by what is there when somebody asks
        entry_hash=row["hash"],
        at_ms=row["at_ms"],
        estimated=bool(row["estimated"]),
    )
    return Ended("expired" if row["kind"] == EntryKind.EXPIRE else "settled", receipt)


@contextmanager
def _trouble() -> Iterator[None]:
    """PostgreSQL's errors, named by whose fault they are and by what there is to do."""
    try:
        yield
    except asyncpg.PostgresError as error:
        raise _named(error) from error
    except (OSError, TimeoutError) as error:
        raise Lost(str(error) or type(error).__name__) from error
    except asyncpg.InternalClientError as error:  # the driver is at odds with a connection that just broke
        raise Lost(str(error)) from error
    except asyncpg.InterfaceError as error:
        if isinstance(error, ValueError):  # a number that does not fit
            raise Refused(str(error)) from error
        raise Lost(str(error)) from error


def _named(error: asyncpg.PostgresError) -> Exception:
    state, text = error.sqlstate or "", str(error)
    if state == "40001" and error.message == "stale team":
        return Changed([int(team_id) for team_id in (error.detail or "").split()])
    if state in ("40001", "40P01", "23505"):  # serialisation, deadlock, a key that somebody else wrote
        return Stale(text)
    if state in ("55P03", "57014"):  # lock_timeout, statement_timeout
        return Blocked(text)
    if state == "53100":
        return Unavailable(text, for_all=False)  # the disk is full: a smaller batch may fit
    # The server ends, starts, has no memory, is a standby by now, or broke off.
    if state[:2] in ("08", "53", "57", "58", "25", "XX") or not state:
        return Lost(text)
    return Refused(text)
