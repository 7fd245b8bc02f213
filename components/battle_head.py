"""The line above an open battle: what it is, what it cost, how to begin another; and the list of keys."""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

import streamlit as st

from battles.views import BattleView
from components import battle_session as session, battle_words as say, figure, words
from components.battle_keys import battle_keys

KEYS_BUTTON: Final = "battle-keys"


def show(view: BattleView, start_over: Callable[[], None], *, may_run: bool) -> None:
    with st.container(horizontal=True, vertical_alignment="center", gap="small", key="battle-head"):
        if may_run:
            st.button(
                say.NEW, key="new-battle", icon=":material/add:", help=say.NEW_HELP, on_click=start_over
            )
        else:
            st.button(say.ALL, key="new-battle", icon=":material/arrow_back:", on_click=start_over)
        if view.blind:
            st.badge(say.BLIND, icon=":material/visibility_off:", color="blue", help=say.BLIND_HELP)
        if view.kind == "drill":
            st.badge(say.DRILL, color="orange", help=say.DRILL_HELP)
        if view.personal:
            st.badge(say.PERSONAL, icon=":material/lock:", color="gray", help=say.PERSONAL_HELP)
        if view.category is not None:
            st.badge(say.CATEGORIES[view.category], color="gray")
        for tag in view.tags:
            st.badge(words.escaped(tag), color="gray")
        with st.container(key="battle-cost"):  # a line of its own on a phone: it changes when lanes end
            st.caption(words.escaped(_cost(view)))
        show_keys()


def show_keys() -> None:
    """The button that lists the keys, and what listens for them."""
    if st.button(say.KEYS, key=KEYS_BUTTON, icon=":material/keyboard:", type="tertiary"):
        _keys()


def listen(pressed: dict[str, str]) -> None:
    """`pressed`: which element each single key presses, beside the list of keys itself."""
    on = session.value(session.SINGLE_KEYS)
    battle_keys({"?": KEYS_BUTTON, **pressed} if on is not False else {}, key="battle-key-watch")


@st.dialog(say.KEYS)
def _keys() -> None:
    for keys, about in say.KEY_LIST:
        st.markdown(f"**{keys}**  \n{about}")
    st.toggle(
        say.SINGLE_KEYS,
        value=True,
        key=session.SINGLE_KEYS,
        help=say.SINGLE_KEYS_HELP,
        persist_state="session",
    )


def _cost(view: BattleView) -> str:
    if view.hidden:
        return say.COST_HIDDEN
    cap = view.cost_cap_nano_usd
    if view.cost_nano_usd is None:
        return say.NOT_SETTLED
    return say.spent(figure.money(view.cost_nano_usd), None if cap is None else figure.money(cap))
