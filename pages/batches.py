"""One prompt over many rows: open a batch, watch it, judge its answers, see what it comes to."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import msgspec
import streamlit as st

import runtime
from battles.batch_models import Batch, BatchWish, Progress
from battles.comparisons import Choice
from battles.errors import BattleError, PromptNotFound
from battles.models import LaneWish
from billing.errors import BillingError
from components import (
    batch_export,
    batch_form,
    batch_queue,
    batch_session as session,
    batch_view,
    batch_words as say,
    figure,
    guard,
    model_names,
    notices,
    session as page_session,
    words,
)
from gateway.errors import GatewayError
from identity.errors import IdentityError
from identity.permissions import may

st.set_page_config(layout="wide")
principal = guard.enter("read_runs")
services = runtime.current()
batches = services.batches
name_of = model_names.of(services.catalog)
zone = page_session.zone()
may_run = may(principal, "run_models")
REFUSALS = (BattleError, GatewayError, BillingError, IdentityError, TimeoutError)


def refused(error: Exception) -> None:
    session.set_notice(notices.notice_of(error, page_session.reader()))


def act(work: Callable[[], object]) -> None:
    """What a button does; a refusal is told on the page."""
    try:
        work()
    except REFUSALS as error:
        refused(error)


def start(wish: BatchWish) -> None:
    act(lambda: session.show(services.open_batch(principal, wish).id))


def raise_cap(batch_id: str) -> None:
    limit = batch_form.dollars(str(st.session_state.get(session.NEW_CAP, "")).strip())
    if limit:
        act(lambda: services.cap_batch(principal, batch_id, limit))


def vote(batch_id: str, place: str, choice: Choice) -> None:
    act(lambda: services.vote_queue.vote(principal, batch_id, place, choice))


def version_of(name: str) -> LaneWish | None:
    try:
        found = services.prompts.served(principal, name)
    except PromptNotFound:
        return None
    return LaneWish("", found.provider, found.id, found.settings)


def version_name(version_id: str) -> str:
    try:
        found = services.prompts.by_id(principal, version_id)
    except (PromptNotFound, IdentityError):
        return version_id
    return f"{found.name} {found.no}"


def new() -> None:
    answering = {
        model.id: model.name
        for model in services.catalog.models()
        if model.answers and model.series != "simulated" and services.gateway.routable(model) is None
    }
    library = (
        [prompt.name for prompt in services.prompts.all(principal)] if may(principal, "read_prompts") else []
    )
    wish = batch_form.show(batch_form.Offered(answering, library, version_of))
    if wish is None:
        return
    stamp = f"{hash(msgspec.json.encode(wish.spec))}.{len(wish.upload.rows)}"
    estimate = session.estimated(stamp)
    if estimate is not None:
        likely, most = figure.money(estimate.likely_nano_usd), figure.money(estimate.most_nano_usd)
        st.caption(words.escaped(say.estimate(likely, most)))
    st.caption(say.SHARED)
    with st.container(horizontal=True, gap="small"):
        st.button(
            say.ESTIMATING,
            on_click=lambda: act(
                lambda: session.keep_estimate(
                    stamp, services.estimate_batch(principal, wish.spec, wish.upload)
                )
            ),
        )
        st.button(say.START, type="primary", icon=":material/play_arrow:", on_click=start, args=(wish,))


def controls(batch: Batch, progress: Progress) -> None:
    id_ = batch.id
    running, paused = batch.state == "running", batch.state == "paused"

    def button(label: str, work: Callable[[], object], about: str | None = None) -> None:
        st.button(label, help=about, on_click=act, args=(work,))

    with st.container(horizontal=True, vertical_alignment="bottom", gap="small", key="batch-controls"):
        if running:
            button(say.PAUSE, lambda: batches.pause(principal, id_), say.PAUSE_HELP)
        if paused and batch.keeps_text:
            button(say.RESUME, lambda: batches.resume(principal, id_))
        if running or paused:
            button(say.STOP, lambda: batches.stop(principal, id_), say.STOP_HELP)
        if not running and progress.failed + progress.cut and batch.keeps_text:
            button(say.AGAIN, lambda: batches.ask_again(principal, id_), say.AGAIN_HELP)
        if paused and batch.spec.cost_cap_nano_usd is not None:
            st.text_input(say.CAP, key=session.NEW_CAP, width=160)
            st.button(say.RAISE_CAP, on_click=raise_cap, args=(id_,))


@st.fragment(run_every="1s")
def live(batch_id: str) -> None:
    """Redrawn each second while the batch runs; its end redraws the page, once."""
    batch, progress = batches.show(principal, batch_id)
    batch_view.show_progress(batch, progress)
    if may_run:
        controls(batch, progress)
    if batch.state != "running":
        st.rerun()


def queue(batch: Batch) -> None:
    if len(batch.spec.lanes) < 2:
        st.info(say.ONE_LANE)
        return
    if may_run:
        label = say.CLOSE_VOTES if batch.votes_open else say.OPEN_VOTES
        st.button(
            label,
            on_click=act,
            args=(lambda: batches.open_votes(principal, batch.id, are_open=not batch.votes_open),),
        )
    if not batch.votes_open or not may_run:
        st.info(f"**{say.VOTES_CLOSED}**  \n{say.VOTES_CLOSED_ADVICE}")
        return
    pair = services.vote_queue.next(principal, batch.id, session.skipped())
    if pair is None:
        st.info(say.NO_MORE)
        return
    batch_queue.show(pair, lambda place, choice: vote(batch.id, place, choice))


def card(batch_id: str, names: Sequence[str]) -> None:
    address = f"{services.page_url}/batches?batch={batch_id}"
    batch_view.show_card(batches.report(principal, batch_id), names, address)


@st.fragment(run_every="5s")
def live_card(batch_id: str, names: Sequence[str]) -> None:
    card(batch_id, names)


def look(batch: Batch) -> None:
    names = batch_view.lane_names(batch, name_of, version_name)
    view = st.segmented_control(
        say.VIEW,
        say.VIEWS,
        default=say.DECISION,
        required=True,
        key=session.VIEW,
        label_visibility="collapsed",
    )
    if view == say.RESULTS:
        if not batch.keeps_text:
            st.info(say.TEXT_GONE)
            return
        first = session.first_row()
        batch_view.show_rows(batch, batches.page(principal, batch.id, first, batch_view.PAGE), names)
        batch_export.show(batch.name, lambda: batches.export(principal, batch.id))
    elif view == say.FAILURES:
        batch_view.show_failures(batches.failures(principal, batch.id), names)
    elif view == say.VOTE:
        queue(batch)
    elif batch.state == "running":
        live_card(batch.id, names)
    else:
        card(batch.id, names)


def one(batch_id: str) -> None:
    st.button(say.ALL, icon=":material/arrow_back:", type="tertiary", on_click=session.show_all)
    try:
        batch, progress = batches.show(principal, batch_id)
    except BattleError:
        st.title(say.BATCHES)
        st.info(say.UNKNOWN)
        return
    st.title(words.escaped(batch.name))
    if batch.state == "running":
        live(batch_id)
    else:
        batch_view.show_progress(batch, progress)
        if may_run:
            controls(batch, progress)
    look(batch)


def all_of_them() -> None:
    st.title(say.BATCHES)
    st.caption(say.INTRO)
    if may_run:
        st.button(say.NEW, icon=":material/add:", type="primary", on_click=session.make)
    else:
        st.caption(say.YOUR_ROLE)
    listed = batches.listed(principal)
    if listed:
        batch_view.show_list(listed, zone, session.show)
    else:
        st.info(f"**{say.NONE}**  \n{say.NONE_ADVICE}")


notice = session.take_notice()
opened = session.open_batch()
if notice is not None:
    notices.show(notice)
if opened is not None:
    one(opened)
elif session.making() and may_run:
    st.button(say.ALL, icon=":material/arrow_back:", type="tertiary", on_click=session.show_all)
    st.title(say.NEW)
    new()
else:
    all_of_them()
