"""What this process tells of itself to whoever watches it: metrics, traces, refusals that nobody else logs.

`Watched.open` subscribes to the request log. A process that has others for its API adds their pages to its
own, so that one address tells of all of them.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from contextlib import AsyncExitStack
from dataclasses import dataclass
from urllib.parse import unquote

from api.refusals import Refusals
from gateway.completion import Gateway
from settings import Settings
from stores import Stores
from telemetry.exposition import Exposition, Gauge, merged

Pages = Callable[[], Awaitable[list[bytes]]]


@dataclass(frozen=True, slots=True)
class Watched:
    exposition: Exposition
    refusals: Refusals

    @classmethod
    def open(
        cls, settings: Settings, stores: Stores, gateway: Gateway, role: str, opened: AsyncExitStack
    ) -> Watched:
        refusals = Refusals(stores.log.record)
        exposition = Exposition(stores.processes.id, role, _gauges(stores, gateway, refusals))
        stores.log.subscribe(exposition.record)
        if settings.otlp_endpoint is not None:
            # Imported where it is wanted: it is 20 MB of a process.
            from telemetry.tracing import Traces

            traces = Traces(settings.otlp_endpoint, _headers(settings.otlp_headers), stores.processes.id)
            stores.log.subscribe(traces.record)
            opened.push_async_callback(asyncio.to_thread, traces.close)
        return cls(exposition, refusals)

    def page(self, others: Pages | None = None) -> Callable[[], Awaitable[bytes]]:
        """What /metrics answers."""

        async def page() -> bytes:
            own = self.exposition.text()
            return own if others is None else merged([own, *await others()])

        return page


def _gauges(stores: Stores, gateway: Gateway, refusals: Refusals) -> tuple[Gauge, ...]:
    log = stores.log
    return (
        Gauge("tiltyard_runs_running", "Runs under way.", lambda: gateway.running),
        Gauge(
            "tiltyard_loop_lag_seconds",
            "How late the event loop was, the median of the last second.",
            lambda: gateway.admission.lag.now_ms / 1e3,
        ),
        Gauge("tiltyard_ledger_ready", "1 where the ledger decides.", lambda: float(stores.ledger.ready)),
        Gauge("tiltyard_log_rows_waiting", "Rows not yet stored.", lambda: log.health.waiting),
        Gauge("tiltyard_log_rows_lost", "Rows that never will be.", lambda: log.health.lost),
        Gauge(
            "tiltyard_refusals_not_logged",
            "Refusals before admission beyond those that are written down.",
            lambda: refusals.left_out,
        ),
    )


def _headers(said: str | None) -> dict[str, str]:
    """As OpenTelemetry writes them: `name=value,name=value`, percent-encoded."""
    pairs = (pair.partition("=") for pair in (said or "").split(",") if "=" in pair)
    return {name.strip(): unquote(value.strip()) for name, _, value in pairs}
