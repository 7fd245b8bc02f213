"""Spending caps: what a team, member, key, tag, battle or batch may spend in a window; pure arithmetic.

A cap counts what is spent in its present window and what open holds set aside; a hold counts until
it ends, whatever the window. Windows are UTC: a day from midnight, a week from Monday, a month from
its first day, or all time.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Final

from billing.commands import CapWindow

WINDOWS: Final[dict[CapWindow, int]] = {"total": 0, "day": 1, "week": 2, "month": 3}
_TOTAL, _DAY, _WEEK, _MONTH = 0, 1, 2, 3

_DAY_MS = 24 * 60 * 60 * 1_000
_WEEK_MS = 7 * _DAY_MS
_FIRST_MONDAY_MS = 4 * _DAY_MS  # 5 January 1970


def window_starts_ms(window: int, now_ms: int) -> int:
    """Start of the window that `now_ms` lies in; 0 for all time."""
    if window == _DAY:
        return now_ms // _DAY_MS * _DAY_MS
    if window == _WEEK:
        return (now_ms - _FIRST_MONDAY_MS) // _WEEK_MS * _WEEK_MS + _FIRST_MONDAY_MS
    if window == _MONTH:
        return _month_ms(now_ms, 0)
    return 0


def window_ends_ms(window: int, now_ms: int) -> int | None:
    """When the window that `now_ms` lies in ends; None for all time."""
    if window == _TOTAL:
        return None
    if window == _MONTH:
        return _month_ms(now_ms, 1)
    return window_starts_ms(window, now_ms) + (_DAY_MS if window == _DAY else _WEEK_MS)


def _month_ms(now_ms: int, later: int) -> int:
    at = datetime.fromtimestamp(now_ms // 1_000, UTC)
    years, month = divmod(at.month - 1 + later, 12)
    return int(datetime(at.year + years, month + 1, 1, tzinfo=UTC).timestamp()) * 1_000


@dataclass(slots=True)
class Cap:
    no: int
    scope: str
    subject: str
    window: int
    limit_nano_usd: int | None
    window_starts_ms: int
    spent_nano_usd: int
    held_nano_usd: int

    def remaining_nano_usd(self, now_ms: int) -> int | None:
        """What may still be reserved, never below 0; None where the cap is switched off."""
        if self.limit_nano_usd is None:
            return None
        return max(self.limit_nano_usd - self._spent_at(now_ms) - self.held_nano_usd, 0)

    def resets_at_ms(self, now_ms: int) -> int | None:
        return window_ends_ms(self.window, now_ms)

    def hold(self, amount_nano_usd: int) -> None:
        self.held_nano_usd += amount_nano_usd

    def release(self, amount_nano_usd: int) -> None:
        self.held_nano_usd -= amount_nano_usd

    def spend(self, charged_nano_usd: int, now_ms: int) -> None:
        self.spent_nano_usd = self._spent_at(now_ms) + charged_nano_usd
        self.window_starts_ms = window_starts_ms(self.window, now_ms)

    def _spent_at(self, now_ms: int) -> int:
        same = self.window_starts_ms == window_starts_ms(self.window, now_ms)
        return self.spent_nano_usd if same else 0


def caps_on(caps: Iterable[Cap], scopes: Sequence[tuple[str, str]]) -> list[Cap]:
    """The caps of these scopes, in the order that the scopes are named in."""
    there = list(caps)
    return [cap for named in scopes for cap in there if (cap.scope, cap.subject) == named]
