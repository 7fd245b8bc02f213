"""A team's entries to take away: as CSV, as JSON, and as a proof with the head to keep.

Files are made when they are asked for, on a thread of their own.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator

import streamlit as st

from billing.accounts import head
from billing.export import as_csv, as_json
from billing.statements import Statements
from components import words

_Exporter = Callable[[Statements, int, int], Iterator[bytes]]


def show(statements: Statements, team_id: int, newest: tuple[int, str], now_ms: Callable[[], int]) -> None:
    seq, newest_hash = newest
    name = f"tiltyard-team-{team_id}"

    def made(exporter: _Exporter) -> Callable[[], bytes]:
        return lambda: b"".join(exporter(statements, team_id, now_ms()))

    with st.container(horizontal=True, gap="small", key="export"):
        _button(words.CSV, made(as_csv), f"{name}-entries.csv", "text/csv", words.CSV_HELP)
        _button(words.JSON, made(as_json), f"{name}-entries.json", "application/json", words.JSON_HELP)
        _button(words.PROVE, made(as_json), f"{name}-proof.json", "application/json", words.PROVE_HELP)
    with st.expander(words.HOW_TO_CHECK, key="how-to-check"):
        # Not `st.code`, for which a browser would load its highlighter before it draws the entries.
        st.markdown(f"{words.CHECK_IT}\n\n`python -m billing.audit {name}-proof.json`")
        st.markdown(f"{words.KEEP_THE_HEAD}\n\n`{head(team_id, seq, newest_hash)}`")
        st.caption(words.WHAT_A_CHAIN_CANNOT)


def _button(label: str, data: Callable[[], bytes], file_name: str, mime: str, about: str) -> None:
    st.download_button(
        label,
        data,
        file_name,
        mime,
        help=about,
        icon=":material/verified:" if label == words.PROVE else ":material/download:",
        on_click="ignore",
    )
