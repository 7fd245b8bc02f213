"""What the team can spend, what is held and when more comes; how it was spent; every entry, down to its
postings; and all of it to take away and check."""

from __future__ import annotations

import time

import streamlit as st

import runtime
from billing import runway
from billing.budgets import lasting
from billing.errors import BillingError, LedgerUnavailable
from billing.usage import MONTH_MS
from components import (
    credit_figures,
    entries,
    entry_filters,
    export,
    guard,
    model_names,
    notices,
    paging,
    session,
    spend_chart,
    spending_caps,
    words,
)
from components.entry_names import Names
from identity.permissions import may

st.set_page_config(layout="wide")
principal = guard.enter("read_credits")
services = runtime.current()
zone = session.zone()
names = Names(model_names.of(services.catalog), principal.user_id)
statements, usage, team_id = services.statements, services.usage, principal.team_id


def now_ms() -> int:
    return time.time_ns() // 1_000_000


@st.fragment
def history() -> None:
    wanted = entry_filters.show(told, names, zone)
    try:
        page = statements.entries(team_id, paging.PAGE + 1, paging.before(session.ENTRIES_PAGE), wanted)
    except LedgerUnavailable as error:
        notices.show(notices.notice_of(error, session.reader()))
        return
    if not page:
        st.info(f"**{words.NONE_SUCH}**  \n{words.NONE_SUCH_ADVICE}")
        return
    listed, opened = st.columns([2, 1], gap="medium")
    with listed:
        several = len(told.user_ids) > 1 or len(told.keys) > 1
        hidden = services.battles.hidden_runs(principal)
        shown = [entry for entry in page[: paging.PAGE] if entry.run_id not in hidden]
        if len(shown) < len(page[: paging.PAGE]):
            st.caption(words.HIDDEN_ENTRIES)
        picked = entries.show(shown, names, zone, who=several) if shown else None
        paging.show(session.ENTRIES_PAGE, page)
    with opened:
        if picked is None:
            st.caption(words.PICK_A_ROW)
        else:
            entries.show_one(picked, names.model, zone)
            if picked.run_id is not None and picked.key_id is None and may(principal, "run_models"):
                st.page_link(
                    "playground.py",
                    label=words.OPEN_RUN,
                    icon=":material/forum:",
                    query_params={"run": picked.run_id},
                )


def asked_entry() -> None:
    """The entry that a link from the request log leads to, before the rest."""
    run_id = session.entry_asked()
    if run_id is None:
        return
    try:
        entry = statements.entry_of_run(team_id, run_id)
    except LedgerUnavailable as error:
        notices.show(notices.notice_of(error, session.reader()))
        return
    if run_id in services.battles.hidden_runs(principal):
        st.info(words.HIDDEN_ENTRIES)
    elif entry is None:
        st.info(words.escaped(words.NO_ENTRY_OF_RUN))
    else:
        entries.show_one(entry, names.model, zone, key="asked-entry")
    st.button(words.ALL_ENTRIES, on_click=session.close_entry, icon=":material/close:")


def budgets() -> None:
    st.subheader(words.CAPS)
    for alarm in spending_caps.alarms(caps, names):
        st.warning(words.escaped(alarm), icon=":material/speed:")
    spending_caps.show(caps, names)
    if not may(principal, "set_caps"):
        return
    wish = spending_caps.show_form(caps, lambda: services.budgets.changes(team_id), names, team_id, zone)
    if wish is None:
        return
    try:
        services.set_cap(principal, wish.command(team_id, principal.user_id))
    except (BillingError, TimeoutError) as error:
        notices.show(notices.notice_of(error, session.reader()))
    else:
        st.rerun()


st.title(words.CREDITS)
asked_entry()
at_ms = now_ms()
try:
    balance = statements.balance(team_id, at_ms)
    credit_figures.show(balance, zone)  # before what takes longer to read
    newest = statements.newest(team_id)
    told = statements.told(team_id)
    spent = usage.spent(team_id, spend_chart.first_ms(at_ms, zone))
    caps = lasting(services.budgets.caps(team_id, at_ms))
    paces = (usage.pace(team_id, at_ms), usage.pace(team_id, at_ms, MONTH_MS))
except LedgerUnavailable as error:
    notices.show(notices.notice_of(error, session.reader()))
    st.stop()

credit_figures.show_holds(balance.open_holds, names.model, at_ms, zone)
if told.kinds:
    credit_figures.show_runway(runway.forecast(balance, paces, at_ms), at_ms, zone)
    spend_chart.show(spent, at_ms, names, zone)
    budgets()
    st.header(words.ENTRIES)
    credit_figures.show_not_booked(balance)
    export.show(statements, team_id, newest, now_ms)
    history()
else:
    budgets()
    st.header(words.ENTRIES)
    st.info(f"**{words.NO_ENTRIES}**  \n{words.NO_ENTRIES_ADVICE}")
