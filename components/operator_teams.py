"""Draws every team of the installation for its operator: those that wait come first."""

from __future__ import annotations

import streamlit as st

from components import figure, team_words as say
from components.asks import ask
from identity.principal import Principal
from identity.teams import Teams


def show(teams: Teams, principal: Principal, zone: str | None) -> None:
    for team in teams.all(principal):
        with st.container(border=True, horizontal=True, vertical_alignment="center"):
            with st.container(gap="xsmall"):
                st.text(f"{team.id}  {say.team_line(team.name, team.members)}")
                st.caption(say.WAITING if team.approved_ms is None else figure.day(team.created_ms, zone))
            if team.approved_ms is None and st.button(say.APPROVE, key=f"approve-{team.id}"):
                teams.approve(principal, team.id)
                st.rerun()
    with st.form("new-team", border=False):
        name = st.text_input(say.TEAM_NAME, max_chars=80)
        sent = st.form_submit_button(say.NEW_TEAM)
    if sent and ask(lambda: teams.create(principal, name, owner_id=principal.user_id)) is not None:
        st.rerun()
