"""Figures by model for a window, each with its n, grey where that is small; and what each of them is."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Final

import streamlit as st

from components import figure, table, words
from components.table import Cell
from telemetry.latency import ModelSummary, Share, Spread
from telemetry.metrics import METRICS, RULES

_SHOWN: Final = ("ttft_ms", "tokens_per_s", "gateway_ms", "success_rate")


def show(summaries: Sequence[ModelSummary], name_of: Callable[[str], str]) -> None:
    heads: list[str | Cell] = [words.MODEL, words.REQUESTS]
    heads += [
        Cell(METRICS[each].name, words.PERCENTILES[METRICS[each].unit], about=METRICS[each].definition)
        for each in _SHOWN
    ]
    table.show(words.BY_MODEL, heads, [_row(summary, name_of) for summary in summaries])


def show_definitions() -> None:
    """Behind each figure of the page: what it is, how it is reckoned, what it is not."""
    with st.popover(words.DEFINITIONS, icon=":material/help:", key="definitions"):
        for each in _SHOWN:
            metric = METRICS[each]
            st.markdown(
                f"**{words.escaped(metric.name)}**  \n{words.escaped(metric.definition)}  \n"
                f":gray[{words.escaped(metric.formula)}]  \n:gray[{words.escaped(metric.is_not)}]"
            )
        for rule in RULES:
            st.markdown(f"**{words.escaped(rule.name)}**  \n{words.escaped(rule.meaning)}")


def _row(summary: ModelSummary, name_of: Callable[[str], str]) -> list[str | Cell]:
    name = Cell(name_of(summary.model_id), words.SERIES_ASIDE.get(summary.series, ""))
    return [
        name,
        figure.tokens(summary.requests),
        _spread(summary.ttft_ms, figure.duration),
        _spread(summary.tokens_per_s, figure.rate),
        _spread(summary.gateway_ms, figure.duration),
        _share(summary.success),
    ]


def _spread(spread: Spread, shown: Callable[[float | None], str]) -> Cell:
    if not spread.n:
        return Cell(figure.UNKNOWN, words.NOTHING_MEASURED, faint=True)
    text = f"{shown(spread.p50)} / {shown(spread.p95)}"
    return Cell(text, figure.samples(spread.n), faint=not spread.enough, about=_few(spread.enough))


def _share(share: Share) -> Cell:
    if not share.n:
        return Cell(figure.UNKNOWN, words.NOTHING_MEASURED, faint=True)
    return Cell(
        figure.share(share.value), figure.samples(share.n), faint=not share.enough, about=_few(share.enough)
    )


def _few(enough: bool) -> str:
    return "" if enough else words.FEW_SAMPLES
