"""The charts that a tab may watch: figure ids to how each is drawn for one principal.

Parameters come from a browser, so each is checked: `window_ms` (one of `WINDOWS_MS`) and
`simulated` (whether simulated models are shown as well).
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from typing import Any

from gateway.catalog import Catalog
from identity.principal import Principal
from telemetry.charts import FIGURES
from telemetry.latency import DEFAULT_SERIES, Latency

_MINUTE_MS = 60_000
WINDOWS_MS = (15 * _MINUTE_MS, 60 * _MINUTE_MS, 24 * 60 * _MINUTE_MS, 7 * 24 * 60 * _MINUTE_MS)

Chart = Callable[[Principal, Mapping[str, Any]], Awaitable[Mapping[str, Any]]]


def live_charts(latency: Latency, catalog: Catalog) -> dict[str, Chart]:
    names = {model.id: model.name for model in catalog.models()}
    return {figure: _chart(figure, latency, names) for figure in FIGURES}


def _chart(figure: str, latency: Latency, names: Mapping[str, str]) -> Chart:
    async def draw(principal: Principal, params: Mapping[str, Any]) -> Mapping[str, Any]:
        window_ms, simulated = params.get("window_ms"), params.get("simulated", False)
        if window_ms not in WINDOWS_MS or not isinstance(simulated, bool):
            raise ValueError("window_ms and simulated must be what the page offers")
        series = (*DEFAULT_SERIES, "simulated") if simulated else DEFAULT_SERIES
        return await asyncio.to_thread(
            latency.chart, figure, principal.team_id, window_ms, names, None, series
        )

    return draw
