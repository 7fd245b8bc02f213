"""Which requests the latency page is about: how far back, and whether simulated models count."""

from __future__ import annotations

from typing import Final

import streamlit as st

from components import session, words

_MINUTE_MS: Final = 60_000
WINDOWS: Final = {
    "15 min": 15 * _MINUTE_MS,
    "1 h": 60 * _MINUTE_MS,
    "24 h": 24 * 60 * _MINUTE_MS,
    "7 d": 7 * 24 * 60 * _MINUTE_MS,
}
_FIRST: Final = "1 h"


def show() -> tuple[int, bool]:
    """The window in milliseconds, and whether simulated models are shown."""
    with st.container(horizontal=True, vertical_alignment="center", gap="medium", key="latency-controls"):
        picked = st.segmented_control(
            words.WINDOW,
            list(WINDOWS),
            default=_FIRST,
            required=True,
            key=session.LATENCY_WINDOW,
            label_visibility="collapsed",
            persist_state="session",
        )
        simulated = st.toggle(words.INCLUDE_SIMULATED, key=session.LATENCY_SIMULATED, persist_state="session")
    return WINDOWS[picked or _FIRST], simulated
