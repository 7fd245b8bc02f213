"""Runs named in the address, a chart above them, and what the page was told."""

import os
import time

import streamlit as st

from components.battle_view import Asked, LaneHead, battle_view
from components.colours import colour_pair
from components.live_chart import live_chart
from components.run_view import run_view
from identity.tickets import CHARTS, Tickets
from tests.live.harness.typist import TEAM

st.set_page_config(page_title="Live", layout="wide")
tickets = Tickets(bytes.fromhex(os.environ["HARNESS_KEY"]))
st.session_state.setdefault("ended", 0)


def count() -> None:
    st.session_state.ended += 1


def told(what: Asked, value: int) -> None:
    st.session_state.told = f"told {what} {value}"


if "chart" in st.query_params:
    live_chart(
        "ttft", {"figure": st.query_params["chart"]}, tickets.issue(TEAM, CHARTS), key="chart", height=320
    )

runs = st.query_params.get("runs", "").split(",")
if runs != [""]:
    for column, run in zip(st.columns(len(runs)), runs, strict=True):
        with column:
            run_view(run, tickets.issue(TEAM, run), key=f"run-{run}", on_end=count)

lanes = st.query_params.get("lanes", "").split(",")
if lanes != [""]:
    heads = [
        LaneHead(
            lane,
            no,
            "ABCDEF"[no],
            f"Model number {no}",
            "Lab, temperature 0.7",
            colour_pair(f"m{no}"),
            retry=True,
        )
        for no, lane in enumerate(lanes)
    ]
    is_open = "told" not in st.session_state
    hidden = "hidden" in st.query_params and "told revealed" not in st.session_state.get("told", "")
    ticket = tickets.issue(TEAM, "trn_1")
    battle_view("trn_1", heads, ticket, key="strip", hidden=hidden, open=is_open, current=True, on_ask=told)
    st.markdown(st.session_state.get("told", "told nothing"))

st.markdown(f"ended {st.session_state.ended}, drawn at {time.monotonic_ns()}")
st.button("Again")
if st.button("Slowly"):
    time.sleep(1.5)
