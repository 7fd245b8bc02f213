"""The prompt of a battle, in reach of a thumb at the foot of the page: Ctrl/Cmd+Enter sends."""

from __future__ import annotations

from collections.abc import Callable

import streamlit as st

from components import battle_quote, battle_session as session, battle_words as say
from components.battle_quote import Ask
from components.notices import Notice, show as show_notice


def show(
    send: Callable[[], None],
    *,
    first: bool,
    going_on_from: int | None,
    notice: Notice | None,
    quote: Ask,
    disabled: bool,
) -> None:
    """`first`: it starts a battle, else all lanes go on, from that turn where it is not the last shown."""
    with st.bottom, st.container(key="prompt", gap="xsmall"):
        if notice is not None:
            show_notice(notice)
        if going_on_from is not None:
            with st.container(horizontal=True, vertical_alignment="center", gap="small"):
                st.caption(say.FORKING.format(no=going_on_from))
                st.button(
                    say.NOT_FORKING, key="no-fork", type="tertiary", on_click=session.set_fork, args=(None,)
                )
        with st.form("battle-form", border=False):
            st.text_area(
                say.PROMPT,
                key=session.DRAFT,
                height=72,
                placeholder=say.PROMPT_HINT if first else say.NEXT_HINT,
                label_visibility="collapsed",
                persist_state="session",
            )
            with st.container(horizontal=True, horizontal_alignment="right"):
                st.form_submit_button(
                    say.START if first else say.SEND_ON,
                    type="primary",
                    icon=":material/swords:",
                    key="start-battle",
                    disabled=disabled,
                    on_click=send,
                )
        battle_quote.show(quote)
