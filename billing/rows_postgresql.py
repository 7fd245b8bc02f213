"""Turns what a batch changed into the arguments of `ledger_commit_v1` and `ledger_caps_v1`, and a team's
JSON into a `Team`.

Pure. Lists go as one array a column, written as text: that takes the event loop a fifth of the time
that the driver takes for arrays. What few batches have (new accounts, further lines of a hold, voids,
keys) goes as JSON, so that the others do not pay for its arguments.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from typing import Any, Final

import msgspec

from billing.accounts import AccountKind
from billing.caps import cap_of, row_of
from billing.commands import Facts, Hold, HoldLine, Idempotency
from billing.progress import Kept, facts_of, kept_progress, lines_of
from billing.state import Account, Changes, HoldRow, OpenHold, Team

# The columns of what goes in as arrays: integers, texts and bytes, in the order of the parameters.
_SEEN: Final = "ii"
_NEW_TEAMS: Final = "i"
_TEAMS: Final = "iiiiiibiiiii"
_ACCOUNTS: Final = "iiii"
_HOLDS: Final = "iitiiiiiiittttb"
_RENEWED: Final = "iiiiit"
_ENTRIES: Final = "iiitiiiitb"
_POSTINGS: Final = "iiii"
_USAGE: Final = "iitttiitti"
_USAGE_LINES: Final = "iiiiii"
_CAST: Final = {"i": "bigint[]", "t": "text[]", "b": "bytea[]"}


def _cast(columns: str) -> list[str]:
    return [f"text::{_CAST[column]}" for column in columns]


TYPES: Final = (
    "boolean",
    *_cast(_SEEN),
    "bigint",
    "bigint",
    *_cast(
        _NEW_TEAMS + _TEAMS + _ACCOUNTS + _HOLDS + _RENEWED + _ENTRIES + _POSTINGS + _USAGE + _USAGE_LINES
    ),
    "json",
)
"""What each argument is to be read as."""


def arguments(
    changes: Changes,
    *,
    seen: Sequence[Team],
    most_allowances: int | None,
    counted_after_ms: int | None,
    synced: bool,
) -> list[Any]:
    """In the order of the function's parameters. `seen` are teams that must be as they are remembered,
    though nothing of them changed; `most_allowances` is the limit, where the batch took from it."""
    teams = sorted(changes.teams.values(), key=lambda team: team.id)  # the order that locks are taken in
    return [
        synced,
        *_columns(_SEEN, [(team.id, team.version) for team in seen]),
        most_allowances,
        counted_after_ms,
        *_columns(_NEW_TEAMS, [(team.id,) for team in teams if team.is_new]),
        *_columns(_TEAMS, [_team_row(team) for team in teams]),
        *_columns(
            _ACCOUNTS,
            [
                (*key, account.balance_nano_usd, account.held_nano_usd)
                for key, account in changes.accounts.items()
            ],
        ),
        *_columns(_HOLDS, [_hold_row(row, changes) for row in changes.holds]),
        *_columns(
            _RENEWED, [_renewed_row(key, hold) for key, hold in sorted(changes.renewed.items(), key=_key)]
        ),
        *_columns(_ENTRIES, [(*entry, digest) for entry, digest in changes.entries]),
        *_columns(_POSTINGS, changes.postings),
        *_columns(_USAGE, changes.usage),
        *_columns(_USAGE_LINES, changes.usage_lines),
        _rest(changes),
    ]


def _columns(kinds: str, rows: Sequence[Sequence[Any]]) -> list[str]:
    """Each column as PostgreSQL writes an array."""
    if not rows:
        return ["{}"] * len(kinds)
    return [_WRITE[kind](column) for kind, column in zip(kinds, zip(*rows, strict=True), strict=True)]


def _integers(column: Sequence[int | None]) -> str:
    return f"{{{_json(column)[1:-1]}}}"


def _texts(column: Sequence[str]) -> str:
    """JSON writes quotes and backslashes as an array does, but not what else it escapes."""
    if _CONTROL.search("".join(column)) is None:
        return f"{{{_json(column)[1:-1]}}}"
    quoted = [text.replace("\\", r"\\").replace('"', r"\"") for text in column]
    return '{"' + '","'.join(quoted) + '"}'


def _bytes(column: Sequence[bytes | None]) -> str:
    return f"{{{','.join([_NULL if value is None else _BYTES + value.hex() for value in column])}}}"


_CONTROL: Final = re.compile(r"[\x00-\x1f]")
_NULL: Final = "null"
_BYTES: Final = r"\\x"
_WRITE: Final[dict[str, Callable[[Sequence[Any]], str]]] = {"i": _integers, "t": _texts, "b": _bytes}


def _key(item: tuple[tuple[int, int], OpenHold]) -> tuple[int, int]:
    return item[0]


def _team_row(team: Team) -> tuple[Any, ...]:
    return (
        team.id,
        team.version,
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
    )


_ENDED_AT_ONCE: Final = (1, 0, 0, "[]", "{}", "[]", "[]", None)


def _hold_row(row: HoldRow, changes: Changes) -> tuple[Any, ...]:
    """A hold with its open row; one that ended in the same batch is closed by its entry or void."""
    running = changes.opened.get((row.team_id, row.no))
    if running is None:
        return (*row, *_ENDED_AT_ONCE)
    return (
        *row,
        running.lease_ms,
        running.expires_ms,
        running.progress_nano_usd,
        _json(kept_progress(running.progress, running.answered)),
        _json(running.hold.facts),
        _json(running.hold.scopes),
        _json(running.cap_nos),
        running.key_sha256,
    )


def _renewed_row(key: tuple[int, int], running: OpenHold) -> tuple[Any, ...]:
    return (
        *key,
        running.lease_ms,
        running.expires_ms,
        running.progress_nano_usd,
        _json(kept_progress(running.progress, running.answered)),
    )


def _rest(changes: Changes) -> str | None:
    rest: dict[str, list[dict[str, Any]]] = {}
    if changes.new_accounts:
        rest["new_accounts"] = [
            {
                "team_id": team_id,
                "no": no,
                "kind": int(account.kind),
                "priority": account.priority,
                "starts_ms": account.starts_ms,
                "expires_ms": account.expires_ms,
                "balance_nano_usd": account.balance_nano_usd,
                "held_nano_usd": account.held_nano_usd,
            }
            for (team_id, no), account in changes.new_accounts.items()
        ]
    if changes.hold_lines:
        rest["hold_lines"] = [row._asdict() for row in changes.hold_lines]
    if changes.voids:
        rest["voids"] = [row._asdict() for row in changes.voids]
    if changes.new_keys:
        rest["new_keys"] = [
            {
                "team_id": team_id,
                "key_sha256": key.hex(),
                "fingerprint": used.fingerprint.hex(),
                "run_id": used.run_id,
            }
            for (team_id, key), used in changes.new_keys.items()
        ]
    if changes.freed_keys:
        rest["freed_keys"] = [
            {"team_id": team_id, "key_sha256": key.hex()} for team_id, key in changes.freed_keys
        ]
    return _json(rest) if rest else None


def caps_argument(changes: Changes) -> str | None:
    """What `ledger_caps_v1` takes; None where no cap was touched."""
    if not changes.caps:
        return None
    return _json(
        {
            "caps": [row_of(team_id, cap) for (team_id, _), cap in changes.caps.items()],
            "cap_entries": [row._asdict() for row in changes.cap_entries],
            "cap_changes": [row._asdict() for row in changes.cap_changes],
            "cap_alerts": [row._asdict() for row in changes.cap_alerts],
        }
    )


def _json(value: object) -> str:
    return msgspec.json.encode(value).decode()


# --- a team as `ledger_load_v2` tells it ------------------------------------------------------------


class _AccountState(msgspec.Struct, array_like=True):
    no: int
    kind: int
    priority: int
    starts_ms: int
    expires_ms: int | None
    balance_nano_usd: int
    held_nano_usd: int


class _HoldState(msgspec.Struct):
    no: int
    run_id: str
    amount_nano_usd: int
    first_account_no: int | None
    first_amount_nano_usd: int
    created_ms: int
    lease_ms: int
    expires_ms: int
    progress_nano_usd: int
    progress: Kept
    facts: Facts
    scopes: tuple[tuple[str, str], ...]
    cap_nos: tuple[int, ...]
    key_sha256: str | None
    fingerprint: str | None
    further: list[tuple[int, int]] | None


class _TeamState(msgspec.Struct):
    id: int
    first_use_ms: int | None
    allowance_starts_ms: int | None
    first_payment_ms: int | None
    entry_seq: int
    head: str
    hold_seq: int
    account_seq: int
    cap_seq: int
    clock_ms: int
    used_nano_usd: int
    version: int
    accounts: list[_AccountState] | None
    caps: list[list[Any]] | None
    holds: list[_HoldState] | None


_TEAM: Final = msgspec.json.Decoder(_TeamState)


def team_of(state: str) -> Team:
    found = _TEAM.decode(state)
    team = Team(
        found.id,
        found.first_use_ms,
        found.allowance_starts_ms,
        found.first_payment_ms,
        found.entry_seq,
        bytes.fromhex(found.head),
        found.hold_seq,
        found.account_seq,
        found.cap_seq,
        found.clock_ms,
        found.used_nano_usd,
        found.version,
    )
    for a in found.accounts or ():
        team.accounts[a.no] = Account(
            a.no,
            AccountKind(a.kind),
            a.priority,
            a.starts_ms,
            a.expires_ms,
            a.balance_nano_usd,
            a.held_nano_usd,
        )
    for cap in found.caps or ():
        team.caps[cap[0]] = cap_of(cap)
    for running in found.holds or ():
        team.holds[running.run_id] = _open_hold(team.id, running)
    return team


def _open_hold(team_id: int, state: _HoldState) -> OpenHold:
    first = () if state.first_account_no is None else ((state.first_account_no, state.first_amount_nano_usd),)
    key = bytes.fromhex(state.key_sha256) if state.key_sha256 is not None else None
    fingerprint = bytes.fromhex(state.fingerprint) if state.fingerprint is not None else None
    hold = Hold(
        team_id=team_id,
        no=state.no,
        run_id=state.run_id,
        amount_nano_usd=state.amount_nano_usd,
        lines=tuple(HoldLine(no, amount) for no, amount in (*first, *(state.further or ()))),
        scopes=state.scopes,
        facts=state.facts,
        created_ms=state.created_ms,
        expires_ms=state.expires_ms,
        available_after_nano_usd=0,  # as of the reserve, which nobody asks for again
        idempotency=Idempotency(key, fingerprint) if key is not None and fingerprint is not None else None,
    )
    return OpenHold(
        hold=hold,
        lease_ms=state.lease_ms,
        expires_ms=state.expires_ms,
        cap_nos=state.cap_nos,
        key_sha256=key,
        progress=lines_of(state.progress),
        answered=facts_of(state.progress),
        progress_nano_usd=state.progress_nano_usd,
    )
