"""Points of the log as a chart: neutral JSON that a view draws, with one sentence that says what it shows.

    {"figure": "ttft_ms", "unit": "ms", "n": 53, "sentence": "...",
     "series": [{"name": "Lab Fast", "key": "lab/fast", "points": [[at_ms, value, run_id], ...]}]}

Points are oldest first. A success rate is a share of many, so its points are slots of time whose
`run_id` is None. Reading the log is `latency.py`'s.
"""

from __future__ import annotations

import math
from collections import Counter, defaultdict
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import NotRequired, TypedDict

from telemetry import clocks
from telemetry.metrics import METRICS, Metric
from telemetry.rows import AttemptRow, Outcome, RequestRow, Series
from telemetry.slices import SERIES_ASIDE, By, groups_of, key_of, name_of
from telemetry.spreads import SHARES

_MINUTE_MS = 60_000
_HOUR_MS = 60 * _MINUTE_MS
_DAY_MS = 24 * _HOUR_MS
_NAMED = 4  # models that the sentence names, the busiest first


@dataclass(frozen=True, slots=True)
class Point:
    """One request as a chart shows it, at the instant at which it ended; figures are of its last attempt."""

    at_ms: int
    model_id: str
    series: Series
    outcome: Outcome
    run_id: str | None
    ttft_ms: float | None
    first_answer_ms: float | None
    caller_first_answer_ms: float | None
    tokens_per_s: float | None
    end_to_end_tokens_per_s: float | None
    total_ms: float | None
    gateway_ms: float | None
    burst_share: float | None = None  # percent
    provider: str | None = None
    key_id: int | None = None
    tags: tuple[str, ...] = ()
    input_tokens: int | None = None
    output_tokens: int | None = None

    def groups(self, by: By) -> tuple[str, ...]:
        return groups_of(
            by,
            model=self.model_id,
            provider=self.provider,
            key_id=self.key_id,
            tags=self.tags,
            input_tokens=self.input_tokens,
            output_tokens=self.output_tokens,
        )


class ChartSeries(TypedDict):
    """`look` is the place of a colour, where it is not chosen by `key`; `before` is the window before."""

    name: str
    key: str
    points: list[list[int | float | str | None]]
    look: NotRequired[int]
    before: NotRequired[bool]


class Chart(TypedDict):
    """`kind` is points (the usual), lines, bands (stacked) or distribution (x is the value, y percent).
    `marks` are what changed: [at_ms, text]."""

    figure: str
    unit: str
    series: list[ChartSeries]
    n: int
    sentence: str
    kind: NotRequired[str]
    marks: NotRequired[list[list[int | str]]]


def point_of(row: RequestRow) -> Point | None:
    """None where the request never got as far as a model."""
    if row.model is None:
        return None
    attempt = row.attempts[-1] if row.attempts else AttemptRow(0, "", "", row.outcome)
    tokens, reasoning, streamed = row.output_tokens, row.reasoning_tokens, row.streamed
    return Point(
        at_ms=clocks.ended_at_ms(row),
        model_id=row.model,
        series=row.series,
        outcome=row.outcome,
        run_id=row.run_id,
        ttft_ms=clocks.first_token_ms(attempt, streamed=streamed),
        first_answer_ms=clocks.first_answer_ms(attempt, streamed=streamed),
        caller_first_answer_ms=clocks.caller_first_answer_ms(row),
        tokens_per_s=clocks.tokens_per_s(attempt, tokens, reasoning, streamed=streamed),
        end_to_end_tokens_per_s=clocks.end_to_end_tokens_per_s(attempt, tokens),
        total_ms=row.total_ms,
        gateway_ms=row.gateway_ms,
        burst_share=None if attempt.largest_read_share is None else 100 * attempt.largest_read_share,
        provider=row.provider,
        key_id=row.key_id,
        tags=row.tags,
        input_tokens=row.input_tokens,
        output_tokens=row.output_tokens,
    )


_VALUES: dict[str, Callable[[Point], float | None]] = {
    "ttft_ms": lambda point: point.ttft_ms,
    "first_answer_ms": lambda point: point.first_answer_ms,
    "caller_first_answer_ms": lambda point: point.caller_first_answer_ms,
    "tokens_per_s": lambda point: point.tokens_per_s,
    "end_to_end_tokens_per_s": lambda point: point.end_to_end_tokens_per_s,
    "total_ms": lambda point: point.total_ms,
    "gateway_ms": lambda point: point.gateway_ms,
    "burst_share": lambda point: point.burst_share,
}
FIGURES = (*_VALUES, "success_rate")


