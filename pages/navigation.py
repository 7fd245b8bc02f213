"""What Streamlit runs for each browser session, at each rerun: sign-in, the list of pages, and the foot
below it. Without a signed-in person nothing else is drawn, whatever the address. What a reader sees begins
with the house's style, which comes last: until then `api/shell.py` keeps the page blank, and nothing moves.

The icon of the tab is set before the pages are listed: a page's own icon would otherwise be fetched
from a font server for it.
"""

from __future__ import annotations

import time
from typing import Final

import streamlit as st

import runtime
from components import (
    anomaly_words,
    batch_words,
    battle_words,
    benchmark_words,
    compare_words,
    connect_words,
    house_style,
    leaderboard_words,
    model_names,
    model_words,
    prompt_words,
    request_words,
    session,
    share_words,
    sign_in,
    spending_caps,
    standing,
    team_words,
    words,
)
from components.entry_names import Names
from identity.permissions import may

TAB_ICON: Final = (
    '<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 32 32">'
    '<rect width="32" height="32" rx="7" fill="#2557d6"/>'
    '<path d="M7 9h18M16 9v14" stroke="#fff" stroke-width="4" stroke-linecap="round"/></svg>'
)

PAGES: Final = [
    st.Page("playground.py", title=words.PLAYGROUND, icon=":material/edit_square:", default=True),
    st.Page("battle.py", title=battle_words.BATTLE, icon=":material/swords:"),
    st.Page("batches.py", title=batch_words.BATCHES, icon=":material/dataset:"),
    st.Page("leaderboard.py", title=leaderboard_words.LEADERBOARD, icon=":material/leaderboard:"),
    st.Page("latency.py", title=words.LATENCY, icon=":material/timeline:"),
    st.Page("requests.py", title=request_words.REQUESTS, icon=":material/receipt_long:"),
    st.Page("models.py", title=model_words.MODELS, icon=":material/view_list:"),
    st.Page("prompts.py", title=prompt_words.PROMPTS, icon=":material/bookmarks:"),
    st.Page("compare.py", title=compare_words.COMPARE, icon=":material/compare:"),
    st.Page("benchmarks.py", title=benchmark_words.BENCHMARKS, icon=":material/speed:"),
    st.Page("connect.py", title=connect_words.CONNECT, icon=":material/power:"),
    st.Page("credits.py", title=words.CREDITS, icon=":material/account_balance_wallet:"),
    st.Page("team.py", title=team_words.TEAM, icon=":material/group:"),
]
SHARED: Final = st.Page("shared.py", title=share_words.SHARED, icon=":material/share:", visibility="hidden")
OPERATOR: Final = st.Page(
    "operator_desk.py", title=team_words.OPERATOR, url_path="operator", icon=":material/shield_person:"
)


def alone() -> None:
    """Nobody is signed in: one page without a navigation."""
    st.navigation([*PAGES, SHARED], position="hidden")
    st.logo(TAB_ICON, size="medium")
    house_style.apply()


st.set_page_config(page_icon=TAB_ICON)

services = runtime.current()
principal = sign_in.enter(services.people, alone)
listed = [*PAGES, SHARED]
page = st.navigation([*listed, OPERATOR] if may(principal, "operate") else listed, expanded=True)
st.set_page_config(page_title=words.tab_title(page.title))
st.logo(TAB_ICON, size="medium")

balance = standing.read(services.statements, principal.team_id, time.time_ns() // 1_000_000)
names = Names(model_names.of(services.catalog), principal.user_id)
troubles = standing.troubles(
    services.demonstration_note,
    services.latency.summary(principal.team_id, standing.TROUBLE_WINDOW_MS),
    model_names.of(services.catalog),
    ledger=balance is not None,
    draining=services.gateway.draining,
    anomalies=anomaly_words.told(
        services.anomalies.of(principal.team_id), model_names.of(services.catalog), session.zone()
    ),
    alarms=spending_caps.read_alarms(services.budgets, principal.team_id, time.time_ns() // 1_000_000, names),
)
session.set_troubles(troubles)
standing.show(principal, balance, session.zone(), troubles)
sign_in.show_person(services.people)
first = session.first_drawing()
house_style.apply(first=first)
try:
    page.run()
finally:
    house_style.shown(first=first)
