"""Draws a team's rules, and lets owners change them."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import streamlit as st

from components import team_words as say
from components.asks import ask, listed
from identity.permissions import may
from identity.policy import Policy
from identity.principal import TEAM_ROLES, Principal


def show(policy: Policy, principal: Principal, save: Callable[[dict[str, Any]], object]) -> None:
    """`save` takes the rules as JSON values and raises `BadPolicy`."""
    st.caption(say.RULES_ABOUT)
    fixed = not may(principal, "manage_policy")
    if fixed:
        st.caption(say.RULES_NEED_OWNER)
    with st.form("rules", border=True):
        said: dict[str, Any] = {}
        for field, label in (
            ("models", say.RULE_MODELS), ("providers", say.RULE_PROVIDERS), ("regions", say.RULE_REGIONS),
        ):  # fmt: skip
            typed = st.text_input(
                label, ", ".join(getattr(policy, field)), disabled=fixed, key=f"rule-{field}"
            )
            said[field] = listed(typed)
        default = st.text_input(say.RULE_DEFAULT, policy.default_model or "", disabled=fixed)
        said["default_model"] = default.strip() or None
        for field, label in (
            ("zero_retention", say.RULE_ZERO), ("no_training", say.RULE_TRAINING),
            ("own_provider_keys", say.RULE_OWN_KEYS), ("keep_api_text", say.RULE_API_TEXT),
        ):  # fmt: skip
            said[field] = st.checkbox(label, getattr(policy, field), disabled=fixed, key=f"rule-{field}")
        choices = list(say.SECRETS_WORDS)
        said["secrets"] = st.selectbox(
            say.RULE_SECRETS, choices, choices.index(policy.secrets),
            format_func=lambda choice: say.SECRETS_WORDS[choice], disabled=fixed,
        )  # fmt: skip
        said["text_days"] = _text_days(policy, fixed)
        said["text_readers"] = st.multiselect(
            say.RULE_READERS, TEAM_ROLES, list(policy.text_readers), disabled=fixed
        )
        sent = st.form_submit_button(say.SAVE_RULES, type="primary", disabled=fixed)
    if sent and ask(lambda: save(said)) is not None:
        st.success(say.SAVED)


def _text_days(policy: Policy, fixed: bool) -> int | None:
    ways = (say.TEXT_FOR_GOOD, say.TEXT_DAYS, say.TEXT_OFF)
    now = 0 if policy.text_days is None else (2 if policy.text_days == 0 else 1)
    left, right = st.columns(2)
    way = left.selectbox(say.RULE_TEXT, ways, now, disabled=fixed)
    days = right.number_input(say.DAYS, 1, 3650, policy.text_days or 30, disabled=fixed)
    return {say.TEXT_FOR_GOOD: None, say.TEXT_OFF: 0}.get(way, int(days))
