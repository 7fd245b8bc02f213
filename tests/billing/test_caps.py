from __future__ import annotations

from datetime import UTC, datetime

import pytest

from billing.caps import WINDOWS, window_ends_ms, window_starts_ms


def ms(text: str) -> int:
    return int(datetime.fromisoformat(text).replace(tzinfo=UTC).timestamp() * 1_000)


@pytest.mark.parametrize(
    ("window", "now", "starts", "ends"),
    [
        ("day", "2028-02-29T00:00:00", "2028-02-29", "2028-03-01"),
        ("day", "2028-02-29T23:59:59.999", "2028-02-29", "2028-03-01"),
        ("week", "2026-11-22T23:59:59.999", "2026-11-16", "2026-11-23"),  # a Sunday
        ("week", "2026-11-23T00:00:00", "2026-11-23", "2026-11-30"),  # a Monday
        ("month", "2026-11-30T23:59:59.999", "2026-11-01", "2026-12-01"),
        ("month", "2026-12-31T12:00:00", "2026-12-01", "2027-01-01"),
        ("month", "2028-02-29T12:00:00", "2028-02-01", "2028-03-01"),
    ],
)
def test_windows_are_those_of_the_calendar_in_utc(window: str, now: str, starts: str, ends: str) -> None:
    no = WINDOWS[window]  # type: ignore[index]
    assert window_starts_ms(no, ms(now)) == ms(starts)
    assert window_ends_ms(no, ms(now)) == ms(ends)


def test_all_time_neither_begins_nor_ends() -> None:
    assert window_starts_ms(WINDOWS["total"], ms("2026-11-22")) == 0
    assert window_ends_ms(WINDOWS["total"], ms("2026-11-22")) is None
