"""The battles that were fought before, to search and open again."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Final

import streamlit as st

from battles.history import BattleLine
from components import battle_session as session, battle_words as say, figure, words

PAGE: Final = 20

NameOf = Callable[[str], str]


def show_search() -> None:
    """Draw the search field above the list."""
    st.subheader(say.HISTORY, anchor=False)
    st.text_input(
        say.SEARCH,
        key=session.SEARCH,
        placeholder=say.SEARCH,
        label_visibility="collapsed",
        icon=":material/search:",
        max_chars=200,
    )


def show(lines: Sequence[BattleLine], name_of: NameOf, zone: str | None, *, searched: bool) -> None:
    if not lines:
        st.caption(say.NO_MATCH if searched else say.NO_HISTORY)
        return
    with st.container(gap="xsmall", key="battle-history"):
        for line in lines:
            st.button(
                words.escaped(line.title or say.GONE),
                key=f"open-{line.id}",
                type="tertiary",
                icon=":material/visibility_off:" if line.hidden else ":material/swords:",
                on_click=session.show_battle,
                args=(line.id,),
            )
            st.caption(words.escaped(_about(line, name_of, zone)))


def _about(line: BattleLine, name_of: NameOf, zone: str | None) -> str:
    parts = [
        figure.day_and_time(line.created_ms, zone),
        say.HIDDEN_YET if line.hidden else say.lanes_named([name_of(model) for model in line.models]),
        say.turns_and_votes(line.turns, line.votes),
    ]
    if line.category is not None:
        parts.append(say.CATEGORIES[line.category])
    return f" {figure.DOT} ".join([*parts, *line.tags])
