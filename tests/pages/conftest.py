"""Pages are opened through the script that Streamlit runs, on services that behave."""

from __future__ import annotations

import functools
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from streamlit.components.v2 import manifest_scanner
from streamlit.testing.v1 import AppTest

import runtime
from tests.pages import fakes
from tests.pages.fakes import World

NAVIGATION = Path(__file__).resolve().parents[2] / "pages" / "navigation.py"

_OWN_ADDRESS = ("operator_desk.py",)  # all others have their file's name
OpenPage = Callable[..., AppTest]


@pytest.fixture(scope="session", autouse=True)
def _installed_components() -> Iterator[None]:
    """Each run of an AppTest looks for components in everything that is installed, which takes four times
    as long as a page: what is found the first time stands for all."""
    with pytest.MonkeyPatch.context() as patch:
        scan = functools.cache(manifest_scanner.scan_component_manifests)
        patch.setattr(manifest_scanner, "scan_component_manifests", scan)
        yield


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
        if page in _OWN_ADDRESS:
            at.run()  # after which they are known
        return at.switch_page(page).run()

    return opened
