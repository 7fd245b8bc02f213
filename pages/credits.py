"""What the team can spend, what is held and when more comes; every entry, down to its postings."""

from __future__ import annotations

import time

import streamlit as st

import runtime
from billing.errors import LedgerUnavailable
from components import credit_figures, entries, guard, model_names, notices, paging, session, words

st.set_page_config(layout="wide")
principal = guard.enter("read_credits")
services = runtime.current()
zone = session.zone()
name_of = model_names.of(services.catalog)

st.title(words.CREDITS)
try:
    balance = services.statements.balance(principal.team_id, time.time_ns() // 1_000_000)
    page = services.statements.entries(
        principal.team_id, paging.PAGE + 1, paging.before(session.ENTRIES_PAGE)
    )
except LedgerUnavailable as error:
    notices.show(notices.notice_of(error, session.reader()))
    st.stop()
credit_figures.show(balance, zone)
credit_figures.show_holds(balance.open_holds, name_of, zone)

st.header(words.ENTRIES)
if not page:
    st.info(f"**{words.NO_ENTRIES}**  \n{words.NO_ENTRIES_ADVICE}")
    st.stop()
listed, opened = st.columns([7, 5], gap="medium")
with listed:
    picked = entries.show(page[: paging.PAGE], name_of, zone)
    paging.show(session.ENTRIES_PAGE, page)
with opened:
    if picked is None:
        st.caption(words.PICK_A_ROW)
    else:
        entries.show_one(picked, name_of, zone)
        if picked.run_id is not None and picked.key_id is None:
            st.page_link(
                "playground.py",
                label=words.OPEN_RUN,
                icon=":material/forum:",
                query_params={"run": picked.run_id},
            )
