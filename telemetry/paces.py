"""How fast and how well each provider answered for each model lately, for routing: read from memory.

The slow end (p95) of the last hour, or of the last day where the hour has too few answers; with fewer
than 20 in the day nothing is said. Of the whole installation: a provider is as fast for one team as for
another. `refresh` reads the roll-ups again, in a thread, when what is known is older than 5 seconds; a
plain request never waits for it.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import time
from collections.abc import Mapping
from dataclasses import dataclass

from sqlalchemy import Engine
from sqlalchemy.exc import SQLAlchemyError

from telemetry import clocks, histograms, rollups
from telemetry.metrics import MIN_SAMPLES
from telemetry.rows import Series

_log = logging.getLogger(__name__)

KEPT_S = 5.0
_LONGEST_WAIT_S = 0.5  # a plan goes on with what it has
_SERIES: tuple[Series, ...] = ("paid", "demonstration", "simulated")


@dataclass(frozen=True, slots=True)
class Pace:
    """`n` answers of the last `hours` (1 or 24); figures are None where fewer than 20 say them. Tokens a
    second at the slow end are what 95 % of the answers reached. `success` is of attempts."""

    hours: int
    n: int
    first_token_ms: float | None
    slow_first_token_ms: float | None
    tokens_per_s: float | None
    slow_tokens_per_s: float | None
    success: float | None
    attempts: int


Key = tuple[str, str]  # model, provider


class Paces:
    def __init__(self, engine: Engine) -> None:
        self._engine = engine
        self._known: Mapping[Key, Pace] = {}
        self._read_at_s = float("-inf")
        self._reading: asyncio.Task[None] | None = None

    def of(self, model_id: str, provider_id: str) -> Pace | None:
        return self._known.get((model_id, provider_id))

    async def refresh(self) -> None:
        """Many may ask at once: one reads. A database that is slow or away leaves what was known."""
        if time.monotonic() - self._read_at_s < KEPT_S:
            return
        if self._reading is None or self._reading.done():
            self._reading = asyncio.create_task(self._read_again(), name="read paces")
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(asyncio.shield(self._reading), _LONGEST_WAIT_S)

    async def _read_again(self) -> None:
        try:
            self._known = await asyncio.to_thread(read_paces, self._engine, time.time_ns() // 1_000_000)
        except SQLAlchemyError as error:
            _log.warning("how fast providers are could not be read: %s", error)
        self._read_at_s = time.monotonic()


def read_paces(engine: Engine, now_ms: int) -> dict[Key, Pace]:
    """Of the last hour where it has enough answers, else of the last day."""
    with engine.connect() as connection:
        hour = rollups.totals_by_route(connection, now_ms - rollups.HOUR_MS, now_ms, _SERIES)
        day = rollups.totals_by_route(connection, now_ms - 24 * rollups.HOUR_MS, now_ms, _SERIES)
    found = {key: _pace(total, 24) for key, total in day.items()}
    for key, total in hour.items():
        pace = _pace(total, 1)
        if pace.n >= MIN_SAMPLES:
            found[key] = pace
    return found


def _pace(total: rollups.Total, hours: int) -> Pace:
    ttft, tpot = total.histogram("ttft"), total.histogram("tpot")
    n = int(ttft.sum())
    timed, paced = n >= MIN_SAMPLES, int(tpot.sum()) >= MIN_SAMPLES
    success, attempts = clocks.success(total.outcomes("attempts"))
    return Pace(
        hours=hours,
        n=n,
        first_token_ms=histograms.percentile_ms(ttft, 50) if timed else None,
        slow_first_token_ms=histograms.percentile_ms(ttft, 95) if timed else None,
        tokens_per_s=clocks.per_second(histograms.percentile_ms(tpot, 50)) if paced else None,
        slow_tokens_per_s=clocks.per_second(histograms.percentile_ms(tpot, 95)) if paced else None,
        success=success if attempts >= MIN_SAMPLES else None,
        attempts=attempts,
    )
