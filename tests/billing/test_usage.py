"""What was used, read back from settled runs, on both engines; and asking instead of reserving."""

from __future__ import annotations

import itertools

import pytest

from billing.commands import Facts, Line, Settle
from billing.errors import BillingError, FreeCreditExhausted, InsufficientCredits
from billing.money import cost_nano_usd
from billing.usage import LEAST_PACE_MS, PACE_WINDOW_MS, Pace, Usage
from tests.billing.bank import DAY_MS, START_MS, Bank, usd
from tests.billing.bank_postgresql import PostgresqlBank
from tests.billing.conftest import OpenBank

_AMOUNTS = ("7", "4", "0.50", "0.01")  # dearest first: the least that will do is never above what is asked


def usage_of(bank: Bank) -> Usage:
    where = bank.url if isinstance(bank, PostgresqlBank) else bank.path
    return Usage(where, bank.statements)


def run(bank: Bank, output: int, *, model: str = "lab/fast", estimated: bool = False, team: int = 1) -> str:
    facts = Facts(model=model, provider="lab", price_version="v1", user_id=7, key_id=3, tags=("a", "b"))
    hold = bank.do(bank.asking("0.01", team=team, facts=facts))
    lines = tuple(line for line in (Line("input", 10, 1_000), Line("output", output, 2_000)) if line.quantity)
    bank.do(Settle(hold, lines, cost_nano_usd(lines), facts, estimated))  # type: ignore[arg-type]
    return hold.run_id  # type: ignore[union-attr]


def test_lengths_are_those_of_the_model_newest_first_and_of_whole_answers_alone(bank: Bank) -> None:
    for output in (5, 0, 30):
        run(bank, output)
    run(bank, 1_000, model="lab/other")
    run(bank, 2, estimated=True)  # stopped: says nothing of how long answers are
    run(bank, 77, team=2)
    bank.void(bank.reserve())
    usage = usage_of(bank)
    assert usage.output_lengths(1, "lab/fast") == (30, 0, 5)
    assert usage.output_lengths(1, "lab/other") == (1_000,)
    assert usage.output_lengths(2, "lab/fast") == (77,)
    assert usage.output_lengths(3, "lab/fast") == ()


def test_a_thousand_answers_cost_no_more_to_read_than_two_hundred(sqlite_bank: Bank) -> None:
    for output in range(230):
        run(sqlite_bank, output + 1)
    assert usage_of(sqlite_bank).output_lengths(1, "lab/fast") == tuple(range(230, 30, -1))


def test_settled_runs_come_back_whole_and_by_their_time(bank: Bank) -> None:
    first = run(bank, 5)
    bank.pass_time(days=1)
    second = run(bank, 6, estimated=True)
    bank.grant("3")
    bank.pass_time(days=1)
    run(bank, 7)
    usage = usage_of(bank)
    found = list(usage.settled(1, START_MS, START_MS + 2 * DAY_MS))
    assert [one.run_id for one in found] == [first, second]
    one = found[1]
    assert (one.at_ms, one.model, one.provider, one.price_version) == (
        START_MS + DAY_MS,
        "lab/fast",
        "lab",
        "v1",
    )
    assert (one.user_id, one.key_id, one.tags, one.estimated) == (7, 3, ("a", "b"), True)
    assert one.lines == (Line("input", 10, 1_000), Line("output", 6, 2_000))
    assert one.cost_nano_usd == 22
    assert list(usage.settled(1, START_MS, START_MS + 9 * DAY_MS, "other")) == []
    assert list(usage.settled(1, START_MS + 3 * DAY_MS, START_MS + 9 * DAY_MS)) == []
    assert usage.teams() == (1,)


def test_settled_runs_are_read_in_pages_without_gaps(sqlite_bank: Bank) -> None:
    runs = [run(sqlite_bank, output % 7) for output in range(1_203)]
    found = list(usage_of(sqlite_bank).settled(1, 0, START_MS + 1))
    assert [one.run_id for one in found] == runs


