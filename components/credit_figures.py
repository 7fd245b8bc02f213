"""The team's credit in four figures, and the runs that hold some of it."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Final

import streamlit as st

from billing.runway import ENOUGH_RUNS, Runway
from billing.statements import Balance, OpenHold
from components import figure, table, words

_DAY_MS: Final = 24 * 60 * 60 * 1_000


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


def show_holds(
    holds: Sequence[OpenHold], name_of: Callable[[str], str], now_ms: int, zone: str | None
) -> None:
    """What each run under way has set aside."""
    if not holds:
        return
    table.show(
        words.HOLDS,
        (words.MODEL, words.HELD, words.USED_SO_FAR, words.AGE, words.EXPIRES, words.RUN),
        [
            (
                name_of(hold.model),
                figure.exact_money(hold.amount_nano_usd),
                figure.exact_money(hold.progress_nano_usd),
                figure.duration(max(0, now_ms - hold.created_ms)),
                figure.time_of_day(hold.expires_ms, zone),
                hold.run_id,
            )
            for hold in holds
        ],
        about=words.HOLDS_HELP,
    )


def show_runway(runway: Runway, now_ms: int, zone: str | None) -> None:
    """For how long credit lasts, and from which runs that was reckoned."""
    pace = runway.pace
    days = max(1, round((pace.to_ms - pace.from_ms) / _DAY_MS))
    if not runway.enough:
        st.caption(words.escaped(words.too_few_runs(pace.runs, ENOUGH_RUNS, days)))
        return
    if runway.empty_at_ms is None:
        lasts = words.LASTS_ON
    else:
        soon = runway.empty_at_ms - now_ms < 2 * _DAY_MS
        when = (
            figure.day_and_time(runway.empty_at_ms, zone)
            if soon
            else figure.far_day(runway.empty_at_ms, now_ms, zone)
        )
        lasts = words.lasts(words.span(runway.empty_at_ms - now_ms), when)
    about = words.pace_of(figure.money(pace.spent_nano_usd), pace.runs, days)
    st.markdown(
        f"**{words.escaped(lasts)}** :gray[{words.escaped(about)}]", help=words.escaped(words.RUNWAY_HELP)
    )


def show_not_booked(balance: Balance) -> None:
    """Why the newest entry's balance is not the one above; nothing where it is."""
    due, ended = balance.allowance_due_nano_usd, balance.ended_nano_usd
    if due or ended:
        said = words.not_yet_booked(
            figure.money(due) if due else None, figure.money(ended) if ended else None
        )
        st.caption(words.escaped(said))


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
