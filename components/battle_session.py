"""What the Battle page remembers between reruns: the only file that names its session-state keys.

The open battle lives in the page's address, with a copy here because a link in the navigation drops the
address's query; see `session.py`. Lanes that are being set up are *slots*: numbers that are never used
again, so that removing one leaves the others' widgets alone.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final

import streamlit as st

from components.notices import Notice

DRAFT: Final = "battle-draft"
BLIND: Final = "battle-blind"
CAP: Final = "battle-cap"
ORDER: Final = "battle-order"
CATEGORY: Final = "battle-category"
TAGS: Final = "battle-tags"
PERSONAL: Final = "battle-personal"
DRILL: Final = "battle-drill"
SYSTEM: Final = "battle-system"
SEARCH: Final = "battle-search"
SINGLE_KEYS: Final = "battle-single-keys"
REASONS: Final = "battle-reasons"

_SLOTS: Final = "battle-slots"
_NEXT_SLOT: Final = "battle-next-slot"
_LINKED: Final = "battle-linked"
_BATTLE: Final = "battle-open"
_TURN: Final = "battle-turn"
_FORK: Final = "battle-fork"
_ASKS_ON: Final = "battle-asks-on"
_NOTICE: Final = "battle-notice"
_TYPED: Final = "battle-typed"
_TOLD: Final = "battle-told"
_IN_ADDRESS: Final = "battle"
_TURN_IN_ADDRESS: Final = "turn"
_LONGEST_ID: Final = 64
_LONGEST_PROMPT: Final = 20_000


def model_key(slot: int) -> str:
    return f"battle-lane-{slot}-model"


def provider_key(slot: int) -> str:
    return f"battle-lane-{slot}-provider"


def version_key(slot: int) -> str:
    return f"battle-lane-{slot}-version"


def variable_key(name: str) -> str:
    return f"battle-variable-{name}"


def reasons_key(turn_id: str) -> str:
    return f"{REASONS}-{turn_id}"


def worst_key(turn_id: str) -> str:
    return f"battle-worst-{turn_id}"


def own_key(slot: int) -> str:
    return f"battle-lane-{slot}-own"


def field_key(slot: int | None, field: str) -> str:
    """Of a setting: a lane's own, or (None) that of all lanes."""
    return f"battle-{'shared' if slot is None else f'lane-{slot}'}-{field}"


def value(key: str) -> Any:
    return st.session_state.get(key)


# --- lanes that are being set up -------------------------------------------------------------


def slots(models: Sequence[str]) -> tuple[int, ...]:
    """The lanes on the page, left first; at first one for each of `models`."""
    if _SLOTS not in st.session_state:
        set_lanes(models)
    kept: tuple[int, ...] = st.session_state[_SLOTS]
    return kept


def set_lanes(models: Sequence[str]) -> None:
    """Begin anew with these lanes."""
    st.session_state[_SLOTS] = ()
    for model in models:
        add_lane(model)


def prepare(models: Sequence[str], prompt: str) -> None:
    """Before the page is opened from elsewhere: no battle open, these lanes, this prompt."""
    _forget_open()
    set_lanes(models)
    set_draft(prompt)


def add_lane(model: str) -> None:
    slot = st.session_state.get(_NEXT_SLOT, 0)
    st.session_state[_NEXT_SLOT] = slot + 1
    set_model(slot, model)
    st.session_state[_SLOTS] = (*st.session_state.get(_SLOTS, ()), slot)


def set_model(slot: int, model: str) -> None:
    st.session_state[model_key(slot)] = model


def set_version(place: int, name: str, no: int) -> None:
    """The lane at that place, from 0 on the left, puts this version of the prompt library."""
    st.session_state[version_key(st.session_state[_SLOTS][place])] = (name, no)


def set_variable(name: str, value: str) -> None:
    st.session_state[variable_key(name)] = value


def remove_lane(slot: int) -> None:
    st.session_state[_SLOTS] = tuple(each for each in st.session_state[_SLOTS] if each != slot)


def linked() -> tuple[tuple[str, ...], str] | None:
    """What the address asks for (`?models=a,b&prompt=...`), said once for each such address."""
    asked = (st.query_params.get("models", ""), st.query_params.get("prompt", "")[:_LONGEST_PROMPT])
    if asked == ("", "") or st.session_state.get(_LINKED) == asked:
        return None
    st.session_state[_LINKED] = asked
    return tuple(name.strip() for name in asked[0].split(",") if name.strip())[:6], asked[1]


# --- the battle that is open -----------------------------------------------------------------


def open_battle() -> str | None:
    asked = st.query_params.get(_IN_ADDRESS)
    if asked:
        st.session_state[_BATTLE] = asked[:_LONGEST_ID]
    battle_id: str | None = st.session_state.get(_BATTLE)
    if battle_id is not None and asked != battle_id:
        st.query_params[_IN_ADDRESS] = battle_id
    return battle_id


def show_battle(battle_id: str) -> None:
    _forget_open()
    st.session_state[_BATTLE] = battle_id
    st.query_params.from_dict({_IN_ADDRESS: battle_id})


def close_battle() -> None:
    _forget_open()
    st.query_params.clear()


def _forget_open() -> None:
    for key in (_BATTLE, _TURN, _FORK, _NOTICE):
        st.session_state.pop(key, None)


def turn() -> str | None:
    """The turn at whose end the page stands; None for the newest."""
    asked = st.query_params.get(_TURN_IN_ADDRESS)
    kept: str | None = asked[:_LONGEST_ID] if asked else st.session_state.get(_TURN)
    return kept


def show_turn(turn_id: str | None) -> None:
    st.session_state[_TURN] = turn_id
    if turn_id is None:
        st.query_params.pop(_TURN_IN_ADDRESS, None)
    else:
        st.query_params[_TURN_IN_ADDRESS] = turn_id


def fork() -> str | None:
    """The turn that the next prompt goes on from, where that is not the last one shown."""
    kept: str | None = st.session_state.get(_FORK)
    return kept


def set_fork(turn_id: str | None) -> None:
    st.session_state[_FORK] = turn_id


def asks_on(turn_id: str) -> bool:
    """Whether the reader wants to go on from that turn, though a vote on it is due."""
    return bool(st.session_state.get(_ASKS_ON) == turn_id)


def ask_on(turn_id: str) -> None:
    st.session_state[_ASKS_ON] = turn_id


# --- what is typed, and what went wrong -------------------------------------------------------


def search() -> str:
    text: str = st.session_state.get(SEARCH) or ""
    return text.strip()


def draft() -> str:
    text: str = st.session_state.get(DRAFT, "")
    return text.strip()


def set_draft(text: str) -> None:
    st.session_state[DRAFT] = st.session_state[_TYPED] = text


def draft_typed(told: str | None) -> str:
    """What stands in the box while somebody types: `told` is what its watcher said last, if anything."""
    if told is not None and told != st.session_state.get(_TOLD):
        st.session_state[_TOLD] = st.session_state[_TYPED] = told
    typed: str | None = st.session_state.get(_TYPED)
    return draft() if typed is None else typed


def notice() -> Notice | None:
    kept: Notice | None = st.session_state.get(_NOTICE)
    return kept


def set_notice(notice: Notice | None) -> None:
    st.session_state[_NOTICE] = notice
