"""What can be asked of the ledger, and what it answers. Values only; `ledger.py` decides.

Money is integer nano-dollars, prices integer pico-dollars a unit, instants UTC milliseconds.
"""

from __future__ import annotations

from typing import Literal

import msgspec

Bucket = Literal["input", "cached_input", "cache_write", "output", "tool_call", "image", "request"]
GrantKind = Literal["grant", "payment", "adjustment"]


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


class Reserve(msgspec.Struct, frozen=True):
    """Set money aside for a run: `amount_nano_usd`, or as much as there is down to `least_nano_usd`.

    `scopes` lists whose caps apply, as (scope, subject), for example ("key", "7").
    """

    team_id: int
    run_id: str
    amount_nano_usd: int
    least_nano_usd: int
    lease_ms: int
    facts: Facts
    scopes: tuple[tuple[str, str], ...] = ()
    idempotency: Idempotency | None = None


class HoldLine(msgspec.Struct, frozen=True):
    account_no: int
    amount_nano_usd: int


class Hold(msgspec.Struct, frozen=True):
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


class Checkpoint(msgspec.Struct, frozen=True):
    """How far a run is, and that it lives: what a crash would bill, and a new expiry."""

    team_id: int
    run_id: str
    lines: tuple[Line, ...]
    lease_ms: int


class Settle(msgspec.Struct, frozen=True):
    """End a hold with its bill. `cost_nano_usd` must be ceil(sum of lines / 1000).

    `facts` are those of the attempt that answered. Settling twice answers the first receipt.
    """

    hold: Hold
    lines: tuple[Line, ...]
    cost_nano_usd: int
    facts: Facts
    estimated: bool = False


class Receipt(msgspec.Struct, frozen=True):
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


class Void(msgspec.Struct, frozen=True):
    """Let a hold go: nothing came from upstream, nothing is owed."""

    team_id: int
    run_id: str


class Grant(msgspec.Struct, frozen=True):
    """Give credit. `ref` makes it happen once; only the kind `payment` ends the allowance."""

    team_id: int
    kind: GrantKind
    amount_nano_usd: int
    ref: str
    reason: str
    expires_ms: int | None = None
    actor_user_id: int | None = None


class Granted(msgspec.Struct, frozen=True):
    team_id: int
    entry_seq: int
    amount_nano_usd: int
    available_after_nano_usd: int
    replayed: bool = False
