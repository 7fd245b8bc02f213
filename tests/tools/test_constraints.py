"""The list of pinned transitive packages in pyproject.toml."""

from __future__ import annotations

import tomllib

import pytest

from tools import constraints
from tools.uv import ROOT

PYPROJECT = """\
[project]
dependencies = ["streamlit[auth]==1.67.0", "sqlmodel==0.0.50"]
[dependency-groups]
dev = ["pytest==9.2.0"]
[tool.uv]
constraint-dependencies = [
    "old==1",
]
default-groups = []
"""


def test_what_is_pinned_directly_is_not_pinned_again() -> None:
    exported = (
        "streamlit==1.67.0\npandas==3.1.1\nuvloop==0.23.0 ; sys_platform != 'win32'\npytest==9.2.0\n# via\n"
    )
    pins = constraints.pins_of(exported, constraints.direct_names(PYPROJECT))
    assert pins == ["pandas==3.1.1", "uvloop==0.23.0"]


def test_only_the_list_is_rewritten() -> None:
    changed = constraints.with_constraints(PYPROJECT, ["a==1", "b==2"])
    assert tomllib.loads(changed)["tool"]["uv"] == {
        "constraint-dependencies": ["a==1", "b==2"],
        "default-groups": [],
    }
    assert changed.startswith(PYPROJECT.split("constraint-dependencies")[0])


def test_a_file_without_the_list_is_refused() -> None:
    with pytest.raises(ValueError, match="no constraint-dependencies"):
        constraints.with_constraints("[tool.uv]\n", [])


def test_every_pin_of_this_project_is_exact() -> None:
    document = tomllib.loads((ROOT / "pyproject.toml").read_text())
    direct = list(document["project"]["dependencies"])
    for group in document["dependency-groups"].values():
        direct += group
    loose = [pin for pin in direct + document["tool"]["uv"]["constraint-dependencies"] if "==" not in pin]
    assert loose == []
    assert len(document["tool"]["uv"]["constraint-dependencies"]) > 50
