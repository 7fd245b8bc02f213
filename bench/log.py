"""How fast the log and the charts are read with ten million rows and a hundred million requests behind them.

A SQLite log of 30 days is filled with raw rows (`BENCH_LOG_ROWS`, 10 million), another one with histogram
cells of 90 days (`BENCH_LOG_CELLS`, 100 million requests); `log_rows.py` says how. Then each view is read
through the app's own readers. Beside them, over the same raw rows and in turns: SQL that sorts what it finds,
and DuckDB on a copy of the columns it needs. Files are warm: each reader is asked once before it is timed.
"""

from __future__ import annotations

import os
import sqlite3
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import closing
from dataclasses import replace
from functools import partial
from pathlib import Path
from statistics import median
from typing import Any, Final

import duckdb
import pyarrow as pa
from msgspec import structs
from sqlalchemy import Engine, text

from bench.log_rows import DAY_MS, fill_cells, fill_rows, fill_sheets
from bench.table import Row, print_table
from store.databases import migrate, open_engine
from store.ids import new_id
from telemetry import grouping, kept_sheets, rollups, stored
from telemetry.line_charts import MOST_LINES
from telemetry.request_log import RequestLog
from telemetry.requests import Place, Requests, Wanted
from telemetry.rollups import HOUR_MS, MINUTE_MS
from telemetry.rows import RequestRow
from telemetry.slices import Slice
from telemetry.views import Views

ROWS: Final = int(os.environ.get("BENCH_LOG_ROWS", "10_000_000"))
CELLS: Final = int(os.environ.get("BENCH_LOG_CELLS", "100_000_000"))
_TIMES: Final = 7
_BAR: Final = "<= 50 ms"
_PAGE: Final = 51
_WINDOWS: Final = {
    "15 min": HOUR_MS // 4, "1 h": HOUR_MS, "12 h": 12 * HOUR_MS, "24 h": DAY_MS, "3 d": 3 * DAY_MS,
    "7 d": 7 * DAY_MS, "30 d": 30 * DAY_MS, "90 d": 90 * DAY_MS,
}  # fmt: skip


def measure() -> list[Row]:
    now_ms = time.time_ns() // 1_000_000
    with tempfile.TemporaryDirectory(
        prefix="tiltyard-bench-log-", dir=os.environ.get("BENCH_FOLDER")
    ) as folder:
        return [*_rows(Path(folder) / "rows.db", now_ms), *_cells(Path(folder) / "cells.db", now_ms)]


def _opened(path: Path) -> Engine:
    engine = open_engine(path)
    migrate(engine, "log")
    return engine


def _timed(work: Callable[[], object], times: int = _TIMES) -> str:
    """The median, and of this process's CPU: on a machine that does other work the two differ."""
    ms, cpu_ms = _medians_ms(work, times)
    return f"{ms:,.1f} ms ({cpu_ms:,.1f} ms of CPU)"


def _medians_ms(work: Callable[[], object], times: int = _TIMES) -> tuple[float, float]:
    work()
    found, cpu = [], []
    for _ in range(times):
        began_ns, began_cpu_ns = time.perf_counter_ns(), time.process_time_ns()
        work()
        found.append((time.perf_counter_ns() - began_ns) / 1e6)
        cpu.append((time.process_time_ns() - began_cpu_ns) / 1e6)
    return median(found), median(cpu)


# --- raw rows ---------------------------------------------------------------------------------


def _rows(path: Path, now_ms: int) -> Iterator[Row]:
    engine, from_ms = _opened(path), now_ms - 30 * DAY_MS
    began_s = time.monotonic()
    count = fill_rows(engine, ROWS, from_ms, now_ms)
    taken = f"{count / 1e6:g} million rows"
    print(f"filled {taken} in {time.monotonic() - began_s:.0f} s", flush=True)
    yield Row("log: bytes a request on disk, no roll-ups", f"{path.stat().st_size / count:.0f}", taken)
    requests = Requests(engine, RequestLog(engine))
    for name, work in _log_views(requests, from_ms, now_ms).items():
        yield Row(f"log page: {name}", _timed(work), taken, _BAR)
    yield from _sheets(engine, path, from_ms, now_ms, taken, count)
    for name, work in _group_views(partial(Views, engine, RequestLog(engine)), now_ms).items():
        yield Row(f"latency page: {name}", _timed(work), taken, _BAR)
    yield from _writing(engine, now_ms, taken)
    yield from _peers(engine, path, now_ms, taken)
    engine.dispose()


