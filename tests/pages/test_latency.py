"""The latency page: figures with their n, live charts for the window on show."""

from __future__ import annotations

import random
import re
import time

from streamlit.testing.v1 import AppTest

import live_charts
from components import latency_window, session, words
from components.latency_window import WINDOWS
from telemetry.metrics import METRICS
from tests.pages import examples, reading
from tests.pages.conftest import OpenPage
from tests.pages.fakes import World


def used(world: World) -> None:
    world.log(*examples.requests(time.time_ns() // 1_000_000, random.Random(3)))


def row(at: AppTest, model: str) -> str:
    rows: list[str] = re.findall(r"<tr.*?</tr>", reading.html(at))
    return next(each for each in rows if model in each)


def test_without_a_request_the_page_says_how_to_make_one(world: World, open_page: OpenPage) -> None:
    assert words.NO_REQUESTS in reading.texts(open_page("latency.py"))


def test_each_figure_stands_with_its_n_and_is_grey_below_twenty(world: World, open_page: OpenPage) -> None:
    used(world)
    at = open_page("latency.py")
    assert "n\N{NARROW NO-BREAK SPACE}=\N{NARROW NO-BREAK SPACE}45" in row(at, "SmolLM2 135M")
    assert "ty-faint" not in row(at, "SmolLM2 135M")
    few = row(at, "Claude Haiku 5.5")
    assert few.count("ty-faint") == 4 and words.FEW_SAMPLES in few


def test_behind_each_figure_stands_what_it_is(world: World, open_page: OpenPage) -> None:
    used(world)
    at = open_page("latency.py")
    said = reading.texts(at)
    for figure in ("ttft_ms", "tokens_per_s", "gateway_ms", "success_rate"):
        assert METRICS[figure].definition in said and METRICS[figure].is_not in said
        assert f'title="{METRICS[figure].definition}"' in reading.html(at)


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
    assert [view["chart"] for view in charts] == ["ttft_ms", "tokens_per_s", "success_rate"]
    assert {view["params"]["window_ms"] for view in charts} == {3_600_000}
    at.button_group(key=session.LATENCY_WINDOW).set_value("15 min").run()
    assert {view["params"]["window_ms"] for view in reading.views(at, "live_chart")} == {900_000}
    assert {view["ticket"] for view in reading.views(at, "live_chart")} == {charts[0]["ticket"]}


def test_the_windows_on_show_are_those_that_the_channel_draws() -> None:
    assert tuple(WINDOWS.values()) == live_charts.WINDOWS_MS
    assert latency_window.WINDOWS["7 d"] == 7 * 24 * 3_600_000
