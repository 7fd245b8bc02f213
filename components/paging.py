"""Newer and older pages of a list that grows at its top: each page begins below an entry's number."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

import streamlit as st

from billing.statements import EntryView
from components import session, words

PAGE: Final = 50  # rows


def before(key: str) -> int | None:
    """The number that the page on show begins below; None on the newest page."""
    seqs = session.pages(key)
    return seqs[-1] if seqs else None


def show(key: str, entries: Sequence[EntryView]) -> None:
    """`entries` is a page and one more where there are older ones."""
    newer, older = bool(session.pages(key)), len(entries) > PAGE
    if not newer and not older:
        return
    with st.container(horizontal=True):
        st.button(
            words.NEWER,
            key=f"{key}-newer",
            icon=":material/chevron_left:",
            disabled=not newer,
            on_click=session.page_back,
            args=(key,),
        )
        st.button(
            words.OLDER,
            key=f"{key}-older",
            icon=":material/chevron_right:",
            disabled=not older,
            on_click=session.page_on,
            args=(key, entries[PAGE - 1].seq),
        )
