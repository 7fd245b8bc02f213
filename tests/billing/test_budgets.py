"""Caps as people use them: set, filled, told of, changed and looked at; on both engines."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from datetime import datetime
from pathlib import Path
from zoneinfo import ZoneInfo

import pytest

from billing.budgets import Budgets
from billing.commands import CapSet, Reserve, SetCap, Settle
from billing.errors import BillingError, CapReached, LedgerBug
from billing.money import cost_nano_usd
from tests.billing.bank import DAY_MS, START_MS, Bank, bill, usd
from tests.billing.bank_postgresql import PostgresqlBank

TEAM = (("team", "1"),)
HOUR_MS = 60 * 60 * 1_000


def budgets(bank: Bank) -> Budgets:
    return Budgets(bank.url if isinstance(bank, PostgresqlBank) else bank.path)


def told(bank: Bank) -> list[tuple[int, bool]]:
    """The percents of all alerts, oldest first, and whether an entry crossed them."""
    return [(alert.percent, alert.entry_seq is not None) for alert in budgets(bank).alerts(0)]


def spend(bank: Bank, amount: str) -> None:
    bank.settle(bank.reserve(amount, scopes=TEAM), amount)


def go_to(bank: Bank, local: str, zone: str) -> None:
    at_ms = round(datetime.fromisoformat(local).replace(tzinfo=ZoneInfo(zone)).timestamp() * 1_000)
    bank.now_ms, bank.latest_ms = at_ms, max(at_ms, bank.latest_ms)


def test_each_threshold_is_told_once_a_window_with_the_entry_that_crossed_it(bank: Bank) -> None:
    bank.grant("100")
    bank.cap("1", *TEAM[0], window="day")
    for amount in ("0.30", "0.30", "0.10", "0.15", "0.10"):
        spend(bank, amount)
    assert told(bank) == [(50, True), (80, True)]
    assert [alert.spent_nano_usd for alert in budgets(bank).alerts(0)] == [usd("0.60"), usd("0.85")]
    spend(bank, "0.05")
    bank.restart()
    with pytest.raises(CapReached):
        spend(bank, "0.01")
    assert told(bank) == [(50, True), (80, True), (100, True)]
    bank.pass_time(days=1)
    spend(bank, "0.90")
    assert told(bank)[3:] == [(50, True), (80, True)]
    assert len({alert.key for alert in budgets(bank).alerts(0)}) == 5
    assert budgets(bank).alerts(bank.now_ms, 1) == budgets(bank).alerts(0)[3:]
    assert budgets(bank).alerts(0, 2) == ()


def test_one_entry_may_cross_several_thresholds_and_the_owner_says_which_there_are(bank: Bank) -> None:
    bank.cap("1", *TEAM[0], alert_at=(10, 25, 90))
    bank.cap("4", "tag", "ci", alert_at=())
    bank.settle(bank.reserve("0.30", scopes=(("tag", "ci"), *TEAM)), "0.30")
    assert told(bank) == [(10, True), (25, True)]


def test_a_cap_that_turns_a_request_away_is_told_as_its_last_threshold_once(bank: Bank) -> None:
    bank.cap("1", *TEAM[0], window="month")
    spend(bank, "0.90")
    for _ in range(2):
        with pytest.raises(CapReached):
            bank.reserve("0.20", scopes=TEAM)
        bank.restart()
    assert told(bank) == [(50, True), (80, True), (100, False)]


def test_a_request_too_large_for_an_empty_cap_or_one_that_waits_for_a_hold_tells_nothing(bank: Bank) -> None:
    bank.cap("1", *TEAM[0])
    with pytest.raises(CapReached):
        bank.reserve("1.01", scopes=TEAM)
    bank.reserve("0.90", scopes=TEAM)
    with pytest.raises(CapReached):
        bank.reserve("0.20", scopes=TEAM)
    assert told(bank) == []


def test_a_new_limit_tells_anew_and_each_change_is_a_row_with_who_made_it(bank: Bank) -> None:
    first = bank.cap("1", *TEAM[0], window="day", actor=7)
    spend(bank, "0.60")
    assert bank.cap("1", *TEAM[0], window="day", actor=8) == first  # nothing changed
    assert bank.cap("2", *TEAM[0], window="day", actor=8) == CapSet(1, first.no, 2)
    spend(bank, "0.50")
    bank.cap(None, *TEAM[0], window="day", actor=None)
    assert [(alert.percent, alert.limit_nano_usd) for alert in budgets(bank).alerts(0)] == [
        (50, usd("1")),
        (50, usd("2")),
    ]
    changes = budgets(bank).changes(1)
    assert [(change.no, change.actor_user_id, change.limit_nano_usd) for change in reversed(changes)] == [
        (1, 7, usd("1")),
        (2, 8, usd("2")),
        (3, None, None),
    ]
    assert budgets(bank).caps(1, bank.now_ms) == ()


def test_a_cap_is_shown_with_what_is_spent_held_and_left_in_its_window(bank: Bank) -> None:
    bank.cap("1", *TEAM[0], window="rolling", days=7)
    bank.cap("5", "key", "3", window="day", zone="Europe/Berlin")
    spend(bank, "0.60")
    bank.pass_time(days=3)
    bank.reserve("0.15", scopes=TEAM)
    rolling, daily = budgets(bank).caps(1, bank.now_ms)
    assert (rolling.window, rolling.days, rolling.window_ends_ms) == ("rolling", 7, None)
    assert (rolling.spent_nano_usd, rolling.held_nano_usd) == (usd("0.60"), usd("0.15"))
    assert (rolling.remaining_nano_usd, rolling.told) == (usd("0.25"), (50,))
    assert daily.spent_nano_usd == 0
    assert daily.window_starts_ms <= bank.now_ms < (daily.window_ends_ms or 0)
    (later, _) = budgets(bank).caps(1, bank.now_ms + 5 * DAY_MS)
    assert (later.spent_nano_usd, later.told) == (0, ())


def test_a_rolling_cap_frees_what_was_spent_as_it_grows_old_and_says_when(bank: Bank) -> None:
    bank.grant("100")
    bank.cap("1", *TEAM[0], window="rolling", days=1)
    spend(bank, "0.40")
    bank.pass_time(ms=6 * HOUR_MS)
    spend(bank, "0.60")
    with pytest.raises(CapReached) as reached:
        spend(bank, "0.30")
    resets_ms = reached.value.resets_at_ms
    assert resets_ms is not None
    assert START_MS + DAY_MS <= resets_ms <= START_MS + DAY_MS + HOUR_MS // 4
    bank.restart()
    bank.now_ms = resets_ms - 1
    with pytest.raises(CapReached):
        spend(bank, "0.30")
    bank.now_ms = resets_ms
    spend(bank, "0.40")
    with pytest.raises(CapReached):
        spend(bank, "0.01")


@pytest.mark.parametrize(
    ("zone", "eve", "same_day", "next_day"),
    [
        ("Europe/Berlin", "2026-03-28T23:30", "2026-03-29T00:10", "2026-03-30T00:00"),  # 23 hours
        ("Europe/Berlin", "2026-10-24T23:30", "2026-10-25T00:10", "2026-10-26T00:00"),  # 25 hours
        ("America/Havana", "2026-03-07T23:30", "2026-03-08T01:10", "2026-03-09T00:00"),  # no midnight
        ("Pacific/Kiritimati", "2026-05-01T23:30", "2026-05-02T00:10", "2026-05-03T00:00"),  # UTC+14
        ("America/Los_Angeles", "2026-05-01T23:30", "2026-05-02T00:10", "2026-05-03T00:00"),
    ],
)
def test_a_day_of_a_cap_is_its_zones_day_also_where_clocks_are_changed(
    bank: Bank, zone: str, eve: str, same_day: str, next_day: str
) -> None:
    bank.now_ms = START_MS - 300 * DAY_MS
    bank.grant("100")
    bank.cap("1", *TEAM[0], window="day", zone=zone)
    go_to(bank, eve, zone)
    spend(bank, "1")
    go_to(bank, same_day, zone)
    spend(bank, "1")
    with pytest.raises(CapReached) as reached:
        spend(bank, "0.01")
    ends_ms = reached.value.resets_at_ms
    go_to(bank, next_day, zone)
    assert ends_ms == bank.now_ms
    bank.pass_time(ms=-1)
    with pytest.raises(CapReached):
        spend(bank, "0.01")
    bank.pass_time(ms=1)
    spend(bank, "1")


def test_the_first_window_of_a_cap_is_its_zones_too(bank: Bank) -> None:
    go_to(bank, "2026-11-20T23:30", "Asia/Tokyo")
    bank.cap("1", *TEAM[0], window="day", zone="Asia/Tokyo")
    (cap,) = budgets(bank).caps(1, bank.now_ms)
    assert (cap.window_ends_ms or 0) - bank.now_ms == HOUR_MS // 2
    assert bank.now_ms - cap.window_starts_ms == 23 * HOUR_MS + HOUR_MS // 2


def test_a_clock_that_goes_back_opens_no_window_again_and_tells_nothing_twice(bank: Bank) -> None:
    bank.grant("100")
    bank.cap("1", *TEAM[0], window="day")
    bank.cap("1", "key", "1", window="rolling", days=1)
    both = (("key", "1"), *TEAM)
    bank.settle(bank.reserve("0.60", scopes=both), "0.60")
    for days in (-40, 39, -1):
        bank.pass_time(days=days)
        with pytest.raises(CapReached):
            bank.reserve("0.41", scopes=both)
    bank.settle(bank.reserve("0.30", scopes=both), "0.30")
    assert sorted(percent for percent, _ in told(bank)) == [50, 50, 80, 80, 100]  # of the key: the nearest
    bank.now_ms = bank.latest_ms
    bank.pass_time(days=40)
    bank.settle(bank.reserve("1", scopes=both), "1")


def test_another_zone_counts_from_the_next_window_on(bank: Bank) -> None:
    bank.grant("100")
    go_to(bank, "2026-11-20T12:00", "UTC")
    bank.cap("1", *TEAM[0], window="day")
    spend(bank, "0.70")
    bank.cap("1", *TEAM[0], window="day", zone="Asia/Tokyo")  # where the day ends at 15:00 UTC
    go_to(bank, "2026-11-20T16:00", "UTC")
    with pytest.raises(CapReached) as reached:
        spend(bank, "0.40")
    go_to(bank, "2026-11-21T00:00", "UTC")
    assert reached.value.resets_at_ms == bank.now_ms
    spend(bank, "0.40")
    go_to(bank, "2026-11-21T15:00", "UTC")
    spend(bank, "1")


def test_two_that_cross_a_threshold_in_one_batch_tell_it_once(bank: Bank) -> None:
    bank.cap("1", *TEAM[0])
    holds = [bank.reserve("0.45", scopes=TEAM) for _ in range(2)]
    settles = [Settle(hold, bill("0.45"), cost_nano_usd(bill("0.45")), hold.facts) for hold in holds]
    assert not any(isinstance(outcome, BillingError) for outcome in bank.together(*settles))
    assert told(bank) == [(50, True), (80, True)]


def test_two_requests_at_once_never_share_the_last_of_a_rolling_cap(bank: Bank) -> None:
    bank.cap("1", *TEAM[0], window="rolling", days=30)
    asked: list[Reserve] = [bank.asking("0.40", scopes=TEAM) for _ in range(4)]
    refused = [outcome for outcome in bank.together(*asked) if isinstance(outcome, CapReached)]
    assert len(refused) == 2


@pytest.mark.parametrize(
    "command",
    [
        SetCap(1, "galaxy", "1", 5),
        SetCap(1, "team", "", 5),
        SetCap(1, "team", "1", -1),
        SetCap(1, "team", "1", 5, "rolling"),
        SetCap(1, "team", "1", 5, "rolling", 367),
        SetCap(1, "team", "1", 5, "day", 3),
        SetCap(1, "team", "1", 5, "day", zone="Mars/Olympus"),
        SetCap(1, "team", "1", 5, "day", zone="../etc/passwd"),
        SetCap(1, "team", "1", 5, alert_at=(80, 50)),
        SetCap(1, "team", "1", 5, alert_at=(0,)),
        SetCap(1, "team", "1", 5, alert_at=(101,)),
    ],
)
def test_a_cap_that_makes_no_sense_is_refused(bank: Bank, command: SetCap) -> None:
    with pytest.raises(LedgerBug):
        bank.do(command)


def test_a_ledger_of_the_first_schema_keeps_its_caps_and_learns_the_new_ones(tmp_path: Path) -> None:
    path = tmp_path / "ledger.db"
    sql = Path(__file__).parents[2] / "billing" / "sql" / "sqlite.sql"
    with closing(sqlite3.connect(path)) as db:
        db.executescript(f"{sql.read_text(encoding='utf-8')}; PRAGMA user_version = 1;")
        db.execute(
            "INSERT INTO ledger_team VALUES (1, NULL, NULL, NULL, 0, zeroblob(32), 0, 0, 1, ?, 0, 0)",
            (START_MS,),
        )
        db.executemany(
            "INSERT INTO ledger_account VALUES (1, ?, 0, 0, 0, NULL, 0, 0)", [(no,) for no in range(-6, 0)]
        )
        day_ms = START_MS // DAY_MS * DAY_MS
        db.execute("INSERT INTO ledger_cap VALUES (1, 1, 'team', '1', 1, ?, ?, 0, 0)", (usd("1"), day_ms))
        db.commit()
    bank = Bank(path)
    (cap,) = budgets(bank).caps(1, START_MS)
    assert (cap.limit_nano_usd, cap.window_ends_ms, cap.alert_at) == (
        usd("1"),
        day_ms + DAY_MS,
        (50, 80, 100),
    )
    with pytest.raises(CapReached):
        bank.reserve("1.01", scopes=TEAM)
    bank.cap("0.50", *TEAM[0], window="rolling", days=2)
    spend(bank, "0.40")
    assert told(bank) == [(50, True), (80, True)]
    bank.journal.close()
    assert bank.findings() == []
