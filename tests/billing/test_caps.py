from __future__ import annotations

from datetime import UTC, datetime
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given, settings, strategies as st

from billing.caps import ROLLING, Cap, step_ms
from billing.commands import CalendarWindow
from billing.windows import DAY_MS, WINDOWS, window_ends_ms, window_starts_ms

HOUR_MS = 60 * 60 * 1_000
BERLIN = "Europe/Berlin"
# Clocks that change at two, at midnight in spring (the day begins at one), and at midnight in autumn.
ZONES = [
    "UTC",
    BERLIN,
    "America/Havana",
    "America/Sao_Paulo",
    "Asia/Beirut",
    "Pacific/Apia",
    "America/St_Johns",
]


def ms(text: str, zone: str = "UTC") -> int:
    return int(datetime.fromisoformat(text).replace(tzinfo=ZoneInfo(zone)).timestamp() * 1_000)


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
@pytest.mark.parametrize("zone", ["UTC", BERLIN, "Pacific/Kiritimati"])
def test_windows_are_those_of_the_calendar_in_their_zone(
    window: CalendarWindow, now: str, starts: str, ends: str, zone: str
) -> None:
    no = WINDOWS[window]
    assert window_starts_ms(no, ms(now, zone), zone) == ms(starts, zone)
    assert window_ends_ms(no, ms(now, zone), zone) == ms(ends, zone)


@pytest.mark.parametrize(
    ("zone", "now", "starts", "hours"),
    [
        (BERLIN, "2026-03-29T12:00", "2026-03-28T23:00", 23),
        (BERLIN, "2026-10-25T12:00", "2026-10-24T22:00", 25),
        ("America/Havana", "2026-03-08T12:00", "2026-03-08T05:00", 23),  # there is no midnight
        ("America/Havana", "2026-11-01T12:00", "2026-11-01T04:00", 25),  # there are two; the first counts
    ],
)
def test_a_day_has_23_or_25_hours_where_clocks_are_changed(
    zone: str, now: str, starts: str, hours: int
) -> None:
    day = WINDOWS["day"]
    assert window_starts_ms(day, ms(now, zone), zone) == ms(starts)
    assert window_ends_ms(day, ms(now, zone), zone) == ms(starts) + hours * HOUR_MS


@settings(max_examples=400, deadline=None)
@given(
    now_ms=st.integers(ms("2005-01-01"), ms("2037-12-31")),
    zone=st.sampled_from(ZONES),
    window=st.sampled_from([1, 2, 3]),
)
def test_every_instant_lies_in_its_window_and_windows_follow_each_other(
    now_ms: int, zone: str, window: int
) -> None:
    starts_ms, ends_ms = window_starts_ms(window, now_ms, zone), window_ends_ms(window, now_ms, zone)
    assert ends_ms is not None
    assert starts_ms <= now_ms < ends_ms
    days = round((ends_ms - starts_ms) / DAY_MS)
    assert days in {1: (1, 2), 2: (6, 7), 3: (28, 29, 30, 31)}[window]  # Apia once left out a day


def test_all_time_neither_begins_nor_ends() -> None:
    assert window_starts_ms(WINDOWS["total"], ms("2026-11-22"), BERLIN) == 0
    assert window_ends_ms(WINDOWS["total"], ms("2026-11-22"), BERLIN) is None


# --- rolling windows --------------------------------------------------------------------------------


def rolling(days: int, limit: int = 100) -> Cap:
    return Cap(1, "team", "1", ROLLING, limit, 0, 0, 0, days=days)


@pytest.mark.parametrize("days", [1, 7, 30, 366])
def test_what_was_spent_leaves_a_rolling_window_never_early_and_a_step_late_at_most(days: int) -> None:
    cap, at_ms = rolling(days), ms("2026-11-21T13:37:11")
    cap.spend(60, at_ms)
    length_ms = days * DAY_MS
    assert cap.spent_at(at_ms + length_ms - 1) == 60
    assert cap.spent_at(at_ms + length_ms + step_ms(days)) == 0
    resets_ms = cap.resets_at_ms(at_ms, 50)
    assert resets_ms is not None
    assert at_ms + length_ms <= resets_ms <= at_ms + length_ms + step_ms(days)
    assert cap.remaining_nano_usd(resets_ms - 1) == 40
    assert cap.remaining_nano_usd(resets_ms) == 100


def test_a_rolling_window_says_when_there_is_room_for_what_is_needed_and_not_only_when_it_is_empty() -> None:
    cap, at_ms = rolling(1), ms("2026-11-21")
    for hour, spent in ((0, 20), (6, 30), (12, 40)):
        cap.spend(spent, at_ms + hour * HOUR_MS)
    now_ms = at_ms + 13 * HOUR_MS
    quarter_ms = HOUR_MS // 4
    assert cap.resets_at_ms(now_ms, 30) == at_ms + DAY_MS + quarter_ms
    assert cap.resets_at_ms(now_ms, 31) == at_ms + 6 * HOUR_MS + DAY_MS + quarter_ms
    assert cap.resets_at_ms(now_ms, 100) == at_ms + 12 * HOUR_MS + DAY_MS + quarter_ms
    cap.hold(5)
    assert cap.resets_at_ms(now_ms, 100) is None
    assert cap.resets_at_ms(now_ms, 101) is None


@settings(max_examples=200, deadline=None)
@given(
    days=st.sampled_from([1, 7, 30, 90]),
    spends=st.lists(st.tuples(st.integers(0, 40 * DAY_MS), st.integers(1, 9)), max_size=40),
)
def test_a_rolling_window_counts_at_least_its_days_and_at_most_a_step_more(
    days: int, spends: list[tuple[int, int]]
) -> None:
    cap, now_ms, done = rolling(days, 10**9), ms("2026-01-01"), []
    for later_ms, amount in spends:
        now_ms += later_ms
        cap.spend(amount, now_ms)
        done.append((now_ms, amount))
        exactly = sum(amount for at_ms, amount in done if at_ms > now_ms - days * DAY_MS)
        most_ms = now_ms - days * DAY_MS - step_ms(days)
        assert exactly <= cap.spent_at(now_ms) <= sum(amount for at_ms, amount in done if at_ms > most_ms)
        assert cap.spent_nano_usd == sum(amount for at_ms, amount in done if at_ms >= cap.window_starts_ms)
        assert len(cap.steps) <= days * DAY_MS // step_ms(days) + 1


# --- what a cap tells -------------------------------------------------------------------------------


def test_a_threshold_of_a_rolling_window_is_told_again_only_after_the_windows_length() -> None:
    cap, at_ms = rolling(7), ms("2026-11-01", "UTC")
    cap.spend(50, at_ms)
    assert cap.tell(at_ms) == (50,)
    cap.spend(40, at_ms + 6 * DAY_MS)
    assert cap.tell(at_ms + 6 * DAY_MS) == (80,)
    cap.spend(20, at_ms + 8 * DAY_MS)  # the first 50 have gone: 60 of 100
    assert cap.spent_at(at_ms + 8 * DAY_MS) == 60
    assert cap.tell(at_ms + 7 * DAY_MS) == ()
    assert cap.tell(at_ms + 8 * DAY_MS) == (50,)
    assert cap.tell(at_ms + 8 * DAY_MS) == ()


def test_a_cap_of_nothing_has_nothing_to_tell() -> None:
    cap = Cap(1, "team", "1", WINDOWS["day"], 0, 0, 0, 0)
    assert cap.tell(datetime.now(UTC).microsecond, refused=True) == ()
