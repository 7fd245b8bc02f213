"""Every model of the catalog; where the address names one, all that is known of it and a place to try it."""

from __future__ import annotations

import time

import streamlit as st

import runtime
from billing.errors import BillingError
from billing.usage import MONTH_MS
from components import (
    asking,
    conversation,
    guard,
    model_facts,
    model_list,
    model_page,
    model_words as say,
    notices,
    session,
    words,
)
from gateway.catalog import Model
from gateway.errors import GatewayError, UnknownModel
from gateway.messages import Sampling
from identity.permissions import may

st.set_page_config(layout="wide")
principal = guard.enter("read_team")
services = runtime.current()
now_ms = time.time_ns() // 1_000_000
catalog = services.catalog


def here(model: Model) -> model_page.Here:
    summaries = services.latency.summary(principal.team_id, MONTH_MS, now_ms)
    return model_page.Here(
        summary=next((one for one in summaries if one.model_id == model.id), None),
        pace_of=lambda provider_id: services.paces.of(model.id, provider_id),
        why_not=services.gateway.routable(model),
        connected=services.connected(),
        mix=lambda: services.on_own_mix(principal, model.id, now_ms),
        tiers=services.tiers,
        base_url=services.base_url,
        headroom=lambda: services.headroom(principal),
    )


def row(model: Model) -> model_list.Row:
    price = model_facts.price_now(model, now_ms)
    answers = model.lifecycle.state != "retired" and services.gateway.routable(model) is None
    return model_list.Row(
        model,
        price.base.input if price else None,
        price.base.output if price else None,
        say.YES if answers else say.NO,
        measured.get(model.id),
        wins.get(model.id),
    )


@st.fragment
def try_it(model: Model) -> None:
    st.header(say.TRY)
    st.caption(words.escaped(say.TRY_RULE))
    with st.form("try-it", border=False):
        prompt = st.text_area(words.PROMPT, key=session.MODELS_PROMPT, placeholder=words.ASK_ANYTHING)
        sent = st.form_submit_button(say.ASK, type="primary")
    if sent and prompt.strip():
        request = asking.ask(asking.Settings(model.id, "", Sampling()), (), prompt.strip())
        try:
            session.set_model_run(model.id, services.submit(principal, request))
        except (GatewayError, BillingError, TimeoutError) as error:
            notices.show(notices.notice_of(error, session.reader()))
    run_id = session.model_run(model.id)
    if run_id is not None:
        conversation.show(
            services.conversation(principal, run_id), session.ticket_for(principal), on_end=lambda: None
        )


asked = session.model_open()
if asked is None:
    st.title(say.MODELS)
    measured = {one.model_id: one for one in services.latency.summary(principal.team_id, MONTH_MS, now_ms)}
    wins = services.leaderboard.cost_of_wins(principal) if may(principal, "read_runs") else {}
    picked = model_list.show([row(model) for model in catalog.models()])
    if picked is not None:
        session.open_model(picked.id)
        st.rerun()
    st.stop()

st.button(say.ALL_MODELS, icon=":material/arrow_back:", on_click=session.close_model)
try:
    model = catalog.named(asked)
except UnknownModel as error:
    notices.show(notices.notice_of(error, session.reader()))
    st.stop()
known = here(model)
model_page.show_head(model, known, now_ms)
model_page.show_about(model)
if known.why_not is None and model.lifecycle.state != "retired" and model.answers:
    if may(principal, "run_models"):
        try_it(model)
model_page.show_use(model, known)
model_page.show_providers(model, catalog, known)
rivals = st.multiselect(
    say.COMPARE,
    [other for other in catalog.models() if other.id != model.id],
    default=model_facts.rivals(model, catalog, now_ms),
    format_func=lambda other: other.name,
    max_selections=3,
    key=session.MODELS_COMPARE,
)
model_page.show_price(model, known, now_ms, rivals)
st.page_link(
    "compare.py",
    label=say.COMPARE_ALL,
    icon=":material/compare:",
    query_params={"models": ",".join(each.id for each in (model, *rivals))},
)
model_page.show_capabilities(model)
model_page.show_limits(model, known)
model_page.show_data(model, catalog)
model_page.show_questions(model, catalog, now_ms)
model_page.show_review(model, catalog, now_ms)
model_page.show_sources(model)
st.header(f"{say.MORE_BY} {model.creator}")
for other in catalog.more_by(model.creator):
    if other.id != model.id:
        st.page_link("models.py", label=words.escaped(other.name), query_params={"model": other.id})
