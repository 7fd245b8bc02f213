"""Credit that comes again: each window once, whoever gives, and nothing that has ended."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime

import pytest

from billing import recurring
from billing.commands import Grant, Granted
from billing.errors import LedgerUnavailable
from billing.recurring import Every, RecurringGrants, due
from billing.tables import RecurringGrantRow
from store.databases import Databases
from tests.billing.bank import Bank, usd
from tests.databases import Home


def at(text: str) -> int:
    return int(datetime.fromisoformat(text).replace(tzinfo=UTC).timestamp() * 1_000)


def row(every: Every, carry_over: int | None = 0, since: str = "2026-11-18T12:00") -> RecurringGrantRow:
    return RecurringGrantRow(
        team_id=1,
        amount_nano_usd=1,
        every=every,
        carry_over_windows=carry_over,
        reason="r",
        starts_ms=at(since),
    )


@pytest.mark.parametrize(
    ("every", "starts", "ends"),
    [
        ("day", "2026-11-18", "2026-11-19"),
        ("week", "2026-11-16", "2026-11-23"),
        ("month", "2026-11-01", "2026-12-01"),
    ],
)
def test_the_window_that_runs_is_given_in_full(every: Every, starts: str, ends: str) -> None:
    (window,) = due(row(every), at("2026-11-18T12:00"))
    assert (window.starts_ms, window.ends_ms, window.expires_ms) == (at(starts), at(ends), at(ends))


def test_a_month_is_a_month_of_the_calendar() -> None:
    windows = due(row("month", None, "2027-12-31"), at("2028-03-01"))
    assert [window.starts_ms for window in windows] == [
        at("2027-12-01"),
        at("2028-01-01"),
        at("2028-02-01"),
        at("2028-03-01"),
    ]


def test_windows_that_went_by_are_made_up_for_as_far_as_their_credit_lives() -> None:
    now_ms = at("2026-11-25T00:00")
    assert len(due(row("day", 0), now_ms)) == 1
    assert [window.expires_ms for window in due(row("day", 2), now_ms)] == [
        at("2026-11-26"), at("2026-11-27"), at("2026-11-28")
    ]  # fmt: skip
    assert len(due(row("day", None), now_ms)) == 8


def test_what_was_given_is_not_due_again_and_nothing_is_before_the_start_or_after_the_end() -> None:
    given = row("day")
    given.given_until_ms = at("2026-11-21")
    assert due(given, at("2026-11-20T23:59")) == ()
    assert due(given, at("2026-11-15")) == ()  # a clock that went back
    assert len(due(given, at("2026-11-21"))) == 1
    given.ends_ms = at("2026-11-21")
    assert due(given, at("2026-11-21")) == ()
    assert due(row("day", since="2026-12-01"), at("2026-11-30")) == ()


@pytest.fixture
def databases(home: Home) -> Databases:
    return home.open()


class Clerk:
    """Gives from a real ledger, and may be told to fail."""

    def __init__(self, bank: Bank, databases: Databases) -> None:
        self.bank, self.fails, self.asked = bank, False, 0
        self.grants = RecurringGrants(databases.app, self.grant, now_ms=lambda: bank.now_ms)

    async def grant(self, command: Grant) -> Granted:
        self.asked += 1
        if self.fails:
            raise LedgerUnavailable("away")
        granted = self.bank.do(command)
        assert isinstance(granted, Granted)
        return granted


def schedule(databases: Databases, bank: Bank, amount: str, every: Every, carry_over: int | None = 0) -> int:
    with databases.app.session() as session:
        return recurring.add(session, 1, usd(amount), every, carry_over, "for tests", bank.now_ms)


async def test_a_month_of_credit_comes_and_goes_with_its_month(
    databases: Databases, sqlite_bank: Bank
) -> None:
    clerk = Clerk(sqlite_bank, databases)
    sqlite_bank.now_ms = at("2026-11-18")
    schedule(databases, sqlite_bank, "10", "month")
    assert await clerk.grants.give_due() == 1
    assert await clerk.grants.give_due() == 0
    sqlite_bank.spend("12")  # $5 of allowance, then $7
    assert sqlite_bank.available() == usd("3")
    sqlite_bank.now_ms = at("2026-12-01")
    assert await clerk.grants.give_due() == 1
    assert sqlite_bank.available() == usd("10")
    assert "payment" not in sqlite_bank.kinds()
    assert not sqlite_bank.balance().ends_allowance


async def test_ten_processes_that_give_at_once_give_once(databases: Databases, sqlite_bank: Bank) -> None:
    clerks = [Clerk(sqlite_bank, databases) for _ in range(10)]
    schedule(databases, sqlite_bank, "1", "day")
    await asyncio.gather(*(clerk.grants.give_due() for clerk in clerks))
    assert sqlite_bank.kinds() == ["grant"]
    assert sum(clerk.asked for clerk in clerks) > 1


async def test_what_fails_is_given_the_next_time_in_order(databases: Databases, sqlite_bank: Bank) -> None:
    clerk = Clerk(sqlite_bank, databases)
    schedule(databases, sqlite_bank, "1", "day", None)
    clerk.fails = True
    sqlite_bank.pass_time(days=2)
    assert await clerk.grants.give_due() == 0
    clerk.fails = False
    assert await clerk.grants.give_due() == 3
    assert sqlite_bank.available() - usd("5") == usd("3")


async def test_an_ended_schedule_keeps_what_it_gave(databases: Databases, sqlite_bank: Bank) -> None:
    clerk = Clerk(sqlite_bank, databases)
    number = schedule(databases, sqlite_bank, "1", "day", None)
    await clerk.grants.give_due()
    with databases.app.session() as session:
        assert recurring.end(session, number, sqlite_bank.now_ms) is not None
        assert recurring.end(session, 99, sqlite_bank.now_ms) is None
    sqlite_bank.pass_time(days=1)
    assert await clerk.grants.give_due() == 0
    assert sqlite_bank.kinds() == ["grant"]
