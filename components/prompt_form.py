"""The prompt box, in reach of a thumb at the foot of the page: Enter starts a line, Ctrl/Cmd+Enter sends.

What is typed stays in the box until it was taken.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

import streamlit as st

from components import quote_line, routing_words, session, words
from components.notices import Notice, show as show_notice
from components.quote_line import Ask


def show(
    send: Callable[[], None],
    *,
    first: bool,
    notice: Notice | None,
    names: Mapping[str, str],
    chips: Sequence[str],
    quote: Ask,
    route: str | None,
    disabled: bool,
) -> None:
    """`chips` say what will be left out of the request, `quote` what it would cost, `route` who will be
    asked where several can; `disabled` that nobody can answer."""
    with st.bottom, st.container(key="prompt", gap="xsmall"):
        if notice is not None:
            show_notice(notice, names, session.pick_model)
        _chips(chips)
        if route is not None:
            st.caption(words.escaped(routing_words.route(route)))
        with st.form("prompt-form", border=False):
            st.text_area(
                words.PROMPT,
                key=session.DRAFT,
                height=72,
                placeholder=words.ASK_ANYTHING if first else words.ASK_ON,
                label_visibility="collapsed",
                persist_state="session",
            )
            with st.container(horizontal=True, horizontal_alignment="right"):
                st.form_submit_button(
                    words.SEND,
                    type="primary",
                    icon=":material/send:",
                    key="send",
                    disabled=disabled,
                    on_click=send,
                )
        quote_line.show(quote)


def _chips(chips: Sequence[str]) -> None:
    if chips:
        with st.container(horizontal=True, key="chips"):
            for chip in chips:
                st.badge(words.escaped(chip), color="orange")
