"""A chart of what the page has read, drawn once: Plotly's picture, with its sentence for who cannot see it.

Its place is there at once. Plotly's script is that of the live charts: a tab reads it once, and only after
the page has been painted, since that keeps a browser busy for a second. If it cannot be loaded, the
sentence and the table beside the chart are what there is.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

import streamlit as st

from components import words
from components.bundle import shim
from markup.assets import plotly_url

_HTML: Final = '<div class="ty-still" role="img"></div>'
_CSS: Final = """
.ty-still { width: 100%; color: var(--st-text-color); font-family: var(--st-font); }
.ty-still[data-state="waiting"] { background: var(--st-secondary-background-color);
  border-radius: var(--st-base-radius, 0.5rem); }
"""

# Plotly puts its style sheet into the document's head: inside a shadow root it would draw nonsense.
_mount = st.components.v2.component(
    "still_chart", html=_HTML, css=_CSS, js=shim("still_chart.js"), isolate_styles=False
)


def still_chart(figure: Mapping[str, Any], sentence: str, key: str, height: int) -> None:
    """Draw `figure`, Plotly's data and layout; `height` in pixels, kept while it loads (`house_style`)."""
    with st.container(key=f"still-{key}"):
        _mount(
            key=key,
            data={
                "figure": dict(figure),
                "sentence": sentence,
                "height": height,
                "plotly": plotly_url(),
                "no_picture": words.NO_PICTURE,
            },
        )


__all__ = ["still_chart"]
