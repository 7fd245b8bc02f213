"""From tokens to money: golden vectors worked out by hand, and what must hold for any price."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime
from decimal import ROUND_CEILING, Decimal

import pytest
from hypothesis import given, strategies as st
from msgspec import structs

from billing.commands import Line
from billing.money import cost_nano_usd
from gateway.catalog import Catalog, CatalogOverrides, Model
from gateway.catalog_values import ContextTier, Price, Rates
from gateway.errors import ModelUnavailable, TooLarge
from gateway.messages import Usage
from gateway.pricing import (
    NO_LIMIT,
    bound,
    bound_lines,
    cheapest_that_fits,
    cost_of,
    hold_nano_usd,
    least_out_cap,
    lines_for,
    out_cap,
    out_cap_within,
    price_at,
    prompt_tokens,
    sane_usage,
)

CATALOG = Catalog.load()


def at(day: str) -> int:
    return int(datetime.fromisoformat(day).replace(tzinfo=UTC).timestamp()) * 1000


TODAY = at("2026-11-21")


def price_of(model_id: str, provider: str | None = None) -> Price:
    return price_at(CATALOG.get(model_id), TODAY, provider)


# --- golden vectors: dollars a million tokens x tokens, by hand ------------------------------------


@pytest.mark.parametrize(
    ("model_id", "usage", "nano_usd"),
    [
        # 31 x 0.10 + 120 x 0.40 = 51.1 micro-dollars
        ("embedded/smollm2-135m", Usage(input=31, output=120), 51_100),
        # the worked example of a review: 8,000 in, 2,000 out at 1.50 and 6.00
        ("openai/codex-mini", Usage(input=8_000, output=2_000), 24_000_000),
        # cached input is neither charged twice nor at the full rate: 1,000 x 1.50 + 9,000 x 0.375 + 500 x 6
        ("openai/codex-mini", Usage(input=1_000, cached_input=9_000, output=500), 7_875_000),
        # reasoning is within the output and is not added to it
        ("openai/o4-mini", Usage(input=100, output=1_000, reasoning=900), 4_510_000),
        # a cache write has a price of its own: 10 x 2.00 + 1,000 x 2.50 + 5 x 10.00
        ("openai/gpt-6.1-sol", Usage(input=10, cache_write=1_000, output=5), 2_570_000),
        # 272,000 prompt tokens pay the base rates, one more pays the higher for all of them
        ("openai/gpt-6.1-sol", Usage(input=272_000, output=1_000), 554_000_000),
        ("openai/gpt-6.1-sol", Usage(input=272_001, output=1_000), 1_103_004_000),
        # what is cached counts towards the tier: 1,000 + 272,000
        ("openai/gpt-6.1-sol", Usage(input=1_000, cached_input=272_000, output=0), 58_400_000),
        # a boundary that a provider draws at 200,000 and more
        ("xai/grok-4.7", Usage(input=199_999, output=0), 399_998_000),
        ("xai/grok-4.7", Usage(input=200_000, output=0), 800_000_000),
        # no cached price: cached tokens cost as fresh ones
        ("embedded/smollm2-135m", Usage(input=0, cached_input=10, output=0), 1_000),
        # the smallest bill there is: one cached token at 0.006 is 6 nano-dollars
        ("deepseek/deepseek-v4.1-flash", Usage(input=0, cached_input=1, output=0), 6),
        # three calls of the provider's own tools, at the dearest fee: 3 x 0.01 dollars
        ("openai/gpt-4.1", Usage(input=0, output=0, tool_calls=3), 30_000_000),
        ("openai/gpt-4.1", Usage(input=0, output=0), 0),
    ],
)
def test_a_bill_is_tokens_times_price(model_id: str, usage: Usage, nano_usd: int) -> None:
    assert cost_of(usage, price_of(model_id)) == nano_usd


def test_a_fraction_of_a_nano_dollar_is_rounded_up_once_for_the_whole_bill() -> None:
    price = Price("v", 0, Rates(input=1, output=1, cached_input=1))
    assert cost_of(Usage(input=1, output=1, cached_input=1), price) == 1
    assert cost_of(Usage(input=1_000, output=1), price) == 2


def test_the_same_model_costs_what_its_provider_asks() -> None:
    usage = Usage(input=1_000_000, output=0)
    assert cost_of(usage, price_of("openai/gpt-oss-120b", "groq")) == 150_000_000
    assert cost_of(usage, price_of("openai/gpt-oss-120b", "cerebras")) == 350_000_000


def test_every_token_is_on_one_line_and_empty_buckets_have_none() -> None:
    usage = Usage(input=7, cached_input=5, cache_write=3, output=11, reasoning=9)
    lines = lines_for(usage, price_of("openai/gpt-6.1-sol"))
    assert lines == (
        Line("input", 7, 2_000_000),
        Line("cached_input", 5, 100_000),
        Line("cache_write", 3, 2_500_000),
        Line("output", 11, 10_000_000),
    )
    assert lines_for(Usage(input=0, output=0), price_of("openai/gpt-6.1-sol")) == ()


# --- versions ---------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("day", "output"), [("2026-07-29", 15_000_000), ("2026-07-30", 12_000_000), ("2030-01-01", 12_000_000)]
)
def test_the_version_in_force_is_the_newest_that_has_started(day: str, output: int) -> None:
    assert price_at(CATALOG.get("openai/gpt-5.6-terra"), at(day)).base.output == output


def test_an_introductory_price_ends_at_midnight_utc() -> None:
    model = CATALOG.get("google/gemini-4-argon")
    assert price_at(model, at("2026-12-01") - 1).base.output == 10_000_000
    assert price_at(model, at("2026-12-01")).base.output == 20_000_000


def test_a_model_whose_price_has_not_started_is_refused_and_never_free() -> None:
    over = {
        "id": "openai/gpt-4.1",
        "prices": [{"valid_from": "2027-01-01", "input_usd_per_million": "1", "output_usd_per_million": "1"}],
    }
    model = Catalog.load(CatalogOverrides(models=[over])).get("openai/gpt-4.1")
    with pytest.raises(ModelUnavailable):
        price_at(model, TODAY)
    with pytest.raises(ModelUnavailable):
        bound(model, TODAY, 10)


# --- holds ------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("model_id", "input_bound", "cap", "nano_usd"),
    [
        ("openai/gpt-4.1", 1_000, 32_768, 264_144_000),
        ("openai/o4-mini", 1_000, 100_000, 441_100_000),
        ("openai/codex-mini", 1_000, 100_000, 601_500_000),
        ("openai/gpt-5.1-codex-mini", 1_000, 128_000, 256_250_000),
        ("embedded/smollm2-135m", 31, 1_024, 412_700),
    ],
)
def test_a_hold_is_the_worst_case(model_id: str, input_bound: int, cap: int, nano_usd: int) -> None:
    assert hold_nano_usd(price_of(model_id), input_bound, cap) == nano_usd


def test_a_hold_reckons_with_the_dearest_bucket_and_tier_that_the_bound_can_reach() -> None:
    price = price_of("openai/gpt-6.1-sol")
    assert bound_lines(price, 272_000, 10) == (
        Line("input", 272_000, 2_500_000),
        Line("output", 10, 10_000_000),
    )
    assert bound_lines(price, 272_001, 10) == (
        Line("input", 272_001, 5_000_000),
        Line("output", 10, 15_000_000),
    )


def test_a_tier_that_is_cheaper_does_not_lower_the_hold() -> None:
    price = Price("v", 0, Rates(10, 10), (ContextTier(100, Rates(1, 1)),))
    assert hold_nano_usd(price, 1_000, 0) == 10


def test_the_bound_of_a_request_is_all_that_a_reserve_needs() -> None:
    most = bound(CATALOG.get("openai/gpt-4.1"), TODAY, 1_000)
    assert (most.out_cap, most.least_out_cap) == (4_096, 256)
    assert (most.amount_nano_usd, most.least_nano_usd) == (34_768_000, 4_048_000)
    assert most.within(34_768_000) == 4_096
    assert most.within(4_048_000) == 256
    assert most.within(1_999_999) == 0


# --- the limit on output ----------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("model_id", "input_bound", "asked", "cap"),
    [
        ("openai/gpt-4.1", 100, None, 4_096),  # our default for chat
        ("openai/o4-mini", 100, None, 16_384),  # and for reasoning
        ("openai/gpt-4.1", 100, 12, 12),
        ("openai/gpt-4.1", 100, 1_000_000, 32_768),  # the model's own limit
        ("embedded/smollm2-135m", 31, None, 1_024),
        ("embedded/smollm2-135m", 2_000, None, 48),  # what its context leaves
        ("embedded/smollm2-135m", 2_047, None, 1),
    ],
)
def test_the_limit_on_output_is_the_least_of_four(
    model_id: str, input_bound: int, asked: int | None, cap: int
) -> None:
    assert out_cap(CATALOG.get(model_id), input_bound, asked) == cap


@pytest.mark.parametrize("input_bound", [2_048, 1_000_000])
def test_a_prompt_that_leaves_no_room_is_too_large(input_bound: int) -> None:
    with pytest.raises(TooLarge, match="2,048"):
        out_cap(CATALOG.get("embedded/smollm2-135m"), input_bound)


def test_a_provider_with_a_smaller_window_bounds_the_answer_too() -> None:
    model = CATALOG.get("openai/gpt-oss-20b")
    (route,) = model.providers
    small = replace(model, providers=(replace(route, context_tokens=8_192, max_output_tokens=1_000),))
    assert out_cap(small, 100, 5_000) == 5_000
    assert out_cap(small, 100, 5_000, "groq") == 1_000
    assert out_cap(small, 8_000, 5_000, "groq") == 192


@pytest.mark.parametrize(
    ("model_id", "cap", "least"),
    [
        ("openai/gpt-4.1", 4_096, 256),
        ("openai/o4-mini", 16_384, 2_048),
        ("openai/gpt-4.1", 10, 10),
        ("openai/o4-mini", 100, 100),
    ],
)
def test_the_least_worth_starting_is_256_or_2048_unless_less_was_asked(
    model_id: str, cap: int, least: int
) -> None:
    assert least_out_cap(CATALOG.get(model_id), cap) == least


def test_output_that_costs_nothing_is_not_limited_by_money() -> None:
    assert out_cap_within(0, Price("v", 0, Rates(0, 0)), 100) == NO_LIMIT


rates = st.builds(
    Rates,
    input=st.integers(0, 10**10),
    output=st.integers(0, 10**10),
    cached_input=st.none() | st.integers(0, 10**10),
    cache_write=st.none() | st.integers(0, 10**10),
)
prices = st.builds(
    lambda base, tiers, fee: Price(
        "v",
        0,
        base,
        tuple(ContextTier(above, tier) for above, tier in sorted(tiers, key=lambda each: each[0])),
        {"tool": fee},
    ),
    rates,
    st.lists(st.tuples(st.integers(1, 2_000), rates), max_size=2, unique_by=lambda each: each[0]),
    st.integers(0, 10**12),
)


@given(
    price=prices,
    usage=st.builds(
        Usage,
        input=st.integers(0, 1_000),
        cached_input=st.integers(0, 1_000),
        cache_write=st.integers(0, 1_000),
        output=st.integers(0, 4_000),
        tool_calls=st.integers(0, 3),
    ),
    slack=st.integers(0, 500),
)
def test_no_usage_within_the_bounds_costs_more_than_its_hold(price: Price, usage: Usage, slack: int) -> None:
    hold = hold_nano_usd(price, prompt_tokens(usage) + slack, usage.output + slack, usage.tool_calls)
    assert 0 <= cost_of(usage, price) <= hold


@given(price=prices, input_bound=st.integers(0, 3_000), amount=st.integers(0, 10**12))
def test_a_clamped_hold_fits_its_amount_and_one_token_more_would_not(
    price: Price, input_bound: int, amount: int
) -> None:
    cap = out_cap_within(amount, price, input_bound)
    if cap:
        assert hold_nano_usd(price, input_bound, cap) <= amount
    if cap < NO_LIMIT:
        assert hold_nano_usd(price, input_bound, cap + 1) > amount


@given(price=prices, tokens=st.tuples(*[st.integers(0, 10**7)] * 4))
def test_integers_agree_with_decimal_arithmetic(price: Price, tokens: tuple[int, int, int, int]) -> None:
    fresh, cached, written, output = tokens
    usage = Usage(input=fresh, cached_input=cached, cache_write=written, output=output)
    base = price.rates_at(fresh + cached + written)
    dollars = sum(
        (
            Decimal(count) * Decimal(rate).scaleb(-12)
            for count, rate in (
                (fresh, base.input),
                (cached, base.input if base.cached_input is None else base.cached_input),
                (written, base.input if base.cache_write is None else base.cache_write),
                (output, base.output),
            )
        ),
        Decimal(0),
    )
    assert cost_of(usage, price) == int(dollars.scaleb(9).to_integral_value(ROUND_CEILING))


# --- what a provider reports ------------------------------------------------------------------------

REPORT = Usage(input=100, cached_input=20, output=50, reasoning=10)


def test_a_possible_report_is_billed_as_it_is() -> None:
    assert sane_usage(REPORT, 130, 60, 2_048) == (REPORT, False)


def test_a_prompt_above_our_bound_but_within_the_window_is_possible() -> None:
    assert sane_usage(REPORT, 90, 60, 2_048) == (REPORT, False)


@pytest.mark.parametrize(
    "report",
    [
        structs.replace(REPORT, output=-5),
        structs.replace(REPORT, output=10**12),
        structs.replace(REPORT, input=10**12),
        structs.replace(REPORT, input=-20, cached_input=120),  # more cached than there was prompt
        structs.replace(REPORT, cache_write=-1),
        structs.replace(REPORT, tool_calls=-1),
        structs.replace(REPORT, reasoning=-1),
        structs.replace(REPORT, output=61),
        structs.replace(REPORT, input=2_029),
    ],
)
def test_an_impossible_report_is_flagged_and_bounded_by_the_hold(report: Usage) -> None:
    usage, suspect = sane_usage(report, 130, 60, 2_048)
    assert suspect
    assert usage.estimated
    price = price_of("openai/gpt-6.1-sol")
    assert 0 <= cost_of(usage, price) <= hold_nano_usd(price, 130, 60)


def test_a_negative_count_is_replaced_by_our_own() -> None:
    own = Usage(input=90, output=33, estimated=True)
    usage, suspect = sane_usage(structs.replace(REPORT, output=-5), 130, 60, 2_048, own)
    assert (usage.input, usage.cached_input, usage.output, suspect) == (100, 20, 33, True)
    usage, _ = sane_usage(structs.replace(REPORT, input=-20, cached_input=120), 130, 60, 2_048, own)
    assert (usage.input, usage.cached_input, usage.output) == (90, 0, 50)


def test_reasoning_never_exceeds_the_output_that_contains_it() -> None:
    usage, suspect = sane_usage(structs.replace(REPORT, reasoning=99), 130, 60, 2_048)
    assert (usage.reasoning, suspect) == (50, False)


whole = st.integers(-(10**12), 10**12)


@given(
    price=prices,
    report=st.builds(
        Usage, input=whole, output=whole, cached_input=whole, cache_write=whole, reasoning=whole,
        tool_calls=whole,
    ),
    own=st.none() | st.builds(Usage, input=st.integers(0, 10**6), output=st.integers(0, 10**6)),
    input_bound=st.integers(0, 3_000),
    cap=st.integers(1, 4_000),
)  # fmt: skip
def test_whatever_is_reported_a_flagged_bill_stays_within_its_hold(
    price: Price, report: Usage, own: Usage | None, input_bound: int, cap: int
) -> None:
    usage, suspect = sane_usage(report, input_bound, cap, 4_096, own)
    assert min(usage.input, usage.cached_input, usage.cache_write, usage.output, usage.reasoning) >= 0
    assert usage.reasoning <= usage.output <= cap
    assert prompt_tokens(usage) <= 4_096
    if suspect:
        assert cost_nano_usd(lines_for(usage, price)) <= hold_nano_usd(price, input_bound, cap)


# --- help where money is short ----------------------------------------------------------------------


def _short(model: Model) -> int:
    return 100


def test_the_cheapest_model_that_fits_is_named_and_simulated_ones_are_not() -> None:
    found = cheapest_that_fits(CATALOG.models(), 1_000_000_000, TODAY, _short)
    assert found is not None
    model, least = found
    assert model.series != "simulated"
    others = [
        hold_nano_usd(price_at(other, TODAY), 100, least_out_cap(other, out_cap(other, 100)))
        for other in CATALOG.models()
        if other.series != "simulated"
    ]
    assert least == min(others)


def test_where_nothing_fits_nothing_is_named() -> None:
    assert cheapest_that_fits(CATALOG.models(), 10, TODAY, _short) is None
    assert cheapest_that_fits((), 10**9, TODAY, _short) is None


def test_a_model_whose_window_is_too_small_does_not_fit() -> None:
    found = cheapest_that_fits(CATALOG.models(), 10**12, TODAY, lambda model: 10_000)
    assert found is not None
    assert found[0].id != "embedded/smollm2-135m"
