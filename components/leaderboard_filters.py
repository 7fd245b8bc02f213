"""Which votes the leaderboard is made of, as its reader chooses; a change of page keeps it."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any, Final, cast

import streamlit as st

from battles.comparisons import VoterKind, VoteStage
from battles.leaderboard import View, Wish
from battles.models import CATEGORIES
from battles.ratings_choice import MARGIN
from battles.ratings_slices import Facets, Slice
from battles.ratings_votes import RatedBoard, Setup
from components import leaderboard_words as say, session

_EVERYBODY: Final = 0  # no team's id
_LEAST_POINTS: Final = 1
_MOST_POINTS: Final = 25


def teams(own: int, all_: Mapping[int, str]) -> tuple[int, ...]:
    """Whose votes an operator reads: empty for their own team's."""
    if len(all_) < 2:
        return ()
    picked: int | None = st.selectbox(
        say.TEAM,
        [own, _EVERYBODY, *(team_id for team_id in all_ if team_id != own)],
        format_func=lambda team_id: all_.get(team_id, say.ALL_TEAMS),
        key=session.RATED_TEAMS,
        persist_state="session",
    )
    if picked in (None, own):
        return ()
    return tuple(all_) if picked == _EVERYBODY else (picked,)


def show(facets: Facets, odd: frozenset[str], team_ids: tuple[int, ...]) -> Wish:
    """`odd` are voters that may be left out."""
    with st.container(horizontal=True, vertical_alignment="bottom", key="leaderboard-filters"):
        board = _one_of(say.BOARD, say.BOARDS, "model", session.RATED_BOARD, say.BOARD_HELP)
        stage = _one_of(say.STAGE, say.STAGES, "first", session.RATED_STAGE, say.STAGE_HELP)
        kind = "person"
        if facets.judges:
            kind = _one_of(say.VOTERS, say.VOTER_KINDS, "person", session.RATED_VOTERS, None)
    with st.container(horizontal=True, vertical_alignment="bottom", key="leaderboard-slices"):
        category = _any(say.CATEGORY, say.ANY_CATEGORY, facets.categories, session.RATED_CATEGORY, _in_order)
        tag = _any(say.TAG, say.ANY_TAG, facets.tags, session.RATED_TAG)
        language = _any(
            say.LANGUAGE, say.ANY_LANGUAGE, facets.languages, session.RATED_LANGUAGE, name=_language
        )
    without = frozenset[str]()
    if odd and st.toggle(say.WITHOUT_ODD, key=session.RATED_WITHOUT, help=say.WITHOUT_ODD_HELP):
        without = odd
    return Wish(
        cast(RatedBoard, board),
        Slice(
            cast(VoterKind, kind), cast(VoteStage, stage), tag=tag, category=category, language=language,
            without=without,
        ),
        teams=team_ids,
    )  # fmt: skip


def choice(view: View, name_of: Callable[[Setup], str]) -> tuple[Setup, float]:
    """Than which model, and by which share of decided votes, a cheaper one may be worse."""
    settled = [row.rating.setup for row in view.rows if not row.rating.provisional]
    offered = settled or [row.rating.setup for row in view.rows]
    with st.container(horizontal=True, vertical_alignment="bottom", key="leaderboard-choice"):
        reference = st.selectbox(
            say.REFERENCE, offered, format_func=name_of, key=session.RATED_REFERENCE, persist_state="session"
        )
        points = st.number_input(
            say.MARGIN,
            _LEAST_POINTS,
            _MOST_POINTS,
            round(MARGIN * 100),
            key=session.RATED_MARGIN,
            help=say.MARGIN_HELP,
            persist_state="session",
        )
    return reference or offered[0], points / 100


def _one_of(label: str, names: dict[str, str], first: str, key: str, help_: str | None) -> str:
    picked: Any = st.segmented_control(
        label,
        list(names),
        default=first,
        required=True,
        format_func=names.__getitem__,
        key=key,
        help=help_,
        persist_state="session",
    )
    return str(picked or first)


def _any(
    label: str,
    all_: str,
    offered: Sequence[tuple[str, int]],
    key: str,
    order: Callable[[Sequence[str]], list[str]] = list,
    name: Callable[[str], str] = str,
) -> str | None:
    """One of what there is, with the number of votes behind it; nothing to choose from shows nothing."""
    if not offered:
        return None
    votes = dict(offered)
    picked: str | None = st.selectbox(
        label,
        [None, *order(list(votes))],
        format_func=lambda each: all_ if each is None else f"{name(each)} ({votes[each]:,})",
        key=key,
        persist_state="session",
    )
    return picked


def _in_order(found: Sequence[str]) -> list[str]:
    return [each for each in CATEGORIES if each in found]


def _language(code: str) -> str:
    return say.LANGUAGES.get(code, code)
