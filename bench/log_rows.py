"""Fills a log database for `bench/log.py`: millions of requests of plausible speed, written in minutes.

Raw rows: 100,000 are written by the app's own code, and copied in SQL, shifted in time and with ids of their
own. Sheets: the app's own of these 100,000, shifted in the same way, cut at hours, and written by its own
code. Histogram cells: drawn as counts a bin, and put into the tables by the app's own merge, each in several
turns, so that what is read has been merged as live cells are.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from typing import Final

import numpy as np
from numpy.typing import NDArray
from sqlalchemy import Connection, Engine, text

from store.ids import new_id
from telemetry import grouping, histograms, kept_sheets, rollups, sheets, stored
from telemetry.kept_sheets import Extent
from telemetry.rollups import FIVE_MINUTES_MS, HOUR_MS, KEPT_MS, MINUTE_MS, Cell, Key
from telemetry.rows import AttemptRow, Outcome, RequestRow
from telemetry.sheets import Sheet
from telemetry.tables import INSTALLATION, ROLLUPS

DAY_MS: Final = 24 * HOUR_MS
TEMPLATE: Final = 100_000  # rows that are made one by one
TEAMS: Final = {1: 0.6, 2: 0.25, 3: 0.1, 4: 0.05}
_TURNS: Final = 2  # merges into each cell
_ROUTES: Final = {  # model, provider: share of the traffic, typical time to first token, ms a token
    ("openai/gpt-4.1", "openai"): (0.30, 480.0, 12.0),
    ("openai/gpt-4.1-mini", "openai"): (0.22, 350.0, 9.0),
    ("anthropic/claude-haiku-5.5", "anthropic"): (0.18, 620.0, 10.0),
    ("google/gemini-3-flash", "google"): (0.12, 300.0, 5.0),
    ("mistral/mistral-small", "mistral"): (0.08, 260.0, 7.0),
    ("deepseek/deepseek-v4", "deepseek"): (0.06, 900.0, 22.0),
    ("openai/gpt-oss-120b", "lab"): (0.03, 150.0, 4.0),
    ("openai/gpt-oss-120b", "other"): (0.01, 800.0, 15.0),
}
_OUTCOMES: Final[dict[Outcome, float]] = {
    "ok": 0.965, "provider_fault": 0.02, "cancelled": 0.01, "client_fault": 0.004, "gateway_fault": 0.001,
}  # fmt: skip
_KEYS: Final = 40


# --- raw rows ---------------------------------------------------------------------------------


def fill_rows(engine: Engine, requests: int, from_ms: int, to_ms: int) -> int:
    """Write so many requests that ended evenly in [from_ms, to_ms), without roll-ups. Returns how many."""
    copies = max(1, requests // TEMPLATE)
    span_ms = (to_ms - from_ms) // copies
    with engine.begin() as connection:
        for pragma in ("synchronous = OFF", "cache_size = -500000"):
            connection.execute(text(f"PRAGMA {pragma}"))
    rows = list(_template(from_ms, span_ms))
    for start in range(0, len(rows), 5_000):
        with engine.begin() as connection:
            stored.write(connection, rows[start : start + 5_000])
    for copy in range(1, copies):
        with engine.begin() as connection:
            _copy(connection, from_ms, span_ms, copy * span_ms)
    return copies * TEMPLATE


def _template(from_ms: int, span_ms: int) -> Iterator[RequestRow]:
    chance = np.random.default_rng(7)
    routes, shares = list(_ROUTES), np.array([share for share, _, _ in _ROUTES.values()])
    route_of = chance.choice(len(routes), TEMPLATE, p=shares / shares.sum())
    team_of = chance.choice(list(TEAMS), TEMPLATE, p=list(TEAMS.values()))
    outcome_of = chance.choice(list(_OUTCOMES), TEMPLATE, p=list(_OUTCOMES.values()))
    ends = np.sort(chance.integers(from_ms, from_ms + span_ms, TEMPLATE))
    slow = chance.lognormal(0, 0.5, TEMPLATE)
    for no in range(TEMPLATE):
        model, provider = routes[route_of[no]]
        _, ttft_ms, token_ms = _ROUTES[model, provider]
        tokens, first_ms = int(chance.integers(20, 900)), 3 + ttft_ms * slow[no]
        last_ms = first_ms + tokens * token_ms * slow[no]
        outcome: Outcome = str(outcome_of[no])  # type: ignore[assignment]  # one of _OUTCOMES
        attempt = AttemptRow(
            1, provider, model, outcome, sent_ms=3.0, first_byte_ms=first_ms - 1, first_answer_ms=first_ms,
            last_ms=last_ms, largest_read_share=0.02, status=200,
        )  # fmt: skip
        yield RequestRow(
            request_id=new_id("req"), run_id=new_id("run"), accepted_at_ms=int(ends[no]) - round(last_ms),
            team_id=int(team_of[no]), user_id=int(chance.integers(1, 9)),
            key_id=int(chance.integers(1, _KEYS)), surface="api", model_asked=model, model=model,
            provider=provider, series="paid", outcome=outcome, status=200, streamed=True,
            input_tokens=int(chance.integers(50, 4_000)), output_tokens=tokens,
            cost_nano_usd=int(chance.integers(10_000, 9_000_000)), total_ms=last_ms, gateway_ms=3.2,
            tags=("ci",) if no % 50 == 0 else (), attempts=(attempt,),
        )  # fmt: skip


def _copy(connection: Connection, from_ms: int, span_ms: int, shift_ms: int) -> None:
    first = {"from": from_ms, "to": from_ms + span_ms}
    made = f"printf('%012x', ended_at_ms + {shift_ms})"
    for table in ("attempt", "request"):
        names = [row[1] for row in connection.execute(text(f"PRAGMA table_info({table})"))]
        new = {
            "ended_at_ms": f"ended_at_ms + {shift_ms}",
            "accepted_at_ms": f"accepted_at_ms + {shift_ms}",
            "request_id": f"'req_' || {made} || substr(request_id, 17)",
            "run_id": f"'run_' || {made} || substr(run_id, 17)",
        }
        values = ", ".join(new.get(name, f'"{name}"') for name in names)
        columns = ", ".join(f'"{name}"' for name in names)
        connection.execute(
            text(
                f"INSERT INTO {table} ({columns}) SELECT {values} FROM {table}"
                " WHERE ended_at_ms >= :from AND ended_at_ms < :to ORDER BY ended_at_ms, request_id"
            ),
            first,
        )


# --- sheets -----------------------------------------------------------------------------------


def fill_sheets(engine: Engine, requests: int, from_ms: int, to_ms: int) -> Extent:
    """Make the sheets of what `fill_rows` wrote, but for the last minute or two, as it is in use."""
    copies = max(1, requests // TEMPLATE)
    span_ms = (to_ms - from_ms) // copies
    with engine.connect() as connection:
        template = sheets.of_rows(stored.read(connection, from_ms, from_ms + span_ms), from_ms)
    first_ms = -(-from_ms // HOUR_MS) * HOUR_MS
    made = Extent(first_ms, first_ms, first_ms, first_ms)
    with engine.begin() as connection:
        kept_sheets.keep_extent(connection, made)
    for hour_ms in range(first_ms, to_ms - HOUR_MS, HOUR_MS):
        now = replace(made, hours_until_ms=hour_ms + HOUR_MS, until_ms=hour_ms + HOUR_MS)
        made = grouping.write_hour(
            engine, hour_ms, _hour_of(template, hour_ms - from_ms, span_ms, copies), now
        )
    until_ms = rollups.slot_of(to_ms - MINUTE_MS - grouping.SETTLED_MS, MINUTE_MS)
    minutes = range(made.until_ms, until_ms, MINUTE_MS)
    found = {minute_ms: grouping.read(engine, minute_ms, MINUTE_MS) for minute_ms in minutes}
    made = replace(made, until_ms=until_ms)
    grouping.write_minutes(engine, found, made)
    return made


def _hour_of(template: Sheet, first_ms: int, span_ms: int, copies: int) -> Sheet:
    """The template's copies that end in the hour from `first_ms` on, in ms since the first began."""
    found, shifts = [], []
    for copy in range(first_ms // span_ms, min(copies, (first_ms + HOUR_MS) // span_ms + 1)):
        ended = template.at + copy * span_ms
        one = sheets.where(template, (ended >= first_ms) & (ended < first_ms + HOUR_MS))
        found.append(replace(one, requests=one.lines))  # a template's request has one attempt
        shifts.append(copy * span_ms - first_ms)
    return sheets.joined(found, shifts)


# --- histogram cells --------------------------------------------------------------------------


@dataclass(slots=True)
class _Drawn(Cell):
    """A cell of many requests at once: counts a bin instead of a list of bins."""

    arrays: dict[str, NDArray[np.int64]] = field(default_factory=dict)

    def blob(self, histogram: str) -> bytes:
        return histograms.pack(self.arrays[histogram])


def fill_cells(engine: Engine, requests: int, to_ms: int, days: int) -> int:
    """Put cells of so many requests, evenly over the days before `to_ms`, into every level, as far back as
    it is kept. Returns how many cells there are."""
    cells = 0
    chance = np.random.default_rng(11)
    shapes = {route: _shapes(route, chance) for route in _ROUTES}
    for width_ms, table in ROLLUPS.items():
        kept_ms = min(KEPT_MS.get(width_ms, days * DAY_MS), days * DAY_MS)
        each = requests * width_ms / (days * DAY_MS)
        step_ms = max(width_ms, HOUR_MS if width_ms < FIVE_MINUTES_MS else 12 * HOUR_MS)
        for start_ms in range(rollups.slot_of(to_ms - kept_ms, width_ms), to_ms, step_ms):
            slots = range(start_ms, min(start_ms + step_ms, to_ms), width_ms)
            for _ in range(_TURNS):
                drawn = {
                    Key(team_id, slot_ms, *route, "paid"): _draw(
                        round(each * share * _ROUTES[route][0] / _TURNS), shapes[route], chance
                    )
                    for slot_ms in slots
                    for team_id, share in {INSTALLATION: 1.0, **TEAMS}.items()
                    for route in _ROUTES
                }
                with engine.begin() as connection:
                    rollups.merge(connection, table, drawn)
            cells += len(drawn)
    return cells


def _shapes(route: tuple[str, str], chance: np.random.Generator) -> dict[str, NDArray[np.float64]]:
    """How a route's measurements fall into the bins, by histogram."""
    _, ttft_ms, token_ms = _ROUTES[route]
    typical = {
        "ttft": ttft_ms, "first_answer": ttft_ms, "tpot": token_ms, "end_to_end_token": token_ms * 1.3,
        "total": ttft_ms + 400 * token_ms, "gateway": 3.0, "caller_first_answer": ttft_ms + 4, "burst": 2.0,
    }  # fmt: skip
    found = {}
    for name in rollups.HISTOGRAMS:
        values = typical[name] * chance.lognormal(0, 0.5, 20_000)
        found[name] = histograms.counts_of(map(histograms.bin_of, values)) / 20_000
    return found


def _draw(n: int, shapes: dict[str, NDArray[np.float64]], chance: np.random.Generator) -> _Drawn:
    outcomes = chance.multinomial(n, list(_OUTCOMES.values()))
    counts: Counter[str] = Counter()
    for name, count in zip(_OUTCOMES, outcomes, strict=True):
        counts[f"requests_{name}"] = counts[f"attempts_{name}"] = int(count)
    counts.update(input_tokens=2_000 * n, output_tokens=450 * n, cost_nano_usd=4_000_000 * n)
    ok = int(outcomes[0])
    drawn = _Drawn(counts, arrays={name: chance.multinomial(ok, shape) for name, shape in shapes.items()})
    drawn.bins.update({name: [0] for name in rollups.HISTOGRAMS})  # that there are some; `arrays` has which
    return drawn
