"""The foot of the navigation: whose credits, how much is left of them, when more comes, and what is wrong."""

from __future__ import annotations

import streamlit as st

from billing.allowance import ALLOWANCE_NANO_USD
from billing.statements import Balance
from components import figure, words
from identity.principal import Principal


def show(principal: Principal, balance: Balance, zone: str | None, troubles: tuple[str, ...]) -> None:
    """`troubles` are sentences; none means that everything answers."""
    with st.sidebar, st.container(key="standing", gap="xsmall"):
        st.markdown(f"**{words.escaped(principal.team_name)}**")
        st.markdown(words.escaped(words.left_of(figure.money(balance.available_nano_usd))))
        st.progress(_left(balance))
        st.caption(words.escaped(_next(balance, zone)))
        _state(troubles)


def troubles(demonstration_note: str | None, *, draining: bool) -> tuple[str, ...]:
    """What is wrong with this installation, a sentence each."""
    found = [words.DRAINING] if draining else []
    if demonstration_note is not None:
        found.append(words.NO_DEMONSTRATION)
    return tuple(found)


def _left(balance: Balance) -> float:
    """How full the bar is: of one allowance, or of what there is where that is more."""
    return max(0, balance.available_nano_usd) / max(ALLOWANCE_NANO_USD, balance.available_nano_usd)


def _next(balance: Balance, zone: str | None) -> str:
    if balance.next_allowance_at_ms is None:
        return words.ALLOWANCE_ENDED if balance.ends_allowance else words.ALLOWANCE_WITH_FIRST
    return words.next_allowance(figure.day(balance.next_allowance_at_ms, zone))


def _state(troubles: tuple[str, ...]) -> None:
    if not troubles:
        st.caption(f":green[:material/check_circle:] {words.ALL_WELL}")
    for trouble in troubles:
        st.caption(f":orange[:material/error:] {words.escaped(trouble)}")
