"""What pages and the live channel ask of the log: how fast, how often well, how lately.

Percentiles and rates come from the roll-ups, points from the newest rows and from what still waits
to be stored. Synchronous and safe in any thread; only `live_points` belongs on the loop. What the
figures mean is in `metrics.py`; the pure functions from clocks to figures are here by name as well.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass

from sqlalchemy import Engine

from telemetry import charts, clocks, rollups, stored
from telemetry.charts import Chart, Point, point_of
from telemetry.clocks import (
    caller_first_answer_ms,
    end_to_end_tokens_per_s,
    first_answer_ms,
    first_token_ms,
    tokens_per_s,
    tpot_ms,
)
from telemetry.request_log import RequestLog
from telemetry.rows import RequestRow, Series
from telemetry.slices import DEFAULT_SERIES
from telemetry.spreads import Share, Spread, share_of, spread_of

__all__ = [
    "DEFAULT_SERIES",
    "Latency",
    "ModelPoints",
    "ModelSummary",
    "Point",
    "Share",
    "Spread",
    "caller_first_answer_ms",
    "end_to_end_tokens_per_s",
    "first_answer_ms",
    "first_token_ms",
    "tokens_per_s",
    "tpot_ms",
]

MOST_POINTS = 1_000
TYPICAL_WINDOW_MS = 7 * 24 * rollups.HOUR_MS
_TYPICAL_KEPT_S = 5.0
_SKEW_MS = 1_000  # a request's end is reckoned from its start, which the wall clock may have left behind


@dataclass(frozen=True, slots=True)
class ModelSummary:
    """One model and series in [from_ms, to_ms); `requests` are all that ended, whatever their outcome."""

    model_id: str
    series: Series
    from_ms: int
    to_ms: int
    requests: int
    ttft_ms: Spread
    first_answer_ms: Spread
    tokens_per_s: Spread  # the p95 is the slow end
    end_to_end_tokens_per_s: Spread
    total_ms: Spread
    gateway_ms: Spread
    success: Share  # of requests
    attempt_success: Share


@dataclass(frozen=True, slots=True)
class ModelPoints:
    """Oldest first."""

    model_id: str
    series: Series
    points: tuple[Point, ...]


class Latency:
    """`team_id` None asks for the whole installation, which only an operator may see."""

    def __init__(self, engine: Engine, log: RequestLog) -> None:
        self._engine = engine
        self._log = log
        self._typical: dict[int | None, tuple[float, dict[str, tuple[float | None, int]]]] = {}

    def summary(
        self,
        team_id: int | None,
        window_ms: int,
        now_ms: int | None = None,
        series: Collection[Series] = DEFAULT_SERIES,
    ) -> tuple[ModelSummary, ...]:
        """The busiest model first. The window begins at a whole slot (`metrics.RULES`)."""
        to_ms = _now_ms() if now_ms is None else now_ms
        from_ms = rollups.slot_of(to_ms - window_ms, rollups.width_for(window_ms))
        with self._engine.connect() as connection:
            found = rollups.totals(connection, team_id, to_ms - window_ms, to_ms, series)
        every = (_summary(key, total, from_ms, to_ms) for key, total in found.items() if key[0])
        return tuple(sorted(every, key=lambda one: (-one.requests, one.model_id, one.series)))

    def points(
        self,
        team_id: int | None,
        window_ms: int,
        now_ms: int | None = None,
        series: Collection[Series] = DEFAULT_SERIES,
        limit: int = MOST_POINTS,
    ) -> tuple[ModelPoints, ...]:
        """The newest requests of the window, by model, at most `limit` in all."""
        by_model: dict[tuple[str, Series], list[Point]] = {}
        for point in self._newest(team_id, window_ms, now_ms, series, limit):
            by_model.setdefault((point.model_id, point.series), []).append(point)
        return tuple(ModelPoints(*key, tuple(by_model[key])) for key in sorted(by_model))

    def live_points(
        self,
        team_id: int | None,
        watcher: Callable[[Point], None],
        series: Collection[Series] = DEFAULT_SERIES,
    ) -> Callable[[], None]:
        """Call `watcher` on the loop with every request of the team as it ends. Returns how to leave."""

        def watch(row: RequestRow) -> None:
            point = point_of(row) if _wanted(row, team_id, series) else None
            if point is not None:
                watcher(point)

        return self._log.subscribe(watch)

    def chart(
        self,
        figure_id: str,
        team_id: int | None,
        window_ms: int,
        names: Mapping[str, str],
        now_ms: int | None = None,
        series: Collection[Series] = DEFAULT_SERIES,
    ) -> Chart:
        """One of `charts.FIGURES` over the window's newest requests; `names` maps model ids to names."""
        return self.charts((figure_id,), team_id, window_ms, names, now_ms, series)[0]

    def charts(
        self,
        figure_ids: Sequence[str],
        team_id: int | None,
        window_ms: int,
        names: Mapping[str, str],
        now_ms: int | None = None,
        series: Collection[Series] = DEFAULT_SERIES,
    ) -> tuple[Chart, ...]:
        """Several charts of the same points, which are read once."""
        points = self._newest(team_id, window_ms, now_ms, series, MOST_POINTS + 1)
        cut_off, shown = len(points) > MOST_POINTS, points[-MOST_POINTS:]
        return tuple(
            charts.chart(figure_id, shown, names, window_ms=window_ms, cut_off=cut_off)
            for figure_id in figure_ids
        )

    def typical(self, model_id: str, team_id: int | None) -> tuple[float | None, int]:
        """(p50 of the time to first token over 7 days, n), at most 5 s old; (None, 0) of nothing."""
        read_at_s, found = self._typical.get(team_id, (-_TYPICAL_KEPT_S, {}))
        if time.monotonic() - read_at_s >= _TYPICAL_KEPT_S:
            found = self._read_typical(team_id)
            self._typical[team_id] = (time.monotonic(), found)
        return found.get(model_id, (None, 0))

    def _read_typical(self, team_id: int | None) -> dict[str, tuple[float | None, int]]:
        now_ms = _now_ms()
        with self._engine.connect() as connection:
            totals = rollups.totals(
                connection, team_id, now_ms - TYPICAL_WINDOW_MS, now_ms, DEFAULT_SERIES, ("ttft",)
            )
        found: dict[str, tuple[float | None, int]] = {}
        for (model, _), total in totals.items():
            spread = spread_of("ttft_ms", total)
            if spread.n > found.get(model, (None, 0))[1]:  # of two series the one that is used
                found[model] = (spread.p50, spread.n)
        return found

    def _newest(
        self, team_id: int | None, window_ms: int, now_ms: int | None, series: Collection[Series], limit: int
    ) -> list[Point]:
        """Oldest first."""
        to_ms = _now_ms() if now_ms is None else now_ms
        # Before the database is asked: what is stored meanwhile is then seen twice, never missed.
        waiting = [row for row in self._log.unstored() if _wanted(row, team_id, series)]
        from_ms, until_ms = to_ms - window_ms, to_ms + _SKEW_MS
        with self._engine.connect() as connection:
            kept = stored.newest(connection, team_id, from_ms, until_ms, series, limit)
        by_key = {(clocks.ended_at_ms(row), row.request_id): row for row in [*kept, *waiting]}
        ordered = (by_key[key] for key in sorted(by_key) if from_ms <= key[0] < until_ms)
        return [point for row in ordered if (point := point_of(row)) is not None][-limit:]


def _wanted(row: RequestRow, team_id: int | None, series: Collection[Series]) -> bool:
    return row.series in series and team_id in (None, row.team_id)


def _summary(key: tuple[str, Series], total: rollups.Total, from_ms: int, to_ms: int) -> ModelSummary:
    requests = total.outcomes("requests")
    return ModelSummary(
        model_id=key[0],
        series=key[1],
        from_ms=from_ms,
        to_ms=to_ms,
        requests=sum(requests.values()),
        ttft_ms=spread_of("ttft_ms", total),
        first_answer_ms=spread_of("first_answer_ms", total),
        tokens_per_s=spread_of("tokens_per_s", total),
        end_to_end_tokens_per_s=spread_of("end_to_end_tokens_per_s", total),
        total_ms=spread_of("total_ms", total),
        gateway_ms=spread_of("gateway_ms", total),
        success=share_of("success_rate", total),
        attempt_success=share_of("attempt_success_rate", total),
    )


def _now_ms() -> int:
    return time.time_ns() // 1_000_000
