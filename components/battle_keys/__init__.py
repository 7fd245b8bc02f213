"""Single keys that press buttons of the page, and can be switched off (WCAG 2.1.4); draws nothing."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

import streamlit as st

from components.bundle import shim

_HTML: Final = '<span class="ty-keys" hidden></span>'

_mount = st.components.v2.component("battle_keys", html=_HTML, js=shim("battle_keys.js"))


def battle_keys(keys: Mapping[str, str], key: str) -> None:
    """`keys` says for a key, as browsers name it, which element it presses: a button, or a field that it
    goes to, by the key that it was drawn under. None of them does anything while somebody types."""
    _mount(key=key, data={"keys": dict(keys)})


__all__ = ["battle_keys"]
