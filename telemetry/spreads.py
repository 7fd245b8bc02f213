"""A figure over many samples: its middle and its slow ends, how sure they are, and how often all was well.

Percentiles are nearest rank, read from histograms. Their 95 % intervals are those of order statistics: the
k-th smallest of n values lies below the p-quantile with the probability of Binomial(n, p) < k, whatever
the values' distribution (David and Nagaraja, Order Statistics, 3rd edition, section 7.1); here with the
normal approximation of the binomial. Those of shares are Wilson's (Journal of the American Statistical
Association 22, 1927). Pure.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from telemetry import clocks, histograms
from telemetry.metrics import MIN_SAMPLES
from telemetry.rollups import Total

PERCENTS: Final = (50, 95, 99)
_SIGMAS: Final = 1.959964  # of a normal distribution: 95 % lie within

# Figure -> the histogram that it is read from.
HISTOGRAM_OF: Final[Mapping[str, str]] = {
    "ttft_ms": "ttft",
    "first_answer_ms": "first_answer",
    "caller_first_answer_ms": "caller_first_answer",
    "gateway_ms": "gateway",
    "tpot_ms": "tpot",
    "tokens_per_s": "tpot",
    "end_to_end_tokens_per_s": "end_to_end_token",
    "total_ms": "total",
    "burst_share": "burst",
}
INVERTED: Final = frozenset({"tokens_per_s", "end_to_end_tokens_per_s"})
SHARES: Final = {"success_rate": "requests", "attempt_success_rate": "attempts"}
FIGURES: Final = (*HISTOGRAM_OF, *SHARES)

Interval = tuple[float, float]


@dataclass(frozen=True, slots=True)
class Spread:
    """The middle and the slow ends of a figure over n samples; all None where n is 0."""

    p50: float | None
    p95: float | None
    n: int
    p99: float | None = None

    @property
    def enough(self) -> bool:
        return self.n >= MIN_SAMPLES

    def at(self, percent: int) -> float | None:
        return {50: self.p50, 95: self.p95, 99: self.p99}[percent]


@dataclass(frozen=True, slots=True)
class Share:
    """A share between 0 and 1 of the n that count; None where none does."""

    value: float | None
    n: int

    @property
    def enough(self) -> bool:
        return self.n >= MIN_SAMPLES


def spread_of(figure_id: str, total: Total) -> Spread:
    """Of a figure that has a histogram. Raises KeyError for another."""
    counts = total.histogram(HISTOGRAM_OF[figure_id])
    p50, p95, p99 = (_shown(figure_id, each) for each in histograms.percentiles_ms(counts, PERCENTS))
    return Spread(p50, p95, int(counts.sum()), p99)


def percentiles_of(figure_id: str, totals: Sequence[Total], percent: int) -> list[tuple[float | None, int]]:
    """One percentile of each, and its n: many at once, as a line has them."""
    counts = [total.histogram(HISTOGRAM_OF[figure_id]) for total in totals]
    found = histograms.percentile_of_each(counts, percent)
    return [(_shown(figure_id, value), n) for value, n in found]


def share_of(figure_id: str, total: Total) -> Share:
    return Share(*clocks.success(total.outcomes("requests" if figure_id == "success_rate" else "attempts")))


def figure_of(figure_id: str, total: Total) -> Spread | Share:
    return share_of(figure_id, total) if figure_id in SHARES else spread_of(figure_id, total)


def interval_of(figure_id: str, total: Total, percent: int) -> Interval | None:
    """The 95 % interval of a percentile, low end first; None below 20 samples, or where an end of it is
    beyond what was measured."""
    counts = total.histogram(HISTOGRAM_OF[figure_id])
    n = int(counts.sum())
    p = percent / 100
    reach = _SIGMAS * math.sqrt(n * p * (1 - p))
    low, high = math.floor(n * p - reach), math.ceil(n * p + reach) + 1
    if n < MIN_SAMPLES or low < 1 or high > n:
        return None
    ends = [_shown(figure_id, histograms.ranked_ms(counts, rank)) for rank in (low, high)]
    known = sorted(end for end in ends if end is not None)
    return (known[0], known[1]) if len(known) == 2 else None


def interval_of_share(share: Share) -> Interval | None:
    """Wilson's 95 % interval."""
    if share.value is None:
        return None
    n, z2 = share.n, _SIGMAS**2
    middle = (share.value + z2 / (2 * n)) / (1 + z2 / n)
    reach = _SIGMAS / (1 + z2 / n) * math.sqrt(share.value * (1 - share.value) / n + z2 / (4 * n * n))
    return max(0.0, middle - reach), min(1.0, middle + reach)


def _shown(figure_id: str, measured: float | None) -> float | None:
    return clocks.per_second(measured) if figure_id in INVERTED else measured
