"""The boards: speed with long answers apart, the registry as methodology, and what is not measured."""

from __future__ import annotations

import time

from components import benchmark_words as say, session
from telemetry.metrics import METRICS
from tests.pages import reading
from tests.pages.conftest import OpenPage
from tests.pages.fakes import World
from tests.telemetry.example_rows import request


def test_speed_of_nothing_says_so(world: World, open_page: OpenPage) -> None:
    assert say.NONE in reading.texts(open_page("benchmarks.py"))


def test_long_answers_stand_apart(world: World, open_page: OpenPage) -> None:
    now_ms = time.time_ns() // 1_000_000
    world.log(
        *(request(ended_at_ms=now_ms - no, output_tokens=2_000 if no < 25 else 100) for no in range(60))
    )
    said = reading.texts(open_page("benchmarks.py", board="speed"))
    every, long = said.split(f"<caption><span>{say.LONG}", 1)
    assert "lab/fast" in every and "60</small>" in every
    assert "lab/fast" in long and "25</small>" in long and "60</small>" not in long


def test_the_methodology_is_the_registry(world: World, open_page: OpenPage) -> None:
    at = open_page("benchmarks.py", board="methodology")
    said = reading.texts(at)
    assert "VERDICT: TIE" in said
    for metric in METRICS.values():
        assert metric.definition in said and metric.formula in said


def test_intelligence_is_not_measured_for_every_model(world: World, open_page: OpenPage) -> None:
    at = open_page("benchmarks.py", board="intelligence")
    said = reading.texts(at)
    models = world.services.catalog.models()
    assert said.count(say.INTELLIGENCE.lower()) >= len(models)
    at.segmented_control(key=session.BOARD).set_value("speed").run()
    assert at.query_params["board"] == "speed"
