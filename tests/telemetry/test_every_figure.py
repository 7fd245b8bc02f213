"""Every figure by three ways, from one generated log: the page's reader, the API, and the raw rows.

What the raw rows say is written out here from the definitions, and shares nothing with the code under test
but the rows. `make test` prints the table.
"""

from __future__ import annotations

import asyncio
import json
import math
import random
import re
import time
from collections.abc import AsyncIterator, Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import Engine

from api.asgi import Api, ApiMiddleware
from api.edge import local_hosts
from identity.local import LocalIdentity
from telemetry import rollups, spreads, stored
from telemetry.exposition import Exposition
from telemetry.grouping import Grouping
from telemetry.kept_sheets import BYS
from telemetry.metrics import METRICS
from telemetry.rows import AttemptRow, Outcome, RequestRow
from telemetry.slices import By, Slice
from telemetry.views import Views
from tests.api.conftest import KEY, Caller, pages
from tests.api.on_a_desk import services_of
from tests.gateway.desk import desk

MODEL, PROVIDERS = "simulated/steady", ("simulated", "lab")
TOLERANCE = 0.02 + 1e-9  # half a bin, to the last bit
HOUR_MS = 3_600_000
OUTCOMES: tuple[Outcome, ...] = (
    "ok",
    "provider_fault",
    "gateway_fault",
    "client_fault",
    "cancelled",
    "blocked",
)

RecordFigure = Callable[[str], None]


def generated(now_ms: int) -> list[RequestRow]:
    """1,500 requests of the last forty minutes: reasoning and not, streamed and not, fallbacks, bursts."""
    chance, who = random.Random(8), random.Random(9)
    rows = []
    for number in range(1_500):
        ended_at_ms = now_ms - chance.randrange(40 * 60_000)
        sent = chance.lognormvariate(0.8, 0.5)
        attempts: list[AttemptRow] = []
        if chance.random() < 0.12:
            attempts.append(AttemptRow(1, "lab", "fast-1", "provider_fault", sent_ms=sent, last_ms=None))
        at = sent + (chance.uniform(20, 300) if attempts else 0.0)
        first = at + chance.lognormvariate(5.4, 0.6)
        thinks = chance.random() < 0.3
        answer = first + (chance.lognormvariate(6.5, 0.4) if thinks else 0.0)
        tokens = chance.choice((1, 5, 40, 300, 1_200))
        last = answer + tokens * chance.uniform(3, 20)
        outcome = chance.choice(OUTCOMES) if chance.random() < 0.15 else "ok"
        attempts.append(
            AttemptRow(
                len(attempts) + 1, "simulated", "steady", outcome, sent_ms=at, first_byte_ms=first - 1,
                first_reasoning_ms=first if thinks else None, first_answer_ms=answer, last_ms=last,
                largest_read_share=chance.uniform(0.01, 0.9),
            )
        )  # fmt: skip
        total = last + chance.uniform(0.2, 3)
        rows.append(
            RequestRow(
                f"req_{number:06d}", f"run_{number:06d}", ended_at_ms - round(total),
                1, 1, who.choice((None, 7, 8)), "api", MODEL, MODEL, "simulated", "paid", outcome, 200,
                streamed=chance.random() < 0.85, input_tokens=who.choice((50, 500, 5_000)),
                output_tokens=tokens, tags=who.choice(((), ("ci",), ("ci", "nightly"))),
                reasoning_tokens=tokens // 2 if thinks and tokens > 4 else 0, cost_nano_usd=1_000,
                total_ms=total, gateway_ms=sent, attempts=tuple(attempts),
            )
        )  # fmt: skip
    return rows


# --- from the raw rows, by the definitions ------------------------------------------------------


def by_definition(figure_id: str, rows: list[RequestRow]) -> Iterator[float]:
    """Every value of a figure, as docs/figures.md defines it."""
    for row in rows:
        last = row.attempts[-1]
        if figure_id == "total_ms":
            yield row.total_ms or 0.0
        elif figure_id == "gateway_ms":
            yield row.attempts[0].sent_ms or 0.0
        elif figure_id == "caller_first_answer_ms":
            if row.streamed and last.first_answer_ms is not None:
                yield last.first_answer_ms
        else:
            yield from (
                value
                for attempt in row.attempts
                if (value := of_attempt(figure_id, row, attempt)) is not None
            )


def of_attempt(figure_id: str, row: RequestRow, attempt: AttemptRow) -> float | None:
    answer, sent, last = attempt.first_answer_ms, attempt.sent_ms or 0.0, attempt.last_ms
    if answer is None or last is None:
        return None  # it failed before anything came
    first = min(answer, attempt.first_reasoning_ms or answer)
    tokens = row.output_tokens or 0
    if figure_id == "burst_share":
        return 100 * (attempt.largest_read_share or 0.0)
    if figure_id == "end_to_end_tokens_per_s":
        return 1_000 * tokens / (last - sent)
    if not row.streamed:
        return None
    if figure_id == "ttft_ms":
        return first - sent
    if figure_id == "first_answer_ms":
        return answer - sent
    hidden = (row.reasoning_tokens or 0) if attempt.first_reasoning_ms is None else 0
    if tokens - hidden < 2:
        return None
    token_ms = (last - first) / (tokens - hidden - 1)
    return token_ms if figure_id == "tpot_ms" else 1_000 / token_ms


