"""Pages are opened through the script that Streamlit runs, on services that behave."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from streamlit.testing.v1 import AppTest

import runtime
from tests.pages import fakes
from tests.pages.fakes import World

NAVIGATION = Path(__file__).resolve().parents[2] / "pages" / "navigation.py"

OpenPage = Callable[..., AppTest]


@pytest.fixture
def build() -> Iterator[Callable[..., World]]:
    """`build(role="viewer")` is an installation of this test's own."""
    worlds: list[World] = []

    def make(**facts: Any) -> World:
        worlds.append(fakes.world(**facts))
        runtime.install(worlds[-1].services)
        return worlds[-1]

    yield make
    runtime.install(None)
    for world in worlds:
        world.close()


@pytest.fixture
def world(build: Callable[..., World]) -> World:
    return build()


@pytest.fixture
def open_page() -> OpenPage:
    """`open_page("credits.py", run="run_1")` as a browser with that address would."""

    def opened(page: str = "playground.py", **query: str) -> AppTest:
        at = AppTest.from_file(str(NAVIGATION), default_timeout=20)
        for name, value in query.items():
            at.query_params[name] = value
        if page == "playground.py":
            return at.run()
        return at.run().switch_page(page).run()

    return opened
