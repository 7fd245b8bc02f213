"""For how long a team's credit lasts at its present pace; pure arithmetic.

The allowance is reckoned with: what is left of it lapses when the next one comes, and each is spent
before other credit. An operator's grants that end before are not.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from billing.allowance import ALLOWANCE_NANO_USD, WINDOW_MS
from billing.statements import Balance
from billing.usage import Pace

ENOUGH_RUNS: Final = 20
_FURTHEST_MS: Final = 10 * 365 * 24 * 60 * 60 * 1_000


@dataclass(frozen=True, slots=True)
class Runway:
    """`pace` is what it was reckoned from; `enough` says whether that had enough runs to tell anything.
    `empty_at_ms` is None where credit does not run out within ten years."""

    pace: Pace
    enough: bool
    empty_at_ms: int | None


def forecast(balance: Balance, paces: Sequence[Pace], now_ms: int) -> Runway:
    """From the first of `paces` with enough runs; the last one says that there are too few."""
    pace = next((pace for pace in paces if pace.runs >= ENOUGH_RUNS), paces[-1])
    if pace.runs < ENOUGH_RUNS:
        return Runway(pace, False, None)
    return Runway(pace, True, _empty_at_ms(balance, pace, now_ms))


def _empty_at_ms(balance: Balance, pace: Pace, now_ms: int) -> int | None:
    allowance = balance.allowance_remaining_nano_usd
    other = balance.available_nano_usd - allowance
    at_ms, next_at_ms = now_ms, balance.next_allowance_at_ms
    while at_ms - now_ms < _FURTHEST_MS:
        lasts_ms = pace.lasts_ms(allowance + other)
        if lasts_ms is None:
            return None
        if next_at_ms is None or at_ms + lasts_ms < next_at_ms:
            empty_at_ms = at_ms + lasts_ms
            return empty_at_ms if empty_at_ms - now_ms < _FURTHEST_MS else None
        used = pace.spent_nano_usd * (next_at_ms - at_ms) // (pace.to_ms - pace.from_ms)
        other -= max(0, used - allowance)
        allowance, at_ms, next_at_ms = ALLOWANCE_NANO_USD, next_at_ms, next_at_ms + WINDOW_MS
    return None
