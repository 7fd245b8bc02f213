"""Money, prices and instants as the API writes them: exact decimal strings, and UTC to the millisecond."""

from __future__ import annotations

from datetime import UTC, datetime

_PICO = 1_000_000_000_000


def instant(ms: int) -> str:
    """1_790_000_000_123 -> "2026-09-21T14:13:20.123Z"."""
    moment = datetime.fromtimestamp(ms // 1000, UTC)
    return f"{moment:%Y-%m-%dT%H:%M:%S}.{ms % 1000:03}Z"


def maybe_instant(ms: int | None) -> str | None:
    return None if ms is None else instant(ms)


def usd_number(nano_usd: int) -> float:
    """Dollars as a JSON number, where a client's shape wants one; the exact string stands beside it."""
    return nano_usd / 1_000_000_000


def usd_of_pico(pico_usd: int) -> str:
    """Dollars a unit, without trailing zeros: 100_000 -> "0.0000001"."""
    whole, rest = divmod(pico_usd, _PICO)
    return f"{whole}.{rest:012}".rstrip("0").rstrip(".")
