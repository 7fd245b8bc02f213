"""Holds every pinned dependency against known vulnerabilities, by pip-audit and OSV.

`make vulnerabilities`, and a part of `make check`. Never silently green: a version is asked about in which a
vulnerability is known for certain, and where that is not reported, or any pin was not answered for, nothing
was audited, which is said and ends with 2. Known vulnerabilities end with 1, unless
`known_vulnerabilities.toml` explains each. `TILTYARD_OSV_URL` names another server that answers like OSV's.
"""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
import tempfile
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final, Literal

from tools import uv as uv_tool

PIP_AUDIT: Final = "pip-audit==2.10.1"
CERTAIN: Final = ("django", "2.2")  # PYSEC-2020-35 and many more
EXPLAINED: Final = Path(__file__).with_name("known_vulnerabilities.toml")
_WITHIN_S: Final = 600

Verdict = Literal["clean", "vulnerable", "not asked"]
CODES: Final[Mapping[Verdict, int]] = {"clean": 0, "vulnerable": 1, "not asked": 2}


@dataclass(frozen=True, slots=True)
class Finding:
    package: str
    ids: frozenset[str]
    fixed_in: tuple[str, ...]

    def __str__(self) -> str:
        fixed = f"fixed in {', '.join(self.fixed_in)}" if self.fixed_in else "no fix yet"
        return f"{self.package}: {', '.join(sorted(self.ids))} ({fixed})"


def pins(pyproject: str) -> dict[str, str]:
    """Every version that pyproject.toml pins, of what we ask for and of what that brings along."""
    document = tomllib.loads(pyproject)
    listed = [
        *document["project"]["dependencies"],
        *(each for group in document["dependency-groups"].values() for each in group),
        *document["tool"]["uv"]["constraint-dependencies"],
    ]
    found = (re.match(r"([A-Za-z0-9._-]+)(?:\[[^]]*\])?==([^\s;]+)", each) for each in listed)
    return {re.sub(r"[-_.]+", "-", each[1]).lower(): each[2] for each in found if each is not None}


def judge(
    pinned: Mapping[str, str], report: str, explained: Mapping[str, Mapping[str, str]]
) -> tuple[Verdict, list[str]]:
    """What pip-audit's JSON says of the pins, and the sentences that tell it."""
    try:
        rows: list[dict[str, Any]] = json.loads(report)["dependencies"]
    except (ValueError, KeyError, TypeError):
        return "not asked", ["pip-audit gave no report: no service answered."]
    found = {row["name"]: row.get("vulns") for row in rows}
    if not found.get(CERTAIN[0]):
        return "not asked", [f"The service does not know what is wrong with {'=='.join(CERTAIN)}."]
    if unanswered := sorted(name for name in pinned if found.get(name) is None):
        return "not asked", [f"No answer about {', '.join(unanswered)}."]
    findings = [
        Finding(f"{name}=={version}", frozenset((vuln["id"], *vuln["aliases"])), tuple(vuln["fix_versions"]))
        for name, version in pinned.items()
        for vuln in found[name] or ()
    ]
    open_ = [str(each) for each in findings if not _is_explained(each, explained)]
    stale = [
        f"{EXPLAINED.name}: {name} explains nothing that is pinned, or gives no reason"
        for name, entry in explained.items()
        if not entry.get("reason", "").strip()
        or not any(name in each.ids and entry.get("package") == each.package for each in findings)
    ]
    known, explained_here = len(findings), len(findings) - len(open_)
    told = f"{len(pinned)} packages, {known} known vulnerabilities, {explained_here} explained"
    return ("vulnerable" if open_ or stale else "clean"), [*open_, *stale, told]


def _is_explained(finding: Finding, explained: Mapping[str, Mapping[str, str]]) -> bool:
    entries = [explained[each] for each in finding.ids if each in explained]
    return any(
        entry.get("package") == finding.package and entry.get("reason", "").strip() for entry in entries
    )


def audit() -> tuple[Verdict, list[str]]:
    pinned = pins((uv_tool.ROOT / "pyproject.toml").read_text())
    uv, environment = str(uv_tool.find_or_put()), uv_tool.environment(os.environ)
    with tempfile.TemporaryDirectory() as folder:
        asked = Path(folder) / "requirements.txt"
        asked.write_text("".join(f"{name}=={version}\n" for name, version in [*pinned.items(), CERTAIN]))
        command = [uv, "tool", "run", "--quiet", "--from", PIP_AUDIT, "pip-audit"]
        command += [
            "--vulnerability-service",
            "osv",
            "--requirement",
            str(asked),
            "--no-deps",
            "--disable-pip",
        ]
        command += ["--format", "json", "--progress-spinner", "off", "--cache-dir", folder]
        if url := os.environ.get("TILTYARD_OSV_URL"):
            command += ["--osv-url", url]
        try:
            ran = subprocess.run(
                command, env=environment, capture_output=True, text=True, timeout=_WITHIN_S, check=False
            )
        except subprocess.TimeoutExpired:
            return "not asked", [f"No answer in {_WITHIN_S} s."]
    verdict, lines = judge(pinned, ran.stdout, tomllib.loads(EXPLAINED.read_text()))
    if verdict == "not asked" and (said := ran.stderr.strip().splitlines()):
        lines.append(said[-1][:300])
    return verdict, lines


def main() -> int:
    verdict, lines = audit()
    for line in lines:
        print(line)
    print(f"known vulnerabilities: {verdict.upper() if verdict != 'clean' else 'none that is not explained'}")
    return CODES[verdict]


if __name__ == "__main__":
    sys.exit(main())