def test_what_the_operator_bore_is_no_pace_of_the_team(bank: Bank) -> None:
    bank.spend("1")
    hold = bank.reserve("0.10", team=1)
    bank.settle(hold, "9")  # $4 of credit is left: the rest is written off
    pace = usage_of(bank).pace(1, bank.now_ms)
    assert (pace.spent_nano_usd, pace.runs) == (usd("5"), 2)


def test_the_pace_is_that_of_the_last_week_and_never_of_less_than_a_day(bank: Bank) -> None:
    usage = usage_of(bank)
    bank.spend("0.10")
    assert usage.pace(1, START_MS) == Pace(usd("0.10"), 1, START_MS - LEAST_PACE_MS, START_MS)
    bank.pass_time(days=3)
    bank.spend("0.20")
    assert usage.pace(1, bank.now_ms) == Pace(usd("0.30"), 2, START_MS, bank.now_ms)
    bank.pass_time(days=5)
    assert usage.pace(1, bank.now_ms) == Pace(usd("0.20"), 1, bank.now_ms - PACE_WINDOW_MS, bank.now_ms)


@pytest.mark.parametrize(
    ("spent", "left", "lasts_ms"),
    [(usd("1"), usd("10"), 10 * DAY_MS), (0, usd("10"), None), (usd("1"), 0, 0), (usd("1"), -5, 0)],
)
def test_credit_lasts_for_as_long_as_the_pace_says(spent: int, left: int, lasts_ms: int | None) -> None:
    assert Pace(spent, 3, 0, DAY_MS).lasts_ms(left) == lasts_ms


@pytest.mark.parametrize(
    ("amount", "least"),
    [
        ("0", "0"),
        *((amount, least) for amount, least in itertools.combinations_with_replacement(_AMOUNTS, 2)),
    ],
)
def test_asking_says_what_reserving_does(bank: Bank, amount: str, least: str) -> None:
    """In amount, in error, and in the error's figures; and asking changes nothing."""
    scopes = (("tag", "x"), ("key", "7"), ("team", "1"))
    bank.spend("0.75")
    bank.reserve("0.25")
    bank.cap("3.10", "team", "1", window="month")
    bank.cap("0.40", "key", "7", window="day")
    bank.cap(None, "tag", "x")
    told = _outcome(
        lambda: usage_of(bank).would_hold(1, usd(amount), usd(least), scopes, bank.now_ms).amount_nano_usd
    )
    done = _outcome(lambda: bank.reserve(amount, least=least, scopes=scopes).amount_nano_usd)
    assert told == done


def test_a_team_that_never_asked_is_told_of_its_allowance_and_then_given_it(bank: Bank) -> None:
    found = usage_of(bank).would_hold(9, usd("7"), usd("1"), (), bank.now_ms)
    assert (found.amount_nano_usd, found.available_nano_usd) == (usd("5"), usd("5"))
    assert bank.reserve("7", least="1", team=9).amount_nano_usd == usd("5")


def test_a_team_without_room_for_its_allowance_is_told_so(open_bank: OpenBank) -> None:
    bank = open_bank(free_money_limit="5")
    bank.spend("0.01", team=1)
    ask = usage_of(bank).would_hold
    with pytest.raises(FreeCreditExhausted):
        ask(2, usd("1"), usd("1"), (), bank.now_ms)
    with pytest.raises(InsufficientCredits):
        ask(2, usd("6"), usd("6"), (), bank.now_ms)
    bank.grant("2", team=2)
    assert ask(2, usd("6"), usd("1"), (), bank.now_ms).amount_nano_usd == usd("2")


def test_the_accounts_of_an_entry_are_those_that_paid(bank: Bank) -> None:
    bank.spend("4")
    bank.pay("10")
    receipt = bank.spend("3")
    allowance, payment = usage_of(bank).accounts_of_entry(1, receipt.entry_seq)
    assert (allowance.kind.name, allowance.free_nano_usd) == ("ALLOWANCE", 0)
    assert allowance.expires_ms == START_MS + 30 * DAY_MS
    assert (payment.kind.name, payment.free_nano_usd, payment.expires_ms) == ("PAYMENT", usd("8"), None)


def _outcome(work: object) -> object:
    try:
        return work()  # type: ignore[operator]
    except BillingError as error:
        return type(error), vars(error)
