"""Draws what holds for a whole battle, beside its lanes: blind or open, its cap, its start, its category.
`battle_wish` reads it."""

from __future__ import annotations

from typing import Final

import streamlit as st

from battles.models import CATEGORIES, Order
from components import battle_session as session, battle_words as say

_MOST_TAGS: Final = 8
_ORDERS: Final[tuple[Order, ...]] = ("auto", "at_once", "in_sequence")


def show_switches() -> bool:
    """Draw what is switched most: fault drill, blind. Whether it is a drill, which is never blind."""
    drill = st.toggle(say.DRILL, key=session.DRILL, help=say.DRILL_HELP, persist_state="session")
    st.toggle(say.BLIND, key=session.BLIND, help=say.BLIND_HELP, disabled=drill, persist_state="session")
    return drill


def show() -> None:
    """Draw the rest, behind a button."""
    with st.popover(say.OPTIONS, icon=":material/settings:", key="battle-options", wrap=False):
        st.number_input(
            say.CAP, 0.0001, 100_000.0, None, step=0.01, format="%.4f", key=session.CAP,
            placeholder=say.NO_CAP, help=say.CAP_HELP, persist_state="session",
        )  # fmt: skip
        st.segmented_control(
            say.ORDER, _ORDERS, default="auto", required=True, key=session.ORDER,
            format_func=say.ORDERS.__getitem__, help=say.ORDER_HELP, persist_state="session",
        )  # fmt: skip
        st.selectbox(
            say.CATEGORY, [None, *CATEGORIES], key=session.CATEGORY, help=say.CATEGORY_HELP,
            format_func=lambda each: say.CATEGORIES[each] if each else say.NO_CATEGORY,
            persist_state="session",
        )  # fmt: skip
        st.multiselect(
            say.TAGS, [], key=session.TAGS, accept_new_options=True, max_selections=_MOST_TAGS,
            help=say.TAGS_HELP, persist_state="session",
        )  # fmt: skip
        st.toggle(say.PERSONAL, key=session.PERSONAL, help=say.PERSONAL_HELP, persist_state="session")
