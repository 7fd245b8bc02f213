"""Windows of the calendar in a zone: a day from its midnight, a week from Monday, a month from its first
day. Pure arithmetic on UTC milliseconds; where clocks are changed a day has 23 or 25 hours.

Schedules (`recurring.py`) and invoices go by UTC, spending caps by a zone of their own.
"""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta
from functools import lru_cache
from typing import Final
from zoneinfo import ZoneInfo

from billing.commands import CalendarWindow

WINDOWS: Final[dict[CalendarWindow, int]] = {"total": 0, "day": 1, "week": 2, "month": 3}
TOTAL: Final = 0
_DAY, _WEEK, _MONTH = 1, 2, 3

DAY_MS: Final = 24 * 60 * 60 * 1_000


def is_zone(name: str) -> bool:
    """Whether there is such a zone, as `Europe/Berlin` names one."""
    try:
        ZoneInfo(name)
    except (LookupError, ValueError, OSError):  # OSError: a path that is no file
        return False
    return True


def window_starts_ms(window: int, now_ms: int, zone: str = "UTC") -> int:
    """Start of the window that `now_ms` lies in; 0 for all time."""
    return 0 if window == TOTAL else _edges(window, _day_of(now_ms, zone), zone, now_ms)[0]


def window_ends_ms(window: int, now_ms: int, zone: str = "UTC") -> int | None:
    """When the window that `now_ms` lies in ends; None for all time."""
    return None if window == TOTAL else _edges(window, _day_of(now_ms, zone), zone, now_ms)[1]


def _edges(window: int, day: date, zone: str, now_ms: int) -> tuple[int, int]:
    first = day
    if window == _WEEK:
        first = day - timedelta(days=day.weekday())
    elif window == _MONTH:
        first = day.replace(day=1)
    if window == _MONTH:
        years, month = divmod(first.month, 12)
        following = first.replace(year=first.year + years, month=month + 1)
    else:
        following = first + timedelta(days=7 if window == _WEEK else 1)
    starts_ms, ends_ms = _midnight_ms(first, zone), _midnight_ms(following, zone)
    if ends_ms <= now_ms:  # clocks went back over midnight, and the day goes on
        ends_ms = _midnight_ms(following, zone, fold=1)
    return min(starts_ms, now_ms), max(ends_ms, now_ms + 1)


def _day_of(now_ms: int, zone: str) -> date:
    return datetime.fromtimestamp(now_ms // 1_000, UTC).astimezone(ZoneInfo(zone)).date()


@lru_cache(maxsize=256)
def _midnight_ms(day: date, zone: str, fold: int = 0) -> int:
    """A day's first instant; where clocks skip midnight, that at which they do."""
    midnight = datetime(day.year, day.month, day.day, tzinfo=ZoneInfo(zone), fold=fold)
    return int(midnight.timestamp()) * 1_000
