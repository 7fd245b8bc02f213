"""A chart that draws itself again as requests finish, keeping zoom and hover.

What it shows comes over the tab's live channel by the chart's id; Plotly's script is loaded after the
page has been painted, once a tab, and only where a chart is. Under each chart stand its sentence and its
newest points as a table; if Plotly cannot be loaded, these are what there is.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

import streamlit as st

from components.bundle import BUNDLE, shim
from components.colours import MARKERS, PALETTE
from markup.assets import plotly_url

_CSS: Final = """
.lc { visibility: hidden; margin: 0; }
"""
_HTML: Final = f"""
<link rel="stylesheet" href="{BUNDLE.url("live_chart.css")}">
<figure class="lc"></figure>
"""

# Plotly puts its style sheet into the document's head: inside a shadow root it would draw nonsense.
_mount = st.components.v2.component(
    "live_chart", html=_HTML, css=_CSS, js=shim("live_chart.js"), isolate_styles=False
)


def live_chart(chart_id: str, params: Mapping[str, object], ticket: str, key: str, height: int = 320) -> None:
    """Show chart `chart_id` of the live channel, drawn for `params`; `height` in pixels is the plot's. Its
    place is kept while it loads (`house_style`)."""
    with st.container(key=f"room-{height}-{key}"):
        _mount_in_place(chart_id, params, ticket, key, height)


def _mount_in_place(chart_id: str, params: Mapping[str, object], ticket: str, key: str, height: int) -> None:
    _mount(
        key=key,
        data={
            "chart": chart_id,
            "params": dict(params),
            "ticket": ticket,
            "height": height,
            "plotly": plotly_url(),
            "palette": PALETTE,
            "markers": MARKERS,
        },
    )


__all__ = ["live_chart"]
