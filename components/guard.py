"""Who may see a page. Every page calls `enter` first, before it reads anything."""

from __future__ import annotations

import streamlit as st

from components import session, team_words, words
from identity.errors import IdentityError
from identity.permissions import WORDS, Permission, may, roles_with
from identity.principal import Principal


def enter(permission: Permission) -> Principal:
    """Whoever has the page open; ends the page here where nobody is signed in, or their role does not
    allow it."""
    try:
        principal = session.principal()
    except IdentityError:
        st.info(words.NOT_SIGNED_IN)
        st.stop()
    if not may(principal, permission):
        _refuse(principal, permission)
        st.stop()
    return principal


def _refuse(principal: Principal, permission: Permission) -> None:
    """Which right is missing, who has it, and where that is written."""
    st.info(f"**{words.NOT_PERMITTED}**")
    if permission == "operate":
        st.markdown(team_words.FOR_OPERATORS)
        return
    st.markdown(
        words.escaped(
            team_words.not_yours(
                principal.role, principal.team_name, WORDS[permission], roles_with(permission)
            )
        )
    )
    st.page_link("team.py", label=team_words.SEE_ROLES, icon=":material/group:")
