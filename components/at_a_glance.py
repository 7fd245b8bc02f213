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
    """Three lines, each of which leads to more: on a phone they stand above what can be tried. `troubles` are
    sentences, `answering` the names of models that answer here, of so many `models`."""
    with st.container(key="at-a-glance", gap="xsmall"):
        left, models_here, state = st.columns([5, 5, 6], gap="small")
        with left:
            if balance is None:
                told = words.LEDGER_UNREADABLE
            else:
                told = words.left_of(figure.money(balance.available_nano_usd))
            _line("credits.py", words.escaped(told), ":material/account_balance_wallet:", words.GLANCE_LEFT)
            if balance is not None:
                st.caption(words.escaped(standing.next_of(balance, zone)))
        with models_here:
            told = words.escaped(words.models_answer(len(answering), models))
            page, leads_to = (
                ("connect.py", words.GLANCE_CONNECT) if may_connect else ("models.py", words.MODEL)
            )
            _line(page, told, ":material/power:", leads_to)
        with state:
            first, *others = troubles or (words.ALL_WELL,)
            icon = ":material/error:" if troubles else ":material/check_circle:"
            told = f":orange[{words.escaped(first)}]" if troubles else words.escaped(first)
            _line("latency.py", told, icon, words.GLANCE_LATENCY)
            for trouble in others:
                st.caption(f":orange[:material/error:] {words.escaped(trouble)}")


def _line(page: str, label: str, icon: str, leads_to: str) -> None:
    st.page_link(page, label=label, icon=icon, help=leads_to)
