"""The turns of a conversation: what was asked, and the live view of what was answered."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import streamlit as st

from components import asking, battle_words, image_words, plain, trail, words
from components.run_view import run_view
from gateway.records import RunRecord


def show(turns: Sequence[RunRecord], ticket_for: Callable[[str], str], on_end: Callable[[], None]) -> None:
    """Draw every turn, each under its own ticket. `on_end` is called once a run of this page has ended."""
    with st.container(key="turns", gap="large"):
        for no, turn in enumerate(turns):
            with st.container(key=f"turn-{turn.id}", gap="small"):
                if no == 0:
                    _examples(turn)
                plain.asked(turn.prompt)
                if images := asking.images_of(turn):
                    st.caption(image_words.beside(images))
                for note in turn.notes:
                    st.caption(words.escaped(words.sentence(note)))
                run_view(turn.id, ticket_for(turn.id), f"run-{turn.id}", on_end=on_end)
                trail.show(turn)


def show_new(turns: Sequence[RunRecord], start_over: Callable[[], None]) -> None:
    st.button(
        words.NEW,
        key="new",
        icon=":material/add:",
        help=words.NEW_HELP,
        disabled=not turns,
        on_click=start_over,
    )


def show_after(
    turns: Sequence[RunRecord], retry: Callable[[], None], to_battle: Callable[[RunRecord], None]
) -> None:
    """What can be done with the last answer; its place is there before the answer is."""
    last = turns[-1]
    with st.container(horizontal=True, gap="small"):
        st.button(
            words.RETRY,
            key="retry",
            icon=":material/refresh:",
            help=words.RETRY_HELP,
            disabled=last.state == "running" or not last.messages,
            on_click=retry,
        )
        if st.button(
            battle_words.TO_BATTLE,
            key="to-battle",
            icon=":material/swords:",
            help=battle_words.TO_BATTLE_HELP,
            disabled=not last.prompt,
        ):
            to_battle(last)


def _examples(turn: RunRecord) -> None:
    examples = asking.examples_before(turn)
    if not examples:
        return
    with st.expander(words.example_turns(sum(1 for each in examples if each.role == "user"))):
        for example in examples:
            plain.example(example.role, example.text)
