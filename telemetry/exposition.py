"""Counters and histograms of this process for Prometheus: what `metrics.py` defines, by provider and model.

A request is counted where it is logged, once, as it ends; what stands now (running requests, lag, rows that
wait) is asked for when somebody looks. Everything carries the process's id and role, so that several
processes are several series. Models and providers come from the catalog, so there is an end to them; never
teams, keys or text.

Times are in seconds, as Prometheus wants them. How the page is written: `exposition_page.py`.
"""

from __future__ import annotations

from bisect import bisect_left
from collections import Counter
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field

from telemetry import clocks
from telemetry.rows import AttemptRow, RequestRow

CONTENT_TYPE = "text/plain; version=0.0.4; charset=utf-8"
_BOUNDS_S = (
    0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 25.0, 60.0, 120.0, 300.0,
)  # fmt: skip
OF_ATTEMPTS: Mapping[str, Callable[[RequestRow, AttemptRow], float | None]] = {
    "ttft_ms": lambda row, attempt: clocks.first_token_ms(attempt, streamed=row.streamed),
    "first_answer_ms": lambda row, attempt: clocks.first_answer_ms(attempt, streamed=row.streamed),
    "tpot_ms": lambda row, attempt: clocks.tpot_ms(
        attempt, clocks.output_tokens_of(row, attempt), row.reasoning_tokens, streamed=row.streamed
    ),
}
OF_REQUESTS: Mapping[str, Callable[[RequestRow], float | None]] = {
    "gateway_ms": lambda row: row.gateway_ms,
    "caller_first_answer_ms": clocks.caller_first_answer_ms,
    "total_ms": lambda row: row.total_ms,
}


@dataclass(slots=True)
class Histogram:
    counts: list[int] = field(default_factory=lambda: [0] * (len(_BOUNDS_S) + 1))
    sum_s: float = 0.0

    def add(self, ms: float) -> None:
        seconds = ms / 1e3
        self.counts[bisect_left(_BOUNDS_S, seconds)] += 1
        self.sum_s += seconds

    def cumulative(self) -> list[tuple[str, float]]:
        total, found = 0, []
        for bound, count in zip((*map(str, _BOUNDS_S), "+Inf"), self.counts, strict=True):
            total += count
            found.append((bound, float(total)))
        return found


@dataclass(frozen=True, slots=True)
class Gauge:
    """What stands now: `read` is asked when somebody looks."""

    name: str
    help: str
    read: Callable[[], float]


class Exposition:
    """Subscribe `record` to the request log; `text` is the page. What was counted, by labels:

    requests (surface, model, provider, outcome, status), attempts (model, provider, outcome), tokens
    (model, provider, kind), cost (model, provider, series), times (figure, model, provider).
    """

    def __init__(self, process_id: str, role: str, gauges: Iterable[Gauge] = ()) -> None:
        self.process = (process_id, role)
        self.gauges = tuple(gauges)
        self.requests: Counter[tuple[str, ...]] = Counter()
        self.attempts: Counter[tuple[str, ...]] = Counter()
        self.tokens: Counter[tuple[str, ...]] = Counter()
        self.cost_nano_usd: Counter[tuple[str, ...]] = Counter()
        self.times: dict[tuple[str, ...], Histogram] = {}

    def text(self) -> bytes:
        # Imported for whoever looks: with the HTTP server that it brings it is 9 MB of a process.
        from telemetry.exposition_page import page_of

        return page_of(self)

    def record(self, row: RequestRow) -> None:
        model, provider = row.model or "", row.provider or ""
        self.requests[row.surface, model, provider, row.outcome, str(row.status)] += 1
        for kind, tokens in (("input", row.input_tokens), ("output", row.output_tokens)):
            if tokens:
                self.tokens[model, provider, kind] += tokens
        if row.cost_nano_usd:
            self.cost_nano_usd[model, provider, row.series] += row.cost_nano_usd
        for name, of_request in OF_REQUESTS.items():
            self._add(name, model, provider, of_request(row))
        for attempt in row.attempts:
            self.attempts[attempt.model or model, attempt.provider, attempt.outcome] += 1
            for name, of_attempt in OF_ATTEMPTS.items():
                self._add(name, attempt.model or model, attempt.provider, of_attempt(row, attempt))

    def _add(self, name: str, model: str, provider: str, ms: float | None) -> None:
        if ms is not None:
            histogram = self.times.get((name, model, provider))
            if histogram is None:
                histogram = self.times[name, model, provider] = Histogram()
            histogram.add(ms)


def merged(pages: Iterable[bytes]) -> bytes:
    """The pages of several processes as one: a family's samples stand together, its text once."""
    heads: dict[bytes, list[bytes]] = {}
    samples: dict[bytes, list[bytes]] = {}
    for page in pages:
        name = b""
        for line in page.splitlines():
            if line.startswith((b"# HELP ", b"# TYPE ")):
                name = line.split(b" ", 3)[2]
                known = heads.setdefault(name, [])
                if line[:7] not in [one[:7] for one in known]:
                    known.append(line)
            elif line:
                samples.setdefault(name, []).append(line)
    return b"".join(line + b"\n" for name in heads for line in (*heads[name], *samples.get(name, ())))
