import asyncio
from pathlib import Path

import pytest

from billing.commands import Grant
from billing.payments import Payments
from gateway.catalog import CatalogError
from gateway.tiers import Allowances, Rate, read_tiers, set_rate, tier_of
from tests.gateway.desk import desk

USD = 1_000_000_000
TIERS = read_tiers()


def test_the_tiers_are_those_that_were_read_of_codex_mini() -> None:
    assert [(tier.no, tier.rate.requests, tier.rate.tokens) for tier in TIERS] == [
        (1, 1_000, 100_000),
        (2, 2_000, 200_000),
        (3, 5_000, 4_000_000),
        (4, 10_000, 10_000_000),
        (5, 30_000, 150_000_000),
    ]


@pytest.mark.parametrize(
    ("paid_usd", "least", "no"),
    [
        (0, 1, 1),
        (49, 1, 1),
        (50, 1, 2),
        (99, 1, 2),
        (100, 1, 3),
        (999, 1, 4),
        (1000, 1, 5),
        (0, 5, 5),
        (1000, 9, 5),
    ],
)
def test_a_tier_rises_with_what_was_paid_and_is_never_below_the_least(
    paid_usd: int, least: int, no: int
) -> None:
    assert tier_of(TIERS, paid_usd * USD, least).no == no


def test_an_installation_has_tiers_of_its_own() -> None:
    own = {"no": 1, "paid_usd": "0", "requests_per_minute": 10, "tokens_per_minute": 500}
    assert [tier.rate for tier in read_tiers([own])] == [Rate(10, 500)]


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"paid_usd": "five"}, "tiers[0]"),
        ({"requests_per_minute": 0}, "1 or more"),
        ({"requests": 3}, "requests"),
        ({"paid_usd": "5"}, 'paid_usd` "0"'),
    ],
)
def test_a_table_that_cannot_be_is_refused_in_words(change: dict[str, object], said: str) -> None:
    table = {"no": 1, "paid_usd": "0", "requests_per_minute": 10, "tokens_per_minute": 500}
    with pytest.raises(CatalogError) as refused:
        read_tiers([table | change])
    assert said in str(refused.value)


def test_of_two_tiers_the_higher_one_costs_more() -> None:
    table = {"no": 1, "paid_usd": "0", "requests_per_minute": 10, "tokens_per_minute": 500}
    with pytest.raises(CatalogError, match="higher"):
        read_tiers([table, table | {"no": 2}])


async def test_payments_count_and_grants_do_not(tmp_path: Path) -> None:
    async with desk(tmp_path) as here:
        payments = Payments(tmp_path / "ledger.db")
        assert payments.paid_nano_usd(1) == 0
        await here.ledger.grant(Grant(1, "grant", 500 * USD, "gift", "a gift"))
        assert payments.paid_nano_usd(1) == 0
        await here.ledger.grant(Grant(1, "payment", 60 * USD, "first", "paid"))
        assert payments.paid_nano_usd(1) == 60 * USD
        await here.ledger.grant(Grant(1, "payment", 40 * USD, "second", "paid"))
        await here.ledger.grant(Grant(1, "grant", 5 * USD, "gift 2", "a gift"))
        assert payments.paid_nano_usd(1) == 100 * USD
        assert payments.paid_nano_usd(2) == 0


class Clock:
    now_s = 1000.0

    def __call__(self) -> float:
        return self.now_s


async def test_what_changes_holds_within_five_seconds_and_is_read_ahead_without_anybody_waiting(
    tmp_path: Path,
) -> None:
    async with desk(tmp_path) as here:
        clock, paid = Clock(), [0]
        allowances = Allowances(here.databases.app, lambda _: paid[0], TIERS, 1, now_s=clock)
        assert allowances.remembered(1, 7) is None
        first = await allowances.of(1, 7)
        assert (first.tier.no, first.team, first.key) == (1, TIERS[0].rate, None)
        paid[0] = 1000 * USD
        with here.databases.app.session() as session:
            set_rate(session, "team", 1, Rate(5, None))
            set_rate(session, "key", 7, Rate(None, 9))
            set_rate(session, "key", 8, Rate(1, 1))
        clock.now_s += 3
        assert allowances.remembered(1, 7) is first, "nobody waits while it is read again"
        async with asyncio.timeout(5):
            while allowances.remembered(1, 7) is first:
                await asyncio.sleep(0.005)
        after = await allowances.of(1, 7)
        assert (after.tier.no, after.team, after.key) == (5, Rate(5, None), Rate(None, 9))
        with here.databases.app.session() as session:
            set_rate(session, "team", 1, None)
        clock.now_s += 6
        assert (await allowances.of(1, 7)).team == TIERS[4].rate
        await allowances.close()
