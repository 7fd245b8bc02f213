"""Draws the list of models: search, filters, sort by facts or by what was measured here; a row opens one."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

import streamlit as st

from battles.leaderboard import WinCost
from components import figure, model_facts as facts, model_words as say, session
from gateway.catalog import Model
from telemetry.latency import ModelSummary

_LAST: Final = float("inf")
_NANO_PER_USD: Final = 1_000_000_000


@dataclass(frozen=True, slots=True)
class Row:
    """A model with what this installation knows of it."""

    model: Model
    input_pico_usd: int | None
    output_pico_usd: int | None
    here: str
    measured: ModelSummary | None
    win: WinCost | None = None


def show(rows: Sequence[Row]) -> Model | None:
    """The model of the row that was picked, if one was."""
    shown = _filtered(rows)
    if not shown:
        st.info(f"**{say.NONE_SUCH}**  \n{say.NONE_SUCH_ADVICE}")
        return None
    picked: Any = st.dataframe(
        _table(shown),
        hide_index=True,
        placeholder=figure.UNKNOWN,
        on_select="rerun",
        selection_mode="single-row",
        key=session.MODELS_TABLE,
        column_config={
            say.INPUT: st.column_config.NumberColumn(format="$%.3f", help=say.PER_MILLION),
            say.OUTPUT: st.column_config.NumberColumn(format="$%.3f", help=say.PER_MILLION),
            say.CONTEXT: st.column_config.NumberColumn(format="localized"),
            say.FIRST_TOKEN: st.column_config.NumberColumn(format="%.0f ms", help=say.HERE_30_DAYS),
            say.TOKENS_PER_S: st.column_config.NumberColumn(format="%.0f", help=say.HERE_30_DAYS),
            say.WON_VOTE: st.column_config.NumberColumn(format="$%.5f", help=say.WON_VOTE_HELP),
        },
    )
    chosen = picked.selection.rows
    return shown[chosen[0]].model if chosen else None


def _filtered(rows: Sequence[Row]) -> list[Row]:
    with st.container(horizontal=True, vertical_alignment="bottom", key="models-filters"):
        words = st.text_input(say.SEARCH, key=session.MODELS_SEARCH, placeholder=say.SEARCH_EXAMPLE)
        makers = sorted({row.model.creator for row in rows}, key=str.lower)
        maker = st.selectbox(say.MAKER, [None, *makers], format_func=lambda name: name or say.ANY_MAKER)
        can = st.multiselect(say.CAN, sorted(_features(rows), key=facts.named), format_func=facts.named)
        sort = st.selectbox(say.SORT, list(_SORTS), key=session.MODELS_SORT)
    only_here = st.toggle(say.ONLY_HERE, key=session.MODELS_HERE)
    by_id = {row.model.id: row for row in rows}
    fitting = facts.fitting(
        [row.model for row in rows],
        words,
        maker,
        can,
        lambda model: not only_here or by_id[model.id].here == say.YES,
    )
    return sorted((by_id[model.id] for model in fitting), key=_SORTS[sort])


def _features(rows: Sequence[Row]) -> set[str]:
    return {feature for row in rows for feature in row.model.features}


def _table(rows: Sequence[Row]) -> list[dict[str, object]]:
    """Without the columns that no model has a figure for."""
    cells = [_cells(row) for row in rows]
    measured = (say.FIRST_TOKEN, say.TOKENS_PER_S, say.WON_VOTE)
    empty = [name for name in measured if all(row[name] is None for row in cells)]
    return [{name: value for name, value in row.items() if name not in empty} for row in cells]


def _cells(row: Row) -> dict[str, object]:
    model, measured = row.model, row.measured
    enough = measured is not None and measured.ttft_ms.enough
    return {
        say.MODEL: model.name,
        say.MAKER: model.creator,
        say.HERE: row.here,
        say.INPUT: _dollars(row.input_pico_usd),
        say.OUTPUT: _dollars(row.output_pico_usd),
        say.CONTEXT: model.context_tokens,
        say.FIRST_TOKEN: measured.ttft_ms.p50 if measured and enough else None,
        say.TOKENS_PER_S: measured.tokens_per_s.p50 if measured and enough else None,
        say.WON_VOTE: row.win.nano_usd / _NANO_PER_USD if row.win and row.win.enough else None,
        say.RELEASED: model.lifecycle.released_on or figure.UNKNOWN,
        say.STATE: model.lifecycle.state,
    }


def _dollars(pico_usd: int | None) -> float | None:
    """For a table that sorts: shown to a tenth of a cent, told exactly on the model's own page."""
    return None if pico_usd is None else pico_usd / 1_000_000


def _first_token(row: Row) -> float:
    spread = row.measured.ttft_ms if row.measured else None
    return spread.p50 if spread and spread.enough and spread.p50 is not None else _LAST


def _rate(row: Row) -> float:
    spread = row.measured.tokens_per_s if row.measured else None
    return -spread.p50 if spread and spread.enough and spread.p50 is not None else _LAST


def _won_vote(row: Row) -> float:
    return row.win.nano_usd if row.win and row.win.enough else _LAST


def _newest(row: Row) -> tuple[int, ...]:
    digits = (row.model.lifecycle.released_on or "0").replace("-", "").ljust(8, "0")
    return (-int(digits),)


_SORTS: Final[Mapping[str, Callable[[Row], Any]]] = {
    say.BY_HERE: lambda row: (row.here != say.YES, row.model.series == "simulated", row.model.name.lower()),
    say.BY_NAME: lambda row: row.model.name.lower(),
    say.BY_NEWEST: _newest,
    say.BY_INPUT: lambda row: _LAST if row.input_pico_usd is None else row.input_pico_usd,
    say.BY_OUTPUT: lambda row: _LAST if row.output_pico_usd is None else row.output_pico_usd,
    say.BY_CONTEXT: lambda row: -row.model.context_tokens,
    say.BY_FIRST_TOKEN: _first_token,
    say.BY_RATE: _rate,
    say.BY_WON_VOTE: _won_vote,
}
