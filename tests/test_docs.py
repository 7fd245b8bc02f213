"""What the documentation says is checked against what it speaks of."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from settings import Settings
from settings_sign_in import is_provider_variable

ROOT = Path(__file__).resolve().parent.parent
PAGES = [ROOT / "README.md", ROOT / "CONTRIBUTING.md", ROOT / "CHANGELOG.md", ROOT / "bench" / "README.md"]
PAGES += sorted((ROOT / "docs").glob("*.md"))
# Tables of the file, which no single variable can say; variables of the tools around the app.
_TABLES = {"providers", "models", "stand_ins", "tiers", "sign_in", "team_claims"}
_OF_TOOLS = {"TILTYARD_CONFIG", "TILTYARD_CHROMIUM", "TILTYARD_TEST_POSTGRESQL"}


def test_every_setting_is_explained_and_nothing_else() -> None:
    table = (ROOT / "docs" / "run.md").read_text(encoding="utf-8")
    explained = set(re.findall(r"^\| `TILTYARD_([A-Z_]+)` \|", table, re.MULTILINE))
    assert explained == {name.upper() for name in Settings.model_fields if name not in _TABLES}


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_a_variable_that_is_named_exists(page: Path) -> None:
    settings = {f"TILTYARD_{name.upper()}" for name in Settings.model_fields}
    named = set(re.findall(r"TILTYARD_[A-Z]+(?:_[A-Z]+)*", page.read_text(encoding="utf-8")))
    named = {name for name in named if not is_provider_variable(name)}
    assert named - settings - _OF_TOOLS - {"TILTYARD_API_KEY"} == set()


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_every_link_between_pages_leads_somewhere(page: Path) -> None:
    targets = re.findall(r"\]\(([^)#\s]+)(?:#[^)]*)?\)", page.read_text(encoding="utf-8"))
    inside = [target for target in targets if not re.match(r"[a-z]+:", target)]
    assert [target for target in inside if not (page.parent / target).exists()] == []


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_every_make_target_that_is_named_exists(page: Path) -> None:
    targets = set(re.findall(r"^([a-z]+):", (ROOT / "Makefile").read_text(encoding="utf-8"), re.MULTILINE))
    named = set(re.findall(r"`make ([a-z]+)", page.read_text(encoding="utf-8")))
    assert named - targets == set()


def test_every_direct_dependency_is_explained() -> None:
    readme = (ROOT / "README.md").read_text(encoding="utf-8")
    pyproject = (ROOT / "pyproject.toml").read_text(encoding="utf-8")
    direct = re.findall(r'^    "([a-z0-9-]+)[^"=]*==[^"]+",', pyproject.split("[tool.uv]")[0], re.MULTILINE)
    assert len(direct) > 25
    names = {
        "import-linter",
        "pytest-asyncio",
        "pytest-timeout",
    }  # explained as "pytest (with asyncio and timeout)"
    assert [name for name in direct if name not in readme and name not in names] == []
