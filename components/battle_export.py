"""Draws how a battle is taken away: as a signed pack, as Markdown, as one HTML page. Made when pressed."""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

import streamlit as st

from battles.pack_format import opened
from battles.pack_reading import as_html, as_markdown
from components import pack_words as say


def show(battle_id: str, pack: Callable[[], bytes], *, disabled: bool) -> None:
    """`pack` makes the file. `disabled` while lanes run, or their names are not known to the reader."""
    makes: Final = (
        (say.PACK, pack, "json", "application/json"),
        (say.MARKDOWN, lambda: as_markdown(opened(pack())).encode(), "md", "text/markdown"),
        (say.HTML, lambda: as_html(opened(pack())).encode(), "html", "text/html"),
    )
    with st.popover(
        say.EXPORT, icon=":material/download:", key="export-battle", wrap=False, disabled=disabled
    ):
        st.caption(say.ABOUT)
        for label, made, ending, mime in makes:
            st.download_button(
                label, made, f"{battle_id}.{ending}", mime, help=say.HELP[ending], width="stretch",
                icon=":material/verified:" if ending == "json" else ":material/download:",
                on_click="ignore",
            )  # fmt: skip
        st.markdown(f"{say.CHECK_IT}\n\n`python -m battles.packs verify {battle_id}.json`")
