"""The vote queue: two answers side by side and five keys. What a voter sees names no lane."""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

import streamlit as st

from battles.comparisons import Choice
from battles.vote_queue import Pair
from components import batch_session as session, batch_words as say, plain

_CHOICES: Final[tuple[Choice, ...]] = ("left", "right", "tie", "both_bad")


def show(pair: Pair, vote: Callable[[str, Choice], None]) -> None:
    st.caption(say.voted(pair.judged, pair.of))
    with st.container(border=True, key="batch-task"):
        plain.passage(pair.task)
    left, right = st.columns(2, gap="small")
    for column, head, text in ((left, say.LEFT, pair.left), (right, say.RIGHT, pair.right)):
        with column, st.container(border=True, key=f"batch-{head.split()[0].lower()}"):
            st.caption(head)
            plain.passage(text)
    single = st.toggle(say.KEYS, value=True, key=session.SINGLE_KEYS, help=say.KEYS_HELP)
    with st.container(horizontal=True, gap="small", key="batch-choices"):
        for no, choice in enumerate(_CHOICES, 1):
            st.button(
                say.CHOICES[choice], key=f"batch-choice-{choice}", on_click=vote, args=(pair.place, choice),
                shortcut=str(no) if single else None,
            )  # fmt: skip
        st.button(
            say.SKIP, key="batch-skip", type="tertiary", on_click=session.skip, args=(pair.place,),
            shortcut="5" if single else None,
        )  # fmt: skip
