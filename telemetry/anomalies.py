"""What became slow or began to fail in the last hours, each told with the test that says so.

The last `LOOK_MS` are compared with the day before them, for each model (time to first token, time per
output token, success of requests), each provider (success of attempts) and the gateway's own time. Each slot
of five minutes is tried as the beginning of a change; the p-value of the likeliest is multiplied by how many
were tried, and all comparisons of one look are corrected together (`two_samples.py`). Told is what remains
below `ALPHA`, is large enough to matter (`LEAST_RATIO`, `LEAST_POINTS`) and has not ended. Requests that come
in bursts are not independent, which is why the size must matter as well.
"""

from __future__ import annotations

import threading
import time
from collections import defaultdict
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Final, Literal

from sqlalchemy import Connection, Engine, and_

from telemetry import clocks, histograms, rollups, two_samples
from telemetry.metrics import METRICS, MIN_SAMPLES
from telemetry.rollups import FIVE_MINUTES_MS, HOUR_MS, Total
from telemetry.slices import DEFAULT_SERIES
from telemetry.tables import INSTALLATION, ROLLUPS

LOOK_MS: Final = 3 * HOUR_MS
BASE_MS: Final = 24 * HOUR_MS
ALPHA: Final = 0.001
LEAST_RATIO: Final = 1.5
LEAST_POINTS: Final = 0.05  # of a share
LEAST_BEFORE: Final = 60  # samples
_STILL_MS: Final = 30 * 60_000
_KEPT_S: Final = 30.0

Kind = Literal["slow", "failing"]
Of = Literal["model", "provider", "gateway"]
TEST_IN_WORDS: Final = (
    "The last three hours are compared with the 24 before: speeds with the exceedance test of Gumbel and von "
    "Schelling (how many lie above the p95 of before), success with Fisher's exact test. Every five minutes "
    "are tried as the beginning; the result is corrected for those and, with Holm's procedure, for all "
    f"comparisons of this look. Told is what is left below {ALPHA:.1%}, is {LEAST_RATIO:g} times as slow or "
    f"{LEAST_POINTS:.0%} points less often whole, and goes on."
)


@dataclass(frozen=True, slots=True)
class Anomaly:
    """`value` and `before` are p95 in ms, or shares between 0 and 1; `n` and `n_before` their samples;
    `p` is corrected for all `comparisons` of the look."""

    kind: Kind
    of: Of
    subject: str
    figure: str
    since_ms: int
    value: float
    before: float
    n: int
    n_before: int
    p: float
    comparisons: int

    @property
    def ratio(self) -> float:
        return self.value / self.before if self.before else float("inf")

    @property
    def threshold(self) -> str:
        """The coarse step that it has reached: what is told once a step."""
        if self.kind == "slow":
            return next(f"{step:g}-fold" for step in (10, 3, LEAST_RATIO) if self.ratio >= step)
        return next(f"below {step:.0%}" for step in (0.5, 0.9, 1.0) if self.value < step or step == 1.0)


@dataclass(frozen=True, slots=True)
class _Compared:
    """One comparison, before it is corrected for the others."""

    of: Of
    subject: str
    figure: str
    p: float
    since_ms: int
    base: Total
    recent: Total


