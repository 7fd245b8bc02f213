"""For how long credit lasts, and how spending falls into a reader's days."""

from __future__ import annotations

from dataclasses import replace
from datetime import date
from zoneinfo import ZoneInfo

from billing import spending
from billing.allowance import WINDOW_MS
from billing.runway import ENOUGH_RUNS, forecast
from billing.statements import Balance, Wanted
from billing.usage import MONTH_MS, Pace, Spent
from tests.billing.bank import DAY_MS, START_MS, Bank, usd
from tests.billing.test_usage import usage_of

NOW_MS = 1_795_262_400_000  # 2026-11-21 12:00 UTC
PAID = Balance(usd("41"), 0, usd("41"), 0, 0, None, True)
FREE = Balance(usd("5"), 0, usd("5"), 0, usd("5"), NOW_MS + 10 * DAY_MS, False)
BERLIN = ZoneInfo("Europe/Berlin")


def pace(a_day: str, *, days: int = 7, runs: int = ENOUGH_RUNS) -> Pace:
    return Pace(usd(a_day) * days, runs, NOW_MS - days * DAY_MS, NOW_MS)


def days_left(balance: Balance, *paces: Pace) -> float | None:
    empty_at_ms = forecast(balance, paces, NOW_MS).empty_at_ms
    return None if empty_at_ms is None else (empty_at_ms - NOW_MS) / DAY_MS


def test_credit_that_was_bought_lasts_for_as_long_as_it_can_be_spent_at_this_pace() -> None:
    assert days_left(PAID, pace("1")) == 41


def test_with_too_few_runs_in_the_last_week_the_last_month_is_asked_and_then_nothing_is_said() -> None:
    few, month = pace("1", runs=ENOUGH_RUNS - 1), pace("2", days=30)
    assert days_left(PAID, few, month) == 20.5
    told = forecast(PAID, (few, replace(month, runs=3)), NOW_MS)
    assert (told.enough, told.empty_at_ms, told.pace.runs) == (False, None, 3)


def test_the_allowances_to_come_are_reckoned_with_and_what_is_left_of_one_lapses() -> None:
    assert days_left(FREE, pace("1")) == 5
    assert days_left(FREE, pace("0.40")) == 10 + 12.5  # 1 dollar lapses; then 5 dollars at 0.40 a day
    with_more = replace(FREE, balance_nano_usd=usd("6"), available_nano_usd=usd("6"))
    assert days_left(with_more, pace("0.80")) == 7.5
    assert days_left(with_more, pace("0.55")) == 10 + 10  # 50 cents of other credit are left by then
    assert days_left(FREE, pace("0.10")) is None


def test_where_nothing_was_charged_credit_does_not_run_out() -> None:
    assert days_left(PAID, pace("0")) is None


def spent(hours_ago: float, cost: str, model: str = "lab/fast", **facts: object) -> Spent:
    at_ms = NOW_MS - round(hours_ago * 3_600_000)
    return replace(Spent(at_ms, model, 7, None, "paid", usd(cost), 1), **facts)  # type: ignore[arg-type]


def test_a_day_is_the_readers_own() -> None:
    lately = (spent(12.5, "1"), spent(13.5, "2"))  # 23:30 and 22:30 UTC: after and before midnight in Berlin
    days = spending.days_of(lately, NOW_MS, 30, BERLIN)
    assert (len(days), days[-1]) == (7, date(2026, 11, 21))
    (band,) = spending.bands(lately, "model", days, BERLIN)
    assert band.charged_nano_usd[-2:] == (usd("2"), usd("1"))
    (band,) = spending.bands(lately, "model", days, ZoneInfo("UTC"))
    assert band.charged_nano_usd[-2:] == (usd("3"), 0)
    assert spending.first_ms(NOW_MS, 1, BERLIN) == NOW_MS - 13 * 3_600_000


def test_demonstration_is_never_in_one_band_with_paid_spending() -> None:
    lately = (spent(1, "1"), spent(2, "2", series="demonstration"), spent(3, "3", key_id=4))
    days = spending.days_of(lately, NOW_MS, 30, BERLIN)
    by_member = spending.bands(lately, "member", days, BERLIN)
    assert [(band.subject, band.series, band.total_nano_usd) for band in by_member] == [
        (7, "paid", usd("4")),
        (7, "demonstration", usd("2")),
    ]
    assert [band.subject for band in spending.bands(lately, "key", days, BERLIN)] == [4, None, None]


def test_beyond_nine_models_the_small_ones_are_put_together_and_nothing_is_lost() -> None:
    lately = tuple(spent(1, f"{no}", f"lab/{no}") for no in range(1, 13))
    days = spending.days_of(lately, NOW_MS, 30, BERLIN)
    bands = spending.bands(lately, "model", days, BERLIN)
    assert (len(bands), bands[-1].rest, bands[-1].total_nano_usd) == (10, True, usd("6"))
    assert sum(band.total_nano_usd for band in bands) == usd("78")


def test_what_is_read_of_a_ledger_is_what_was_charged(bank: Bank) -> None:
    bank.spend("1")
    bank.pass_time(days=2)
    bank.spend("0.5")
    bank.settle(bank.reserve("2"), "9")  # more than there is: the rest is written off
    usage = usage_of(bank)
    lately = usage.spent(1, START_MS + DAY_MS)
    assert [(each.charged_nano_usd, each.runs) for each in lately] == [(usd("4"), 2)]
    everything = usage.spent(1, 0)
    assert sum(each.charged_nano_usd for each in everything) == bank.balance().total_used_nano_usd
    assert usage.pace(1, bank.now_ms, MONTH_MS).spent_nano_usd == usd("5")
    assert WINDOW_MS == MONTH_MS


def test_entries_can_be_asked_for_by_what_they_are(bank: Bank) -> None:
    bank.spend("1")
    bank.pass_time(days=2)
    bank.pay("10")
    bank.spend("0.5")
    told = bank.statements.told(1)
    assert [kind.name for kind in told.kinds] == ["ALLOWANCE", "PAYMENT", "SETTLE"]
    assert (told.models, told.user_ids, told.keys) == (("lab/fast",), (7,), ("pages",))

    def found(wanted: Wanted) -> list[int]:
        return [entry.seq for entry in bank.statements.entries(1, 50, None, wanted)]

    assert found(Wanted()) == [4, 3, 2, 1]
    assert found(Wanted(kinds=told.kinds[1:])) == [4, 3, 2]
    assert found(Wanted(model="lab/fast")) == found(Wanted(key="pages")) == [4, 2]
    assert found(Wanted(user_id=7)) == [4, 3, 2]
    assert found(Wanted(user_id=8)) == found(Wanted(key=1)) == found(Wanted(model="lab/slow")) == []
    assert found(Wanted(to_ms=START_MS + DAY_MS)) == [2, 1]
    assert found(Wanted(from_ms=START_MS + DAY_MS, to_ms=START_MS + 3 * DAY_MS)) == [4, 3]
    assert [each.seq for each in bank.statements.entries(1, 1, 4, Wanted(key="pages"))] == [2]
