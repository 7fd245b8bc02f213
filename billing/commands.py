"""What can be asked of the ledger, and what it answers. Values only; `ledger.py` decides.

Money is integer nano-dollars, prices integer pico-dollars a unit, instants UTC milliseconds.
"""

from __future__ import annotations

from typing import Final, Literal

import msgspec

from billing.accounts import Bucket

GrantKind = Literal["grant", "payment", "adjustment"]
CalendarWindow = Literal["total", "day", "week", "month"]
CapWindow = Literal["total", "day", "week", "month", "rolling"]

# With the sweeper's 10 seconds this keeps the promise that no hold outlives its process by a minute.
MAX_LEASE_MS: Final = 45_000
# Ten million dollars: sums of what is allowed stay far within 64 bits.
MAX_AMOUNT_NANO_USD: Final = 10_000_000 * 1_000_000_000
# Percents of a cap at which somebody is told, unless its owner wants others.
ALERT_AT: Final = (50, 80, 100)


class Line(msgspec.Struct, frozen=True):
    """One line of a bill: `quantity` units of `bucket` at `price_pico_usd` each."""

    bucket: Bucket
    quantity: int
    price_pico_usd: int


class Facts(msgspec.Struct, frozen=True):
    """Whose request it was and what it was priced by; written beside the money at settle.

    `series` separates real money from spend that must not be mixed with it.
    """

    model: str
    provider: str
    price_version: str
    user_id: int | None = None
    key_id: int | None = None
    tags: tuple[str, ...] = ()
    series: Literal["paid", "demonstration", "byok"] = "paid"


class Idempotency(msgspec.Struct, frozen=True):
    """A caller's key: sha256 of the key, and sha256 of the request that it guards."""

    key_sha256: bytes
    fingerprint: bytes


class Reserve(msgspec.Struct, frozen=True, tag=True):
    """Set money aside for a run: `amount_nano_usd`, or as much as there is down to `least_nano_usd`
    (which is above 0, unless the amount is 0: a free model). Without a checkpoint within `lease_ms`,
    which is at most `MAX_LEASE_MS`, the run counts as dead and is billed as far as it came.

    `scopes` lists whose caps apply, as (scope, subject), for example ("key", "7"). Where the team has
    `most_open` holds open, it is refused.
    """

    team_id: int
    run_id: str
    amount_nano_usd: int
    least_nano_usd: int
    lease_ms: int
    facts: Facts
    scopes: tuple[tuple[str, str], ...] = ()
    idempotency: Idempotency | None = None
    most_open: int | None = None


class HoldLine(msgspec.Struct, frozen=True):
    account_no: int
    amount_nano_usd: int


class Hold(msgspec.Struct, frozen=True, tag=True):
    """Money set aside for one run; frozen, and carried whole by its settle."""

    team_id: int
    no: int
    run_id: str
    amount_nano_usd: int
    lines: tuple[HoldLine, ...]
    scopes: tuple[tuple[str, str], ...]
    facts: Facts
    created_ms: int
    expires_ms: int
    available_after_nano_usd: int
    idempotency: Idempotency | None = None


class Checkpoint(msgspec.Struct, frozen=True, tag=True):
    """How far a run is, and that it lives: what a crash would bill, and a new expiry. `facts` are those of
    the attempt that answers, where it is not the one that the hold was made with."""

    team_id: int
    run_id: str
    lines: tuple[Line, ...]
    lease_ms: int
    facts: Facts | None = None


class Settle(msgspec.Struct, frozen=True, tag=True):
    """End a hold with its bill. `cost_nano_usd` must be ceil(sum of lines / 1000).

    `facts` are those of the attempt that answered. Settling twice answers the first receipt.
    """

    hold: Hold
    lines: tuple[Line, ...]
    cost_nano_usd: int
    facts: Facts
    estimated: bool = False


class Receipt(msgspec.Struct, frozen=True, tag=True):
    """What a settle did: charged from the team's credit, and what the operator wrote off."""

    team_id: int
    run_id: str
    entry_seq: int
    cost_nano_usd: int
    charged_nano_usd: int
    writeoff_nano_usd: int
    available_after_nano_usd: int
    entry_hash: bytes
    at_ms: int
    estimated: bool
    replayed: bool = False


class Void(msgspec.Struct, frozen=True, tag=True):
    """Let a hold go: nothing came from upstream, nothing is owed."""

    team_id: int
    run_id: str


class Grant(msgspec.Struct, frozen=True, tag=True):
    """Give credit. `ref` makes it happen once; only the kind `payment` ends the allowance.

    Only an adjustment may be negative: it takes back what is not held, from `undoes_account_no` where
    it reverses a grant, then bought credit first.
    """

    team_id: int
    kind: GrantKind
    amount_nano_usd: int
    ref: str
    reason: str
    expires_ms: int | None = None
    actor_user_id: int | None = None
    undoes_account_no: int | None = None


class Granted(msgspec.Struct, frozen=True, tag=True):
    team_id: int
    entry_seq: int
    amount_nano_usd: int
    available_after_nano_usd: int
    replayed: bool = False


class SetCap(msgspec.Struct, frozen=True, tag=True):
    """Limit what a scope may spend in a window: ever, in a day, week (from Monday) or month of the
    calendar in `zone`, or in the last `days` days (`rolling`; 0 elsewhere).

    Scope, subject, window and days say which cap it is; it counts from when it is first set. A limit of
    `None` switches it off; setting it again goes on counting. `alert_at` are percents of the limit.
    """

    team_id: int
    scope: str
    subject: str
    limit_nano_usd: int | None
    window: CapWindow = "total"
    days: int = 0
    zone: str = "UTC"
    alert_at: tuple[int, ...] = ALERT_AT
    actor_user_id: int | None = None


class CapSet(msgspec.Struct, frozen=True, tag=True):
    """The cap's number in its team, and how often it was changed."""

    team_id: int
    no: int
    change_no: int


class Sweep(msgspec.Struct, frozen=True, tag=True):
    """End every hold whose lease has passed, at its progress."""


class Swept(msgspec.Struct, frozen=True, tag=True):
    ended: int


class Done(msgspec.Struct, frozen=True, tag=True):
    """The answer to a command that has nothing to tell."""


Command = Reserve | Checkpoint | Settle | Void | Grant | SetCap | Sweep
Result = Hold | Receipt | Granted | CapSet | Swept | Done
