"""The Grafana dashboard: every series that it reads is one that /metrics tells, with its labels."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from typing import Any

from telemetry.exposition import Exposition
from tests.server import ROOT, Server
from tests.telemetry.test_exposition import ROW

_DASHBOARD = ROOT / "docs" / "grafana" / "tiltyard.json"
_PARTS = {"counter": ("",), "gauge": ("",), "histogram": ("_bucket", "_sum", "_count")}


def _strings(value: Any) -> Iterator[str]:
    if isinstance(value, dict):
        for inner in value.values():
            yield from _strings(inner)
    elif isinstance(value, list):
        for inner in value:
            yield from _strings(inner)
    elif isinstance(value, str):
        yield value


def _expressions() -> list[str]:
    return [text for text in _strings(json.loads(_DASHBOARD.read_text())) if "tiltyard_" in text]


def test_every_series_of_the_dashboard_is_told(tiltyard: Server) -> None:
    types = re.findall(r"^# TYPE (\S+) (\S+)", tiltyard.get("/metrics").text, re.MULTILINE)
    told = {name + part for name, kind in types for part in _PARTS[kind]}
    read = {name for text in _expressions() for name in re.findall(r"tiltyard_[a-z_]+", text)}
    assert len(read) > 12
    assert read - told == set()
    assert {name for name, kind in types if kind == "gauge"} <= read  # and no gauge is forgotten


def test_every_label_of_the_dashboard_is_one_of_its_series() -> None:
    exposition = Exposition("p1", "app")
    exposition.record(ROW)
    labels: dict[str, set[str]] = {}
    for name, inside in re.findall(r"^(tiltyard_\w+)\{([^}]*)\}", exposition.text().decode(), re.MULTILINE):
        labels.setdefault(name, set()).update(re.findall(r"(\w+)=", inside))
    for text in _expressions():
        for name, inside in re.findall(r"(tiltyard_\w+)\{([^}]*)\}", text):
            assert set(re.findall(r"(\w+)=~?", inside)) <= labels[name], text
