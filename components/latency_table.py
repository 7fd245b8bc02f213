"""Figures by group for a window, each with its n, grey where that is small; pressed, a figure opens."""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

import streamlit as st

from components import figure, latency_words as say, table, words
from components.table import Cell
from telemetry import spreads
from telemetry.metrics import METRICS, RULES
from telemetry.slices import By
from telemetry.spreads import Share, Spread
from telemetry.views import Found, Group

SHOWN: Final = (
    "ttft_ms", "first_answer_ms", "total_ms", "tokens_per_s", "end_to_end_tokens_per_s", "gateway_ms",
    "success_rate", "attempt_success_rate",
)  # fmt: skip
# What a phone's cards leave out: the figure's own list below opens them too.
_WIDE_ONLY: Final = frozenset(
    {"first_answer_ms", "end_to_end_tokens_per_s", "gateway_ms", "attempt_success_rate"}
)
_MOST_ROWS: Final = 50
_APART: Final = "\N{VERTICAL LINE}"

Name = Callable[[Group], str]


def show(by: By, found: Found, before: Found | None, name_of: Name) -> None:
    """`before` is the window before, where the reader compares."""
    heads: list[str | Cell] = [say.BYS[by], words.REQUESTS]
    heads += [Cell(METRICS[each].name, _percentiles(each), about=METRICS[each].definition) for each in SHOWN]
    rows = [
        _row(group, before.of(group.group, group.series) if before else None, name_of)
        for group in found.groups[:_MOST_ROWS]
    ]
    table.show(words.by_group(say.BYS[by]), heads, rows, about=say.PRESS)


def picked(pick: str | None) -> tuple[str, str] | None:
    """(figure, group) of what was pressed; the group as `name_of_group` names it."""
    figure_id, apart, group = (pick or "").partition(_APART)
    return (figure_id, group) if apart and figure_id in METRICS else None


def group_id(group: Group) -> str:
    """How the address names a group."""
    return f"{group.group}{_APART}{group.series}"


def show_definitions() -> None:
    """What each figure of the page is, how it is reckoned, what it is not."""
    with st.popover(words.DEFINITIONS, icon=":material/help:", key="definitions"):
        for each in SHOWN:
            metric = METRICS[each]
            st.markdown(
                f"**{words.escaped(metric.name)}**  \n{words.escaped(metric.definition)}  \n"
                f":gray[{words.escaped(metric.formula)}]  \n:gray[{words.escaped(metric.is_not)}]"
            )
        for rule in RULES:
            st.markdown(f"**{words.escaped(rule.name)}**  \n{words.escaped(rule.meaning)}")


def shown(figure_id: str, value: float | None) -> str:
    """A value of a figure as people read it; shares are between 0 and 1, the burst index in percent."""
    unit = METRICS[figure_id].unit
    if unit == "ms":
        return figure.duration(value)
    if unit == "tokens/s":
        return figure.rate(value)
    return figure.share(value if figure_id in spreads.SHARES or value is None else value / 100)


def _percentiles(figure_id: str) -> str:
    return "" if figure_id in spreads.SHARES else say.MIDDLE_AND_ENDS


def _row(group: Group, before: Group | None, name_of: Name) -> list[str | Cell]:
    name = Cell(name_of(group), words.SERIES_ASIDE.get(group.series, ""))
    return [name, figure.tokens(group.requests), *(_cell(each, group, before) for each in SHOWN)]


def _cell(figure_id: str, group: Group, before: Group | None) -> Cell:
    now = spreads.figure_of(figure_id, group.total)
    if not now.n:
        return Cell(figure.UNKNOWN, words.NOTHING_MEASURED, faint=True, wide_only=figure_id in _WIDE_ONLY)
    asides = [figure.samples(now.n)]
    if before is not None and (told := _change(now, spreads.figure_of(figure_id, before.total))):
        asides.append(told)
    if isinstance(now, Spread):
        ends = (shown(figure_id, each).replace(" ", "\N{NO-BREAK SPACE}") for each in (now.p95, now.p99))
        asides.insert(0, " / ".join(ends))
    return Cell(
        shown(figure_id, now.value if isinstance(now, Share) else now.p50),
        "\n".join(asides),
        faint=not now.enough,
        about="" if now.enough else words.FEW_SAMPLES,
        pick=f"{figure_id}{_APART}{group_id(group)}",
        wide_only=figure_id in _WIDE_ONLY,
    )


def _change(now: Spread | Share, before: Spread | Share) -> str:
    """Of the middle, or of the share; nothing where either has too few samples."""
    if not (now.enough and before.enough):
        return ""
    if isinstance(now, Share) and isinstance(before, Share):
        points = 100 * ((now.value or 0.0) - (before.value or 0.0))
        return say.points(points)
    assert isinstance(now, Spread) and isinstance(before, Spread)
    return say.change(100 * (now.p50 / before.p50 - 1)) if now.p50 and before.p50 else ""


__all__ = ["SHOWN", "group_id", "picked", "show", "show_definitions", "shown"]
