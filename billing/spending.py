"""What was spent, day by day in a reader's zone, told apart by model, member or key; pure.

Spend on embedded and simulated models is a series of its own: no band mixes two series.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta, tzinfo
from typing import Final, Literal

from billing.usage import Spent

By = Literal["model", "member", "key"]
Subject = str | int | None

MOST_BANDS: Final = 9
_LEAST_DAYS: Final = 7


@dataclass(frozen=True, slots=True)
class Band:
    """One layer of the chart. `subject` is a model's id, a member's or a key's number (None: no key);
    `rest` holds what had no band of its own."""

    subject: Subject
    series: str
    charged_nano_usd: tuple[int, ...]  # a day each
    runs: int
    rest: bool = False

    @property
    def total_nano_usd(self) -> int:
        return sum(self.charged_nano_usd)


def first_ms(now_ms: int, days: int, zone: tzinfo) -> int:
    """When the day began that is `days` - 1 before today's."""
    day = _day(now_ms, zone) - timedelta(days=days - 1)
    return round(datetime(day.year, day.month, day.day, tzinfo=zone).timestamp() * 1_000)


def days_of(spent: Sequence[Spent], now_ms: int, days: int, zone: tzinfo) -> tuple[date, ...]:
    """Today and the days before it, from the first on which anything was spent; a week at least."""
    today = _day(now_ms, zone)
    first = min((_day(each.at_ms, zone) for each in spent), default=today)
    back = min(max((today - first).days + 1, _LEAST_DAYS), days)
    return tuple(today - timedelta(days=no) for no in range(back - 1, -1, -1))


def bands(spent: Sequence[Spent], by: By, days: Sequence[date], zone: tzinfo) -> tuple[Band, ...]:
    """The largest first, of each series; of what is beyond nine bands, one for each series."""
    place = {day: no for no, day in enumerate(days)}
    sums: defaultdict[tuple[Subject, str], list[int]] = defaultdict(lambda: [0] * len(days))
    runs: defaultdict[tuple[Subject, str], int] = defaultdict(int)
    for each in spent:
        no = place.get(_day(each.at_ms, zone))
        if no is not None:
            key = (_subject(each, by), each.series)
            sums[key][no] += each.charged_nano_usd
            runs[key] += each.runs
    found = [Band(key[0], key[1], tuple(charged), runs[key]) for key, charged in sums.items()]
    found.sort(key=lambda band: (band.series != "paid", -band.total_nano_usd, str(band.subject)))
    largest = sorted(found, key=lambda band: -band.total_nano_usd)[:MOST_BANDS]
    kept = [band for band in found if band in largest]
    return (*kept, *_rest([band for band in found if band not in largest]))


def total_nano_usd(spent: Sequence[Spent], series: str) -> int:
    return sum(each.charged_nano_usd for each in spent if each.series == series)


def _rest(small: Sequence[Band]) -> list[Band]:
    found = []
    for series in sorted({band.series for band in small}):
        of_series = [band for band in small if band.series == series]
        charged = tuple(sum(day) for day in zip(*(band.charged_nano_usd for band in of_series), strict=True))
        found.append(Band(None, series, charged, sum(band.runs for band in of_series), rest=True))
    return found


def _subject(spent: Spent, by: By) -> Subject:
    if by == "model":
        return spent.model
    return spent.user_id if by == "member" else spent.key_id


def _day(at_ms: int, zone: tzinfo) -> date:
    return datetime.fromtimestamp(at_ms / 1_000, UTC).astimezone(zone).date()