def nearest_rank(values: list[float], percent: int, *, slow_is_low: bool) -> float:
    ordered = sorted(values, reverse=slow_is_low)
    return ordered[math.ceil(percent / 100 * len(ordered)) - 1]


def share(rows: list[RequestRow], figure_id: str) -> tuple[float, int]:
    outcomes = [row.outcome for row in rows]
    if figure_id == "attempt_success_rate":
        outcomes = [attempt.outcome for row in rows for attempt in row.attempts]
    good, bad = outcomes.count("ok"), outcomes.count("provider_fault") + outcomes.count("gateway_fault")
    return good / (good + bad), good + bad


# --- the three ways -----------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Told:
    rows: list[RequestRow]
    views: Views
    engine: Engine
    latency: dict[str, Any]  # GET /v1/latency
    by: dict[By, dict[str, Any]]  # the same by key, tag and lengths, once their sheets are made
    models: dict[str, Any]  # GET /v1/models/{id}: its provider's object
    metrics: str  # GET /metrics
    now_ms: int


@pytest.fixture
async def told(tmp_path: Path) -> AsyncIterator[Told]:
    async with desk(tmp_path) as at:
        now_ms = time.time_ns() // 1_000_000
        rows = generated(now_ms)
        LocalIdentity.open(at.databases.app, KEY)
        engine = at.databases.log.engine
        with engine.begin() as connection:
            rollups.add(connection, stored.write(connection, rows))
        exposition = Exposition("proc_1", "app")
        for row in rows:
            exposition.record(row)

        async def page() -> bytes:
            return exposition.text()

        services, close = services_of(at, tmp_path, metrics=page)
        app = ApiMiddleware(pages, api=Api(services), hosts=local_hosts("127.0.0.1"))

        async def get(path: str) -> str:
            answered = await Caller(app).ask("GET", path)
            assert answered.status == 200, answered.text
            return answered.text

        latency = json.loads(await get("/v1/latency?window_s=3600&by=model"))
        Grouping(engine).work(now_ms)
        by: dict[By, dict[str, Any]] = {}
        for each in BYS:
            by[each] = json.loads(await get(f"/v1/latency?window_s=3600&by={each}"))
        models = json.loads(await get(f"/v1/models/{MODEL}"))
        while not models["providers"][0]["n"]:  # what it knows of paces is read beside the first answer
            await asyncio.sleep(0.05)
            models = json.loads(await get(f"/v1/models/{MODEL}"))
        yield Told(rows, Views(engine), engine, latency, by, models, await get("/metrics"), now_ms)
        await close()


async def test_every_figure_is_the_same_by_page_by_api_and_from_the_rows(
    told: Told, record_figure: RecordFigure
) -> None:
    asked = Slice(1, told.now_ms - HOUR_MS, told.now_ms + 1)
    (group,) = told.views.groups(asked, told.now_ms + 1).groups  # what the page shows
    (answered,) = told.latency["groups"]
    assert (group.requests, answered["requests"]) == (1_500, 1_500)
    record_figure(f"{'figure':<26}{'':>5}{'rows':>12}{'page':>12}{'API':>12}{'n':>7}  worst")
    checked = set()
    for figure_id in METRICS:
        checked.add(figure_id)
        if figure_id in spreads.SHARES:
            exact, n = share(told.rows, figure_id)
            page = group.share(figure_id)
            assert (page.n, answered["figures"][figure_id]["n"]) == (n, n)
            same(record_figure, figure_id, "", exact, page.value, answered["figures"][figure_id]["value"], n)
            continue
        values = list(by_definition(figure_id, told.rows))
        spread, api = group.spread(figure_id), answered["figures"][figure_id]
        assert (spread.n, api["n"]) == (len(values), len(values)), figure_id
        for percent in spreads.PERCENTS:
            exact = nearest_rank(values, percent, slow_is_low=figure_id in spreads.INVERTED)
            name = f"p{percent}"
            same(record_figure, figure_id, name, exact, spread.at(percent), api[name], len(values))
    assert checked == set(METRICS) == set(spreads.FIGURES)


def groups_by_hand(by: str, row: RequestRow) -> list[str]:
    """Which groups a request is of, as docs/latency.md tells them apart."""
    if by == "key":
        return ["" if row.key_id is None else str(row.key_id)]
    if by == "tag":
        return list(row.tags) or [""]
    ends = (100, 1_000, 4_000, 16_000, 64_000) if by == "input_length" else (50, 200, 500, 1_500)
    tokens = (row.input_tokens if by == "input_length" else row.output_tokens) or 0
    return [str(sum(tokens > end for end in ends))]


