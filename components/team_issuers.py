"""Draws whose tokens act for a team, and lets owners trust and distrust issuers."""

from __future__ import annotations

import streamlit as st

from components import team_words as say
from components.asks import ask
from identity.permissions import may
from identity.principal import Principal
from identity.trusted_issuers import ROLES, IssuerWish, TrustedIssuers


def show(issuers: TrustedIssuers, principal: Principal) -> None:
    st.caption(say.ISSUERS_ABOUT)
    st.code(issuers.audience(principal.team_id), language=None)
    manages = may(principal, "manage_issuers")
    for issuer in issuers.list(principal, principal.team_id):
        with st.container(border=True, horizontal=True, vertical_alignment="center"):
            claims = ", ".join(f"{name} = {value}" for name, value in issuer.claims.items())
            st.text(f"{issuer.issuer}\n{claims}\n{issuer.role}, tag {issuer.tag}")
            if manages and st.button(say.REMOVE, key=f"issuer-{issuer.id}"):
                issuers.remove(principal, principal.team_id, issuer.id)
                st.rerun()
    if not manages:
        st.caption(say.RULES_NEED_OWNER)
        return
    with st.form("trust", border=True, clear_on_submit=False):
        url = st.text_input(say.ISSUER, placeholder="https://token.actions.githubusercontent.com")
        claims = st.text_area(say.CLAIMS, placeholder="repository = octo/widgets")
        tag = st.text_input(say.TAG, "ci")
        role = st.selectbox(say.ROLE, ROLES)
        sent = st.form_submit_button(say.TRUST)
    if sent:
        pairs = (line.partition("=") for line in claims.splitlines() if line.strip())
        wanted = {name.strip(): value.strip() for name, _, value in pairs}
        wish = IssuerWish(url.strip(), wanted, tag.strip(), role)
        if ask(lambda: issuers.trust(principal, principal.team_id, wish)) is not None:
            st.rerun()
