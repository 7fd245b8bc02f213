"""Draws the sharing of a battle or a conversation: a new link, shown once, and the links that still work."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import streamlit as st

from battles.shares import MOST_DAYS, USUAL_DAYS, Kind, NewShare, Share, ShareWish
from components import figure, share_words as say, words
from components.asks import ask
from identity.permissions import may
from identity.principal import Principal


def show(
    kind: Kind,
    subject_id: str,
    principal: Principal,
    *,
    site_url: str,
    make: Callable[[ShareWish], NewShare],
    links: Callable[[], Sequence[Share]],
    revoke: Callable[[str], object],
    zone: str | None,
) -> None:
    """`make`, `links` and `revoke` raise what `asks.ask` explains. Whoever may not share sees nothing."""
    if not may(principal, "share_text"):
        return
    with st.popover(say.SHARE, icon=":material/share:", key=f"share-{subject_id}", wrap=False):
        st.caption(say.ABOUT)
        with st.form(f"share-form-{subject_id}", border=False):
            days = st.number_input(say.DAYS, 1, MOST_DAYS, USUAL_DAYS)
            names = st.checkbox(say.HIDE_NAMES)
            prompts = st.checkbox(say.HIDE_PROMPTS)
            owner = may(principal, "manage_policy")
            strangers = st.checkbox(
                say.WITHOUT_SIGN_IN,
                help=say.WITHOUT_SIGN_IN_HELP,
                disabled=not owner,
            )
            sent = st.form_submit_button(say.MAKE, type="primary")
        if sent:
            wish = ShareWish(kind, subject_id, int(days), names, prompts, strangers)
            if (made := ask(lambda: make(wish))) is not None:
                st.caption(say.ONCE)
                st.code(f"{site_url.rstrip('/')}/s/{made.secret}", language=None, wrap_lines=True)
        if working := links():
            st.markdown(f"**{say.LINKS}**")
        for share in working:
            with st.container(horizontal=True, vertical_alignment="center"):
                until = figure.day_and_time(share.expires_ms, zone)
                st.caption(words.escaped(say.link(until, say.who(share.without_sign_in))))
                if st.button(say.TAKE_BACK, key=f"revoke-{share.id}"):
                    if ask(lambda share_id=share.id: (revoke(share_id),)) is not None:  # type: ignore[misc]
                        st.rerun()
