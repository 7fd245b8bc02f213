"""A batch's results as files: CSV for spreadsheets, JSON lines for programs. Pure."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Iterable
from typing import Any, Final

_FORMULAS: Final = ("=", "+", "-", "@", "\t", "\r")


def as_csv(rows: Iterable[dict[str, Any]]) -> str:
    """A column for every name that any row has."""
    written, made = io.StringIO(newline=""), list(rows)
    names = dict.fromkeys(name for row in made for name in row)
    writer = csv.DictWriter(written, list(names), restval="")
    writer.writeheader()
    writer.writerows({name: _cell(value) for name, value in row.items()} for row in made)
    return written.getvalue()


def _cell(value: object) -> object:
    """A spreadsheet takes text that begins like a formula for one."""
    if isinstance(value, str):
        return f"'{value}" if value[:1] in _FORMULAS else value
    return json.dumps(value, ensure_ascii=False) if isinstance(value, (list, dict)) else value


def as_lines(rows: Iterable[dict[str, Any]]) -> str:
    return "".join(json.dumps(row, ensure_ascii=False) + "\n" for row in rows)
