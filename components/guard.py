"""Who may see a page. Every page calls `enter` first, before it reads anything."""

from __future__ import annotations

import streamlit as st

from components import session, words
from identity.errors import IdentityError
from identity.permissions import Permission, may
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
        st.info(f"**{words.NOT_PERMITTED}**  \n{words.NOT_PERMITTED_ADVICE}")
        st.stop()
    return principal