class Anomalies:
    """Any thread may ask; what was found is kept for half a minute."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine
        self._found: dict[int | None, tuple[float, tuple[Anomaly, ...]]] = {}
        self._turn = threading.Lock()

    def of(self, team_id: int | None) -> tuple[Anomaly, ...]:
        """The worst first."""
        with self._turn:
            at_s, found = self._found.get(team_id, (float("-inf"), ()))
            if time.monotonic() - at_s >= _KEPT_S:
                found = find(self._engine, team_id, time.time_ns() // 1_000_000)
                self._found[team_id] = (time.monotonic(), found)
            return found


def find(engine: Engine, team_id: int | None, now_ms: int) -> tuple[Anomaly, ...]:
    look_from_ms = rollups.slot_of(now_ms - LOOK_MS, HOUR_MS)
    with engine.connect() as connection:
        recent = _read(connection, team_id, FIVE_MINUTES_MS, look_from_ms, now_ms)
        base = _read(connection, team_id, HOUR_MS, look_from_ms - BASE_MS, look_from_ms - 1)
    compared = [
        found
        for key, slots in recent.items()
        if key in base and (found := _compare(*key, base[key], slots, now_ms)) is not None
    ]
    corrected = two_samples.holm([each.p for each in compared])
    told = [
        _anomaly(each, p, len(compared)) for each, p in zip(compared, corrected, strict=True) if p < ALPHA
    ]
    return tuple(sorted((one for one in told if _matters(one)), key=lambda one: (one.p, one.subject)))


_Key = tuple[Of, str, str]  # of, subject, figure
_Slots = Mapping[int, Total]


def _read(
    connection: Connection, team_id: int | None, width_ms: int, from_ms: int, to_ms: int
) -> dict[_Key, dict[int, Total]]:
    table = ROLLUPS[width_ms]
    here = and_(
        table.c.team_id == (team_id or INSTALLATION),
        table.c.slot_ms.between(from_ms, to_ms),
        table.c.series.in_(DEFAULT_SERIES),
    )
    by = [table.c.model, table.c.provider, table.c.slot_ms]
    found: defaultdict[_Key, dict[int, Total]] = defaultdict(dict)
    for (model, provider, slot_ms), total in rollups.add_up(
        connection, table, by, here, ("ttft", "tpot", "gateway")
    ):
        for key in _keys(model, provider):
            _merge(found[key].setdefault(slot_ms, Total()), total)
    return found


def _keys(model: str, provider: str) -> list[_Key]:
    keys: list[_Key] = [("gateway", "", "gateway_ms")]
    if model:
        keys += [("model", model, figure) for figure in ("ttft_ms", "tpot_ms", "success_rate")]
    return keys + ([("provider", provider, "attempt_success_rate")] if provider else [])


def _merge(into: Total, other: Total) -> None:
    into.counts.update(other.counts)
    for name, blobs in other.blobs.items():
        into.blobs[name].extend(blobs)


def _sum(slots: Sequence[Total]) -> Total:
    whole = Total()
    for each in slots:
        _merge(whole, each)
    return whole


# --- one comparison -----------------------------------------------------------------------------


def _compare(
    of: Of, subject: str, figure: str, base_slots: _Slots, slots: _Slots, now_ms: int
) -> _Compared | None:
    """The likeliest beginning of a change; None where there are too few samples, or it has ended."""
    base = _sum(list(base_slots.values()))
    counted = _exceeding(base) if figure in _HISTOGRAMS else _failing
    name = _HISTOGRAMS.get(figure, figure)
    old_hits, old = counted(name, base)
    if old < LEAST_BEFORE:
        return None
    test = two_samples.slower if figure in _HISTOGRAMS else two_samples.more_often
    best: tuple[float, int] | None = None
    hits = new = tried = 0
    for slot_ms in sorted(slots, reverse=True):
        more_hits, more = counted(name, slots[slot_ms])
        hits, new = hits + more_hits, new + more
        if new < MIN_SAMPLES:
            continue
        tried += 1
        p = test(hits, new, old_hits, old)
        if best is None or p < best[0]:
            best = (p, slot_ms)
    if best is None:
        return None
    since_ms = best[1]
    recent = _sum([total for slot_ms, total in slots.items() if slot_ms >= since_ms])
    if not _goes_on(name, counted, recent, slots, now_ms):
        return _Compared(of, subject, figure, 1.0, since_ms, base, recent)
    return _Compared(of, subject, figure, min(1.0, best[0] * tried), since_ms, base, recent)


_HISTOGRAMS: Final = {"ttft_ms": "ttft", "tpot_ms": "tpot", "gateway_ms": "gateway"}
_Counted = Callable[[str, Total], tuple[int, int]]


def _exceeding(base: Total) -> _Counted:
    """(values above the bin of the base's p95, all values) of a histogram."""

    def count(name: str, total: Total) -> tuple[int, int]:
        old = base.histogram(name)
        limit = histograms.percentile_bin(old, 95)
        counts = total.histogram(name)
        return int(counts[limit + 1 :].sum()), int(counts.sum())

    return count


def _failing(figure: str, total: Total) -> tuple[int, int]:
    """(faults, what counts)."""
    share, n = _success(figure, total)
    return (0, 0) if share is None else (n - round(share * n), n)


def _success(figure: str, total: Total) -> tuple[float | None, int]:
    return clocks.success(total.outcomes("requests" if figure == "success_rate" else "attempts"))


def _goes_on(name: str, counted: _Counted, recent: Total, slots: _Slots, now_ms: int) -> bool:
    """Whether the last half hour is at least half as bad as all since the change began."""
    hits, n = counted(name, recent)
    last_hits, last = counted(
        name, _sum([total for slot_ms, total in slots.items() if slot_ms > now_ms - _STILL_MS])
    )
    return last > 0 and last_hits * n * 2 >= hits * last


def _anomaly(compared: _Compared, p: float, comparisons: int) -> Anomaly:
    figure, base, recent = compared.figure, compared.base, compared.recent
    if figure in _HISTOGRAMS:
        kind: Kind = "slow"
        name = _HISTOGRAMS[figure]
        counts, old = recent.histogram(name), base.histogram(name)
        value, before = histograms.percentile_ms(counts, 95), histograms.percentile_ms(old, 95)
        n, n_before = int(counts.sum()), int(old.sum())
    else:
        kind = "failing"
        value, n = _success(figure, recent)
        before, n_before = _success(figure, base)
    return Anomaly(
        kind, compared.of, compared.subject, figure, compared.since_ms, value or 0.0, before or 0.0, n,
        n_before, p, comparisons,
    )  # fmt: skip


def _matters(anomaly: Anomaly) -> bool:
    if anomaly.kind == "slow":
        return anomaly.ratio >= LEAST_RATIO
    return anomaly.before - anomaly.value >= LEAST_POINTS


# --- in words -------------------------------------------------------------------------------------


def sentence(anomaly: Anomaly, name: str, since: str) -> str:
    """`p95 of time to first token of Lab Fast tripled since 14:05: 1.21 s, before 402 ms (n = 412)`."""
    whose = "" if anomaly.of == "gateway" else f" of {name}"
    what = METRICS[anomaly.figure].name
    if anomaly.kind == "slow":
        return (
            f"p95 of {_lower(what)}{whose} {_rose(anomaly.ratio)} since {since}: "
            f"{_ms(anomaly.value)}, before {_ms(anomaly.before)} (n = {anomaly.n:,})"
        )
    return (
        f"{what}{whose} fell to {anomaly.value:.1%} since {since}, before {anomaly.before:.1%} "
        f"(n = {anomaly.n:,})"
    )


def proof(anomaly: Anomaly) -> str:
    """What the test said."""
    test = "exceedance test" if anomaly.kind == "slow" else "Fisher's exact test"
    p = f"p = {anomaly.p:.2g}" if anomaly.p >= 1e-6 else "p below 0.000001"
    return (
        f"{test}, {p} after correction for {anomaly.comparisons} comparisons and every beginning that was "
        f"tried; {anomaly.n:,} samples against {anomaly.n_before:,} of the day before"
    )


def _rose(ratio: float) -> str:
    if ratio < 1.9:
        return f"rose {ratio:.1f}-fold"
    return "doubled" if ratio < 2.5 else "tripled" if ratio < 3.5 else f"rose {ratio:,.0f}-fold"


def _ms(value: float) -> str:
    if value < 10:
        return f"{value:.1f} ms"
    return f"{value:,.0f} ms" if value < 1_000 else f"{value / 1_000:,.2f} s"


def _lower(name: str) -> str:
    return name[0].lower() + name[1:]
