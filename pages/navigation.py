"""What Streamlit runs for each browser session, at each rerun: the list of pages, and the foot below it.

The icon of the tab is set before the pages are listed: a page's own icon would otherwise be fetched
from a font server for it.
"""

from __future__ import annotations

import time
from typing import Final

import streamlit as st

import runtime
from components import connect_words, house_style, model_names, model_words, session, standing, words

TAB_ICON: Final = (
    '<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 32 32">'
    '<rect width="32" height="32" rx="7" fill="#2557d6"/>'
    '<path d="M7 9h18M16 9v14" stroke="#fff" stroke-width="4" stroke-linecap="round"/></svg>'
)

PAGES: Final = (
    st.Page("playground.py", title=words.PLAYGROUND, icon=":material/edit_square:", default=True),
    st.Page("latency.py", title=words.LATENCY, icon=":material/timeline:"),
    st.Page("models.py", title=model_words.MODELS, icon=":material/view_list:"),
    st.Page("connect.py", title=connect_words.CONNECT, icon=":material/power:"),
    st.Page("credits.py", title=words.CREDITS, icon=":material/account_balance_wallet:"),
)

st.set_page_config(page_icon=TAB_ICON)
st.logo(TAB_ICON, size="medium")
page = st.navigation(PAGES, expanded=True)
st.set_page_config(page_title=words.tab_title(page.title))
house_style.apply()

services = runtime.current()
principal = session.principal()
balance = standing.read(services.statements, principal.team_id, time.time_ns() // 1_000_000)
troubles = standing.troubles(
    services.demonstration_note,
    services.latency.summary(principal.team_id, standing.TROUBLE_WINDOW_MS),
    model_names.of(services.catalog),
    ledger=balance is not None,
    draining=services.gateway.draining,
)
standing.show(principal, balance, session.zone(), troubles)
page.run()
