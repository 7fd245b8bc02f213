"""Figures as people read them: money, time, tokens, instants. Pure; nothing is drawn here.

Unknown is a dash, never 0; who shows one says why beside it. Digits are grouped in the English way,
because the sentences around them are English.
"""

from __future__ import annotations

from datetime import UTC, date as Date, datetime
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from billing.money import decimal_usd, format_usd

UNKNOWN = "\N{EM DASH}"
NARROW_SPACE = "\N{NARROW NO-BREAK SPACE}"
DOT = "\N{MIDDLE DOT}"
MINUS = "\N{MINUS SIGN}"

_PICO_PER_MILLION_TOKENS = 1_000_000  # pico-dollars a token / this = dollars a million tokens
_PICO_PER_USD = 1_000_000_000_000
_MS_PER_S = 1000
_HALF_A_YEAR_MS = 183 * 24 * 60 * 60 * 1000


def money(nano_usd: int | None) -> str:
    """`$4.998237`, with as many digits as matter."""
    return UNKNOWN if nano_usd is None else format_usd(nano_usd)


def exact_money(nano_usd: int) -> str:
    """Every digit there is: `$4.998237123`."""
    return f"{MINUS if nano_usd < 0 else ''}${decimal_usd(abs(nano_usd))}"


def signed_exact_money(nano_usd: int) -> str:
    return f"+{exact_money(nano_usd)}" if nano_usd > 0 else exact_money(nano_usd)


def pico_money(pico_usd: int) -> str:
    """Dollars to the last pico-dollar, for one line of a bill: `$0.0000036`."""
    whole, rest = divmod(pico_usd, _PICO_PER_USD)
    return f"${whole:,}.{f'{rest:012d}'.rstrip('0').ljust(2, '0')}"


def price_per_million(pico_usd_per_token: int) -> str:
    """Dollars a million tokens: `$0.10`, `$1.25`, `$0.075`."""
    whole, rest = divmod(pico_usd_per_token, _PICO_PER_MILLION_TOKENS)
    digits = f"{rest:06d}".rstrip("0").ljust(2, "0")
    return f"${whole:,}.{digits}"


def duration(ms: float | None) -> str:
    """`2.3 ms`, `184 ms`, `2.41 s`, `12.4 s`, `3 min 5 s`: three digits that matter."""
    if ms is None:
        return UNKNOWN
    seconds = ms / _MS_PER_S
    if ms < 999.5:
        return f"{ms:.1f} ms" if ms < 9.95 else f"{ms:.0f} ms"
    if seconds < 59.95:
        return f"{seconds:.2f} s" if seconds < 9.995 else f"{seconds:.1f} s"
    minutes, rest = divmod(round(seconds), 60)
    return f"{minutes} min {rest} s"


def tokens(count: int | None) -> str:
    """`12,480`."""
    return UNKNOWN if count is None else f"{count:,}"


def window(count: int) -> str:
    """A model's window as people name it: `8K`, `128K`, `1M`, `1.05M`."""
    if count < 1000:
        return str(count)
    if count < 1_000_000:
        binary = count % 1024 == 0 and count % 1000 != 0
        return f"{count // 1024 if binary else round(count / 1000)}K"
    millions = count / (1024 * 1024) if count % (1024 * 1024) == 0 else count / 1_000_000
    return f"{millions:.2f}".rstrip("0").rstrip(".") + "M"


def rate(tokens_per_s: float | None) -> str:
    """`152 tok/s`."""
    if tokens_per_s is None:
        return UNKNOWN
    return f"{tokens_per_s:.1f} tok/s" if tokens_per_s < 10 else f"{tokens_per_s:,.0f} tok/s"


def share(fraction: float | None) -> str:
    """`99.7 %`; only what is whole says 100 %."""
    if fraction is None:
        return UNKNOWN
    if fraction >= 1:
        return "100 %"
    return f"{min(fraction * 100, 99.9):.1f} %"


def samples(count: int) -> str:
    return f"n{NARROW_SPACE}={NARROW_SPACE}{count:,}"


def zone(name: str | None) -> tuple[ZoneInfo, str]:
    """The reader's zone and its short name: `Berlin` of `Europe/Berlin`. UTC where it is unknown."""
    try:
        found = ZoneInfo(name or "UTC")
    except (ZoneInfoNotFoundError, ValueError):
        found = ZoneInfo("UTC")
    return found, found.key.rsplit("/", 1)[-1].replace("_", " ")


def day_and_time(at_ms: int, zone_name: str | None) -> str:
    """`21 Dec, 09:14 (Berlin)`."""
    found, short = zone(zone_name)
    at = datetime.fromtimestamp(at_ms / _MS_PER_S, UTC).astimezone(found)
    return f"{at.day} {at:%b, %H:%M} ({short})"


def day_and_second(at_ms: int, zone_name: str | None) -> str:
    """`21 Dec, 09:14:07`, in a column whose head names the zone."""
    at = datetime.fromtimestamp(at_ms / _MS_PER_S, UTC).astimezone(zone(zone_name)[0])
    return f"{at.day} {at:%b, %H:%M:%S}"


def day(at_ms: int, zone_name: str | None) -> str:
    """`21 Dec`."""
    at = datetime.fromtimestamp(at_ms / _MS_PER_S, UTC).astimezone(zone(zone_name)[0])
    return f"{at.day} {at:%b}"


def far_day(at_ms: int, now_ms: int, zone_name: str | None) -> str:
    """`3 Jan`, and `3 Jan 2028` where that is half a year away or more."""
    far = at_ms - now_ms >= _HALF_A_YEAR_MS
    year = datetime.fromtimestamp(at_ms / _MS_PER_S, UTC).astimezone(zone(zone_name)[0]).year
    return f"{day(at_ms, zone_name)} {year}" if far else day(at_ms, zone_name)


def date(day: Date) -> str:
    """`21 Dec`."""
    return f"{day.day} {day:%b}"


def time_of_day(at_ms: int, zone_name: str | None) -> str:
    """`09:14:07 (Berlin)`."""
    found, short = zone(zone_name)
    return f"{datetime.fromtimestamp(at_ms / _MS_PER_S, UTC).astimezone(found):%H:%M:%S} ({short})"


def instant(at_ms: int) -> datetime:
    """For tables, which show an instant in the reader's own zone."""
    return datetime.fromtimestamp(at_ms / _MS_PER_S, UTC)
