"""The live answer of one run: reasoning, blocks, figures, Stop, Copy and how it ended.

Text and figures come over the tab's live channel (`live.js`), never through a rerun: a page draws the
view once and may forget it. A run that ends while its view is up, or ended in the moment before, fires
`on_end` once a tab, so that the page can read its balance again; a run that ended earlier does not.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final

import streamlit as st

from components.bundle import BUNDLE, shim

# Only the space that the view takes before its style sheet is there: this travels in each mount.
_CSS: Final = """
.rv { visibility: hidden; min-height: 6.5rem; }
"""
_HTML: Final = f"""
<link rel="stylesheet" href="{BUNDLE.url("run_view.css")}">
<div class="rv" role="group" aria-label="Answer"></div>
"""

_mount = st.components.v2.component("run_view", html=_HTML, css=_CSS, js=shim("run_view.js"))


def _ignore() -> None:
    pass


def run_view(run_id: str, ticket: str, key: str, *, on_end: Callable[[], None] | None = None) -> Any:
    """Show a run. `ticket` comes from `identity.tickets` and is about this run. Returns the component's
    result; `.ended` is the run's id in the rerun that its end caused."""
    return _mount(key=key, data={"run": run_id, "ticket": ticket}, on_ended_change=on_end or _ignore)
