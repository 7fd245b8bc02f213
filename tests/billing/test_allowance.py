"""The $5 rule, at its edges."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from billing.errors import FreeCreditExhausted, InsufficientCredits
from tests.billing.bank import DAY_MS, START_MS, Bank, usd


def test_a_team_that_never_ran_anything_has_five_dollars_to_use(bank: Bank) -> None:
    balance = bank.balance()
    assert balance.available_nano_usd == balance.allowance_remaining_nano_usd == usd("5")
    assert (balance.next_allowance_at_ms, balance.ends_allowance) == (None, False)
    assert bank.kinds() == []


def test_the_window_begins_with_the_first_hold(bank: Bank) -> None:
    bank.pass_time(days=3)
    bank.reserve("1")
    assert bank.balance().next_allowance_at_ms == START_MS + 33 * DAY_MS


def test_a_millisecond_before_the_window_ends_nothing_new_is_given(bank: Bank) -> None:
    bank.spend("1")
    bank.pass_time(days=30, ms=-1)
    assert bank.available() == usd("4")
    bank.spend("1")
    assert bank.kinds() == ["allowance", "settle", "settle"]


def test_at_the_windows_end_the_rest_lapses_and_the_next_five_dollars_come(bank: Bank) -> None:
    bank.spend("1")
    bank.pass_time(days=30)
    assert bank.available() == usd("5")  # shown before any entry says so
    bank.spend("1")
    assert bank.kinds() == ["allowance", "settle", "lapse", "allowance", "settle"]
    assert bank.available() == usd("4")


def test_windows_that_nobody_used_are_not_made_up_for(bank: Bank) -> None:
    bank.spend("1")
    bank.pass_time(days=95)
    bank.spend("1")
    assert bank.kinds() == ["allowance", "settle", "lapse", "allowance", "settle"]
    assert bank.available() == usd("4")
    assert bank.balance().next_allowance_at_ms == START_MS + 120 * DAY_MS


def test_a_clock_that_goes_back_gives_nothing(bank: Bank) -> None:
    bank.pass_time(days=40)
    bank.spend("1")
    bank.pass_time(days=31)
    bank.spend("1")
    bank.pass_time(days=-71)
    with pytest.raises(InsufficientCredits):
        bank.reserve("4.01")
    bank.pass_time(days=71)
    with pytest.raises(InsufficientCredits):
        bank.reserve("4.01")
    assert bank.kinds().count("allowance") == 2


def test_a_hold_keeps_its_claim_past_the_windows_end_and_the_rest_lapses_at_once(bank: Bank) -> None:
    hold = bank.reserve("3")
    bank.pass_time(days=30)
    bank.reserve("5")
    assert bank.balance().held_nano_usd == usd("8")
    receipt = bank.settle(hold, "1")
    assert receipt.charged_nano_usd == usd("1")
    assert receipt.available_after_nano_usd == 0
    assert bank.kinds() == ["allowance", "lapse", "allowance", "settle", "lapse"]
    assert bank.statements.entries(1, 1)[0].amount_nano_usd == usd("-2")


def test_a_voided_hold_of_a_window_that_has_ended_lapses(bank: Bank) -> None:
    hold = bank.reserve("3")
    bank.pass_time(days=31)
    bank.void(hold)
    assert bank.kinds() == ["allowance", "lapse"]
    assert bank.available() == usd("5")


def test_a_payment_ends_the_allowance_for_good_but_not_what_is_running(bank: Bank) -> None:
    bank.spend("1")
    bank.pay("10")
    balance = bank.balance()
    assert balance.available_nano_usd == usd("14")
    assert (balance.ends_allowance, balance.next_allowance_at_ms) == (True, None)
    bank.pass_time(days=30)
    assert bank.available() == usd("10")
    bank.spend("1")
    assert bank.kinds() == ["allowance", "settle", "payment", "lapse", "settle"]
    with pytest.raises(InsufficientCredits) as refused:
        bank.reserve("9.01")
    assert refused.value.next_allowance_at_ms is None


def test_a_full_refund_does_not_bring_the_allowance_back(bank: Bank) -> None:
    bank.pay("10")
    bank.grant("-10", "adjustment")
    assert bank.available() == 0
    with pytest.raises(InsufficientCredits):
        bank.reserve("0.01")


def test_an_operators_grant_is_no_payment(bank: Bank) -> None:
    bank.grant("10")
    assert bank.available() == usd("15")
    bank.pass_time(days=65)
    assert bank.available() == usd("15")
    bank.reserve("15")


@pytest.fixture
def small(open_bank: Callable[..., Bank]) -> Bank:
    """An installation that gives ten dollars away in 30 days: two teams' allowance."""
    return open_bank(free_money_limit="10")


def test_past_the_limit_new_teams_are_refused_and_running_ones_keep_theirs(small: Bank) -> None:
    small.spend("1", team=1)
    small.spend("1", team=2)
    assert small.available(team=3) == 0
    with pytest.raises(FreeCreditExhausted):
        small.reserve("1", team=3)
    assert small.kinds(team=3) == []
    small.pass_time(days=31)
    assert small.available(team=3) == 0
    with pytest.raises(FreeCreditExhausted):
        small.reserve("1", team=3)
    small.spend("1", team=1)
    small.spend("1", team=2)
    assert small.available(team=1) == usd("4")
    assert small.findings() == []


def test_teams_that_stay_away_for_two_windows_leave_their_place_to_others(small: Bank) -> None:
    small.spend("1", team=1)
    small.spend("1", team=2)
    small.pass_time(days=60)
    small.spend("1", team=3)
    small.spend("1", team=2)
    with pytest.raises(FreeCreditExhausted):
        small.reserve("1", team=1)
    assert small.findings() == []


def test_the_limit_holds_within_one_batch(small: Bank) -> None:
    outcomes = small.together(*(small.asking("1", team=team) for team in range(1, 6)))
    assert [type(outcome).__name__ for outcome in outcomes] == ["Hold", "Hold"] + ["FreeCreditExhausted"] * 3


def test_credit_from_elsewhere_does_not_need_the_installations_free_money(small: Bank) -> None:
    small.spend("1", team=1)
    small.spend("1", team=2)
    small.grant("2", team=3)
    small.spend("2", team=3)
    with pytest.raises(FreeCreditExhausted):
        small.reserve("1", team=3)
    with pytest.raises(InsufficientCredits):
        small.reserve("6", team=3)
    small.pay("1", team=3)
    small.spend("1", team=3)
    with pytest.raises(InsufficientCredits):
        small.reserve("1", team=3)
    assert small.findings() == []
