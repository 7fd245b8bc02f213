"""What holds for a whole battle, beside its lanes: blind or open, its cap, its start, its category."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import streamlit as st

from battles.models import CATEGORIES, Category, Order
from billing.money import parse_usd
from components import battle_session as session, battle_words as say

_MOST_TAGS: Final = 8
_ORDERS: Final[tuple[Order, ...]] = ("auto", "at_once", "in_sequence")


@dataclass(frozen=True, slots=True)
class Options:
    blind: bool
    drill: bool
    cost_cap_nano_usd: int | None
    order: Order
    category: Category | None
    tags: tuple[str, ...]
    personal: bool


def show_switches() -> tuple[bool, bool]:
    """Draw what is switched most: blind, fault drill. A drill is never blind."""
    drill = st.toggle(say.DRILL, key=session.DRILL, help=say.DRILL_HELP, persist_state="session")
    blind = st.toggle(
        say.BLIND, key=session.BLIND, help=say.BLIND_HELP, disabled=drill, persist_state="session"
    )
    return blind and not drill, drill


def show(blind: bool, drill: bool) -> Options:
    """Draw the rest, behind a button."""
    with st.popover(say.OPTIONS, icon=":material/settings:", key="battle-options", wrap=False):
        cap = st.number_input(
            say.CAP, 0.0001, 100_000.0, None, step=0.01, format="%.4f", key=session.CAP,
            placeholder=say.NO_CAP, help=say.CAP_HELP, persist_state="session",
        )  # fmt: skip
        order = st.segmented_control(
            say.ORDER, _ORDERS, default="auto", required=True, key=session.ORDER,
            format_func=say.ORDERS.__getitem__, help=say.ORDER_HELP, persist_state="session",
        )  # fmt: skip
        category = st.selectbox(
            say.CATEGORY, [None, *CATEGORIES], key=session.CATEGORY, help=say.CATEGORY_HELP,
            format_func=lambda each: say.CATEGORIES[each] if each else say.NO_CATEGORY,
            persist_state="session",
        )  # fmt: skip
        tags: list[str] = st.multiselect(
            say.TAGS, [], key=session.TAGS, accept_new_options=True, max_selections=_MOST_TAGS,
            help=say.TAGS_HELP, persist_state="session",
        )  # fmt: skip
        personal = st.toggle(
            say.PERSONAL, key=session.PERSONAL, help=say.PERSONAL_HELP, persist_state="session"
        )
    return Options(
        blind=blind,
        drill=drill,
        cost_cap_nano_usd=None if cap is None else parse_usd(f"{cap:.4f}"),
        order=order or "auto",
        category=category,
        tags=tuple(tags),
        personal=personal,
    )
