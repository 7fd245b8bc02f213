"""A batch's rows and answers to take away. Files are made when they are asked for."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable
from typing import Any

import streamlit as st

from battles.batch_files import as_csv, as_lines
from components import batch_words as say


def show(name: str, exported: Callable[[], Iterable[dict[str, Any]]]) -> None:
    file = re.sub(r"[^A-Za-z0-9._-]+", "-", name).strip("-") or "batch"
    with st.container(horizontal=True, gap="small", key="batch-export"):
        st.download_button(
            say.CSV, lambda: as_csv(exported()).encode(), f"{file}.csv", "text/csv",
            icon=":material/download:", on_click="ignore",
        )  # fmt: skip
        st.download_button(
            say.JSONL, lambda: as_lines(exported()).encode(), f"{file}.jsonl", "application/jsonl",
            icon=":material/download:", on_click="ignore",
        )  # fmt: skip
