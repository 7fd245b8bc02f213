from dataclasses import fields
from pathlib import Path
from typing import get_args

from telemetry import charts, metrics
from telemetry.latency import ModelSummary
from telemetry.rows import AttemptRow, Outcome

DOCS = Path(__file__).resolve().parents[2] / "docs"


def test_the_page_of_figures_is_the_registry() -> None:
    written = (DOCS / "figures.md").read_text(encoding="utf-8")
    assert written == metrics.as_markdown(), "run: python -m telemetry.metrics > docs/figures.md"


def test_every_figure_of_a_summary_and_of_a_point_is_registered() -> None:
    named_otherwise = {"success": "success_rate", "attempt_success": "attempt_success_rate"}
    shown = [field.name for field in fields(ModelSummary) if field.type in ("Spread", "Share")]
    assert len(shown) == 8
    for name in shown:
        assert named_otherwise.get(name, name) in metrics.METRICS
    assert set(charts.FIGURES) <= set(metrics.METRICS)


def test_every_outcome_and_every_clock_is_explained() -> None:
    assert [outcome.name for outcome in metrics.OUTCOMES] == list(get_args(Outcome))
    clocks = {name.removesuffix("_ms") for name in AttemptRow.__struct_fields__ if name.endswith("_ms")}
    assert {clock.name for clock in metrics.CLOCKS} == clocks | {"accepted"}


def test_every_figure_says_what_it_is_how_it_is_computed_and_what_it_is_not() -> None:
    for metric in metrics.METRICS.values():
        assert metric.definition.endswith(".")
        assert metric.is_not.endswith(".")
        assert metric.formula
        assert metric.min_samples == 20
