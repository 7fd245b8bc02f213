"""Money as whole numbers: nano-dollars in the ledger, pico-dollars per unit in prices.

A request's cost is rounded once, up, to the nano-dollar. Nothing here or in the ledger is a float.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import Final

from billing.commands import Line

NANO_USD_PER_USD: Final = 1_000_000_000
PICO_USD_PER_NANO_USD: Final = 1_000

_AMOUNT = re.compile(r"(?P<sign>-?)(?P<whole>\d{1,9})(?:\.(?P<part>\d{1,9}))?", re.ASCII)
_MICRO = 1_000  # nano-dollars


def parse_usd(text: str) -> int:
    """Nano-dollars of an amount as people write it: "4.99", "-0.000000001".

    At most nine digits on either side of the point. Raises `ValueError` for anything else.
    """
    match = _AMOUNT.fullmatch(text)
    if match is None:
        raise ValueError(f"{text!r} is no amount in dollars with up to nine decimals")
    part = (match["part"] or "").ljust(9, "0")
    nano_usd = int(match["whole"]) * NANO_USD_PER_USD + int(part)
    return -nano_usd if match["sign"] else nano_usd


def decimal_usd(nano_usd: int) -> str:
    """Dollars as an exact decimal string, for exports and the API: "4.998237000"."""
    whole, part = divmod(abs(nano_usd), NANO_USD_PER_USD)
    return f"{'-' if nano_usd < 0 else ''}{whole}.{part:09d}"


def format_usd(nano_usd: int) -> str:
    """Dollars for people: "$5.00", "$4.998237", "$0.0000012", "< $0.000001".

    Cents at least, micro-dollars at most (one digit more where that alone would leave a single one),
    without the zeros at the end. Rounded towards zero, so that nobody is shown credit that is not
    there; what is not zero is never shown as zero.
    """
    sign, amount = ("-" if nano_usd < 0 else ""), abs(nano_usd)
    if 0 < amount < _MICRO:
        return "> -$0.000001" if sign else "< $0.000001"
    whole, part = divmod(amount, NANO_USD_PER_USD)
    places = 7 if amount < 10 * _MICRO else 6
    digits = f"{part:09d}"[:places].rstrip("0").ljust(2, "0")
    return f"{sign}${whole:,}.{digits}"


def cost_nano_usd(lines: Iterable[Line]) -> int:
    """What a bill comes to: the sum of its lines, rounded up once to the nano-dollar."""
    pico_usd = 0
    for line in lines:
        pico_usd += line.quantity * line.price_pico_usd
    return -(-pico_usd // PICO_USD_PER_NANO_USD)
