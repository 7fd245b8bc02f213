"""The rules of the house that a machine can keep: who may import whom, and what a file may say."""

from __future__ import annotations

import ast
import os
import re
import subprocess
import sys
import tomllib
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent
# Folders of Python that are not packages of the product: commands, measurements, tests.
_BESIDE = {"bench", "migrations", "tests", "tools"}
_NOT_A_HOME = {"utils", "util", "helpers", "common", "core", "misc"}


def tracked_files() -> list[Path]:
    """What the repository holds, and what is about to be added to it."""
    listed = subprocess.run(
        ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=True,
    )
    return [path for name in listed.stdout.split("\0") if name and (path := ROOT / name).is_file()]


def python_files() -> list[Path]:
    return [path for path in tracked_files() if path.suffix == ".py"]


def packages() -> set[str]:
    """The top-level packages of the product."""
    folders = {path.relative_to(ROOT).parts[0] for path in python_files() if path.parent != ROOT}
    return folders - _BESIDE


def imports_of(path: Path) -> Iterator[str]:
    """Full names of the modules that a file imports, at its top or inside a function."""
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path}:{node.lineno}: relative import; write the full name"
            assert node.module is not None
            yield node.module


def test_the_import_contracts_are_kept() -> None:
    checked = subprocess.run(
        [sys.executable, "-c", "from importlinter.cli import lint_imports_command; lint_imports_command()"],
        cwd=ROOT,
        env=os.environ | {"PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
    )
    assert checked.returncode == 0, checked.stdout + checked.stderr


def test_every_package_is_under_the_import_contracts() -> None:
    """A package that the contracts do not list may import anything, and nobody would notice."""
    linted = set(
        tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["importlinter"]["root_packages"]
    )
    assert packages() == linted


def test_every_folder_of_python_is_a_package() -> None:
    """The linter does not see into a folder without `__init__.py`."""
    folders = {path.parent for path in python_files() if path.parent != ROOT}
    product = {folder for folder in folders if folder.relative_to(ROOT).parts[0] in packages()}
    assert {folder for folder in product if not (folder / "__init__.py").exists()} == set()


def test_no_module_of_ours_shadows_the_standard_library() -> None:
    ours = (
        {path.stem for path in ROOT.glob("*.py")} | packages() | (_BESIDE & {p.name for p in ROOT.iterdir()})
    )
    assert ours & set(sys.stdlib_module_names) == set()


def test_no_module_is_a_home_for_anything() -> None:
    names = {path.stem for path in python_files()} | {path.parent.name for path in python_files()}
    assert names & _NOT_A_HOME == set()


_OF_THE_AUDIT = {"billing.audit_entry", "billing.audit_export"}


@pytest.mark.parametrize("name", ["__init__.py", "audit.py", "audit_entry.py", "audit_export.py"])
def test_an_auditor_needs_python_and_the_chain_alone(name: str) -> None:
    allowed = set(sys.stdlib_module_names) | {"chain"}
    assert {
        module
        for module in imports_of(ROOT / "billing" / name)
        if module.split(".")[0] not in allowed and module not in _OF_THE_AUDIT
    } == set()


def test_the_chain_needs_the_standard_library_alone() -> None:
    allowed = set(sys.stdlib_module_names) | {"chain"}
    for path in (ROOT / "chain").glob("*.py"):
        assert {module for module in imports_of(path) if module.split(".")[0] not in allowed} == set(), path


def test_settings_are_read_at_the_top_alone() -> None:
    readers = {
        _name(path) for path in python_files() if "settings" in imports_of(path) and not _is_test(path)
    }
    assert readers <= {
        "app.py",
        "services.py",
        "observing.py",
        "api_process.py",
        "stores.py",
        "startup.py",
        "operate.py",
        "signing_in.py",
    }


def test_only_pages_and_the_session_ask_for_the_services_of_the_process() -> None:
    users = {
        _name(path)
        for path in python_files()
        if not _is_test(path)
        and re.search(r"\bruntime\.current\(|from runtime import .*\bcurrent\b", _text(path))
    }
    strangers = {name for name in users if not name.startswith("pages/") and name != "components/session.py"}
    assert strangers == set()


def test_nobody_imports_the_process() -> None:
    """A page that did would start a second hub."""
    assert {
        _name(path) for path in python_files() if "app" in imports_of(path) and not _is_test(path)
    } == set()


def test_every_page_asks_first_who_may_see_it() -> None:
    pages = [path for path in (ROOT / "pages").glob("*.py") if path.stem not in ("__init__", "navigation")]
    assert pages
    assert {_name(path) for path in pages if "guard" not in _text(path)} == set()


def test_no_file_says_where_it_was_written() -> None:
    """A home folder, a temporary folder or a package registry in a file works on one machine only."""
    # Put together here, so that this file passes its own test.
    folders = ["/" + "work/", "/" + "root/", "/" + "tmp/", "/" + "home/[a-z]+/", "/" + "Users/[a-zA-Z]+/"]
    registries = ["python" + "hosted.org", "pypi.org/" + "simple", "npm" + "js.org", "debian" + ".org"]
    said = re.compile("|".join([*folders, *registries]))
    found = [
        f"{_name(path)}:{number}: {match[0]}"
        for path in tracked_files()
        for number, line in enumerate(_lines(path), start=1)
        if (match := said.search(line))
    ]
    assert found == []


def test_a_lock_file_with_a_registry_in_it_is_not_kept() -> None:
    assert ROOT / "uv.lock" not in tracked_files()


def test_no_script_of_others_is_copied_in() -> None:
    """Third-party JavaScript is served from its own package; minified files are nobody's source."""
    scripts = [path for path in tracked_files() if path.suffix in (".js", ".mjs", ".css")]
    assert {_name(path) for path in scripts if ".min." in path.name or path.stat().st_size > 100_000} == set()


def _name(path: Path) -> str:
    return path.relative_to(ROOT).as_posix()


def _is_test(path: Path) -> bool:
    return path.relative_to(ROOT).parts[0] in ("tests", "bench")


def _text(path: Path) -> str:
    return path.read_text(encoding="utf-8")


def _lines(path: Path) -> list[str]:
    try:
        return _text(path).splitlines()
    except UnicodeDecodeError:
        return []  # pictures and the like
