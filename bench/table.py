"""One row a figure, and the table that they make."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Row:
    """`value` with its unit in words; `bar` is what it should be, where we have said so."""

    subject: str
    value: str
    samples: str
    bar: str = ""


def quantile(values: Sequence[float], share: float) -> float:
    """The nearest-rank quantile: one of the values, never between two."""
    ordered = sorted(values)
    return ordered[min(len(ordered) - 1, int(share * len(ordered)))]


def print_table(rows: Iterable[Row]) -> None:
    print("| figure | value | samples | bar |\n|---|---|---|---|")
    for row in rows:
        print(f"| {row.subject} | {row.value} | {row.samples} | {row.bar} |")
