"""Three prompts for an empty page. Each is tested on the embedded model (tests/pages/test_starters.py)."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Final

import streamlit as st

from components import asking, words
from gateway.messages import CompletionRequest, Message

_EXTRACT: Final = "Extract name, city and year as JSON: "


@dataclass(frozen=True, slots=True)
class Starter:
    """`label` is what its button says; `before` are example turns that go ahead of the prompt."""

    id: str
    icon: str
    label: str
    prompt: str
    before: tuple[Message, ...] = ()


STARTERS: Final[Sequence[Starter]] = (
    Starter(
        "palindrome",
        ":material/data_object:",
        "Write a Python function that finds palindromes",
        "Write a Python function that validates whether a string is a palindrome.",
    ),
    Starter("sky", ":material/wb_twilight:", "Why is the sky blue?", "Why is the sky blue?"),
    Starter(
        "extract",
        ":material/dataset:",
        "Turn a sentence into JSON, with two examples",
        _EXTRACT + "Since 2019 Lena Fischer has worked in Oslo.",
        before=(
            Message.of("user", _EXTRACT + "Anna Meyer has lived in Bremen since 2016."),
            Message.of("assistant", '{"name": "Anna Meyer", "city": "Bremen", "year": 2016}'),
            Message.of("user", _EXTRACT + "In 2021 Tom Baker opened a shop in Leeds."),
            Message.of("assistant", '{"name": "Tom Baker", "city": "Leeds", "year": 2021}'),
        ),
    ),
)


def request(settings: asking.Settings) -> CompletionRequest:
    """The first of them as a request: what a page with no conversation shows as code."""
    return asking.ask_after(settings, STARTERS[0].before, STARTERS[0].prompt)


def show(
    send: Callable[[Starter], None], battle: Callable[[], None], disabled: bool, *, several: bool
) -> None:
    """Draw the empty page; a press sends that prompt at once, `battle` takes the first to two lanes, of two
    models where `several` answer."""
    with st.container(key="starters", gap="xsmall"):
        st.caption(words.TRY_ONE)
        for starter in STARTERS:
            st.button(
                words.escaped(starter.label),
                key=f"starter-{starter.id}",
                icon=starter.icon,
                width="stretch",
                disabled=disabled,
                on_click=send,
                args=(starter,),
            )
        if st.button(
            words.READY_BATTLE if several else words.READY_SELF_BATTLE,
            key="starter-battle",
            icon=":material/compare_arrows:",
            width="stretch",
            disabled=disabled,
        ):
            battle()
