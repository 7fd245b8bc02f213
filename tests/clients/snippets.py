"""The snippets of docs/clients.md, by the name in their first line: what is printed there is what runs."""

from __future__ import annotations

import re

from tests.server import ROOT

PAGE = ROOT / "docs" / "clients.md"
_BLOCK = re.compile(r"^```\w+\n(?:#|//) ([a-z_]+\.\w+)[^\n]*\n(.*?)^```$", re.MULTILINE | re.DOTALL)


def snippets() -> dict[str, str]:
    return dict(_BLOCK.findall(PAGE.read_text(encoding="utf-8")))


def snippet(name: str, url: str) -> str:
    """Only the address is another one."""
    return snippets()[name].replace("http://localhost:8501", url)
