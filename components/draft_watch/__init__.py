"""Tells the page what is typed in a box, a moment after the typing rests; draws nothing.

A text area tells its page only when it is left. This listens to the box itself, so that what a prompt
would cost can stand beside it before it is sent. Only the fragment that mounts it runs again.
"""

from __future__ import annotations

from typing import Final

import streamlit as st

from components.bundle import shim

_HTML: Final = '<span class="ty-draft" hidden></span>'

_mount = st.components.v2.component("draft_watch", html=_HTML, js=shim("draft_watch.js"))


def _ignore() -> None:
    pass


def draft_watch(box: str, said: str, key: str) -> str | None:
    """What stands in the text area whose key is `box`; None before anything was told. `said` is what the
    page takes to be there at first, so that only what differs is told."""
    result = _mount(
        key=key, data={"box": box, "said": said}, default={"draft": None}, on_draft_change=_ignore
    )
    draft: str | None = result.draft
    return draft


__all__ = ["draft_watch"]
