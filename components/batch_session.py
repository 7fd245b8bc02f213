"""What the Batches page remembers between reruns: the only file that names its session-state keys.

The open batch lives in the page's address, with a copy here because a link in the navigation drops the
address's query; see `session.py`.
"""

from __future__ import annotations

from typing import Any, Final

import streamlit as st

from components.notices import Notice

NAME: Final = "batch-name"
FILE: Final = "batch-file"
PROMPT: Final = "batch-prompt"
SYSTEM: Final = "batch-system"
MODELS: Final = "batch-models"
LIBRARY: Final = "batch-library"
TEMPERATURE: Final = "batch-temperature"
MAX_TOKENS: Final = "batch-max-tokens"
EXACT: Final = "batch-exact"
IGNORE_CASE: Final = "batch-ignore-case"
REGEX: Final = "batch-regex"
SCHEMA: Final = "batch-schema"
PYTHON: Final = "batch-python"
JUDGE: Final = "batch-judge"
CRITERIA: Final = "batch-criteria"
AT_ONCE: Final = "batch-at-once"
CAP: Final = "batch-cap"
NEW_CAP: Final = "batch-new-cap"
VIEW: Final = "batch-view"
SINGLE_KEYS: Final = "batch-single-keys"

_OPEN: Final = "batch-open"
_MAKING: Final = "batch-making"
_NOTICE: Final = "batch-notice"
_FIRST_ROW: Final = "batch-first-row"
_SKIPPED: Final = "batch-skipped"
_ESTIMATE: Final = "batch-estimate"
_IN_ADDRESS: Final = "batch"
_LONGEST_ID: Final = 64


def open_batch() -> str | None:
    """The batch on the page: the address's, else the one this session had."""
    asked = st.query_params.get(_IN_ADDRESS)
    if asked:
        st.session_state[_OPEN] = asked[:_LONGEST_ID]
    batch_id: str | None = st.session_state.get(_OPEN)
    if batch_id is not None and asked != batch_id:
        st.query_params[_IN_ADDRESS] = batch_id
    return batch_id


def show(batch_id: str) -> None:
    """Make this batch the page's, in the address too."""
    st.session_state[_OPEN] = batch_id
    st.session_state.pop(_MAKING, None)
    st.session_state.pop(_FIRST_ROW, None)
    st.session_state.pop(_SKIPPED, None)
    st.query_params[_IN_ADDRESS] = batch_id


def show_all() -> None:
    for key in (_OPEN, _MAKING, _NOTICE):
        st.session_state.pop(key, None)
    st.query_params.pop(_IN_ADDRESS, None)


def make() -> None:
    show_all()
    st.session_state[_MAKING] = True


def making() -> bool:
    return bool(st.session_state.get(_MAKING))


def set_notice(notice: Notice) -> None:
    st.session_state[_NOTICE] = notice


def take_notice() -> Notice | None:
    notice: Notice | None = st.session_state.pop(_NOTICE, None)
    return notice


def first_row() -> int:
    return int(st.session_state.get(_FIRST_ROW, 0))


def go_to_row(no: int) -> None:
    st.session_state[_FIRST_ROW] = no


def skipped() -> tuple[str, ...]:
    """Pairs that this voter passed over, while the tab is open."""
    return tuple(st.session_state.get(_SKIPPED, ()))


def skip(place: str) -> None:
    st.session_state[_SKIPPED] = (*skipped(), place)


def estimated(stamp: str) -> Any:
    """The estimate that was made for this form as it is; None where it was changed since."""
    kept = st.session_state.get(_ESTIMATE)
    return kept[1] if kept is not None and kept[0] == stamp else None


def keep_estimate(stamp: str, estimate: Any) -> None:
    st.session_state[_ESTIMATE] = (stamp, estimate)
