"""Draws what can be done with a request of the log: open it in the playground, or replay it as it was."""

from __future__ import annotations

from collections.abc import Callable

import streamlit as st

from battles.replay import recorded
from battles.replaying import Replayed
from components import reopen_words as say, session, words
from components.asks import ask
from components.opened import Opened
from gateway.messages import CompletionRequest
from gateway.records import RunRecord


def show(
    record: RunRecord | None,
    own: bool,
    *,
    replay: Callable[[], Replayed],
    may_run: bool,
) -> None:
    """`record` is None where there is no run any more; `own`: the reader asked it. `replay` raises what
    `asks.ask` explains."""
    if record is None:
        st.caption(say.NO_RUN)
        return
    if record.asked is None:
        st.caption(say.why_not(own, record.keeps_text))
        return
    if not may_run:
        return
    asked = record.asked
    with st.container(horizontal=True):
        if st.button(say.OPEN, icon=":material/edit_square:", key=f"reopen-{record.id}"):
            session.open_request(Opened(say.of(record.id), asked))
            st.switch_page("playground.py")
        again = st.button(
            say.AGAIN, icon=":material/replay:", key=f"replay-{record.id}", help=_replay_help(asked)
        )
    if again:
        with st.spinner(say.RUNNING):
            done = ask(replay)
        if done is not None and done.missing:
            st.warning(words.escaped(say.missing([call.name for call in done.missing])))
        if done is not None:
            st.page_link(
                "playground.py", label=say.SEE, icon=":material/forum:", query_params={"run": done.run_id}
            )


def _replay_help(asked: CompletionRequest) -> str:
    count = len(recorded(asked.messages).results)
    return say.AGAIN_HELP if not count else say.again_with(count)
