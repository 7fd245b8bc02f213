"""What the core knows of a team while it decides, and what it changed. Values and lists; no rules.

A journal loads `Team`s and `Past` and writes `Changes`; `ledger.py` reads the one and fills the
other. Rows whose last state counts (teams, accounts, open holds, caps) are named here and written as
they stand at the end of the batch; rows that are only ever added are listed as they happened.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Literal, NamedTuple

import chain
from billing.accounts import AccountKind, EntryRow, PostingRow, UsageLineRow, UsageRow
from billing.caps import Cap
from billing.commands import Facts, Hold, Line, Receipt

HowEnded = Literal["settled", "expired", "voided"]


@dataclass(slots=True)
class Account:
    """Credit that was given at one time, as far as it is still there."""

    no: int
    kind: AccountKind
    priority: int
    starts_ms: int
    expires_ms: int | None
    balance_nano_usd: int = 0
    held_nano_usd: int = 0

    @property
    def free_nano_usd(self) -> int:
        return self.balance_nano_usd - self.held_nano_usd

    @property
    def is_spent(self) -> bool:
        """Nothing is left and nothing can come back."""
        return self.balance_nano_usd == 0

    def lives(self, now_ms: int) -> bool:
        return self.starts_ms <= now_ms and (self.expires_ms is None or now_ms < self.expires_ms)

    def has_ended(self, now_ms: int) -> bool:
        return self.expires_ms is not None and self.expires_ms <= now_ms

    @property
    def spend_order(self) -> tuple[int, int, int, int]:
        never = 1 << 62
        return (self.priority, never if self.expires_ms is None else self.expires_ms, self.starts_ms, self.no)


@dataclass(slots=True)
class OpenHold:
    """A hold whose run still runs. `expires_ms` is on the wall's clock, not on the team's."""

    hold: Hold
    lease_ms: int
    expires_ms: int
    cap_nos: tuple[int, ...] = ()
    key_sha256: bytes | None = None
    progress: tuple[Line, ...] = ()
    progress_nano_usd: int = 0
    answered: Facts | None = None  # whose the progress is, where that is not the hold's own


@dataclass(slots=True)
class Team:
    """A team's money: `accounts` that are not spent, open `holds` by run id, caps by number."""

    id: int
    first_use_ms: int | None = None
    allowance_starts_ms: int | None = None
    first_payment_ms: int | None = None
    entry_seq: int = 0
    head: bytes = chain.GENESIS
    hold_seq: int = 0
    account_seq: int = 0
    cap_seq: int = 0
    clock_ms: int = 0
    used_nano_usd: int = 0
    version: int = 0
    is_new: bool = False
    accounts: dict[int, Account] = field(default_factory=dict)
    holds: dict[str, OpenHold] = field(default_factory=dict)
    caps: dict[int, Cap] = field(default_factory=dict)

    @property
    def balance_nano_usd(self) -> int:
        """All credit that is not spent or lapsed, what is held included."""
        total = 0  # here and below a loop, because a generator costs each settle a microsecond
        for account in self.accounts.values():
            total += account.balance_nano_usd
        return total

    def available_nano_usd(self, now_ms: int) -> int:
        """What a reserve could take now."""
        total = 0
        for account in self.accounts.values():
            if account.lives(now_ms):
                total += account.balance_nano_usd - account.held_nano_usd
        return total

    def spendable(self, now_ms: int) -> list[Account]:
        """Accounts with free credit, first to be spent first."""
        living = [a for a in self.accounts.values() if a.free_nano_usd > 0 and a.lives(now_ms)]
        if len(living) > 1:
            living.sort(key=lambda account: account.spend_order)
        return living


@dataclass(frozen=True, slots=True)
class Ended:
    """A run whose hold is closed. `receipt` is there where it was settled or expired."""

    how: HowEnded
    receipt: Receipt | None


@dataclass(frozen=True, slots=True)
class UsedKey:
    fingerprint: bytes
    run_id: str


@dataclass(frozen=True, slots=True)
class GivenBefore:
    kind: int
    amount_nano_usd: int
    entry_seq: int


@dataclass(slots=True)
class Past:
    """What was found of the runs, keys and grant references that a batch mentions, by (team, ...)."""

    runs: dict[tuple[int, str], Ended] = field(default_factory=dict)
    keys: dict[tuple[int, bytes], UsedKey] = field(default_factory=dict)
    refs: dict[tuple[int, str], GivenBefore] = field(default_factory=dict)


@dataclass(slots=True)
class Wanted:
    """What to look for in the past before a batch can be decided."""

    runs: set[tuple[int, str]] = field(default_factory=set)
    keys: set[tuple[int, bytes]] = field(default_factory=set)
    refs: set[tuple[int, str]] = field(default_factory=set)


class HoldRow(NamedTuple):
    team_id: int
    no: int
    run_id: str
    amount_nano_usd: int
    first_account_no: int | None
    first_amount_nano_usd: int
    created_ms: int


class HoldLineRow(NamedTuple):
    team_id: int
    hold_no: int
    account_no: int
    amount_nano_usd: int


class VoidRow(NamedTuple):
    team_id: int
    hold_no: int
    at_ms: int


class CapEntryRow(NamedTuple):
    team_id: int
    cap_no: int
    seq: int
    charged_nano_usd: int


class CapChangeRow(NamedTuple):
    """What somebody set a cap to. `alert_at` is JSON."""

    team_id: int
    cap_no: int
    no: int
    at_ms: int
    actor_user_id: int | None
    limit_nano_usd: int | None
    zone: str
    alert_at: str


class CapAlertRow(NamedTuple):
    """Spending reached `percent` of a cap: with the entry `seq`, or, where it is None, as the cap turned
    a request away."""

    team_id: int
    cap_no: int
    change_no: int
    percent: int
    window_starts_ms: int
    at_ms: int
    seq: int | None
    limit_nano_usd: int
    spent_nano_usd: int


@dataclass(slots=True)
class Changes:
    """What a batch did. Keys are (team, number) but for `new_keys`, which has (team, sha256)."""

    teams: dict[int, Team] = field(default_factory=dict)
    new_accounts: dict[tuple[int, int], Account] = field(default_factory=dict)
    accounts: dict[tuple[int, int], Account] = field(default_factory=dict)
    caps: dict[tuple[int, int], Cap] = field(default_factory=dict)
    opened: dict[tuple[int, int], OpenHold] = field(default_factory=dict)
    renewed: dict[tuple[int, int], OpenHold] = field(default_factory=dict)
    closed: list[tuple[int, int]] = field(default_factory=list)
    holds: list[HoldRow] = field(default_factory=list)
    hold_lines: list[HoldLineRow] = field(default_factory=list)
    voids: list[VoidRow] = field(default_factory=list)
    entries: list[tuple[EntryRow, bytes]] = field(default_factory=list)
    postings: list[PostingRow] = field(default_factory=list)
    usage: list[UsageRow] = field(default_factory=list)
    usage_lines: list[UsageLineRow] = field(default_factory=list)
    cap_entries: list[CapEntryRow] = field(default_factory=list)
    cap_changes: list[CapChangeRow] = field(default_factory=list)
    cap_alerts: list[CapAlertRow] = field(default_factory=list)
    new_keys: dict[tuple[int, bytes], UsedKey] = field(default_factory=dict)
    freed_keys: list[tuple[int, bytes]] = field(default_factory=list)

    @property
    def is_empty(self) -> bool:
        return not self.teams and not self.renewed

    @property
    def moves_money(self) -> bool:
        """Whether an entry was made: then the batch must be on disk before anybody is told."""
        return bool(self.entries)
