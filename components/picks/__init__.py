"""Tells the page which cell of a table was pressed; draws nothing.

`table.py` writes its cells as HTML, so that they are there at once and read well; a cell with `pick` is a
button in it. This listens to those inside one container of the page, which then runs again.
"""

from __future__ import annotations

from typing import Final

import streamlit as st

from components.bundle import shim

_HTML: Final = '<span class="ty-picks" hidden></span>'

_mount = st.components.v2.component("picks", html=_HTML, js=shim("picks.js"))


def _ignore() -> None:
    pass


def picks(within: str, key: str, shows: str = "") -> str | None:
    """The `pick` of the cell that was just pressed in the container whose key is `within`, this once. The
    container whose key is `shows` is scrolled to when it then stands elsewhere."""
    result = _mount(key=key, data={"within": within, "shows": shows}, on_pick_change=_ignore)
    picked: str | None = result.pick
    return picked


__all__ = ["picks"]
