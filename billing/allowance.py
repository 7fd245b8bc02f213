"""The allowance: $5.00 for every 30 days, counted from the team's first hold; pure arithmetic.

Windows are [first use + k x 30 days, + 30 days) in UTC milliseconds. Each is given at most once, when
the team first reserves in it, and what is unused lapses at its end, so nothing accumulates. A clock
that goes back gives nothing. The first payment ends the allowance for good; the window that runs
then keeps its credit until its own end.

The operator's limit on free money holds for the whole installation: a team that is new, or that let
a whole window go by, is given an allowance only while the teams of the last two windows leave room
for it. Teams that keep coming never lose theirs to newcomers, and the allowances of any 30 days never
exceed the limit.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

ALLOWANCE_NANO_USD: Final = 5_000_000_000
WINDOW_MS: Final = 30 * 24 * 60 * 60 * 1_000


def window_due_ms(
    first_use_ms: int | None, newest_starts_ms: int | None, first_payment_ms: int | None, now_ms: int
) -> int | None:
    """Start of the window to be given at `now_ms`; None where none is due."""
    if first_payment_ms is not None:
        return None
    if first_use_ms is None:
        return now_ms
    starts_ms = first_use_ms + (now_ms - first_use_ms) // WINDOW_MS * WINDOW_MS
    if now_ms < first_use_ms or (newest_starts_ms is not None and starts_ms <= newest_starts_ms):
        return None
    return starts_ms


def next_at_ms(first_use_ms: int | None, first_payment_ms: int | None, now_ms: int) -> int | None:
    """When the window after the present one begins; None before the first use and after a payment."""
    if first_use_ms is None or first_payment_ms is not None:
        return None
    windows = max(now_ms - first_use_ms, 0) // WINDOW_MS + 1
    return first_use_ms + windows * WINDOW_MS


@dataclass(slots=True)
class FreeMoney:
    """The operator's limit, and what the teams of the last two windows take of it."""

    limit_nano_usd: int
    committed_nano_usd: int

    def room(self) -> bool:
        return self.committed_nano_usd + ALLOWANCE_NANO_USD <= self.limit_nano_usd

    def commit(self) -> None:
        self.committed_nano_usd += ALLOWANCE_NANO_USD


def must_find_room(newest_starts_ms: int | None, now_ms: int) -> bool:
    """Whether a team with this newest window counts as new for the installation's limit."""
    return newest_starts_ms is None or newest_starts_ms <= counted_after_ms(now_ms)


def counted_after_ms(now_ms: int) -> int:
    """Teams whose newest window began after this instant take of the installation's limit."""
    return now_ms - 2 * WINDOW_MS
