"""Who has the page open: the gate before every page where sign-in is configured.

`enter` returns somebody who is in a team, or draws why not and ends the page: the buttons of the
providers, a sign-in that is over, an address that is not let in, a person in no team yet. `watch` notices
within seconds that the sign-in was ended in another tab. What is true of a sign-in is `identity`'s.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

import streamlit as st

from components import session, team_words as say, words
from identity.errors import IdentityError, NotAdmitted, NotAuthenticated
from identity.people import People
from identity.principal import Principal
from identity.sign_in import SignedIn, SignIn

_WATCHED_EVERY_S: Final = 5.0
_INVITATION: Final = "invitation"


def enter(people: People, hide_pages: Callable[[], object]) -> Principal:
    """Whoever has the page open, in the team that they opened last. `hide_pages` is called where nobody
    comes in: a list of pages that an earlier run drew must not stay."""
    sign_in = people.sign_in
    if sign_in is None:
        return session.principal()
    who = _who(sign_in, hide_pages)
    secret = st.query_params.get(_INVITATION)
    if secret:
        _invitation(people, who, secret)
    if who.principal is None:
        hide_pages()
        _no_team(people, sign_in, who)
        st.stop()
    _watch(sign_in, who.principal)
    return who.principal


def show_person(people: People) -> None:
    """At the foot of the navigation: the teams to switch between, who this is, and the way out."""
    sign_in = people.sign_in
    if sign_in is None:
        return
    who = sign_in.who(session.claims())
    with st.sidebar, st.container(key="person", gap="xsmall"):
        if who.principal is not None and len(who.teams) > 1:
            names = dict(who.teams)
            chosen = st.selectbox(
                say.SWITCH_TEAM, list(names), list(names).index(who.principal.team_id),
                format_func=lambda team_id: names[team_id], key=session.TEAM,
            )  # fmt: skip
            if chosen != who.principal.team_id:
                sign_in.open_team(who, chosen)
                session.forget_team()
                st.rerun()
        st.text(say.signed_in_as(who.email or who.name))
        if st.button(say.SIGN_OUT, key="sign-out", width="stretch"):
            sign_in.sign_out(who)
            st.logout()


def _who(sign_in: SignIn, hide_pages: Callable[[], object]) -> SignedIn:
    claims = session.claims()
    why: str | None = None
    if claims.get("is_logged_in"):
        try:
            return sign_in.who(claims)
        except NotAuthenticated:
            why = say.OVER
        except NotAdmitted as error:
            why = str(error)
    hide_pages()
    _providers(sign_in, why)
    st.stop()


def _providers(sign_in: SignIn, why: str | None) -> None:
    with st.container(key="sign-in", width=420):
        st.title(say.SIGN_IN_TITLE)
        if why is not None:
            st.info(words.escaped(why))
        if st.query_params.get(_INVITATION):
            st.info(say.INVITED_FIRST)
        for provider in sign_in.rules.providers:
            if st.button(say.with_provider(provider.title), key=f"sign-in-{provider.name}", width="stretch"):
                st.login(provider.name)
        if not sign_in.rules.providers:
            st.info(say.NO_PROVIDER)


def _no_team(people: People, sign_in: SignIn, who: SignedIn) -> None:
    with st.container(key="no-team", width=520):
        st.title(say.NO_TEAM)
        st.text(say.signed_in_as(who.email or who.name))
        st.caption(say.NO_TEAM_ADVICE)
        link = st.text_input(say.PASTE_LINK, key="invitation-link").strip()
        if link and st.button(say.JOIN, type="primary"):
            _accept(people, who, link.rpartition("=")[2])
        if sign_in.rules.new_teams != "operator" or who.operator:
            name = st.text_input(say.TEAM_NAME, key="new-team", max_chars=80).strip()
            if st.button(say.MAKE_TEAM, disabled=not name):
                _try(lambda: sign_in.ask_for_team(who, name))
        if st.button(say.SIGN_OUT, key="sign-out"):
            sign_in.sign_out(who)
            st.logout()


def _invitation(people: People, who: SignedIn, secret: str) -> None:
    """A link that was opened while signed in. Joining is a press of a button: links open by themselves."""
    with st.container(key="invitation", border=True):
        st.markdown(say.INVITED)
        join, leave = st.columns(2)
        if join.button(say.JOIN, type="primary", width="stretch"):
            _accept(people, who, secret)
        if leave.button(say.NOT_NOW, width="stretch"):
            st.query_params.pop(_INVITATION)
            st.rerun()


def _accept(people: People, who: SignedIn, secret: str) -> None:
    def accept() -> None:
        people.teams.accept(who.user_id, secret)
        st.query_params.pop(_INVITATION, None)
        session.forget_team()

    _try(accept)


def _try(work: Callable[[], object]) -> None:
    try:
        work()
    except IdentityError as error:
        st.error(words.escaped(str(error)))
    else:
        st.rerun()


@st.fragment(run_every=_WATCHED_EVERY_S)
def _watch(sign_in: SignIn, drawn_for: Principal) -> None:
    """Draws nothing. A sign-in that is over, or another team chosen in another tab, draws the page anew."""
    try:
        who = sign_in.who(session.claims())
    except (NotAuthenticated, NotAdmitted):
        st.rerun(scope="app")
    if who.principal != drawn_for:
        st.rerun(scope="app")
