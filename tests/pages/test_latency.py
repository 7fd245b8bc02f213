"""The latency page: figures with their n, live charts for the window on show."""

from __future__ import annotations

import html
import random
import re
import time
from dataclasses import replace

import pytest
from streamlit.testing.v1 import AppTest

import live_charts
from components import latency_words, session, words
from components.latency_table import SHOWN
from telemetry.marks import Marks
from telemetry.metrics import METRICS, PHASES
from telemetry.slices import BYS
from tests.pages import examples, reading
from tests.pages.conftest import OpenPage
from tests.pages.fakes import PRINCIPAL, World

SMOL = "embedded/smollm2-135m\N{VERTICAL LINE}demonstration"


def used(world: World) -> None:
    world.log(*examples.requests(time.time_ns() // 1_000_000, random.Random(3)))


def row(at: AppTest, model: str) -> str:
    rows: list[str] = re.findall(r"(?s)<tr.*?</tr>", reading.html(at))
    return next(each for each in rows if model in each)


def test_without_a_request_the_page_says_how_to_make_one(world: World, open_page: OpenPage) -> None:
    assert words.NO_REQUESTS in reading.texts(open_page("latency.py"))


def test_each_figure_stands_with_its_n_and_is_grey_below_twenty(world: World, open_page: OpenPage) -> None:
    used(world)
    at = open_page("latency.py")
    assert "n\N{NARROW NO-BREAK SPACE}=\N{NARROW NO-BREAK SPACE}45" in row(at, "SmolLM2 135M")
    assert "ty-faint" not in row(at, "SmolLM2 135M")
    few = row(at, "Claude Haiku 5.5")
    assert few.count("ty-faint") == 8 and words.FEW_SAMPLES in few
    assert re.search(r">[\d.]+ m?s</button> <small>[\d.]+\sm?s / [\d.]+\sm?s\n", few), "p50, p95 and p99"


def test_behind_each_figure_stands_what_it_is(world: World, open_page: OpenPage) -> None:
    used(world)
    at = open_page("latency.py")
    said = reading.texts(at)
    for figure in SHOWN:
        assert METRICS[figure].definition in said and METRICS[figure].is_not in said
        assert html.escape(METRICS[figure].definition) in reading.html(at)


def test_a_figure_that_is_open_stands_with_its_interval_its_window_and_its_requests(
    world: World, open_page: OpenPage
) -> None:
    used(world)
    at = open_page("latency.py", figure="total_ms", group=SMOL)
    said = reading.texts(at)
    assert METRICS["total_ms"].formula in said
    assert "n\N{NARROW NO-BREAK SPACE}=\N{NARROW NO-BREAK SPACE}45 requests" in said
    opened = reading.html(at)
    assert opened.count(">p50<") == opened.count(">p99<") == 1
    assert latency_words.INTERVAL in opened
    (link,) = [each for each in at.get("page_link") if each.proto.label == latency_words.ITS_REQUESTS]
    assert "model=embedded" in link.proto.query_string and "since=" in link.proto.query_string


def test_simulated_models_are_shown_where_they_are_asked_for(world: World, open_page: OpenPage) -> None:
    used(world)
    at = open_page("latency.py")
    assert "Steady" not in reading.html(at)
    at.toggle(key=session.LATENCY_SIMULATED).set_value(True).run()
    assert "Steady <small>simulated</small>" in reading.html(at)
    assert all(view["params"]["simulated"] for view in reading.views(at, "live_chart"))


def test_charts_are_live_for_the_window_on_show(world: World, open_page: OpenPage) -> None:
    at = open_page("latency.py")
    charts = reading.views(at, "live_chart")
    assert [view["chart"] for view in charts] == ["ttft_ms", "distribution", "bands"]
    assert {view["params"]["window_ms"] for view in charts} == {3_600_000}
    at.button_group(key=session.LATENCY_WINDOW).set_value("15 min").run()
    assert {view["params"]["window_ms"] for view in reading.views(at, "live_chart")} == {900_000}
    assert {view["ticket"] for view in reading.views(at, "live_chart")} == {charts[0]["ticket"]}


@pytest.mark.parametrize("by", BYS)
def test_each_grouping_shows_its_figures(world: World, open_page: OpenPage, by: str) -> None:
    used(world)
    at = open_page("latency.py", by=by)
    assert latency_words.BYS[by] in reading.html(at)
    assert {view["params"]["by"] for view in reading.views(at, "live_chart")} == {by}
    assert reading.html(at).count("ty-pick") >= 8


def test_an_address_shows_the_view_that_it_names(world: World, open_page: OpenPage) -> None:
    used(world)
    at = open_page(
        "latency.py",
        **{"window": "24 h", "of-model": "openai/gpt-4.1", "figure": "tokens_per_s", "shown": "95"},
    )
    chart = reading.views(at, "live_chart")[0]
    assert chart["chart"] == "lines"
    assert chart["params"] == {
        "window_ms": 86_400_000, "by": "model", "simulated": False, "everyone": False,
        "model": "openai/gpt-4.1", "figure": "tokens_per_s", "percent": 95, "compare": False,
    }  # fmt: skip
    assert "GPT-4.1" in reading.html(at) and "SmolLM2" not in reading.html(at)


async def test_the_channel_draws_each_chart_for_each_window_and_grouping(world: World) -> None:
    used(world)
    drawn = live_charts.live_charts(world.services.views, Marks(world.log_engine), world.services.catalog)
    for chart, more in (
        ("ttft_ms", {}),
        ("success_rate", {}),
        ("lines", {"figure": "total_ms", "percent": 50, "compare": True}),
        ("lines", {"figure": "success_rate", "percent": 95}),
        ("distribution", {"figure": "tokens_per_s"}),
        ("bands", {}),
    ):
        for by in BYS:
            for window_ms in (3_600_000, 90 * 86_400_000):
                shown = await drawn[chart](PRINCIPAL, {"window_ms": window_ms, "by": by, **more})
                assert shown["n"] >= 60, (chart, by, window_ms)
                assert shown["sentence"].endswith(".")
    assert {one["name"] for one in (await drawn["bands"](PRINCIPAL, {"window_ms": 3_600_000}))["series"]} == {
        phase.name for phase in PHASES.values()
    }


@pytest.mark.parametrize(
    "params",
    [
        {}, {"window_ms": 60_000}, {"window_ms": 91 * 86_400_000}, {"window_ms": True}, {"window_ms": 10**30},
        {"from_ms": 0, "to_ms": 10**20}, {"from_ms": 10, "to_ms": 5}, {"from_ms": "0", "to_ms": 10**6},
        {"window_ms": 3_600_000, "by": "mood"}, {"window_ms": 3_600_000, "key_id": 2**64},
        {"window_ms": 3_600_000, "model": "a\0b"}, {"window_ms": 3_600_000, "tag": "x" * 300},
        {"window_ms": 3_600_000, "simulated": 1}, {"window_ms": 3_600_000, "percent": 42},
        {"window_ms": 3_600_000, "figure": "vibes"}, {"window_ms": 3_600_000, "everyone": True},
    ],
)  # fmt: skip
async def test_what_a_browser_makes_up_is_refused(world: World, params: dict[str, object]) -> None:
    drawn = live_charts.live_charts(world.services.views, Marks(world.log_engine), world.services.catalog)
    viewer = replace(PRINCIPAL, role="viewer", operator=False)
    with pytest.raises(ValueError):
        await drawn["lines"](viewer, {"figure": "ttft_ms", **params})
