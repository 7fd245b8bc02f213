"""Draws a team's own keys for providers: those in use, and a place for one more."""

from __future__ import annotations

from typing import Protocol

import streamlit as st

from components import connect_words as say, notices, session, words
from gateway.errors import GatewayError
from gateway.provider_keys import ProviderKeys, TeamKey
from identity.principal import Principal


class OwnKeys(Protocol):
    """What `runtime.Services` offers here; both calls raise `GatewayError`."""

    @property
    def provider_keys(self) -> ProviderKeys: ...
    def put_own_key(
        self, principal: Principal, provider_id: str, api_key: str, *, falls_back: bool
    ) -> None: ...
    def remove_own_key(self, principal: Principal, provider_id: str) -> None: ...


def show(services: OwnKeys, principal: Principal) -> None:
    st.caption(say.OWN_KEYS_ABOUT)
    for key in services.provider_keys.listed(principal):
        _show_one(services, principal, key)
    with st.form("own-key", clear_on_submit=True, border=False):
        listed = st.selectbox(
            say.PROVIDER, services.provider_keys.providers(), format_func=lambda each: each.name
        )
        typed = st.text_input(say.KEY, type="password", help=say.KEY_HELP)
        falls_back = st.checkbox(say.FALLS_BACK)
        sent = st.form_submit_button(say.USE_OWN_KEY)
    if not sent or listed is None:
        return
    try:
        services.put_own_key(principal, listed.id, typed, falls_back=falls_back)
    except (GatewayError, TimeoutError) as error:
        notices.show(notices.notice_of(error, session.reader()))
        return
    session.set_connected(say.OWN_SAVED)
    st.rerun()


def _show_one(services: OwnKeys, principal: Principal, key: TeamKey) -> None:
    with st.container(border=True, horizontal=True, vertical_alignment="center"):
        with st.container(gap="xsmall"):
            st.markdown(f"**{words.escaped(key.provider_name)}** {words.escaped(key.hint)}")
            if key.falls_back:
                st.caption(say.FALLS_BACK_NOTE)
            if key.problem:
                st.warning(words.escaped(key.problem))
        if st.button(say.REMOVE, key=f"own-key-{key.provider_id}"):
            services.remove_own_key(principal, key.provider_id)
            st.rerun()
