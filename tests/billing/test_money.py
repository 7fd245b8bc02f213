from __future__ import annotations

import pytest
from hypothesis import given, strategies as st

from billing.commands import Line
from billing.money import cost_nano_usd, decimal_usd, format_usd, parse_usd


@pytest.mark.parametrize(
    ("text", "nano_usd"),
    [
        ("0", 0),
        ("4.99", 4_990_000_000),
        ("5", 5_000_000_000),
        ("0.000000001", 1),
        ("-0.5", -500_000_000),
        ("999999999.999999999", 999_999_999_999_999_999),
    ],
)
def test_dollars_are_read_exactly(text: str, nano_usd: int) -> None:
    assert parse_usd(text) == nano_usd


@pytest.mark.parametrize(
    "text",
    [
        "",
        ".5",
        "5.",
        "1e3",
        "NaN",
        "+5",
        "1,000",
        " 5",
        "5 ",
        "0.0000000001",
        "1234567890",
        "$5",
        "\u0665",
        "--1",
        "5\n",
    ],
)
def test_what_is_no_amount_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="no amount"):
        parse_usd(text)


@pytest.mark.parametrize(
    ("nano_usd", "shown"),
    [
        (5_000_000_000, "$5.00"),
        (4_998_237_000, "$4.998237"),
        (4_998_237_999, "$4.998237"),
        (4_500_000_000, "$4.50"),
        (12_345_678_900_000, "$12,345.6789"),
        (123_456, "$0.000123"),
        (12_000, "$0.000012"),
        (1_234, "$0.0000012"),
        (1_000, "$0.000001"),
        (999, "< $0.000001"),
        (1, "< $0.000001"),
        (0, "$0.00"),
        (-4_998_237_000, "-$4.998237"),
        (-1, "> -$0.000001"),
    ],
)
def test_people_see_as_many_digits_as_matter(nano_usd: int, shown: str) -> None:
    assert format_usd(nano_usd) == shown


@given(st.integers(1, 10**18 - 1))
def test_nobody_is_shown_more_than_there_is_or_nothing_where_there_is_something(nano_usd: int) -> None:
    shown = format_usd(nano_usd)
    if shown.startswith("<"):
        assert nano_usd < 1_000
    else:
        seen = parse_usd(shown.removeprefix("$").replace(",", ""))
        assert 0 < seen <= nano_usd
        assert nano_usd - seen < 1_000


@given(st.integers(-(10**18) + 1, 10**18 - 1))
def test_the_decimal_of_an_amount_reads_back_as_the_amount(nano_usd: int) -> None:
    assert parse_usd(decimal_usd(nano_usd)) == nano_usd


def test_the_api_is_told_all_nine_decimals() -> None:
    assert decimal_usd(4_998_237_000) == "4.998237000"


@pytest.mark.parametrize(
    ("lines", "nano_usd"),
    [
        ((), 0),
        ((Line("input", 0, 400_000),), 0),
        ((Line("input", 1, 1),), 1),
        ((Line("input", 1, 1), Line("output", 1, 1)), 1),
        ((Line("input", 1, 999), Line("output", 1, 1)), 1),
        ((Line("input", 1, 1_000), Line("output", 1, 1)), 2),
        ((Line("input", 1_234_567, 100_000), Line("output", 89, 400_000)), 123_492_300),
    ],
)
def test_a_bill_is_rounded_up_once_and_not_line_by_line(lines: tuple[Line, ...], nano_usd: int) -> None:
    assert cost_nano_usd(lines) == nano_usd
