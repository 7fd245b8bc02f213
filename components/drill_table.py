"""The fault drill for an operator: runs each simulated fault and shows what every book says of it."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Final

import streamlit as st

from components import figure, request_words, table, words
from components.table import Cell
from fault_drill import Story

DRILL: Final = "Fault drill"
EXPLAINED: Final = (
    "Asks each simulated model so many times, the way that all requests go, and compares the request log, "
    "the charts, the trail of attempts and the ledger. It costs demonstration credit of this team."
)
TIMES: Final = "Times"
RUN: Final = "Run it"
AGREE: Final = "All books agree."
DISAGREE: Final = "Some books disagree."
HEADS: Final = ("Fault", "Ended as", "Success", "On the chart", "First tokens", "Charged", "Books")
SAME: Final = "agree"


def show(drill: Callable[[int], Sequence[Story]]) -> None:
    st.caption(EXPLAINED)
    with st.container(horizontal=True, vertical_alignment="bottom"):
        times = st.segmented_control(TIMES, (5, 20, 50), default=5, required=True, key="drill-times")
        pressed = st.button(RUN, icon=":material/play_arrow:", key="drill-run")
    if not pressed:
        return
    with st.spinner(DRILL):
        stories = drill(times or 5)
    if any(story.disagreements for story in stories):
        st.error(DISAGREE)
    else:
        st.success(AGREE)
    table.show(DRILL, HEADS, [_row(story) for story in stories])


def _row(story: Story) -> list[str | Cell]:
    ended = ", ".join(
        f"{count} {request_words.OUTCOMES[one].lower()}" for one, count in story.outcomes.items()
    )
    return [
        story.fault,
        ended,
        figure.share(story.success),
        figure.tokens(story.drawn),
        figure.tokens(story.first_tokens),
        Cell(figure.money(story.billed_nano_usd), f"{story.billed_runs} runs"),
        words.sentence("; ".join(story.disagreements)) if story.disagreements else SAME,
    ]
