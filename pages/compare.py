"""Two to four models beside each other: price, speed as measured here, abilities, data, votes."""

from __future__ import annotations

import time

import streamlit as st

import runtime
from battles.leaderboard import Wish
from billing.usage import MONTH_MS
from components import compare, compare_words as say, guard
from components.compare import Compared
from gateway.catalog import Model
from identity.permissions import may

st.set_page_config(layout="wide")
principal = guard.enter("read_team")
services = runtime.current()
now_ms = time.time_ns() // 1_000_000


def compared(model: Model, own_mix: bool) -> Compared:
    mix = services.on_own_mix(principal, model.id, now_ms) if own_mix else None
    return Compared(
        model,
        measured.get(model.id),
        services.gateway.routable(model),
        mix.would_nano_usd if mix is not None and mix.runs else None,
        votes.get(model.id),
    )


st.title(say.COMPARE)
models = compare.pick(services.catalog)
if len(models) < 2:
    st.info(f"**{say.PICK}**  \n{say.PICK_ADVICE}")
    st.stop()
own_mix = st.toggle(say.OWN_MIX_ASK)  # reads every run of 30 days: only when asked
measured = {one.model_id: one for one in services.latency.summary(principal.team_id, MONTH_MS, now_ms)}
votes = {}
if may(principal, "read_runs"):
    votes = {row.rating.setup.model: row for row in services.leaderboard.view(principal, Wish()).rows}
both = [compared(model, own_mix) for model in models]
compare.show_price(both, now_ms)
compare.show_speed(both)
compare.show_votes(both)
compare.show_abilities(both)
compare.show_data(both, services.catalog, now_ms)
