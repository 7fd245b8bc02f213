"""Draws the list of models: search, filters, sort by facts or by what was measured here; a row opens one."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

import streamlit as st

from battles.leaderboard import WinCost
from components import figure, model_facts as facts, model_words as say, session, table
from components.picks import picks
from components.table import Cell
from gateway.catalog import Model
from telemetry.latency import ModelSummary

_LAST: Final = float("inf")
TABLE: Final = "models-table"


@dataclass(frozen=True, slots=True)
class Row:
    """A model with what this installation knows of it."""

    model: Model
    input_pico_usd: int | None
    output_pico_usd: int | None
    here: str
    measured: ModelSummary | None
    win: WinCost | None = None


_Shown = Callable[[Row], "str | Cell"]


def show(rows: Sequence[Row]) -> Model | None:
    """The model of the row that was picked, if one was."""
    shown = _filtered(rows)
    if not shown:
        st.info(f"**{say.NONE_SUCH}**  \n{say.NONE_SUCH_ADVICE}")
        return None
    picked = picks(TABLE, key="models-picks")
    columns = _columns(shown)
    with st.container(key=TABLE):
        table.show(
            say.MODELS,
            [say.MODEL, *columns],
            [_row(row, list(columns.values())) for row in shown],
            about=say.OPEN,
            texts=3,
            titled=False,
        )
    return next((row.model for row in shown if row.model.id == picked), None)


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


def _columns(rows: Sequence[Row]) -> dict[str | Cell, _Shown]:
    """What is shown of a model beside its name, by the heads; without what no model has a figure for."""
    measured: tuple[tuple[str | Cell, _Shown], ...] = (
        (
            Cell(say.FIRST_TOKEN, about=say.HERE_30_DAYS),
            lambda row: figure.duration(_known(_first_token(row))),
        ),
        (
            Cell(say.TOKENS_PER_S, about=say.HERE_30_DAYS),
            lambda row: figure.rate(_negated(_known(_rate(row)))),
        ),
        (
            Cell(say.WON_VOTE, about=say.WON_VOTE_HELP),
            lambda row: figure.money(_whole(_known(_won_vote(row)))),
        ),
    )
    return {
        say.MAKER: lambda row: row.model.creator,
        say.HERE: lambda row: row.here,
        Cell(say.INPUT, about=say.PER_MILLION): lambda row: _price(row.input_pico_usd),
        Cell(say.OUTPUT, about=say.PER_MILLION): lambda row: _price(row.output_pico_usd),
        say.CONTEXT: lambda row: Cell(figure.tokens(row.model.context_tokens), wide_only=True),
        **{head: made for head, made in measured if any(made(row) != figure.UNKNOWN for row in rows)},
        say.RELEASED: lambda row: Cell(row.model.lifecycle.released_on or figure.UNKNOWN, wide_only=True),
        say.STATE: lambda row: Cell(row.model.lifecycle.state, wide_only=True),
    }


def _row(row: Row, shown: Sequence[_Shown]) -> list[str | Cell]:
    return [Cell(row.model.name, pick=row.model.id), *(made(row) for made in shown)]


def _price(pico_usd: int | None) -> str:
    return figure.UNKNOWN if pico_usd is None else figure.price_per_million(pico_usd)


def _known(value: float) -> float | None:
    return None if value == _LAST else value


def _negated(value: float | None) -> float | None:
    return None if value is None else -value


def _whole(value: float | None) -> int | None:
    return None if value is None else round(value)


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
