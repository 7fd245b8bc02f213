"""How fast and how reliable each model is: live, as the team's own requests were measured."""

from __future__ import annotations

import time

import streamlit as st

import runtime
from components import (
    anomaly_words,
    guard,
    latency_focus,
    latency_panel,
    latency_table,
    latency_window,
    latency_words as say,
    model_names,
    session,
    words,
)
from components.live_chart import live_chart
from components.picks import picks
from identity.permissions import may
from identity.tickets import CHARTS
from live_charts import slice_of
from telemetry.metrics import METRICS
from telemetry.slices import name_of as group_name
from telemetry.spreads import HISTOGRAM_OF
from telemetry.views import Group

st.set_page_config(layout="wide")
principal = guard.enter("read_credits")
services = runtime.current()
views = services.views
name_of = model_names.of(services.catalog)
zone = session.zone()
now_ms = time.time_ns() // 1_000_000

session.from_address(latency_window.readers() | latency_focus.readers())
latency_focus.take(latency_table.picked(picks("latency-table", key="latency-picks")))
st.title(words.LATENCY)
shown = latency_window.show(
    now_ms,
    lambda from_ms, to_ms: views.routes(
        slice_of(principal, {"from_ms": from_ms, "to_ms": to_ms, "simulated": True}, now_ms)
    ),
    name_of,
    zone,
    operator=may(principal, "operate"),
)
params = shown.params()
anomaly_words.show(services.anomalies.of(None if shown.everyone else principal.team_id), name_of, zone)
names = {model.id: model.name for model in services.catalog.models()}
names |= {provider.id: provider.name for provider in services.catalog.providers()} | names


def label_of(group: Group) -> str:
    return group_name(shown.by, group.group, names)


@st.fragment(run_every="10s")
def by_group() -> None:
    asked = slice_of(principal, params, time.time_ns() // 1_000_000)
    found = views.groups(asked)
    with st.container(key="latency-table"):
        if found.groups:
            before = views.groups(asked.before()) if shown.compare else None
            latency_table.show(shown.by, found, before, label_of)
        else:
            st.info(f"**{words.NO_REQUESTS}**  \n{words.NO_REQUESTS_ADVICE}")
    if found.cut:
        st.caption(latency_panel.since(found, zone))
    if found.beyond:
        st.caption(say.beyond(len(found.groups), found.beyond))


by_group()
latency_table.show_definitions()

asked = slice_of(principal, params, now_ms)
found = views.groups(asked)
focus = latency_focus.show(found, label_of)
session.to_address(latency_window.address(shown) | latency_focus.address(focus))
latency_focus.share()
metric = METRICS[focus.figure]
st.subheader(metric.name, help=metric.definition)
ticket = session.ticket_for(principal)(CHARTS)
if focus.percent is None:
    live_chart(focus.figure, params, ticket, key="chart-figure")
else:
    drawn = {"figure": focus.figure, "percent": focus.percent, "compare": shown.compare}
    live_chart("lines", params | drawn, ticket, key="chart-figure")

opened, lying = st.columns(2, gap="large")
with opened:
    group = focus.group
    earlier = views.groups(asked.before()) if shown.compare else None
    before = None
    if earlier is not None:
        before = earlier.whole() if focus.group_id is None else earlier.of(*focus.group_id)
    latency_panel.show(focus.figure, focus.name, group, before, found, zone)
    if may(principal, "read_runs"):
        latency_panel.link_to_rows(asked, focus.group_id)
with lying:
    if focus.figure in HISTOGRAM_OF:
        st.subheader(say.DISTRIBUTION)
        live_chart("distribution", params | {"figure": focus.figure}, ticket, key="chart-lying", height=260)

phases, slowest = st.columns(2, gap="large")
with phases:
    st.subheader(say.PHASES, help=latency_panel.PHASES_HELP)
    live_chart("bands", params, ticket, key="chart-phases", height=260)
with slowest:
    slow = latency_focus.slowest(views, asked, focus)
    latency_panel.show_slowest(focus.figure, slow, name_of, zone, linked=may(principal, "read_runs"))
