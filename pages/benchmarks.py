"""Boards that have an address of their own: speed, how figures come about, and what is not measured."""

from __future__ import annotations

import time

import streamlit as st

import runtime
from battles import batch_asking
from components import benchmark_words as say, benchmarks, guard, model_names, session
from telemetry.speed_board import speed_board

st.set_page_config(layout="wide")
principal = guard.enter("read_credits")
services = runtime.current()

st.title(say.BENCHMARKS)
board = benchmarks.board()
if board == "speed":
    now_ms = time.time_ns() // 1_000_000
    found = speed_board(services.views, services.requests, principal.team_id, benchmarks.window_ms(), now_ms)
    benchmarks.show_speed(found, model_names.of(services.catalog), session.zone())
elif board == "methodology":
    benchmarks.show_methodology([(say.JUDGE, batch_asking.INSTRUCTIONS)])
else:
    benchmarks.show_intelligence(services.catalog.models())
