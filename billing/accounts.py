"""The chart of accounts, the numbers that stand for things, and the bytes that are hashed.

Everything here is written into entries and hashed with them: numbers are never changed or used
again, only added.

Sign. A posting adds its amount to its account; the postings of an entry sum to zero. A team's own
accounts (numbers above zero, one for each grant) hold the credit that it has: their balance is
never below zero. Giving credit is plus there, spending it is minus. Each team has its own system
accounts (numbers below zero), on the other side of every entry; their balance is the sum of their
postings and is written nowhere.

    entry        the team's credit    the other side
    allowance    +                    - ISSUED
    grant        +                    - ISSUED
    payment      +                    - CASH
    adjustment   + or -               - or + ADJUSTED
    lapse        -                    + LAPSED
    settle       -                    + SPENT (the cost), - WRITTEN_OFF (what credit did not cover)
    expire       as settle, by the sweeper, at the hold's progress

What an entry's hash covers, in the encoding of `chain`. A value that may be absent is two integers:
1 and the value, or 0 and 0. Postings are in the order of their account numbers.

    integers: LAYOUT, team_id, seq, kind, at_ms, hold_no or absent, actor_user_id or absent,
              balance_after_nano_usd,
              number of postings, then for each: account_no, amount_nano_usd,
              number of usage rows (0 or 1); where 1: user_id or absent, key_id or absent,
              estimated (0 or 1), number of lines, then for each: bucket, quantity, price_pico_usd
    texts:    ref, reason; where there is a usage row: model, provider, price_version, series, tags

They are the columns of `ledger_entry`, `ledger_posting`, `ledger_usage` and `ledger_usage_line`, as
they stand there; `tags` is a JSON array. The first entry of a team follows `chain.GENESIS`.
"""

from __future__ import annotations

from collections.abc import Sequence
from enum import IntEnum
from typing import Final, Literal, NamedTuple

import chain

LAYOUT: Final = 1


class EntryKind(IntEnum):
    ALLOWANCE = 1
    GRANT = 2
    PAYMENT = 3
    ADJUSTMENT = 4
    LAPSE = 5
    SETTLE = 6
    EXPIRE = 7


class AccountKind(IntEnum):
    SYSTEM = 0
    ALLOWANCE = 1
    GRANT = 2
    PAYMENT = 3
    ADJUSTMENT = 4


class SystemAccount(IntEnum):
    ISSUED = -1
    CASH = -2
    SPENT = -3
    LAPSED = -4
    WRITTEN_OFF = -5
    ADJUSTED = -6


PRIORITY: Final = {
    AccountKind.SYSTEM: 0,
    AccountKind.ALLOWANCE: 0,
    AccountKind.GRANT: 20,
    AccountKind.ADJUSTMENT: 20,
    AccountKind.PAYMENT: 50,
}
"""What is spent first: the lowest; then what expires first, what began first, what was given first."""

OTHER_SIDE: Final = {
    EntryKind.ALLOWANCE: SystemAccount.ISSUED,
    EntryKind.GRANT: SystemAccount.ISSUED,
    EntryKind.PAYMENT: SystemAccount.CASH,
    EntryKind.ADJUSTMENT: SystemAccount.ADJUSTED,
    EntryKind.LAPSE: SystemAccount.LAPSED,
}

Bucket = Literal["input", "cached_input", "cache_write", "output", "tool_call", "image", "request"]

BUCKETS: Final[dict[Bucket, int]] = {
    "input": 1,
    "cached_input": 2,
    "cache_write": 3,
    "output": 4,
    "tool_call": 5,
    "image": 6,
    "request": 7,
}
BUCKET_OF: Final = {no: bucket for bucket, no in BUCKETS.items()}


class EntryRow(NamedTuple):
    """A row of `ledger_entry`, but for its hash."""

    team_id: int
    seq: int
    kind: int
    ref: str
    hold_no: int | None
    at_ms: int
    balance_after_nano_usd: int
    actor_user_id: int | None
    reason: str


class PostingRow(NamedTuple):
    team_id: int
    seq: int
    account_no: int
    amount_nano_usd: int


class UsageRow(NamedTuple):
    team_id: int
    seq: int
    model: str
    provider: str
    price_version: str
    user_id: int | None
    key_id: int | None
    tags: str
    series: str
    estimated: int


class UsageLineRow(NamedTuple):
    team_id: int
    seq: int
    no: int
    bucket: int
    quantity: int
    price_pico_usd: int


def head(team_id: int, seq: int, entry_hash: str) -> str:
    """A team's chain up to an entry, in a line to keep; `billing.audit` says whether it still holds."""
    return f"{team_id}:{seq}:{entry_hash}"


def entry_hash(
    previous: bytes,
    entry: EntryRow,
    postings: Sequence[PostingRow],
    usage: UsageRow | None,
    lines: Sequence[UsageLineRow],
) -> bytes:
    """The hash of an entry that follows `previous`, as this module's first lines lay it out."""
    team_id, seq, kind, ref, hold_no, at_ms, balance_after_nano_usd, actor_user_id, reason = entry
    integers = [LAYOUT, team_id, seq, kind, at_ms, *_maybe(hold_no), *_maybe(actor_user_id)]
    integers += (balance_after_nano_usd, len(postings))
    for posting in postings:
        integers += posting[2:]
    if usage is None:
        integers.append(0)
        return chain.digest(previous, integers, (ref, reason))
    _, _, model, provider, price_version, user_id, key_id, tags, series, estimated = usage
    integers += (1, *_maybe(user_id), *_maybe(key_id), estimated, len(lines))
    for line in lines:
        integers += line[3:]
    return chain.digest(previous, integers, (ref, reason, model, provider, price_version, series, tags))


def _maybe(value: int | None) -> tuple[int, int]:
    return (0, 0) if value is None else (1, value)