def chart(
    figure_id: str,
    points: Sequence[Point],
    names: Mapping[str, str],
    *,
    window_ms: int,
    cut_off: bool = False,
    by: By = "model",
    span: str | None = None,
) -> Chart:
    """`names` maps models and providers to names; `cut_off` says that there were more points than these,
    older ones; `span` says the window where it is not the last `window_ms`.

    Raises KeyError for a figure that is not one of `FIGURES`.
    """
    metric = METRICS[figure_id]
    of_group: defaultdict[tuple[str, Series], list[Point]] = defaultdict(list)
    for point in points:
        for group in point.groups(by):
            of_group[group, point.series].append(point)
    shown = [_drawn(metric, by, key, of_group[key], names, window_ms) for key in sorted(of_group)]
    shown = [one for one in shown if one.n]
    return Chart(
        figure=metric.id,
        unit=metric.unit,
        series=[one.series for one in shown],
        n=sum(one.n for one in shown),
        sentence=_sentence(metric, shown, span or span_of(window_ms), len(points) if cut_off else None),
    )


@dataclass(frozen=True, slots=True)
class _Drawn:
    series: ChartSeries
    n: int
    typical: float  # the median, or the rate over the whole window


def _drawn(
    metric: Metric,
    by: By,
    key: tuple[str, Series],
    points: Sequence[Point],
    names: Mapping[str, str],
    window_ms: int,
) -> _Drawn:
    group, series = key
    name = name_of(by, group, names) + SERIES_ASIDE.get(series, "")
    entry = ChartSeries(name=name, key=key_of(by, group, series), points=[])
    if metric.id == "success_rate":
        entry["points"] = [[at_ms, rate, None] for at_ms, rate in _success_slots(points, window_ms)]
        share, n = clocks.success(Counter(point.outcome for point in points))
        return _Drawn(entry, n, 100 * (share or 0.0))
    valued = [(point, value) for point in points if (value := _VALUES[metric.id](point)) is not None]
    entry["points"] = [[point.at_ms, round(value, 3), point.run_id] for point, value in valued]
    return _Drawn(entry, len(valued), _median([value for _, value in valued]))


def _success_slots(points: Sequence[Point], window_ms: int) -> list[tuple[int, float]]:
    """(slot's first instant, percent), for slots in which anything counted."""
    width_ms = (
        _MINUTE_MS if window_ms <= _HOUR_MS else 5 * _MINUTE_MS if window_ms <= 6 * _HOUR_MS else _HOUR_MS
    )
    slots: defaultdict[int, Counter[Outcome]] = defaultdict(Counter)
    for point in points:
        slots[point.at_ms // width_ms * width_ms][point.outcome] += 1
    rates = ((at_ms, clocks.success(slots[at_ms])[0]) for at_ms in sorted(slots))
    return [(at_ms, round(100 * rate, 2)) for at_ms, rate in rates if rate is not None]


def _median(values: Sequence[float]) -> float:
    """Nearest rank; 0 of nothing, which nobody is shown."""
    return sorted(values)[math.ceil(len(values) / 2) - 1] if values else 0.0


# --- the sentence -----------------------------------------------------------------------------


def _sentence(metric: Metric, shown: Sequence[_Drawn], span: str, newest: int | None) -> str:
    span = span if newest is None else f"the newest {newest:,} requests of {span}"
    if not shown:
        return f"{metric.name}: nothing was measured in {span}."
    busiest = sorted(shown, key=lambda one: -one.n)
    said = [
        f"{one.series['name']} {value_words(metric, one.typical)} (n = {one.n:,})" for one in busiest[:_NAMED]
    ]
    if len(busiest) > _NAMED:
        said.append(f"and {len(busiest) - _NAMED} more")
    what = metric.name if metric.id in SHARES else f"{metric.name}, median"
    return f"{what} in {span}: {', '.join(said)}."


def value_words(metric: Metric, value: float) -> str:
    """`1.20 s`, `310 ms`, `45 tokens/s`, `99.5 %`."""
    if metric.unit == "%":
        return f"{value:.1f} %"
    if metric.unit == "tokens/s":
        return f"{value:,.0f} tokens/s"
    return f"{value:,.0f} ms" if value < 1_000 else f"{value / 1_000:,.2f} s"


def span_of(window_ms: int) -> str:
    """`the last 24 hours`."""
    for unit_ms, unit in ((_DAY_MS, "day"), (_HOUR_MS, "hour"), (_MINUTE_MS, "minute")):
        if window_ms >= unit_ms and window_ms % unit_ms == 0:
            count = window_ms // unit_ms
            return f"the last {unit}" if count == 1 else f"the last {count} {unit}s"
    return f"the last {window_ms / 1000:,.0f} seconds"
