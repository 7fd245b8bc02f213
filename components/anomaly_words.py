"""What became slow or began to fail, in sentences; on the latency page with the test behind each."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Final

import streamlit as st

from components import figure, words
from telemetry import anomalies
from telemetry.anomalies import TEST_IN_WORDS, Anomaly

HOW: Final = "How this is known"


def told(found: Sequence[Anomaly], name_of: Callable[[str], str], zone: str | None) -> tuple[str, ...]:
    """A sentence each, without its full stop."""
    return tuple(
        anomalies.sentence(each, name_of(each.subject), figure.day_and_time(each.since_ms, zone))
        for each in found
    )


def show(found: Sequence[Anomaly], name_of: Callable[[str], str], zone: str | None) -> None:
    """Nothing where nothing is wrong."""
    if not found:
        return
    with st.container(border=True, key="anomalies"):
        for sentence in told(found, name_of, zone):
            st.markdown(f":orange[:material/error:] {words.escaped(sentence)}.")
        with st.expander(HOW, key="anomalies-how"):
            st.markdown(words.escaped(TEST_IN_WORDS))
            for each in found:
                st.caption(words.escaped(f"{name_of(each.subject)}: {anomalies.proof(each)}."))
