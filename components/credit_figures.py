"""The team's credit in four figures, and the runs that hold some of it."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import streamlit as st

from billing.statements import Balance, OpenHold
from components import figure, table, words


def show(balance: Balance, zone: str | None) -> None:
    with st.container(horizontal=True, gap="medium", key="figures"):
        _figure("available", words.AVAILABLE, balance.available_nano_usd, words.AVAILABLE_HELP)
        _figure(
            "held",
            words.HELD,
            balance.held_nano_usd,
            words.HELD_HELP,
            words.held_by(len(balance.open_holds)) if balance.open_holds else words.NO_HOLDS,
        )
        _figure(
            "allowance",
            words.ALLOWANCE,
            balance.allowance_remaining_nano_usd,
            words.ALLOWANCE_HELP,
            next_allowance(balance, zone),
        )
        _figure("spent", words.SPENT, balance.total_used_nano_usd, words.SPENT_HELP)


def show_holds(holds: Sequence[OpenHold], name_of: Callable[[str], str], zone: str | None) -> None:
    """What each run under way has set aside."""
    if not holds:
        return
    table.show(
        words.HOLDS,
        (words.MODEL, words.HELD, words.USED_SO_FAR, words.SINCE),
        [
            (
                name_of(hold.model),
                figure.exact_money(hold.amount_nano_usd),
                figure.exact_money(hold.progress_nano_usd),
                figure.day_and_time(hold.created_ms, zone),
            )
            for hold in holds
        ],
    )


def next_allowance(balance: Balance, zone: str | None) -> str:
    """When the next $5 comes, in the reader's zone; why none does, otherwise."""
    if balance.next_allowance_at_ms is not None:
        return words.next_allowance(figure.day_and_time(balance.next_allowance_at_ms, zone))
    return words.ALLOWANCE_ENDED if balance.ends_allowance else words.ALLOWANCE_WITH_FIRST


def _figure(key: str, label: str, nano_usd: int, about: str, aside: str = "") -> None:
    with st.container(key=f"figure-{key}", width="content", gap=None):
        exactly = words.exactly(figure.exact_money(nano_usd))
        st.metric(label, words.escaped(figure.money(nano_usd)), help=words.escaped(f"{about} {exactly}"))
        if aside:
            st.caption(words.escaped(aside))
