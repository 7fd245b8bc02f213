"""What the prompt in the box would cost, before it is sent: likely and at most, what is held meanwhile,
what is left after it and for how long. Or why it cannot be sent. It has its place also while it is empty.

Reckoned anew a moment after the typing rests, in a fragment of its own: nothing else is drawn again.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

import streamlit as st

from components import figure, notices, session, words
from components.draft_watch import draft_watch
from components.notices import Notice
from gateway.quote import LEAST_SAMPLE, Quote

_KEY: Final = "quote"

Ask = Callable[[str], Quote | Notice | None]
"""From what is typed to its quote, or to why it cannot be sent; None where there is nothing to say."""


@st.fragment
def show(ask: Ask) -> None:
    with st.container(gap=None, key=_KEY):
        line = st.container(horizontal=True, vertical_alignment="center", width="stretch")
        draft = session.draft_typed(draft_watch(session.DRAFT, session.draft(), key="draft-watch"))
    with line:
        asked = ask(draft) if draft else None
        if isinstance(asked, Notice):
            _refused(asked)
        elif asked is None:
            st.caption(words.escaped(words.QUOTE_EMPTY), width="stretch")
        else:
            st.caption(words.escaped(_sentence(asked)), help=words.escaped(_about(asked)), width="stretch")


def _sentence(quote: Quote) -> str:
    cost, after = quote.cost_nano_usd, quote.available_after_nano_usd.likely
    lasts_ms = quote.lasts_ms
    return words.quote(
        figure.money(cost.likely),
        figure.money(cost.high),
        figure.money(quote.hold_nano_usd),
        figure.money(after),
        None if lasts_ms is None else words.span(lasts_ms),
    )


def _about(quote: Quote) -> str:
    output = quote.output_tokens
    tokens = [figure.tokens(each) for each in (output.low, output.likely, output.high)]
    basis = (
        words.quote_of_team(quote.model.name, quote.n)
        if quote.basis == "team"
        else words.quote_of_default(quote.n, LEAST_SAMPLE)
    )
    parts = [
        words.quote_range(figure.money(quote.cost_nano_usd.low), *tokens),
        basis,
        words.quote_held(figure.tokens(quote.out_cap)),
    ]
    if quote.is_clamped:
        parts.append(words.QUOTE_CLAMPED)
    return " ".join(parts)


def _refused(notice: Notice) -> None:
    st.caption(f":orange[{words.escaped(notice.title)}] {words.escaped(notice.advice)}", width="stretch")
    if notice.command is not None:
        with st.popover(words.ADD_CREDIT, icon=":material/add_card:", key="add-credit"):
            notices.show_command(notice.command)
