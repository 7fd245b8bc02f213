"""Draws who is in a team and what each role may do; lets owners invite, change and remove."""

from __future__ import annotations

from typing import get_args

import streamlit as st

from components import figure, table, team_words as say
from components.asks import ask
from identity.permissions import WORDS, Permission, may, role_may
from identity.principal import TEAM_ROLES, Principal
from identity.teams import MemberView, Teams


def show(teams: Teams, principal: Principal, base_url: str, zone: str | None) -> None:
    members = teams.members(principal, principal.team_id)
    table.show(
        say.MEMBERS,
        (say.MEMBER, say.ROLE, say.JOINED),
        [
            (
                f"{member.name} {member.email or ''}".strip(),
                table.Cell(member.role, say.BY_CLAIM if member.by_claim else ""),
                figure.day(member.joined_ms, zone) if member.joined_ms else "-",
            )
            for member in members
        ],
    )
    with st.expander(say.ROLES_ABOUT):
        _roles()
    if may(principal, "manage_members"):
        _manage(teams, principal, members)
        _invite(teams, principal, base_url, zone)
    else:
        st.caption(say.MEMBERS_NEED_OWNER)
    if principal.session is not None:
        _leave(teams, principal)


def _roles() -> None:
    permissions: tuple[Permission, ...] = get_args(Permission)
    table.show(
        say.ROLES_ABOUT,
        ("", *TEAM_ROLES),
        [
            (WORDS[permission], *(say.YES if role_may(role, permission) else say.NO for role in TEAM_ROLES))
            for permission in permissions
            if permission != "operate"
        ],
    )


def _manage(teams: Teams, principal: Principal, members: tuple[MemberView, ...]) -> None:
    others = {member.user_id: member for member in members}
    with st.container(horizontal=True, vertical_alignment="bottom"):
        chosen = st.selectbox(
            say.MEMBER, list(others), format_func=lambda user_id: others[user_id].name, key="team-member"
        )
        role = st.selectbox(say.ROLE, TEAM_ROLES, key="team-role")
        change = st.button(say.CHANGE_ROLE)
        remove = st.button(say.REMOVE)
    if chosen is not None and change:
        ask(lambda: teams.change_role(principal, principal.team_id, chosen, role))
        st.rerun()
    if chosen is not None and remove and ask(lambda: _removed(teams, principal, chosen)):
        st.rerun()


def _removed(teams: Teams, principal: Principal, user_id: int) -> bool:
    teams.remove(principal, principal.team_id, user_id)
    return True


def _invite(teams: Teams, principal: Principal, base_url: str, zone: str | None) -> None:
    with st.container(horizontal=True, vertical_alignment="bottom"):
        role = st.selectbox(say.INVITE_ROLE, TEAM_ROLES, index=1, key="invite-role")
        if st.button(say.INVITE) and (made := ask(lambda: teams.invite(principal, principal.team_id, role))):
            st.session_state["invite-link"] = f"{base_url}/?invitation={made.secret}"
    if link := st.session_state.pop("invite-link", None):
        st.code(link, language=None)
        st.caption(say.INVITE_ONCE)
    for invitation in teams.invitations(principal, principal.team_id):
        with st.container(horizontal=True, vertical_alignment="center"):
            st.text(f"{invitation.role}, {figure.day_and_time(invitation.expires_ms, zone)}")
            if st.button(say.WITHDRAW, key=f"withdraw-{invitation.id}"):
                ask(lambda no=invitation.id: teams.withdraw(principal, principal.team_id, no))  # type: ignore[misc]
                st.rerun()


def _leave(teams: Teams, principal: Principal) -> None:
    assert principal.user_id is not None
    user_id = principal.user_id
    with st.expander(say.LEAVE):
        sure = st.checkbox(say.LEAVE_SURE)
        if st.button(say.LEAVE, disabled=not sure) and ask(lambda: _removed(teams, principal, user_id)):
            st.rerun()
