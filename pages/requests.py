"""Every request of the team, newest first: what became of it, how long it took and what it cost."""

from __future__ import annotations

import time
from dataclasses import replace

import streamlit as st

import runtime
from billing.errors import LedgerUnavailable
from components import (
    guard,
    model_names,
    reopen,
    request_link,
    request_list,
    request_words as say,
    session,
    words,
)
from components.entry_names import Names
from components.picks import picks
from components.request_list import PAGE, Offered
from identity.permissions import may
from telemetry.rows import RequestRow

st.set_page_config(layout="wide")
principal = guard.enter("read_runs")
services = runtime.current()
zone, team_id = session.zone(), principal.team_id
log = services.requests
name_of = model_names.of(services.catalog)
names = Names(name_of, principal.user_id)
now_ms = time.time_ns() // 1_000_000


def offered() -> Offered:
    try:
        told = services.statements.told(team_id)
        keys = [key for key in told.keys if isinstance(key, int)]
        users: tuple[int, ...] = told.user_ids
    except LedgerUnavailable:  # the log does not need it
        users, keys = (), []
    return Offered(log.models(team_id, from_ms), log.providers(team_id, from_ms), users, keys)


st.title(say.REQUESTS)
request_link.take()
if (pressed := picks(request_list.TABLE, key="requests-picks", shows="requests-opened")) is not None:
    session.open_request_row(pressed)
open_id = session.request_open()
from_ms, to_ms = request_list.window(now_ms)
hidden = services.battles.hidden_runs(principal)
wanted = replace(request_list.filters(from_ms, to_ms, offered(), names), without=hidden)
found = log.look(team_id, wanted, PAGE + 1, session.requests_before())
rows = found.rows
if not rows:
    if found.looked_to is not None or session.requests_before() is not None:
        request_list.turn(found, zone)
    elif log.page(team_id, request_list.ANYTHING, 1):
        st.info(f"**{say.NONE_SUCH}**  \n{say.NONE_SUCH_ADVICE}")
    else:
        st.info(f"**{say.NONE}**  \n{say.NONE_ADVICE}")
    st.stop()


@st.fragment(run_every="1s")
def follow() -> None:
    """The newest page follows the log, unless a row is open: then it waits for the reader."""
    newest = log.look(team_id, wanted, 1).rows
    request_list.show_newest(newest, zone)
    if newest and session.requests_before() is None and newest[0].request_id != rows[0].request_id:
        request_list.follow(open_id is not None)


def show_list() -> None:
    request_list.show(rows[:PAGE], name_of, zone, open_id)
    if to_ms is None:
        follow()
    request_list.turn(found, zone)
    request_list.export(
        lambda: b"".join(log.as_csv(team_id, wanted)),
        lambda: b"".join(log.as_json_lines(team_id, wanted)),
        lambda: log.as_parquet(team_id, wanted),
    )


def show_open(row: RequestRow) -> None:
    """One request, and where it leads."""
    st.button(say.CLOSE, icon=":material/close:", key="request-close", on_click=session.close_request)
    request_list.show_one(row, names, zone)
    if row.run_id is None:
        return
    run_id, may_run = row.run_id, may(principal, "run_models")
    to_run = {"run": run_id}
    if row.cost_nano_usd is not None:
        icon = ":material/account_balance_wallet:"
        st.page_link("credits.py", label=say.ENTRY, icon=icon, query_params=to_run)
    battle_id = services.battles.battle_of(principal, run_id)
    if battle_id is not None:
        link = {"battle": battle_id}
        st.page_link("battle.py", label=say.BATTLE, icon=":material/swords:", query_params=link)
    elif row.surface == "page" and may_run:
        st.page_link("playground.py", label=say.REPLAY, icon=":material/forum:", query_params=to_run)
    reopen.show(
        services.record(principal, run_id),
        row.user_id == principal.user_id,
        replay=lambda: services.replay(principal, run_id),
        may_run=may_run,
    )
    if row.surface != "page" and row.model is not None:
        label, icon = words.escaped(say.about_model(name_of(row.model))), ":material/view_list:"
        st.page_link("models.py", label=label, icon=icon, query_params={"model": row.model})


picked = None if open_id is None else log.one(team_id, open_id)
if picked is None:
    show_list()
else:
    # The one that is open comes first: on a phone, above the others; the style sheet puts it on the right
    # where there is room.
    with st.container(horizontal=True, gap="medium", key="requests-open"):
        with st.container(key="requests-opened", width=360):
            if picked.run_id in hidden:
                st.info(say.HIDDEN)
            else:
                show_open(picked)
        with st.container(key="requests-rest", width="stretch"):
            show_list()
