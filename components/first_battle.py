"""The first battle: how many of its three votes are cast, the way to the next, and at the end all ten rows,
each checked."""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

import streamlit as st

from battles.first import SIDES, VOTED, FirstView
from components import battle_session as session, battle_words as say, figure, table
from components.table import Cell

_LOOK_AGAIN_S: Final = 2.0


def show_start(start: Callable[[], None], *, disabled: bool) -> None:
    """One press: a battle that needs no key."""
    with st.container(border=True, horizontal=True, vertical_alignment="center", key="first-battle"):
        st.markdown(f"**{say.FIRST}**  \n{say.FIRST_ABOUT}", width="stretch")
        st.button(
            say.FIRST_START,
            key="start-first",
            icon=":material/play_arrow:",
            disabled=disabled,
            on_click=start,
        )


def show(look: Callable[[], FirstView], battle_id: str) -> None:
    """Where the reader stands in it; `battle_id` is the row that is open. Rows that are answered after the
    last vote come in by themselves."""
    first = look()
    if not (first.over and first.running):
        _show(first, battle_id)
        return

    def grow() -> None:
        now = look()
        if not now.running:
            st.rerun()
        _show(now, battle_id)

    st.fragment(grow, run_every=_LOOK_AGAIN_S)()


def _show(first: FirstView, battle_id: str) -> None:
    voted = sum(row.voted for row in first.rows[:VOTED])
    if first.over:
        _rows(first)
        return
    with st.container(horizontal=True, vertical_alignment="center", gap="small", key="first-progress"):
        st.caption(say.first_progress(voted, VOTED), width="content")
        if first.vote_next is not None and first.vote_next != battle_id:
            st.button(
                say.NEXT_ROW,
                key="next-row",
                type="primary",
                icon=":material/arrow_forward:",
                on_click=session.show_battle,
                args=(first.vote_next,),
            )


def _rows(first: FirstView) -> None:
    cost = first.cost_nano_usd
    if first.passed is not None:
        st.markdown(f"**{say.first_result({side: first.passed[side] for side in SIDES}, len(first.rows))}**")
    table.show(
        say.FIRST_ROWS,
        (say.SENTENCE, say.EXPECTED, *(say.SIDE_NAMES[side] for side in SIDES)),
        [
            (
                row.sentence,
                row.expected,
                *(
                    Cell(
                        say.PASSED if row.passed and row.passed[side] else say.NOT_PASSED,
                        _cut(row.answers[side] if row.answers else ""),
                    )
                    for side in SIDES
                ),
            )
            for row in first.rows
        ],
        about=say.CHECKED if cost is None else say.checked_for(figure.money(cost)),
    )


def _cut(answer: str, most: int = 48) -> str:
    said = " ".join(answer.split())
    return said if len(said) <= most else f"{said[:most]}\N{HORIZONTAL ELLIPSIS}"
