"""The team: who is in it, its keys, rules, trusted issuers and data."""

from __future__ import annotations

import json
import time

import streamlit as st

import runtime
from components import (
    audit_table,
    guard,
    session,
    team_issuers,
    team_keys,
    team_members,
    team_rules,
    team_words as say,
    words,
)  # fmt: skip
from components.asks import ask
from identity.permissions import WORDS, Permission, may, roles_with

st.set_page_config(layout="centered")
principal = guard.enter("read_team")
services = runtime.current()
people, team_id, zone = services.people, principal.team_id, session.zone()
now_ms = time.time_ns() // 1_000_000


def refused(permission: Permission) -> None:
    """Why a part of the page is closed to this role."""
    right, roles = WORDS[permission], roles_with(permission)
    st.caption(words.escaped(say.not_yours(principal.role, principal.team_name, right, roles)))


st.title(words.escaped(principal.team_name))
members, keys, rules, issuers, data, log = st.tabs(
    (say.MEMBERS, say.KEYS, say.RULES, say.ISSUERS, say.DATA, say.LOG)
)
with members:
    team_members.show(people.teams, principal, services.page_url, zone)
with keys:
    team_keys.show(
        people.keys, principal,
        lambda key_id, nano_usd: services.cap_key(principal, key_id, nano_usd), now_ms, zone,
    )  # fmt: skip
    st.page_link("credits.py", label=say.CAPS_ARE_THERE, icon=":material/account_balance_wallet:")
with rules:
    team_rules.show(
        people.teams.show(principal, team_id).policy, principal,
        lambda said: people.teams.set_policy(principal, team_id, said),
    )  # fmt: skip
with issuers:
    team_issuers.show(people.issuers, principal)
with data:
    if may(principal, "export_team") and st.button(say.EXPORT_PREPARE):
        st.download_button(
            say.EXPORT, json.dumps(services.team_export(principal), indent=1), f"team-{team_id}.json",
            "application/json",
        )  # fmt: skip
    if may(principal, "delete_team") and principal.session is not None:
        st.subheader(say.DELETE_TEAM)
        st.caption(say.DELETE_ABOUT)
        typed = st.text_input(say.DELETE_SURE)
        if st.button(say.DELETE_TEAM, disabled=typed != principal.team_name):
            ask(lambda: services.delete_team(principal))
            st.rerun()
    if not may(principal, "export_team"):
        refused("export_team")
with log:
    if may(principal, "read_audit"):
        names = {member.user_id: member.name for member in people.teams.members(principal, team_id)}
        audit_table.show(people.audit.entries(team_id=team_id), names, zone)
    else:
        refused("read_audit")