def _log_views(requests: Requests, from_ms: int, now_ms: int) -> dict[str, Callable[[], object]]:
    def page(team_id: int | None = 1, before: Place | None = None, **facts: Any) -> Callable[[], object]:
        wanted = Wanted(**{"from_ms": from_ms, **facts})
        return lambda: requests.look(team_id, wanted, _PAGE, before)

    deep = Place(now_ms - 15 * DAY_MS, "")
    (old,) = requests.page(1, Wanted(to_ms=now_ms - 20 * DAY_MS), 1)
    return {
        "newest": page(),
        "newest, all teams": page(None),
        "15 days down": page(before=deep),
        "of a model": page(model="mistral/mistral-small"),
        "of a model that has no row": page(model="nobody/nothing"),
        "our faults, 1 in 1,000": page(outcome="gateway_fault"),
        "blocked, none": page(outcome="blocked"),
        "of one provider of two, 1 in 100": page(provider="other"),
        "of a key, 1 in 40": page(key_id=7),
        "of a key that has none": page(key_id=999),
        "with a tag, 1 in 50": page(tag="ci"),
        "with a tag that nothing has": page(tag="nothing"),
        "longer than a minute, 1 in 10,000": page(least_total_ms=60_000.0),
        "longer than ten minutes, none": page(least_total_ms=600_000.0),
        "dearer than $1, none": page(least_cost_nano_usd=10**9),
        "models to choose from": lambda: requests.models(1, from_ms),
        "one request by its run": lambda: requests.one(1, str(old.run_id)),
        "one request by its own id": lambda: requests.one(1, old.request_id),
    }


def _group_views(opened: Callable[[], Views], now_ms: int) -> dict[str, Callable[[], object]]:
    """What roll-ups by model do not know: from sheets, and the last minute or two from rows."""
    found: dict[str, Callable[[], object]] = {
        "the newest points, 24 h": lambda: opened().points(Slice(1, now_ms - DAY_MS, now_ms), now_ms),
    }
    for window in ("1 h", "24 h", "7 d", "30 d"):
        whole = Slice(1, now_ms - _WINDOWS[window], now_ms)
        asked = {
            "by key": replace(whole, by="key"),
            "by key, all teams": replace(whole, by="key", team_id=None),
            "by tag": replace(whole, by="tag"),
            "by length of the answer": replace(whole, by="output_length"),
            "by key, of one model": replace(whole, by="key", model="openai/gpt-4.1"),
            "by key, of one provider": replace(whole, by="key", provider="openai"),
            "by model, of one key": replace(whole, by="model", key_id=7),
            "by model, of a tag": replace(whole, by="model", tag="ci"),
            "by key, of a tag": replace(whole, by="key", tag="ci"),
        }
        for name, one in asked.items():
            for what, work in _latency_views(opened, one, now_ms).items():
                if what != "the phases" or (one.key_id, one.tag) != (None, None):  # others are of roll-ups
                    found[f"{name}: {what}, {window}"] = work
        for name, one in {"": whole, " of a key": replace(whole, key_id=7)}.items():
            found[f"the slowest{name}, {window}"] = lambda one=one: opened().slowest(one, "ttft_ms")  # type: ignore[misc]  # mypy sees no default in a lambda
    return found


