"""Public clients, unchanged, against the real server; what answers behind it is scripted."""

from __future__ import annotations

import runpy
import subprocess
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path

import pytest

from tests.clients import node
from tests.clients.scripted import Scripted
from tests.clients.snippets import snippet
from tests.server import API_KEY, ROOT, Server

HERE = Path(__file__).parent
_SETTINGS = {"TILTYARD_EMBEDDED": "false"}  # what answers is scripted
_PROVIDERS = """\
[providers.lab]
base_url = "{url}"
wire = "chat_completions"
allow_private_address = true

[providers.labr]
base_url = "{url}"
wire = "responses"
allow_private_address = true
"""
_MODEL = """
[[models]]
id = "lab/{name}"
name = "Lab {name}"
context_tokens = 400000
max_output_tokens = 32768
input_usd_per_million = "1.00"
output_usd_per_million = "4.00"
endpoints = ["chat_completions", "responses"]
features = ["streaming", "tools", "structured_output", "json_mode", "reasoning", "image_input", "local_shell"]
image_tokens = 1000
sampling = {{ temperature = [0, 2], effort = ["low", "medium", "high"] }}
providers = [ {{ id = "{provider}", model = "{upstream}" }} ]
"""
_MODELS = (
    ("fast", "lab", "fast"),
    ("thinker", "lab", "thinker"),
    ("busy", "lab", "busy"),
    ("native", "labr", "native"),
    ("native-thinker", "labr", "thinker"),
)
_CODEX_MINI = """
[[models]]
id = "openai/codex-mini"
lifecycle = { state = "living" }
providers = [ { id = "lab", model = "codex-mini-latest" } ]
"""
_STAND_IN = """
[stand_ins]
"openai/codex-mini" = "lab/fast"
"""


def config_of(scripted: Scripted, more: str = "") -> str:
    gold = _MODEL.format(name="gold", provider="lab", upstream="fast").replace('"1.00"', '"10000.00"')
    models = gold + "".join(
        _MODEL.format(name=name, provider=provider, upstream=upstream) for name, provider, upstream in _MODELS
    )
    return _PROVIDERS.format(url=scripted.base_url) + models + more


@pytest.fixture(scope="session")
def scripted() -> Iterator[Scripted]:
    with Scripted() as upstream:
        yield upstream


@pytest.fixture(scope="session")
def servers(scripted: Scripted, tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, Server]]:
    """Three that differ in what their operator says of `openai/codex-mini`; they start side by side."""
    configs = {"retired": "", "served": _CODEX_MINI, "stood in": _STAND_IN}
    servers = {
        name: Server(tmp_path_factory.mktemp("clients"), _SETTINGS, config_of(scripted, more))
        for name, more in configs.items()
    }
    try:
        for server in servers.values():
            server.start(wait=False)
        for server in servers.values():
            server.wait_ready(60)
        yield servers
    finally:
        for server in servers.values():
            server.end()


@pytest.fixture(scope="session")
def server(servers: dict[str, Server]) -> Server:
    """`openai/codex-mini` is retired here, as in the catalog."""
    return servers["retired"]


@pytest.fixture(scope="session")
def serving_codex_mini(servers: dict[str, Server]) -> Server:
    """The operator's tiltyard.toml says that it lives, and where."""
    return servers["served"]


@pytest.fixture(scope="session")
def standing_in(servers: dict[str, Server]) -> Server:
    """The operator lets `lab/fast` answer in its place."""
    return servers["stood in"]


@pytest.fixture
def spent(server: Server) -> Iterator[Callable[[], int]]:
    """How many nano-dollars this test has spent so far; at its end nothing may be held."""
    before = server.credits()["total_used"]
    yield lambda: server.credits()["total_used"] - before
    assert server.credits()["held"] == 0


@pytest.fixture(scope="session")
def modules() -> Path:
    return _installed(HERE / "package.json")


@pytest.fixture(scope="session")
def codex() -> Path:
    return _installed(HERE / "codex" / "package.json")


@pytest.fixture(scope="session")
def claude_code() -> Path:
    return _installed(HERE / "claude_code" / "package.json")


def _installed(package_json: Path) -> Path:
    """Skipped where npm's registry does not answer, in CI too: it is another one than everything else
    here comes from."""
    try:
        return node.installed(package_json)
    except node.NoRegistry as error:
        pytest.skip(f"npm's registry gave no packages for {package_json.relative_to(ROOT)}: {error}")


@pytest.fixture
def run_snippet(
    server: Server, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> Callable[[str], str]:
    """`run_snippet("chat.py")` is what that snippet of the page prints."""
    monkeypatch.setenv("OPENAI_API_KEY", API_KEY)
    monkeypatch.setenv("ANTHROPIC_API_KEY", API_KEY)

    def run(name: str) -> str:
        (tmp_path / name).write_text(snippet(name, server.url))
        runpy.run_path(str(tmp_path / name), run_name="__main__")["client"].close()
        return capsys.readouterr().out

    return run


RunNode = Callable[..., subprocess.CompletedProcess[str]]


@pytest.fixture(scope="session")
def run_node(modules: Path, tmp_path_factory: pytest.TempPathFactory) -> RunNode:
    """`run_node(server, {"app.mjs": "..."}, "app.mjs")` writes the files and runs Node among the packages."""

    def run(
        server: Server, files: Mapping[str, str], *arguments: str, within_s: float = 60, **variables: str
    ) -> subprocess.CompletedProcess[str]:
        folder = node.workshop(tmp_path_factory.mktemp("node"), modules)
        for name, text in files.items():
            (folder / name).write_text(text.replace("http://localhost:8501", server.url))
        environment = {"PATH": str(node.NODE.parent), "HOME": str(folder), "AI_GATEWAY_API_KEY": API_KEY}
        environment |= {"OPENAI_API_KEY": API_KEY, **variables}
        return subprocess.run(
            [str(node.NODE), *arguments],
            cwd=folder, env=environment, capture_output=True, text=True, timeout=within_s,
        )  # fmt: skip

    return run
