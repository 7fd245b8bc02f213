"""How fast and how reliable each model is: live, as the team's own requests were measured."""

from __future__ import annotations

import streamlit as st

import runtime
from components import guard, latency_table, latency_window, model_names, session, words
from components.live_chart import live_chart
from telemetry.latency import DEFAULT_SERIES
from telemetry.metrics import METRICS

st.set_page_config(layout="wide")
principal = guard.enter("read_credits")
services = runtime.current()
name_of = model_names.of(services.catalog)

st.title(words.LATENCY)
window_ms, simulated = latency_window.show()
params = {"window_ms": window_ms, "simulated": simulated}
series = (*DEFAULT_SERIES, "simulated") if simulated else DEFAULT_SERIES


@st.fragment(run_every="10s")
def by_model() -> None:
    summaries = services.latency.summary(principal.team_id, window_ms, series=series)
    if summaries:
        latency_table.show(summaries, name_of)
    else:
        st.info(f"**{words.NO_REQUESTS}**  \n{words.NO_REQUESTS_ADVICE}")


by_model()
latency_table.show_definitions()
for figure_id in ("ttft_ms", "tokens_per_s", "success_rate"):
    st.subheader(METRICS[figure_id].name, help=METRICS[figure_id].definition)
    live_chart(figure_id, params, session.ticket(), key=f"chart-{figure_id}")