def _sheets(engine: Engine, path: Path, from_ms: int, now_ms: int, taken: str, count: int) -> Iterator[Row]:
    """What sheets cost to make and to keep."""
    before, began_s = _size(engine, path), time.monotonic()
    made = fill_sheets(engine, ROWS, from_ms, now_ms)
    print(f"made the sheets in {time.monotonic() - began_s:.0f} s", flush=True)
    grown = _size(engine, path) - before
    yield Row("sheets: bytes a request on disk", f"{grown / count:.0f}", taken)
    hour_ms, minute_ms = made.hours_until_ms - HOUR_MS, made.until_ms - MINUTE_MS
    of_minute, of_hour = grouping.read(engine, minute_ms, MINUTE_MS), grouping.read(engine, hour_ms)

    def minute() -> None:
        grouping.write_minutes(engine, {minute_ms: grouping.read(engine, minute_ms, MINUTE_MS)}, made)

    def hour() -> None:
        grouping.write_hour(engine, hour_ms, of_hour, made)

    def day() -> None:
        with engine.begin() as connection:
            kept_sheets.write_day(connection, rollups.slot_of(hour_ms, DAY_MS) - DAY_MS)

    for what, work, requests in (
        ("minutes", minute, of_minute.requests), ("hours", hour, of_hour.requests),
        ("days", day, 24 * of_hour.requests),
    ):  # fmt: skip
        _, cpu_ms = _medians_ms(work, 3)
        yield Row(f"sheets: CPU a request, {what}", f"{1_000 * cpu_ms / max(1, requests):,.1f} us", taken)


def _size(engine: Engine, path: Path) -> int:
    with engine.connect() as connection:
        connection.execute(text("PRAGMA wal_checkpoint(TRUNCATE)"))
    return path.stat().st_size


def _writing(engine: Engine, now_ms: int, taken: str) -> Iterator[Row]:
    """Microseconds a request, in batches as they come: rows alone, and with their roll-ups."""
    requests = Requests(engine, RequestLog(engine))
    seeds = requests.page(None, Wanted(), 500)

    def batch(size: int) -> list[RequestRow]:
        at_ms = now_ms + DAY_MS
        return [
            structs.replace(row, request_id=new_id("req"), run_id=new_id("run"), accepted_at_ms=at_ms)
            for row in seeds[:size]
        ]

    for size in (1, 20, 500):
        alone = _medians_ms(lambda size=size: _write(engine, batch(size), rolled=False))  # type: ignore[misc]  # mypy sees no default in a lambda
        rolled = _medians_ms(lambda size=size: _write(engine, batch(size), rolled=True))  # type: ignore[misc]  # as above
        whole, of_it = rolled[0] / size, (rolled[1] - alone[1]) / size
        yield Row(
            f"live writing, batches of {size}: a request in all, and CPU of its roll-ups",
            f"{1_000 * whole:,.0f} us, {1_000 * of_it:,.0f} us of CPU",
            taken,
        )


def _write(engine: Engine, rows: list[RequestRow], *, rolled: bool) -> None:
    with engine.begin() as connection:
        new = stored.write(connection, rows)
        if rolled:
            rollups.add(connection, new)


# --- others, over the same rows ---------------------------------------------------------------

_SORTED: Final = """
    WITH timed AS (
        SELECT r.model, a.first_answer_ms - a.sent_ms AS ms FROM request r JOIN attempt a
            ON a.ended_at_ms = r.ended_at_ms AND a.request_id = r.request_id AND a.no = r.attempts
        WHERE r.team_id = 1 AND r.ended_at_ms >= :from AND r.ended_at_ms < :to AND a.outcome = 'ok'),
    ranked AS (
        SELECT model, ms, row_number() OVER (PARTITION BY model ORDER BY ms) AS no,
               count(*) OVER (PARTITION BY model) AS n FROM timed)
    SELECT model, n, max(CASE WHEN no = (n + 1) / 2 THEN ms END),
           max(CASE WHEN no = (95 * n + 99) / 100 THEN ms END) FROM ranked GROUP BY model, n
"""
_TIMED: Final = (
    "SELECT r.team_id, r.ended_at_ms, r.model, a.first_answer_ms - a.sent_ms FROM request r JOIN attempt a"
    " ON a.ended_at_ms = r.ended_at_ms AND a.request_id = r.request_id WHERE a.outcome = 'ok'"
)
_DUCK: Final = (
    "SELECT model, count(*), quantile_disc(ms, 0.5), quantile_disc(ms, 0.95) FROM timed"
    " WHERE team_id = 1 AND at_ms >= ? AND at_ms < ? GROUP BY model"
)


