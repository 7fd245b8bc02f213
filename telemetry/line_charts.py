"""Views as charts: lines of a percentile over time, how values are distributed, phases stacked.

The payloads are those of `charts.py`, each with one sentence that says what it shows. Pure; `Views` reads.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Mapping, Sequence
from typing import Final

from telemetry import histograms, spreads
from telemetry.charts import Chart, ChartSeries, value_words
from telemetry.metrics import METRICS, PHASES, Metric
from telemetry.slices import SERIES_ASIDE, By, key_of, name_of
from telemetry.spreads import INVERTED, SHARES, Share
from telemetry.views import Found, Group, Line, Lines, Phases

_NAMED: Final = 4
MOST_LINES: Final = 12  # of the busiest groups: more cannot be told apart
_BINS_A_STEP: Final = 4  # a step of a distribution is 1.04 ^ 4 wide: 17 %

Names = Mapping[str, str]


def lines(
    figure_id: str,
    percent: int,
    by: By,
    now: Lines,
    whole: Found,
    names: Names,
    span: str,
    before: tuple[Lines, Found] | None = None,
) -> Chart:
    """A figure over time, a line a group; `whole` is the same over the whole window, for the sentence.
    `before` is the window before, drawn where this one is."""
    metric = METRICS[figure_id]
    busiest = [(one.group, one.series) for one in whole.groups[:MOST_LINES]]
    shown = [line for line in now.lines if (line.group, line.series) in busiest]
    series = [_series(line, figure_id, percent, by, names, 0) for line in shown]
    if before is not None:
        shift_ms = now.to_ms - before[0].to_ms
        earlier = [line for line in before[0].lines if (line.group, line.series) in busiest]
        series += [_series(line, figure_id, percent, by, names, shift_ms, before=True) for line in earlier]
    told = {(one.group, one.series): one for one in before[1].groups} if before is not None else {}
    said = [
        _said(metric, percent, group, told.get((group.group, group.series)), by, names)
        for group in whole.groups[:MOST_LINES]
        if _value(metric, percent, group)[1]
    ]
    return Chart(
        figure=figure_id,
        unit=metric.unit,
        series=[each for each in series if each["points"]],
        n=sum(_value(metric, percent, group)[1] for group in whole.groups),
        sentence=_sentence(_what(metric, percent), said, span, cut=now.cut),
        kind="lines",
    )


def distribution(figure_id: str, by: By, found: Found, names: Names, span: str) -> Chart:
    """Which share of its values a group has at which size: x is the value, y percent of n."""
    metric = METRICS[figure_id]
    groups = [group for group in found.groups[:MOST_LINES] if _counts(figure_id, group) is not None]
    series = [
        ChartSeries(
            name=_name(by, group, names),
            key=key_of(by, group.group, group.series),
            points=_steps(figure_id, group),
        )
        for group in groups
    ]
    said = []
    for group in groups[:_NAMED]:
        spread = group.spread(figure_id)
        if spread.p50 is not None and spread.p95 is not None:
            low, high = sorted((spread.p50, spread.p95))
            ends = f"{value_words(metric, low)} to {value_words(metric, high)}"
            said.append(f"{_name(by, group, names)} {ends} (n = {spread.n:,})")
    return Chart(
        figure=figure_id,
        unit=metric.unit,
        series=series,
        n=sum(group.spread(figure_id).n for group in groups),
        sentence=_sentence(
            f"{metric.name}, from the middle to the slow end (p50 and p95)", said, span, found.cut
        ),
        kind="distribution",
    )


def bands(phases: Sequence[Phases], span: str) -> Chart:
    """Where the time of whole streamed answers went, stacked: mean milliseconds by slot."""
    parts: tuple[tuple[str, Callable[[Phases], float]], ...] = (
        ("gateway", lambda one: one.gateway_ms),
        ("waiting", lambda one: one.waiting_ms),
        ("thinking", lambda one: one.thinking_ms),
        ("answering", lambda one: one.answering_ms),
    )
    n = sum(one.n for one in phases)
    series = [
        ChartSeries(
            name=PHASES[name].name,
            key=f"phase:{name}",
            points=[[one.at_ms, round(part(one), 3), None] for one in phases],
            look=_LOOKS[name],
        )
        for name, part in parts
    ]
    said = []
    if n:
        means = [(PHASES[name].name, sum(part(one) * one.n for one in phases) / n) for name, part in parts]
        total = sum(mean for _, mean in means)
        said = [f"{name.lower()} {value_words(METRICS['total_ms'], mean)}" for name, mean in means]
        said = [f"{value_words(METRICS['total_ms'], total)} (n = {n:,}): " + ", ".join(said)]
    sentence = (
        f"Where the time of a whole answer went in {span}, on average {said[0]}."
        if said
        else f"Where the time went: no whole streamed answer in {span}."
    )
    return Chart(
        figure="total_ms", unit="ms", series=series if n else [], n=n, sentence=sentence, kind="bands"
    )


# Places in the palette, so that the four are never alike.
_LOOKS: Final = {"gateway": 9, "waiting": 0, "thinking": 3, "answering": 2}


def _series(
    line: Line, figure_id: str, percent: int, by: By, names: Names, shift_ms: int, *, before: bool = False
) -> ChartSeries:
    name = name_of(by, line.group, names) + SERIES_ASIDE.get(line.series, "")
    entry = ChartSeries(
        name=f"{name}, before" if before else name,
        key=key_of(by, line.group, line.series),
        points=[
            [at_ms + shift_ms, round(value, 3), n] for at_ms, value, n in line.values(figure_id, percent)
        ],
    )
    if before:
        entry["before"] = True
    return entry


def _value(metric: Metric, percent: int, group: Group) -> tuple[float | None, int]:
    figure = spreads.figure_of(metric.id, group.total)
    if isinstance(figure, Share):
        return (None if figure.value is None else 100 * figure.value), figure.n
    return figure.at(percent), figure.n


def _said(metric: Metric, percent: int, group: Group, before: Group | None, by: By, names: Names) -> str:
    value, n = _value(metric, percent, group)
    told = f"{_name(by, group, names)} {value_words(metric, value or 0.0)} (n = {n:,}"
    if before is not None:
        earlier, earlier_n = _value(metric, percent, before)
        told += f"; before {value_words(metric, earlier)}, n = {earlier_n:,}" if earlier is not None else ""
    return told + ")"


def _name(by: By, group: Group, names: Names) -> str:
    return name_of(by, group.group, names) + SERIES_ASIDE.get(group.series, "")


def _what(metric: Metric, percent: int) -> str:
    return metric.name if metric.id in SHARES else f"{metric.name}, p{percent}"


def _sentence(what: str, said: Sequence[str], span: str, cut: bool = False) -> str:
    span = f"{span}, as far as its newest requests reach" if cut else span
    if not said:
        return f"{what}: nothing was measured in {span}."
    more = [f"and {len(said) - _NAMED} more"] if len(said) > _NAMED else []
    return f"{what}, in {span}: {', '.join([*said[:_NAMED], *more])}."


def _counts(figure_id: str, group: Group) -> histograms.Counts | None:
    counts = group.total.histogram(spreads.HISTOGRAM_OF[figure_id])
    return counts if counts.sum() else None


def _steps(figure_id: str, group: Group) -> list[list[int | float | str | None]]:
    """[value in the middle of a step, percent of all, how many], by size, from the first step to the last."""
    counts = _counts(figure_id, group)
    if counts is None:
        return []
    n = int(counts.sum())
    steps: defaultdict[int, int] = defaultdict(int)
    for bin_no in counts.nonzero()[0]:
        steps[int(bin_no) // _BINS_A_STEP] += int(counts[bin_no])
    found: list[list[int | float | str | None]] = []
    for step in range(min(steps) - 1, max(steps) + 2):
        value = histograms.value_ms(min(max(step, 0) * _BINS_A_STEP + 1, histograms.BINS - 1))
        shown = 1_000 / value if figure_id in INVERTED else value
        found.append([round(shown, 4), round(100 * steps[step] / n, 3), steps[step]])
    return sorted(found, key=lambda point: float(point[0] or 0))
