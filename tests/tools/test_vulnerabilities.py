"""An audit that could not be made is never taken for a clean one."""

from __future__ import annotations

import json
from typing import Any

import pytest

from tests.server import ROOT
from tools.vulnerabilities import CERTAIN, judge, pins

PINNED = {"lab": "1.0", "other": "2.0"}
BAD = {"id": "PYSEC-2030-1", "aliases": ["CVE-2030-9"], "fix_versions": ["1.1"]}
REASON = {"package": "lab==1.0", "reason": "Its server alone; we use the client."}


def report(lab: Any = (), other: Any = (), certain: Any = (BAD,)) -> str:
    rows: list[dict[str, Any]] = []
    for name, vulns in (("lab", lab), ("other", other), (CERTAIN[0], certain)):
        rows.append(
            {"name": name, "skip_reason": "not found"} if vulns is None else {"name": name, "vulns": vulns}
        )
    return json.dumps({"dependencies": rows})


def test_every_pin_is_asked_about() -> None:
    found = pins((ROOT / "pyproject.toml").read_text())
    assert {"streamlit", "authlib", "psycopg", "pytest", "xllamacpp"} <= set(found)
    assert len(found) > 150


@pytest.mark.parametrize(
    "said",
    [
        "",
        "no JSON",
        "{}",
        report(certain=()),
        report(certain=None),
        report(other=None),
        '{"dependencies": []}',
    ],
    ids=["nothing", "words", "no list", "knows nothing", "skips all", "skips one", "empty"],
)
def test_what_was_not_answered_was_not_audited(said: str) -> None:
    assert judge(PINNED, said, {})[0] == "not asked"


def test_a_known_vulnerability_fails_until_it_is_explained() -> None:
    assert judge(PINNED, report(), {}) == ("clean", ["2 packages, 0 known vulnerabilities, 0 explained"])
    verdict, lines = judge(PINNED, report(lab=[BAD]), {})
    assert (verdict, lines[0]) == ("vulnerable", "lab==1.0: CVE-2030-9, PYSEC-2030-1 (fixed in 1.1)")
    assert judge(PINNED, report(lab=[BAD]), {"CVE-2030-9": REASON})[0] == "clean"


@pytest.mark.parametrize("entry", [REASON | {"reason": " "}, REASON | {"package": "lab==0.9"}, {}])
def test_an_explanation_has_a_reason_and_is_about_what_is_pinned(entry: dict[str, str]) -> None:
    assert judge(PINNED, report(lab=[BAD]), {"PYSEC-2030-1": entry})[0] == "vulnerable"
    assert judge(PINNED, report(), {"PYSEC-2030-1": entry})[0] == "vulnerable"
