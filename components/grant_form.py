"""A form that gives a team credit, with its reason."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from decimal import Decimal, InvalidOperation

import streamlit as st

from billing.commands import GrantKind
from components import team_words as say
from components.asks import ask
from identity.teams import TeamView

Give = Callable[[int, int, GrantKind, str], object]


def show(teams: Sequence[TeamView], give: Give) -> None:
    """`give` takes team, nano-dollars, kind and reason."""
    names = {team.id: say.team_line(team.name, team.members) for team in teams}
    kinds: tuple[GrantKind, ...] = ("grant", "payment", "adjustment")
    with st.form("grant", border=True):
        team_id = st.selectbox(say.GRANT_TEAM, list(names), format_func=lambda no: names[no])
        typed = st.text_input(say.GRANT_USD, "5")
        kind = st.selectbox(say.GRANT_KIND, kinds)
        reason = st.text_input(say.GRANT_REASON)
        sent = st.form_submit_button(say.GRANT, type="primary")
    if not sent or team_id is None:
        return
    try:
        nano_usd = int(Decimal(typed.strip()) * 1_000_000_000)
    except (InvalidOperation, ValueError, OverflowError):
        st.error(f"{typed[:20]!r} is no amount of dollars.")
        return
    if ask(lambda: give(team_id, nano_usd, kind, reason)) is not None:
        st.success(say.GRANTED)