async def test_by_key_tag_and_length_every_figure_is_that_of_its_rows(
    told: Told, record_figure: RecordFigure
) -> None:
    """From sheets of whole minutes and the rows after them."""
    for by in BYS:
        told_by(by, told, record_figure)


def told_by(by: By, told: Told, record_figure: RecordFigure) -> None:
    asked = Slice(1, told.now_ms - HOUR_MS, told.now_ms + 1, by=by)
    found = told.views.groups(asked, told.now_ms + 1)
    answered = {group["group"]: group for group in told.by[by]["groups"]}
    names = {name for row in told.rows for name in groups_by_hand(by, row)}
    assert {group.group for group in found.groups} == answered.keys() == names
    worst, n = 0.0, 0
    for group in found.groups:
        mine = [row for row in told.rows if group.group in groups_by_hand(by, row)]
        assert (group.requests, answered[group.group]["requests"]) == (len(mine), len(mine))
        for figure_id in METRICS:
            api = answered[group.group]["figures"][figure_id]
            if figure_id in spreads.SHARES:
                exact, count = share(mine, figure_id)
                assert (group.share(figure_id).value, api["value"], api["n"]) == (exact, exact, count)
                continue
            values = list(by_definition(figure_id, mine))
            spread = group.spread(figure_id)
            assert (spread.n, api["n"] if api else 0) == (len(values), len(values))
            for percent in spreads.PERCENTS if values else ():
                exact = nearest_rank(values, percent, slow_is_low=figure_id in spreads.INVERTED)
                both = (spread.at(percent), api[f"p{percent}"])
                worst = max(worst, *(abs((value or 0.0) / exact - 1) for value in both))
                n += 1
    record_figure(f"by {by:<23} {len(names)} groups, {n} percentiles by page and API: worst {worst:.2%}")
    assert worst <= TOLERANCE


def same(
    record_figure: RecordFigure, figure_id: str, name: str, rows: float, page: float | None,
    api: float | None, n: int,
) -> None:  # fmt: skip
    assert page is not None and api is not None
    worst = max(abs(page / rows - 1), abs(api / rows - 1))
    record_figure(f"{figure_id:<26}{name:>5}{rows:>12.4g}{page:>12.4g}{api:>12.4g}{n:>7}  {worst:.2%}")
    assert worst <= TOLERANCE, (figure_id, name)


async def test_metrics_and_models_tell_the_same_as_the_rows(told: Told, record_figure: RecordFigure) -> None:
    """Prometheus gets sums and counts, so means are compared; a model's page gets medians."""
    seconds = {"ttft_ms", "first_answer_ms", "tpot_ms", "gateway_ms", "caller_first_answer_ms", "total_ms"}
    for figure_id in sorted(seconds):
        values = list(by_definition(figure_id, told.rows))
        name = f"tiltyard_{figure_id.removesuffix('_ms')}_seconds"
        count, total = scraped(told.metrics, f"{name}_count"), scraped(told.metrics, f"{name}_sum")
        mean = sum(values) / len(values)
        assert count == len(values), figure_id
        told_ms = 1_000 * total / count
        record_figure(f"{figure_id:<26} mean{mean:>12.4g}{told_ms:>24.4g}{len(values):>7}  /metrics")
        assert 1_000 * total / count == pytest.approx(mean, rel=1e-6)
    name = "tiltyard_requests_total"
    outcomes = {one: scraped(told.metrics, name, f'outcome="{one}"') for one in OUTCOMES}
    assert outcomes == {one: sum(row.outcome == one for row in told.rows) for one in OUTCOMES}
    (provider,) = told.models["providers"]
    waits, paces = (list(by_definition(each, told.rows)) for each in ("ttft_ms", "tokens_per_s"))
    direct = [one.outcome for row in told.rows for one in row.attempts if one.provider == "simulated"]
    faults = direct.count("provider_fault") + direct.count("gateway_fault")
    assert provider["n"] == len(waits)
    for name, rows in (
        ("first_token_ms_p50", nearest_rank(waits, 50, slow_is_low=False)),
        ("tokens_per_s_p50", nearest_rank(paces, 50, slow_is_low=True)),
        ("success", direct.count("ok") / (direct.count("ok") + faults)),
    ):
        record_figure(f"{name:<31}{rows:>12.4g}{provider[name]:>24.4g}{provider['n']:>7}  /v1/models")
        assert provider[name] == pytest.approx(rows, rel=TOLERANCE)


def scraped(page: str, name: str, label: str = "") -> float:
    """The sum of a metric's samples."""
    lines = re.findall(rf"^{re.escape(name)}\{{(.*?)\}} (\S+)$", page, re.MULTILINE)
    return sum(float(value) for labels, value in lines if label in labels)
