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
from streamlit.navigation.page import StreamlitPage

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
from identity.permissions import Permission, may
from identity.principal import Principal

TAB_ICON: Final = (
    '<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 32 32">'
    '<rect width="32" height="32" rx="7" fill="#2557d6"/>'
    '<path d="M7 9h18M16 9v14" stroke="#fff" stroke-width="4" stroke-linecap="round"/></svg>'
)

# File, title, icon and what `guard.enter` asks there. What a role may not open is not listed; its address
# says why.
PAGES: Final[tuple[tuple[str, str, str, Permission], ...]] = (
    ("playground.py", words.PLAYGROUND, "edit_square", "run_models"),
    ("battle.py", battle_words.BATTLE, "swords", "read_runs"),
    ("batches.py", batch_words.BATCHES, "dataset", "read_runs"),
    ("leaderboard.py", leaderboard_words.LEADERBOARD, "leaderboard", "read_runs"),
    ("latency.py", words.LATENCY, "timeline", "read_credits"),
    ("requests.py", request_words.REQUESTS, "receipt_long", "read_runs"),
    ("models.py", model_words.MODELS, "view_list", "read_team"),
    ("prompts.py", prompt_words.PROMPTS, "bookmarks", "read_prompts"),
    ("compare.py", compare_words.COMPARE, "compare", "read_team"),
    ("benchmarks.py", benchmark_words.BENCHMARKS, "speed", "read_credits"),
    ("connect.py", connect_words.CONNECT, "power", "connect_models"),
    ("credits.py", words.CREDITS, "account_balance_wallet", "read_credits"),
    ("team.py", team_words.TEAM, "group", "read_team"),
    ("operator_desk.py", team_words.OPERATOR, "shield_person", "operate"),
)
HOME: Final = "playground.py"
HOMES: Final = ("requests.py", "credits.py")  # of whom may not send prompts: the first that they may see
SHARED: Final = st.Page("shared.py", title=share_words.SHARED, icon=":material/share:", visibility="hidden")


def pages_of(principal: Principal | None) -> dict[str, StreamlitPage]:
    """By file. Before anybody came in there is the list alone."""
    return {
        file: st.Page(
            file,
            title=title,
            icon=f":material/{icon}:",
            default=file == HOME,
            url_path="operator" if file == "operator_desk.py" else None,
            visibility="visible" if principal is not None and may(principal, needed) else "hidden",
        )
        for file, title, icon, needed in PAGES
    }


def at_home(page: StreamlitPage, listed: dict[str, StreamlitPage]) -> None:
    """Whoever may not send prompts and came to no page in particular starts where they may look."""
    if page == listed[HOME] and not may(principal, "run_models") and not st.query_params.to_dict():
        st.switch_page(next(listed[file] for file in HOMES if _allowed(file)))


def _allowed(file: str) -> bool:
    return any(each == file and may(principal, needed) for each, _, _, needed in PAGES)


def alone() -> None:
    """Nobody is signed in: one page without a navigation."""
    st.navigation([*pages_of(None).values(), SHARED], position="hidden")
    st.logo(TAB_ICON, size="medium")
    house_style.apply()


st.set_page_config(page_icon=TAB_ICON)

services = runtime.current()
principal = sign_in.enter(services.people, alone)
listed = pages_of(principal)
page = st.navigation([*listed.values(), SHARED], expanded=True)
at_home(page, listed)
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
