"""Draws the rows of values that are saved with a prompt, and what a version becomes with one of them."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import streamlit as st

from battles.prompt_template import missing
from battles.prompt_values import PromptVersion, SavedRow, filled_settings
from components import plain, prompt_words as say, words
from components.asks import ask

Rows = Sequence[Mapping[str, str]]


def show(
    version: PromptVersion, rows: Sequence[SavedRow], save: Callable[[Rows], object], fixed: bool
) -> None:
    """`save` takes all rows and raises what `asks.ask` explains."""
    names = _names(version, rows)
    st.caption(say.ROWS_ABOUT)
    if not names:
        st.caption(say.NO_PLACES)
        return
    edited: list[dict[str, Any]] = st.data_editor(
        [{name: row.values.get(name, "") for name in names} for row in rows] or [dict.fromkeys(names, "")],
        key=f"prompt-rows-{version.id}-{len(rows)}",
        num_rows="dynamic",
        disabled=fixed,
        column_config={name: st.column_config.TextColumn(words.escaped(name)) for name in names},
    )
    if fixed or not st.button(say.SAVE_ROWS, type="primary"):
        return
    told = [{name: str(row.get(name) or "") for name in names} for row in edited]
    if ask(lambda: (save([row for row in told if any(row.values())]),)) is not None:
        st.rerun()


def pick(version: PromptVersion, rows: Sequence[SavedRow]) -> Mapping[str, str] | None:
    """Values for the version's variables, from a row or as typed; None while one is missing."""
    if not version.variables:
        return {}
    by_no: dict[int | None, SavedRow] = {row.no: row for row in rows}
    no = st.selectbox(
        say.ROW, [*by_no, None], format_func=lambda each: say.TYPED if each is None else _told(by_no[each]),
        key=f"prompt-row-{version.id}",
    )  # fmt: skip
    start = by_no[no].values if no is not None else {}
    values = {
        name: st.text_area(
            words.escaped(name), start.get(name, ""), key=f"prompt-value-{version.id}-{no}-{name}", height=68
        )
        for name in version.variables
    }
    given = {name: value for name, value in values.items() if value}
    return None if missing(version.variables, given) else given


def show_filled(version: PromptVersion, values: Mapping[str, str]) -> None:
    settings = filled_settings(version.settings, values)
    with st.expander(say.FILLED):
        if settings.system:
            plain.example(say.SYSTEM, settings.system)
        for example in settings.examples:
            plain.example("user", example.asked)
            plain.example("assistant", example.answered)
        plain.example("user", settings.template or "{{prompt}}")


def _names(version: PromptVersion, rows: Sequence[SavedRow]) -> tuple[str, ...]:
    kept = (name for row in rows for name in row.values)
    return tuple(dict.fromkeys((*version.variables, *kept)))


def _told(row: SavedRow) -> str:
    return f"{row.no}. " + ", ".join(value[:30] for value in row.values.values())
