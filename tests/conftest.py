"""What every test may ask for: a real server, a real Chromium, and the rules about skipping."""

from __future__ import annotations

import functools
import importlib.util
import os
from collections.abc import Callable, Generator, Iterator, Mapping
from pathlib import Path

import pytest

from tests import postgresql as real_postgresql
from tests.databases import (
    home as home,
    migrated_folder as migrated_folder,
    migrated_postgresql as migrated_postgresql,
    postgresql_home as postgresql_home,
    sqlite_home as sqlite_home,
)
from tests.postgresql import (
    new_postgresql as new_postgresql,
    postgresql as postgresql,
    postgresql_url as postgresql_url,
)
from tests.server import Server
from tests.sharing import Sharing
from tests.upstream import SlowUpstream
from tools import chromium

IN_CI = os.environ.get("CI", "").lower() not in ("", "0", "false")
_LOG_TAIL = 12_000  # characters

StartServer = Callable[..., Server]
_FIGURE = "figure"  # a property of a test's report, so that it also comes from a worker process


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--kills", type=int, default=2, help="how often tests/faults kills the app, an engine")


@pytest.hookimpl(optionalhook=True)  # where there are workers
def pytest_xdist_make_scheduler(config: pytest.Config, log: object) -> object:
    return Sharing(config, log)


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """What this machine cannot run is skipped by name; in CI nothing is: there it fails."""
    missing = {
        "browser": "" if _has_chromium() else "no Chromium on this machine (make test finds or installs one)",
        "embedded": "" if _has_engine() else "the embedded model is not installed on this machine",
        "postgresql": "" if real_postgresql.available() else "no PostgreSQL on this machine",
    }
    for item in items:
        for marker, reason in missing.items():
            if reason and item.get_closest_marker(marker) and not IN_CI:
                item.add_marker(pytest.mark.skip(reason=reason))


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    reports = (report for kind in terminalreporter.stats.values() for report in kind)
    told = (
        getattr(report, "user_properties", ()) for report in reports if getattr(report, "when", "") == "call"
    )
    if figures := [text for properties in told for name, text in properties if name == _FIGURE]:
        terminalreporter.section("figures")
        for figure in figures:
            terminalreporter.write_line(str(figure))
    if not _has_chromium():
        terminalreporter.section("BROWSER TESTS DID NOT RUN", sep="!", red=True, bold=True)
        terminalreporter.write_line(
            "No Chromium on this machine: TILTYARD_CHROMIUM names one, make test installs one."
        )


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(
    item: pytest.Item, call: pytest.CallInfo[None]
) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """A failed test shows the log of each server that it had."""
    report = yield
    if report.failed:
        for value in getattr(item, "funcargs", {}).values():
            servers = [value] if isinstance(value, Server) else getattr(value, "servers", [])
            for server in servers:
                report.sections.append((f"log of {server.url}", server.log[-_LOG_TAIL:]))
    return report


@pytest.fixture
def record_figure(request: pytest.FixtureRequest) -> Callable[[str], None]:
    """`record_figure("...")` is printed when all tests have ended: what was measured on the way."""
    return lambda text: request.node.user_properties.append((_FIGURE, text))


class _Servers:
    """Starts servers, remembers them, ends them all."""

    def __init__(self, folders: Callable[[], Path]) -> None:
        self.servers: list[Server] = []
        self._folders = folders

    def __call__(
        self, settings: Mapping[str, str] | None = None, config: str = "", *, wait: bool = True
    ) -> Server:
        server = Server(self._folders(), settings or {}, config)
        self.servers.append(server)
        server.start(wait=wait)
        return server

    def end(self) -> None:
        for server in self.servers:
            server.end()


@pytest.fixture
def start_tiltyard(tmp_path_factory: pytest.TempPathFactory) -> Iterator[StartServer]:
    """`start_tiltyard(settings={...}, config="...toml...")` starts a server of this test's own."""
    servers = _Servers(lambda: tmp_path_factory.mktemp("server"))
    yield servers
    servers.end()


@pytest.fixture(scope="session")
def slow_upstream() -> Iterator[SlowUpstream]:
    """A provider whose answers last; its model is `lab/slow` where `config` is in tiltyard.toml."""
    with SlowUpstream() as upstream:
        yield upstream


@pytest.fixture(scope="session")
def tiltyard(tmp_path_factory: pytest.TempPathFactory, slow_upstream: SlowUpstream) -> Iterator[Server]:
    """One server for all the tests that only use it: never stop it, never spend all its credit."""
    servers = _Servers(lambda: tmp_path_factory.mktemp("tiltyard"))
    yield servers(config=slow_upstream.config)
    servers.end()


@pytest.fixture(scope="session")
def chromium_path() -> Path:
    found = chromium.find()
    if found is None:
        pytest.fail("no Chromium on this machine; in CI the browser tests are never skipped")
    return found


@functools.cache
def _has_chromium() -> bool:
    return chromium.find() is not None


def _has_engine() -> bool:
    return importlib.util.find_spec("xllamacpp") is not None