def _peers(engine: Engine, path: Path, now_ms: int, taken: str) -> Iterator[Row]:
    duck = duckdb.connect(str(path.with_suffix(".duckdb")))
    duck.execute("CREATE TABLE timed (team_id BIGINT, at_ms BIGINT, model VARCHAR, ms DOUBLE)")
    with closing(sqlite3.connect(path)) as rows:
        found = rows.execute(_TIMED)
        while some := found.fetchmany(500_000):
            columns = dict(zip(("team_id", "at_ms", "model", "ms"), zip(*some, strict=True), strict=True))
            duck.register("read_rows", pa.table({name: pa.array(values) for name, values in columns.items()}))
            duck.execute("INSERT INTO timed SELECT * FROM read_rows")
    for name, window_ms in {"1 h": HOUR_MS, "24 h": DAY_MS, "30 d": 30 * DAY_MS}.items():
        bounds = {"from": now_ms - window_ms, "to": now_ms}

        def sorting(bounds: dict[str, int] = bounds) -> object:
            with engine.connect() as connection:
                return connection.execute(text(_SORTED), bounds).all()

        def by_duck(bounds: dict[str, int] = bounds) -> object:
            return duck.execute(_DUCK, list(bounds.values())).fetchall()

        once = 1 if window_ms > DAY_MS else 3
        what = f"p50 and p95 of the first token by model, {name}, raw rows"
        yield Row(f"{what}: SQL that sorts", _timed(sorting, once), taken)
        yield Row(f"{what}: DuckDB", _timed(by_duck), taken)
    duck.close()


# --- cells ------------------------------------------------------------------------------------


def _cells(path: Path, now_ms: int) -> Iterator[Row]:
    engine = _opened(path)
    began_s = time.monotonic()
    cells = fill_cells(engine, CELLS, now_ms, 90)
    taken = f"{CELLS / 1e6:g} million requests, {cells:,} cells"
    print(f"filled {taken} in {time.monotonic() - began_s:.0f} s", flush=True)
    yield Row(
        "roll-ups: size on disk, 90 days, 4 teams, 8 routes", f"{_size(engine, path) / 1e6:,.0f} MB", taken
    )
    opened = partial(Views, engine, RequestLog(engine))
    for team_id, whose in ((1, "a team"), (None, "the installation")):
        for name, window_ms in _WINDOWS.items():
            asked = Slice(team_id, now_ms - window_ms, now_ms)
            for what, work in _latency_views(opened, asked, now_ms).items():
                yield Row(f"latency page: {what}, {name}, {whose}", _timed(work), taken, _BAR)
    engine.dispose()


def _latency_views(opened: Callable[[], Views], asked: Slice, now_ms: int) -> dict[str, Callable[[], object]]:
    """With what is reckoned from what was read, as the page does; a line with the table that says which
    groups are drawn. Each begins without what another has read of the last minutes."""

    def table() -> object:
        shown = ("ttft_ms", "first_answer_ms", "tokens_per_s", "total_ms", "gateway_ms")
        groups = opened().groups(asked, now_ms).groups
        return [[group.spread(each) for each in shown] + [group.share("success_rate")] for group in groups]

    def line() -> object:
        views = opened()
        busiest = [
            (one.group, one.series) for one in views.groups(asked, now_ms, ("ttft",)).groups[:MOST_LINES]
        ]
        return [line.values("ttft_ms", 95) for line in views.lines(asked, now_ms, ("ttft",), busiest).lines]

    return {
        "the table": table,
        "the line with its own table": line,
        "the phases": lambda: opened().phases(asked, now_ms),
    }


if __name__ == "__main__":
    print_table(measure())
