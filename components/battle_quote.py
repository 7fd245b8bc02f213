"""What a battle would cost before it is started, beside its prompt: likely and at most, what is held.

Reckoned anew a moment after the typing rests, in a fragment of its own: nothing else is drawn again.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

import streamlit as st

from battles.quoting import BattleQuote
from components import battle_session as session, battle_words as say, figure, words
from components.draft_watch import draft_watch
from components.notices import Notice

_KEY: Final = "battle-quote"

Ask = Callable[[str], BattleQuote | Notice | None]


@st.fragment
def show(ask: Ask) -> None:
    """`ask` is asked what is typed would cost; why it cannot be put; None where there is nothing to say."""
    with st.container(gap=None, key=_KEY):
        line = st.container(horizontal=True, vertical_alignment="center", width="stretch")
        draft = session.draft_typed(draft_watch(session.DRAFT, session.draft(), key="battle-draft-watch"))
    with line:
        asked = ask(draft) if draft else None
        if isinstance(asked, Notice):
            st.caption(
                f":orange[{words.escaped(asked.title)}] {words.escaped(asked.advice)}", width="stretch"
            )
        elif asked is None:
            st.caption(words.escaped(say.QUOTE_EMPTY), width="stretch")
        else:
            st.caption(words.escaped(_sentence(asked)), width="stretch")


def _sentence(quote: BattleQuote) -> str:
    cost = quote.cost_nano_usd
    said = say.quote(
        figure.money(cost.likely), figure.money(cost.high), figure.money(quote.hold_nano_usd), quote.lanes
    )
    return f"{said} {say.MAY_BE_CUT}" if quote.is_clamped else said
