"""Pins what our dependencies bring along: rewrites `constraint-dependencies` in pyproject.toml.

`make constraints`, after a direct dependency changed. Resolves for every platform without the old list
and writes names and versions, never a registry's address.
"""

from __future__ import annotations

import os
import re
import subprocess
import sys
import tempfile
import tomllib
from pathlib import Path

from tools import uv as uv_tool

_LIST = re.compile(r"^constraint-dependencies = \[\n.*?^\]\n", re.MULTILINE | re.DOTALL)


def direct_names(pyproject: str) -> set[str]:
    """The names that pyproject.toml pins itself."""
    document = tomllib.loads(pyproject)
    requirements = list(document["project"]["dependencies"])
    for group in document.get("dependency-groups", {}).values():
        requirements.extend(group)
    return {re.split(r"[\[=<>~!; ]", requirement, maxsplit=1)[0].lower() for requirement in requirements}


def with_constraints(pyproject: str, pins: list[str]) -> str:
    """`pyproject` with the list replaced. Raises `ValueError` where it has none."""
    listed = "".join(f'    "{pin}",\n' for pin in pins)
    changed, times = _LIST.subn(f"constraint-dependencies = [\n{listed}]\n", pyproject)
    if times != 1:
        raise ValueError("pyproject.toml has no constraint-dependencies list to rewrite")
    return changed


def pins_of(exported: str, direct: set[str]) -> list[str]:
    """`name==version` of each exported line that is not a direct dependency; markers are dropped."""
    pins = {line.split(";")[0].strip() for line in exported.splitlines() if re.match(r"[a-z0-9]", line)}
    return sorted(pin for pin in pins if re.split(r"[\[=]", pin, maxsplit=1)[0] not in direct)


def main() -> int:
    path = uv_tool.ROOT / "pyproject.toml"
    pyproject = path.read_text()
    uv, environment = str(uv_tool.find_or_put()), uv_tool.environment(os.environ)
    with tempfile.TemporaryDirectory() as folder:
        (Path(folder) / "pyproject.toml").write_text(with_constraints(pyproject, []))
        subprocess.run([uv, "lock", "--quiet"], cwd=folder, env=environment, check=True)
        export = [uv, "export", "--frozen", "--all-groups", "--no-hashes", "--no-emit-project"]
        export += ["--no-annotate", "--no-header", "--quiet"]
        exported = subprocess.run(
            export, cwd=folder, env=environment, check=True, capture_output=True, text=True
        )
    pins = pins_of(exported.stdout, direct_names(pyproject))
    path.write_text(with_constraints(pyproject, pins))
    uv_tool.say(f"{len(pins)} transitive packages pinned")
    return 0


if __name__ == "__main__":
    sys.exit(main())
