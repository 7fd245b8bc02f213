"""docs/clients.md promises that each of its snippets is run."""

from __future__ import annotations

from tests.clients.conftest import HERE
from tests.clients.snippets import PAGE, snippets


def test_every_snippet_has_a_name_and_a_test_that_runs_it() -> None:
    assert len(snippets()) * 2 == PAGE.read_text(encoding="utf-8").count("\n```")
    tests = "".join(path.read_text(encoding="utf-8") for path in HERE.glob("test_*.py"))
    assert [name for name in snippets() if f'"{name}"' not in tests] == []
