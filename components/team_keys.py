"""Draws API keys: one's own, or all of the team's; makes, rotates and ends them. Shown once, then never."""

from __future__ import annotations

from collections.abc import Callable
from decimal import Decimal, InvalidOperation
from typing import Final

import streamlit as st

from components import figure, table, team_words as say
from components.asks import ask, listed
from identity.api_keys import KeyView, KeyWish, NewKey
from identity.permissions import may
from identity.principal import Principal, Scope
from identity.team_keys import TeamKeys

_DAY_MS: Final = 24 * 60 * 60 * 1000
_NEW: Final = "new-key"
CapKey = Callable[[int, int], None]


def show(keys: TeamKeys, principal: Principal, cap: CapKey, now_ms: int, zone: str | None) -> None:
    """`cap` limits what a key may ever spend: its id, and nano-dollars."""
    if (secret := st.session_state.pop(_NEW, None)) is not None:
        st.success(say.KEY_ONCE)
        st.code(secret, language=None)
    found = keys.list(principal, principal.team_id)
    working = [key for key in found if key.works(now_ms)]
    if not working:
        st.caption(say.NO_KEYS)
    for key in working:
        _one(keys, principal, key, zone)
    if ended := [key for key in found if not key.works(now_ms)]:
        with st.expander(say.ENDED_KEYS):
            table.show(
                say.ENDED_KEYS,
                (say.KEY_NAME, "", say.AT),
                [(key.name, key.prefix, _ended(key, zone)) for key in ended],
            )
    if may(principal, "make_keys"):
        _make(keys, principal, cap, now_ms)
    else:
        st.caption(say.KEYS_NOT_YOURS)


def _one(keys: TeamKeys, principal: Principal, key: KeyView, zone: str | None) -> None:
    with st.container(border=True, horizontal=True, vertical_alignment="center", key=f"key-{key.id}"):
        with st.container(gap="xsmall"):
            st.text(f"{key.name}  {key.prefix}...")
            st.caption(_about(key, zone).replace("*", "\\*"))
        own = not key.service and key.user_id == principal.user_id
        if not (own and may(principal, "make_keys")) and not may(principal, "manage_keys"):
            return
        if (own or key.service) and st.button(say.ROTATE, key=f"rotate-{key.id}", help=say.ROTATE_HELP):
            _made(ask(lambda: keys.rotate(principal, principal.team_id, key.id)))
        if st.button(say.REVOKE, key=f"revoke-{key.id}"):
            ended = ask(lambda: keys.revoke(principal, principal.team_id, key.id))
            if ended is not None:
                st.rerun()


def _about(key: KeyView, zone: str | None) -> str:
    """What it may do, for what, until when, and when it was used last."""
    facts = [f"service, {key.role}" if key.service else "personal"]
    facts.append(", ".join(key.scopes) if key.scopes is not None else "all that the role may")
    if key.models:
        facts.append(", ".join(key.models))
    if key.tags:
        facts.append("tags " + ", ".join(key.tags))
    if key.expires_ms is not None:
        facts.append(f"ends {figure.day_and_time(key.expires_ms, zone)}")
    used = "never used" if key.last_used_ms is None else f"used {figure.day_and_time(key.last_used_ms, zone)}"
    return " | ".join((*facts, used))


def _ended(key: KeyView, zone: str | None) -> str:
    at_ms = key.revoked_ms or key.expires_ms
    return figure.day_and_time(at_ms, zone) if at_ms else "-"


def _make(keys: TeamKeys, principal: Principal, cap: CapKey, now_ms: int) -> None:
    scopes: list[Scope] = ["run", "read"]
    if may(principal, "manage_keys"):
        scopes.append("manage")
    if may(principal, "operate"):
        scopes.append("admin")
    with st.form("make-key", border=True):
        name = st.text_input(say.KEY_NAME, max_chars=80)
        kinds = (say.PERSONAL, say.SERVICE) if may(principal, "manage_keys") else (say.PERSONAL,)
        kind = st.radio(say.KEY_KIND, kinds)
        chosen = st.multiselect(say.KEY_SCOPES, scopes, default=["run", "read"])
        models = st.text_input(say.KEY_MODELS, help=say.KEY_MODELS_HELP)
        tags = st.text_input(say.KEY_TAGS)
        days = st.number_input(say.KEY_DAYS, 0, 3650, 90)
        most = st.text_input(say.KEY_CAP)
        sent = st.form_submit_button(say.MAKE_KEY, type="primary")
    if not sent:
        return
    limit_nano_usd = _nano_usd(most)
    if most.strip() and limit_nano_usd is None:
        st.error(f"{most.strip()[:20]!r} is no amount of dollars.")
        return
    wish = KeyWish(
        name, "member" if kind == say.SERVICE else None, tuple(chosen), listed(models), listed(tags),
        now_ms + int(days) * _DAY_MS if days else None,
    )  # fmt: skip
    made = ask(lambda: keys.make(principal, principal.team_id, wish))
    if made is not None and limit_nano_usd is not None:
        ask(lambda: cap(made.key.id, limit_nano_usd))
    _made(made)


def _made(made: NewKey | None) -> None:
    if made is not None:
        st.session_state[_NEW] = made.secret
        st.rerun()


def _nano_usd(typed: str) -> int | None:
    try:
        amount = Decimal(typed.strip())
    except InvalidOperation:
        return None
    return int(amount * 1_000_000_000) if amount.is_finite() and 0 <= amount < 1_000_000 else None
