"""What one would write first: four lanes, each an `st.write_stream` of its own on a page of Streamlit's.

The measure that `bench/battles.py` holds our lanes against. Each lane is a parallel fragment (a thread), so
that all four stream at once; the provider is read with httpx, which costs less than a client library.
"""

from __future__ import annotations

import json
import os
from collections.abc import Iterator

import httpx
import streamlit as st

UPSTREAM = os.environ["BENCH_UPSTREAM"]
PROMPT = os.environ["BENCH_PROMPT"]


def tokens() -> Iterator[str]:
    asked = {"model": "mirror", "stream": True, "messages": [{"role": "user", "content": PROMPT}]}
    with httpx.stream("POST", UPSTREAM, json=asked, timeout=None, trust_env=False) as answer:
        for line in answer.iter_lines():
            if line.startswith("data: {") and (choices := json.loads(line[6:])["choices"]):
                yield choices[0]["delta"].get("content", "")


@st.fragment(parallel=True)
def lane() -> None:
    st.write_stream(tokens())


for column in st.columns(4):
    with column:
        lane()
