"""Figures as people read them."""

from __future__ import annotations

import pytest

from components import figure

MINUS = "\N{MINUS SIGN}"
DECEMBER_MS = 1_797_840_840_000  # 2026-12-21 08:14 UTC


def test_every_digit_of_money_can_be_shown() -> None:
    assert figure.exact_money(4_998_237_123) == "$4.998237123"
    assert figure.exact_money(-1) == f"{MINUS}$0.000000001"
    assert figure.signed_exact_money(89_200) == "+$0.000089200"
    assert figure.signed_exact_money(-12) == f"{MINUS}$0.000000012"
    assert figure.signed_exact_money(0) == "$0.000000000"
    assert figure.pico_money(3_600_000) == "$0.0000036"
    assert figure.pico_money(20_000_999_999) == "$0.020000999999"


def test_unknown_is_a_dash_and_never_zero() -> None:
    shown = [
        figure.money(None),
        figure.duration(None),
        figure.tokens(None),
        figure.rate(None),
        figure.share(None),
    ]
    assert set(shown) == {"\N{EM DASH}"}


@pytest.mark.parametrize(
    ("pico_usd", "text"),
    [(100_000, "$0.10"), (1_250_000, "$1.25"), (75_000, "$0.075"), (60_000_000, "$60.00")],
)
def test_prices_are_read_per_million_tokens(pico_usd: int, text: str) -> None:
    assert figure.price_per_million(pico_usd) == text


@pytest.mark.parametrize(
    ("ms", "text"),
    [
        (2.31, "2.3 ms"),
        (184.4, "184 ms"),
        (999.7, "1.00 s"),
        (2_411, "2.41 s"),
        (12_440, "12.4 s"),
        (59_960, "1 min 0 s"),
        (185_000, "3 min 5 s"),
    ],
)
def test_times_have_three_digits_that_matter(ms: float, text: str) -> None:
    assert figure.duration(ms) == text


@pytest.mark.parametrize(
    ("count", "text"),
    [
        (512, "512"),
        (2_048, "2K"),
        (128_000, "128K"),
        (1_000_000, "1M"),
        (1_048_576, "1M"),
        (1_047_576, "1.05M"),
    ],
)
def test_windows_are_named_as_people_name_them(count: int, text: str) -> None:
    assert figure.window(count) == text


def test_only_what_is_whole_is_a_hundred_percent() -> None:
    assert [figure.share(each) for each in (1.0, 0.99999, 0.5, 0.0)] == ["100 %", "99.9 %", "50.0 %", "0.0 %"]


def test_instants_are_in_the_readers_zone_and_name_it() -> None:
    assert figure.day_and_time(DECEMBER_MS, "Europe/Berlin") == "21 Dec, 09:14 (Berlin)"
    assert figure.day_and_time(DECEMBER_MS, "America/New_York") == "21 Dec, 03:14 (New York)"
    assert figure.day(DECEMBER_MS, "Asia/Tokyo") == "21 Dec"


@pytest.mark.parametrize("name", [None, "", "Nowhere/At_All", "../etc/passwd"])
def test_a_zone_that_is_unknown_is_utc(name: str | None) -> None:
    assert figure.day_and_time(DECEMBER_MS, name) == "21 Dec, 08:14 (UTC)"
