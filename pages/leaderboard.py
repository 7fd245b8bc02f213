"""What the team's votes say: who answers better, how surely, at what price and how fast."""

from __future__ import annotations

import streamlit as st

import runtime
from battles.errors import PromptNotFound
from battles.leaderboard import Wish
from components import (
    guard,
    leaderboard_cards as cards,
    leaderboard_filters as filters,
    leaderboard_words as say,
    model_names,
)
from components.leaderboard_names import Names
from identity.permissions import may

st.set_page_config(layout="wide")
principal = guard.enter("read_runs")
services = runtime.current()
board = services.leaderboard


def version(version_id: str) -> str:
    try:
        found = services.prompts.by_id(principal, version_id)
    except PromptNotFound:
        return version_id
    return f"{found.name} {found.no}"


st.title(say.LEADERBOARD)
st.caption(say.INTRO)
known = services.people.teams.all(principal) if may(principal, "operate") else ()
team_ids = filters.teams(principal.team_id, {team.id: team.name for team in known})
everything = board.view(principal, Wish(teams=team_ids))
if not everything.facets.votes:
    st.info(f"**{say.NONE}**  \n{say.NONE_ADVICE}")
    if may(principal, "run_models"):
        st.page_link("battle.py", label=say.START, icon=":material/swords:")
    st.stop()

wish = filters.show(everything.facets, frozenset(each.odd.voter for each in everything.odd), team_ids)
view = board.view(principal, wish)
names = Names(
    model_names.of(services.catalog), version, principal.user_id, may(principal, "manage_members"), view
)
if view.rated is None:
    st.info(f"**{say.NONE_SUCH}**  \n{say.NONE_SUCH_ADVICE}")
else:
    cards.show_ratings(view, names)
    cards.show_findings(view, names)
    cards.show_figures(view, names)
    st.header(say.CHOICE)
    reference, margin = filters.choice(view, names.of)
    cards.show_choice(board.advice(principal, view, reference, margin), names)
    cards.show_pareto(view, names)
    cards.show_next(view, names, may_run=may(principal, "run_models"))
    cards.show_matrix(view, names)
    cards.show_effects(view)
cards.show_controlled(view, names)
