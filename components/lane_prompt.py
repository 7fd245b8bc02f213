"""Draws which version of the prompt library a lane puts, and what its variables stand for; `battle_wish`
reads both.

A version is a lane's settings as a whole: nothing is shared with other lanes or pinned beside it.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from typing import Final

import streamlit as st

from battles.prompt_values import PromptView
from components import battle_session as session, battle_words as say

_NEWEST: Final = 10  # versions of a prompt that are offered
_MOST_CHARS: Final = 20_000


def show(slot: int, prompts: Sequence[PromptView]) -> None:
    """Draw the choice; nothing where the library is empty."""
    if not prompts:
        return
    offered = {
        (prompt.name, no): _name(prompt, no)
        for prompt in prompts
        for no in range(prompt.newest_no, max(prompt.newest_no - _NEWEST, 0), -1)
    }
    st.selectbox(
        say.PROMPT_VERSION,
        [None, *offered],
        key=session.version_key(slot),
        format_func=lambda version: offered[version] if version else say.AS_TYPED,
        label_visibility="collapsed",
        persist_state="session",
    )


def show_variables(names: Collection[str]) -> None:
    """Draw a field for each variable that some lane's version has."""
    if not names:
        return
    with st.container(border=True, key="battle-variables", gap="small"):
        st.markdown(f"**{say.VARIABLES}**", help=say.VARIABLES_HELP)
        for name in names:
            st.text_area(
                name,
                key=session.variable_key(name),
                height=68,
                max_chars=_MOST_CHARS,
                persist_state="session",
            )


def _name(prompt: PromptView, no: int) -> str:
    labels = [label for label, at in prompt.labels.items() if at == no]
    return say.version(prompt.name, no, labels)
