"""Which providers were asked for an answer, where it took more than one: a line each, in order."""

from __future__ import annotations

import streamlit as st

from components import figure, routing_words, words
from gateway.records import RunRecord
from telemetry.rows import AttemptRow


def show(turn: RunRecord) -> None:
    if len(turn.attempts) < 2:
        return
    with st.expander(routing_words.asked(len(turn.attempts))):
        for attempt in turn.attempts:
            st.caption(words.escaped(f"{attempt.no}. {line(attempt, turn)}"))


def line(attempt: AttemptRow, turn: RunRecord) -> str:
    """`Lab did not answer (ProviderRefused, status 500), after 12 ms.` Times count from the request."""
    other_model = attempt.model if attempt.model != turn.attempts[0].model else None
    said = routing_words.attempt(attempt.provider, other_model, attempt.outcome)
    if attempt.error is not None:
        said += routing_words.because(attempt.error, attempt.status)
    first = [at for at in (attempt.first_reasoning_ms, attempt.first_answer_ms) if at is not None]
    if first:
        said += routing_words.first_token(figure.duration(min(first)))
    elif attempt.last_ms is not None:
        said += routing_words.after(figure.duration(attempt.last_ms))
    return f"{said}."
