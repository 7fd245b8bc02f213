"""The empty playground as a home page: what is left, what answers, whether anything is slow or broken."""

from __future__ import annotations

from collections.abc import Sequence

import streamlit as st

from billing.statements import Balance
from components import figure, standing, words


def show(
    balance: Balance | None,
    troubles: Sequence[str],
    answering: Sequence[str],
    models: int,
    zone: str | None,
    *,
    may_connect: bool,
) -> None:
    """`troubles` are sentences, `answering` the names of models that answer here, of so many `models`."""
    with st.container(key="at-a-glance", gap="xsmall"):
        left, models_here, state = st.columns(3, gap="medium")
        with left:
            st.markdown(f"**{words.GLANCE_LEFT}**")
            if balance is None:
                st.caption(words.escaped(words.LEDGER_UNREADABLE))
            else:
                st.markdown(words.escaped(words.left_of(figure.money(balance.available_nano_usd))))
                st.caption(words.escaped(standing.next_of(balance, zone)))
        with models_here:
            st.markdown(f"**{words.GLANCE_MODELS}**")
            st.markdown(words.escaped(words.models_answer(len(answering), models)))
            if may_connect:
                st.page_link("connect.py", label=words.GLANCE_CONNECT, icon=":material/power:")
        with state:
            st.markdown(f"**{words.GLANCE_NOW}**")
            if not troubles:
                st.markdown(f":green[:material/check_circle:] {words.ALL_WELL}")
            for trouble in troubles:
                st.markdown(f":orange[:material/error:] {words.escaped(trouble)}")
            st.page_link("latency.py", label=words.GLANCE_LATENCY, icon=":material/timeline:")
