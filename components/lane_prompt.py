"""Which version of the prompt library a lane puts, and what its variables stand for.

A version is a lane's settings as a whole: nothing is shared with other lanes or pinned beside it.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Final

import streamlit as st

from battles.prompt_values import PromptVersion, PromptView
from components import battle_session as session, battle_words as say

_NEWEST: Final = 10  # versions of a prompt that are offered
_MOST_CHARS: Final = 20_000

Served = Callable[[str, int], PromptVersion]


def show(slot: int, prompts: Sequence[PromptView], served: Served) -> PromptVersion | None:
    """Draw the choice; nothing where the library is empty. None is the prompt as it is typed."""
    if not prompts:
        return None
    offered = {
        (prompt.name, no): _name(prompt, no)
        for prompt in prompts
        for no in range(prompt.newest_no, max(prompt.newest_no - _NEWEST, 0), -1)
    }
    picked = st.selectbox(
        say.PROMPT_VERSION,
        [None, *offered],
        key=session.version_key(slot),
        format_func=lambda version: offered[version] if version else say.AS_TYPED,
        label_visibility="collapsed",
        persist_state="session",
    )
    return served(*picked) if picked is not None else None


def show_variables(versions: Sequence[PromptVersion]) -> Mapping[str, str]:
    """Draw a field for each variable that some lane's version has."""
    names = list(dict.fromkeys(name for version in versions for name in version.variables))
    if not names:
        return {}
    with st.container(border=True, key="battle-variables", gap="small"):
        st.markdown(f"**{say.VARIABLES}**", help=say.VARIABLES_HELP)
        return {
            name: st.text_area(
                name,
                key=session.variable_key(name),
                height=68,
                max_chars=_MOST_CHARS,
                persist_state="session",
            )
            for name in names
        }


def _name(prompt: PromptView, no: int) -> str:
    labels = [label for label, at in prompt.labels.items() if at == no]
    return say.version(prompt.name, no, labels)
