"""Draws the boards of the benchmarks page. What the figures are is `telemetry/metrics.py`'s to say."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from typing import Final

import streamlit as st

from components import benchmark_words as say, figure, session, table, words
from components.table import Cell
from gateway.catalog import Model
from telemetry.metrics import CLOCKS, METRICS, OUTCOMES, RULES, Term
from telemetry.speed_board import SpeedBoard, Standing
from telemetry.spreads import Share, Spread

_DAY_MS: Final = 24 * 60 * 60 * 1_000
_WINDOWS: Final = {"24 h": _DAY_MS, "7 d": 7 * _DAY_MS, "30 d": 30 * _DAY_MS, "90 d": 90 * _DAY_MS}


def board() -> str:
    """The board that the address names, or the reader picked."""
    if session.BOARD not in st.session_state:
        asked = session.board_in_address()
        st.session_state[session.BOARD] = asked if asked in say.BOARDS else "speed"
    picked: str | None = st.segmented_control(
        say.BOARD, list(say.BOARDS), format_func=say.BOARDS.__getitem__, required=True, key=session.BOARD,
        label_visibility="collapsed",
    )  # fmt: skip
    found = picked or "speed"
    session.open_board(found)
    return found


def window_ms() -> int:
    picked = st.segmented_control(
        words.WINDOW, list(_WINDOWS), default="30 d", required=True, key=session.BOARD_WINDOW,
        label_visibility="collapsed",
    )  # fmt: skip
    return _WINDOWS[picked or "30 d"]


def show_speed(shown: SpeedBoard, name_of: Callable[[str], str], zone: str | None) -> None:
    st.caption(words.escaped(say.SPEED_LEAD))
    if not shown.standings:
        st.info(f"**{say.NONE}**  \n{say.NONE_ADVICE}")
        return
    heads: list[str | Cell] = [say.MODEL, say.REQUESTS, *_heads()]
    table.show(
        say.SPEED, heads, [_row(each, name_of) for each in shown.standings],
        about=say.SPEED_ABOUT,
    )  # fmt: skip
    long = [each for each in shown.standings if each.long is not None]
    if long:
        table.show(
            say.LONG,
            [say.MODEL, say.QUARTILE, *_heads()[:3]],
            [_long_row(each, name_of, long) for each in long],
            about=say.SPEED_ABOUT,
        )
    else:
        st.caption(say.NO_LONG)
    if shown.long_since_ms > shown.from_ms:
        st.caption(words.escaped(say.long_since(figure.day_and_time(shown.long_since_ms, zone))))


def show_methodology(rubrics: Iterable[tuple[str, str]]) -> None:
    """`rubrics` are a judge's instructions by name."""
    st.write(words.escaped(say.METHODOLOGY_LEAD))
    st.header(say.MEASURED)
    st.write(words.escaped(say.MEASURED_TEXT))
    for title, terms in ((say.CLOCKS, CLOCKS), (say.OUTCOMES, OUTCOMES), (say.RULES, RULES)):
        st.header(title)
        st.markdown(_terms(terms))
    st.header(say.FIGURES)
    for metric in METRICS.values():
        with st.expander(words.escaped(f"{metric.name} ({metric.unit})")):
            st.markdown(
                f"{words.escaped(metric.definition)}\n\n"
                f"**{say.FORMULA}:** {words.escaped(metric.formula)}\n\n"
                f"**{say.MIND}:** {words.escaped(metric.is_not)}"
            )
    st.header(say.BATTLES)
    st.write(words.escaped(say.BATTLES_TEXT))
    asked = list(rubrics)
    if asked:
        st.header(say.RUBRIC)
        st.write(words.escaped(say.RUBRIC_TEXT))
        for name, text in asked:
            with st.expander(words.escaped(name)):
                st.code(text, language=None, wrap_lines=True)
    st.caption(words.escaped(say.RAW))


def show_intelligence(models: Sequence[Model]) -> None:
    st.info(f"**{say.INTELLIGENCE}**  \n{words.escaped(say.INTELLIGENCE_LEAD)}")
    st.write(words.escaped(say.INTELLIGENCE_INSTEAD))
    rows: list[list[str | Cell]] = [
        [model.name, Cell(figure.UNKNOWN, say.INTELLIGENCE.lower(), faint=True)] for model in models
    ]
    table.show(say.SCORE, [say.MODEL, say.SCORE], rows)


def _heads() -> list[str | Cell]:
    named = (("ttft_ms", say.FIRST_TOKEN), ("tokens_per_s", say.RATE), ("total_ms", say.TOTAL),
             ("success_rate", say.SUCCESS))  # fmt: skip
    return [Cell(name, about=METRICS[metric].definition) for metric, name in named]


def _row(each: Standing, name_of: Callable[[str], str]) -> list[str | Cell]:
    speed = each.every
    return [
        Cell(name_of(each.model_id), words.SERIES_ASIDE.get(each.series, "")),
        figure.tokens(each.requests),
        _spread(speed.ttft_ms, figure.duration),
        _spread(speed.tokens_per_s, figure.rate),
        _spread(speed.total_ms, figure.duration),
        _share(speed.success),
    ]


def _long_row(each: Standing, name_of: Callable[[str], str], rivals: Sequence[Standing]) -> list[str | Cell]:
    assert each.long is not None
    return [
        name_of(each.model_id),
        _quartile(each, rivals),
        _spread(each.long.ttft_ms, figure.duration),
        _spread(each.long.tokens_per_s, figure.rate),
        _spread(each.long.total_ms, figure.duration),
    ]


def _quartile(each: Standing, rivals: Sequence[Standing]) -> str | Cell:
    """Its place by tokens a second among those with enough long answers: 1 is the fastest quarter."""
    ranked = sorted(
        -one.long.tokens_per_s.p50
        for one in rivals
        if one.long is not None and one.long.tokens_per_s.enough and one.long.tokens_per_s.p50 is not None
    )
    own = each.long.tokens_per_s if each.long is not None else None
    if own is None or not own.enough or own.p50 is None or len(ranked) < 4:
        return Cell(figure.UNKNOWN, say.FEW_TO_RANK, faint=True)
    return f"{1 + 4 * ranked.index(-own.p50) // len(ranked)} of 4"


def _spread(spread: Spread, shown: Callable[[float | None], str]) -> Cell:
    if not spread.n:
        return Cell(figure.UNKNOWN, words.NOTHING_MEASURED, faint=True)
    about = "" if spread.enough else words.FEW_SAMPLES
    text = f"{shown(spread.p50)} / {shown(spread.p95)}"
    return Cell(text, figure.samples(spread.n), faint=not spread.enough, about=about)


def _share(share: Share) -> Cell:
    if not share.n:
        return Cell(figure.UNKNOWN, words.NOTHING_MEASURED, faint=True)
    return Cell(figure.share(share.value), figure.samples(share.n), faint=not share.enough)


def _terms(terms: Iterable[Term]) -> str:
    return "\n".join(f"- **{words.escaped(each.name)}**: {words.escaped(each.meaning)}" for each in terms)
