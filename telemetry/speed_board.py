"""The speed board: each model's middle and slow end, and its long answers apart.

All answers come from the roll-ups, however many there are. Long ones are told from the others by the rows
alone: so many of the newest rows are looked through, and the board says back to when.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Final

from telemetry.requests import Requests, Wanted
from telemetry.rollups import Cell, Total, by_route
from telemetry.rows import RequestRow
from telemetry.slices import DEFAULT_SERIES, LENGTHS, Slice
from telemetry.spreads import Share, Spread, share_of, spread_of
from telemetry.views import Views, total_of

LONG_TOKENS: Final = LENGTHS["output_length"][-1]  # an answer is long above this
_MOST_LONG: Final = 5_000
_MOST_LOOKED_AT: Final = 30_000


@dataclass(frozen=True, slots=True)
class Speed:
    """Of attempts, but `success`, which is of requests. Tokens a second at p95 are the slow end."""

    ttft_ms: Spread
    tokens_per_s: Spread
    total_ms: Spread
    success: Share


@dataclass(frozen=True, slots=True)
class Standing:
    """One model and series; `long` are its answers above `LONG_TOKENS`, None where there was none."""

    model_id: str
    series: str
    requests: int
    every: Speed
    long: Speed | None


@dataclass(frozen=True, slots=True)
class SpeedBoard:
    """The fastest first token first, those with too few samples last. `long_since_ms` is where the look for
    long answers began."""

    standings: tuple[Standing, ...]
    from_ms: int
    to_ms: int
    long_since_ms: int


def speed_board(
    views: Views, requests: Requests, team_id: int | None, window_ms: int, now_ms: int
) -> SpeedBoard:
    asked = Slice(team_id, now_ms - window_ms, now_ms)
    found = views.groups(asked, now_ms)
    wanted = Wanted(from_ms=asked.from_ms, to_ms=now_ms, least_output_tokens=LONG_TOKENS + 1)
    rows = requests.look(team_id, wanted, _MOST_LONG, most=_MOST_LOOKED_AT)
    since_ms = found.from_ms
    if rows.looked_to is not None:
        since_ms = rows.looked_to.ended_at_ms
    elif len(rows.rows) == _MOST_LONG:
        since_ms = rows.rows[-1].accepted_at_ms
    long = _by_model(rows.rows)
    standings = [
        Standing(group.group, group.series, group.requests, _speed(group.total), _or_none(long, group.group))
        for group in found.groups
        if group.group
    ]
    return SpeedBoard(tuple(sorted(standings, key=_order)), found.from_ms, found.to_ms, since_ms)


def _by_model(rows: Iterable[RequestRow]) -> dict[str, Total]:
    cells: defaultdict[str, Cell] = defaultdict(Cell)
    for row in rows:
        if row.series in DEFAULT_SERIES:
            for (model, _, _), cell in by_route(row).items():
                cells[model].add(cell)
    return {model: total_of(cell) for model, cell in cells.items()}


def _or_none(long: dict[str, Total], model_id: str) -> Speed | None:
    return _speed(long[model_id]) if model_id in long else None


def _speed(total: Total) -> Speed:
    return Speed(
        spread_of("ttft_ms", total),
        spread_of("tokens_per_s", total),
        spread_of("total_ms", total),
        share_of("success_rate", total),
    )


def _order(standing: Standing) -> tuple[bool, float, str]:
    first = standing.every.ttft_ms
    return not first.enough, first.p50 if first.p50 is not None else float("inf"), standing.model_id
