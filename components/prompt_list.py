"""Draws the prompt library's list, and the form that begins a prompt."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, Final

import streamlit as st

from battles.prompt_values import PromptView
from components import figure, prompt_words as say, words
from components.asks import ask

_ROW_HEIGHT: Final = 36  # pixels
_MOST_HEIGHT: Final = 640


def show(prompts: Sequence[PromptView], zone: str | None) -> str | None:
    """The name of the one that the reader picked."""
    found, short = figure.zone(zone)
    column = st.column_config
    event: Any = st.dataframe(
        [
            {
                "name": each.name,
                "about": each.description,
                "newest": each.newest_no,
                "labels": ", ".join(f"{label} {no}" for label, no in each.labels.items()),
                "changed": figure.instant(each.updated_ms),
            }
            for each in prompts
        ],
        key=f"prompts-{len(prompts)}",
        hide_index=True,
        placeholder=figure.UNKNOWN,
        on_select="rerun",
        selection_mode="single-row",
        row_height=_ROW_HEIGHT,
        height=min(_MOST_HEIGHT, _ROW_HEIGHT * (len(prompts) + 1) + 2),
        column_config={
            "name": column.TextColumn(say.NAME),
            "about": column.TextColumn(say.DESCRIPTION),
            "newest": column.NumberColumn(say.VERSIONS),
            "labels": column.TextColumn(say.LABELS),
            "changed": column.DatetimeColumn(
                f"{say.UPDATED} ({short})", format="D MMM, HH:mm", timezone=found.key
            ),
        },
    )
    picked = event.selection.rows
    return prompts[picked[0]].name if picked and picked[0] < len(prompts) else None


def show_new(create: Callable[[str, str], object]) -> str | None:
    """The name of the prompt that was made just now. `create` takes name and description."""
    with (
        st.popover(say.NEW, icon=":material/add:", key="new-prompt"),
        st.form("new-prompt-form", border=False),
    ):
        name = st.text_input(say.NAME, max_chars=80, help=say.NAME_HELP).strip()
        about = st.text_input(say.DESCRIPTION, max_chars=500)
        sent = st.form_submit_button(say.CREATE, type="primary")
    if sent and ask(lambda: (create(name, about),)) is not None:
        return name
    return None


def show_save(save: Callable[[str], object]) -> None:
    """In the playground: keeps what stands there under a name; one that is there gets a new version."""
    with (
        st.popover(say.SAVE_AS, icon=":material/bookmark_add:", key="save-prompt", wrap=False),
        st.form("save-prompt-form", border=False),
    ):
        st.caption(say.SAVE_AS_HELP)
        name = st.text_input(say.NAME, max_chars=80, help=say.NAME_HELP).strip()
        if st.form_submit_button(say.SAVE, type="primary"):
            if ask(lambda: (save(name),)) is not None:
                st.success(words.escaped(say.SAVED_AS))
