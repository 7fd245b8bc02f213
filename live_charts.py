"""The charts that a tab may watch: chart ids to how each is drawn for one principal.

A figure's id draws its newest requests as points; `lines` a percentile over time, `distribution` how its
values lie, `bands` where the time of answers went. Parameters come from a browser, so each is checked:

    window_ms          the last so many milliseconds; or from_ms and to_ms
    by                 one of `slices.BYS`
    model, provider, key_id, tag      narrow it, where they are there
    simulated, everyone               simulated models too; the whole installation, for an operator
    figure, percent, compare          of `lines` and `distribution`
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable, Mapping
from datetime import UTC, datetime
from typing import Any, cast

from gateway.catalog import Catalog
from identity.permissions import may
from identity.principal import Principal
from telemetry import charts, line_charts, spreads
from telemetry.charts import Chart
from telemetry.marks import Mark, Marks
from telemetry.slices import Slice, read_slice
from telemetry.views import Views

Params = Mapping[str, Any]
Draw = Callable[[Principal, Params], Awaitable[Mapping[str, Any]]]


def live_charts(views: Views, marks: Marks, catalog: Catalog) -> dict[str, Draw]:
    drawn = _Charts(views, marks, catalog)
    drawings: dict[str, Callable[[Slice, Params], Chart]] = {
        **{figure: _points(drawn, figure) for figure in charts.FIGURES},
        "lines": drawn.lines,
        "distribution": drawn.distribution,
        "bands": drawn.bands,
    }
    return {chart_id: _live(draw) for chart_id, draw in drawings.items()}


def slice_of(principal: Principal, params: Params, now_ms: int) -> Slice:
    """What parameters ask for. Raises `ValueError`."""
    everyone = params.get("everyone", False)
    if not isinstance(everyone, bool) or (everyone and not may(principal, "operate")):
        raise ValueError("The whole installation is shown to its operator.")
    return read_slice(None if everyone else principal.team_id, params, now_ms)


class _Charts:
    def __init__(self, views: Views, marks: Marks, catalog: Catalog) -> None:
        self.views = views
        self._marks = marks
        self._catalog = catalog

    @property
    def names(self) -> dict[str, str]:
        """Of models and providers; what is connected while we run has its name too."""
        models = {model.id: model.name for model in self._catalog.models()}
        return {provider.id: provider.name for provider in self._catalog.providers()} | models

    def points(self, figure: str, asked: Slice, params: Params) -> Chart:
        points, cut = self.views.points(asked)
        shown = charts.chart(
            figure, points, self.names, window_ms=asked.length_ms, cut_off=cut, by=asked.by,
            span=_span(asked, params),
        )  # fmt: skip
        return self._marked(shown, asked)

    def lines(self, asked: Slice, params: Params) -> Chart:
        figure, percent = _figure(params, spreads.FIGURES), params.get("percent", 95)
        compare = params.get("compare", False)
        if percent not in spreads.PERCENTS or not isinstance(compare, bool):
            raise ValueError("`percent` and `compare` must be what the page offers")
        wanted = (spreads.HISTOGRAM_OF[figure],) if figure in spreads.HISTOGRAM_OF else ()
        earlier = asked.before()
        whole = self.views.groups(asked, None, wanted)
        drawn = [(one.group, one.series) for one in whole.groups[: line_charts.MOST_LINES]]
        now, before = self.views.lines(asked, None, wanted, drawn), None
        if compare:
            before = self.views.lines(earlier, None, wanted, drawn), self.views.groups(earlier, None, wanted)
        shown = line_charts.lines(
            figure, percent, asked.by, now, whole, self.names, _span(asked, params), before
        )
        return self._marked(shown, asked)

    def distribution(self, asked: Slice, params: Params) -> Chart:
        figure = _figure(params, tuple(spreads.HISTOGRAM_OF))
        found = self.views.groups(asked, None, (spreads.HISTOGRAM_OF[figure],))
        return line_charts.distribution(figure, asked.by, found, self.names, _span(asked, params))

    def bands(self, asked: Slice, params: Params) -> Chart:
        return self._marked(line_charts.bands(self.views.phases(asked), _span(asked, params)), asked)

    def _marked(self, chart: Chart, asked: Slice) -> Chart:
        marks = self._marks.between(asked.from_ms, asked.to_ms)
        if marks:
            chart["marks"] = [[mark.at_ms, mark.detail] for mark in _of_slice(marks, asked)]
        return chart


def _points(drawn: _Charts, figure: str) -> Callable[[Slice, Params], Chart]:
    return lambda asked, params: drawn.points(figure, asked, params)


def _live(draw: Callable[[Slice, Params], Chart]) -> Draw:
    async def drawn(principal: Principal, params: Params) -> Mapping[str, Any]:
        asked = slice_of(principal, params, time.time_ns() // 1_000_000)
        return await asyncio.to_thread(draw, asked, params)

    return drawn


def _of_slice(marks: tuple[Mark, ...], asked: Slice) -> list[Mark]:
    """A price of a model that is not shown explains nothing."""
    return [mark for mark in marks if mark.kind != "price" or asked.model in (None, mark.subject)]


def _figure(params: Params, offered: tuple[str, ...]) -> str:
    figure = params.get("figure")
    if figure not in offered:
        raise ValueError("There is no such figure.")
    return cast(str, figure)


def _span(asked: Slice, params: Params) -> str:
    """The window in words: `the last 24 hours`, or from when to when in UTC."""
    if params.get("window_ms") is not None:
        return charts.span_of(asked.length_ms)
    return f"{_instant(asked.from_ms)} to {_instant(asked.to_ms)} UTC"


def _instant(at_ms: int) -> str:
    return f"{datetime.fromtimestamp(at_ms / 1_000, UTC):%Y-%m-%d %H:%M}"


def price_marks(catalog: Catalog) -> tuple[Mark, ...]:
    """Each price that came after a model's first, on the day from which it is valid."""
    return tuple(
        Mark(price.valid_from_ms, "price", model.id, f"{model.name}: a new price from here on")
        for model in catalog.models()
        for price in model.prices[1:]
    )


def aliases_of(catalog: Catalog) -> dict[str, str]:
    return {alias: model.id for model in catalog.models() for alias in model.aliases}
