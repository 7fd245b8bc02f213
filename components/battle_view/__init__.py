"""The lanes of one turn of a battle, streaming side by side: names or their hiding, figures, answers, Stop,
Retry and Copy.

Text and figures come over the tab's live channel, one answer a lane, under the lanes' own names (`lane_...`):
a page draws the strip once. Where names are hidden, nothing that is given here says who answers.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from typing import Final, Literal

import streamlit as st

from components.bundle import BUNDLE, shim

Asked = Literal["ended", "revealed", "retry"]

ALL: Final = -1
FAILED: Final = -2

# Only the space that the strip takes before its style sheet is there: this travels in each mount.
_CSS: Final = """
.bv { visibility: hidden; min-height: calc(clamp(14rem, 100vh - 38rem, 44rem) + 14.5rem); }
"""
_HTML: Final = f"""
<link rel="stylesheet" href="{BUNDLE.url("run_view.css")}">
<link rel="stylesheet" href="{BUNDLE.url("battle_view.css")}">
<div class="bv" role="group" aria-label="Lanes"></div>
"""

_mount = st.components.v2.component("battle_view", html=_HTML, css=_CSS, js=shim("battle_view.js"))


@dataclass(frozen=True, slots=True)
class LaneHead:
    """One lane of the strip. `id` is what the live channel knows it by; `colour` its model's, on the light
    page and the dark one. `retry`: it may be asked again."""

    id: str
    no: int
    letter: str
    name: str = ""
    about: str = ""
    colour: tuple[str, str] | None = None
    shared_cpu: bool = False
    retry: bool = False


def battle_view(
    turn_id: str,
    lanes: Sequence[LaneHead],
    ticket: str,
    key: str,
    *,
    hidden: bool,
    open: bool,
    current: bool,
    on_ask: Callable[[Asked, int], None],
) -> None:
    """Show a turn. `hidden`: who answers is not to be known yet. `open`: for all that the page knows it goes
    on, or is not settled. `current`: keys that are pressed anywhere are meant for this strip. `on_ask` is
    told that an open turn has `ended`, that what was hidden was `revealed` by another tab, and which lane
    to `retry` (`ALL`, or all that `FAILED`)."""

    def told(what: Asked) -> Callable[[], None]:
        def tell() -> None:
            said = st.session_state[key].get(what) or {}
            value = said.get("value")
            on_ask(what, value if isinstance(value, int) else -1)

        return tell

    _mount(
        key=key,
        data={
            "turn": turn_id,
            "lanes": [asdict(lane) for lane in lanes],
            "ticket": ticket,
            "hidden": hidden,
            "open": open,
            "current": current,
        },
        on_ended_change=told("ended"),
        on_revealed_change=told("revealed"),
        on_retry_change=told("retry"),
    )


__all__ = ["ALL", "FAILED", "Asked", "LaneHead", "battle_view"]
