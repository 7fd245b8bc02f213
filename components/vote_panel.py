"""The two votes on a turn: on the text alone, then with names, speeds and prices in sight.

Two lanes are four buttons, which the keys 1 to 4 press; with more lanes the reader names the best and the
worst, or says that all are alike or all bad. Says what was pressed; casting it is the page's.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Final

import streamlit as st

from battles.ballots import Ballot
from battles.comparisons import Choice
from battles.models import REASONS, Pair, Reason, Vote
from battles.views import BattleView, TurnView
from components import battle_session as session, battle_words as say

KEYS: Final = {"1": "vote-left", "2": "vote-right", "3": "vote-tie", "4": "vote-both_bad"}
_CHOICES: Final[tuple[Choice, ...]] = ("left", "right", "tie", "both_bad")


Cast = Callable[[Ballot, tuple[Reason, ...]], None]
Press = Callable[[Ballot], None]


def show(
    view: BattleView, turn: TurnView, user_id: int | None, cast: Cast, reveal: Callable[[], None]
) -> None:
    """Draw what may be voted now, or what was; nothing while lanes run."""
    first, final = _own(view, user_id)
    if first is not None:
        st.markdown(say.your_vote(in_words(first.pairs), in_words(final.pairs) if final else None))
    if view.may_vote is None:
        if view.why_no_vote and first is None:
            st.caption(view.why_no_vote)
        return
    with st.container(key="vote", gap="small"):
        st.markdown(f"**{say.VOTE_FIRST if first is None else say.VOTE_FINAL}**", help=say.VOTE_FIRST_ABOUT)
        reasons = _reasons(turn)

        def press(ballot: Ballot) -> None:
            cast(ballot, reasons)

        if len(turn.lanes) == 2:
            _two(turn, first, press)
        else:
            _many(turn, first, press)
        if first is None:
            st.button(say.REVEAL, key="reveal", type="tertiary", help=say.REVEAL_HELP, on_click=reveal)


def in_words(pairs: Sequence[Pair]) -> str:
    """What a vote says, by letters."""
    if not pairs:
        return ""
    outcomes = {pair.outcome for pair in pairs}
    if outcomes == {"tie"}:
        return say.TIE
    if outcomes == {"both_bad"}:
        return say.BOTH_BAD if len(pairs) == 1 else say.ALL_BAD
    won = [pair.left if pair.outcome == "left" else pair.right for pair in pairs]
    lost = [pair.right if pair.outcome == "left" else pair.left for pair in pairs]
    best = max(set(won), key=won.count)
    if len(pairs) == 1:
        return say.better(say.LETTERS[best])
    return say.best_and_worst(say.LETTERS[best], say.LETTERS[max(set(lost), key=lost.count)])


def _own(view: BattleView, user_id: int | None) -> tuple[Vote | None, Vote | None]:
    mine = {vote.stage: vote for vote in view.votes if vote.voter_user_id == user_id is not None}
    return mine.get("first"), mine.get("final")


def _reasons(turn: TurnView) -> tuple[Reason, ...]:
    return tuple(
        st.pills(
            say.REASONS,
            REASONS,
            selection_mode="multi",
            format_func=say.REASON_NAMES.__getitem__,
            key=f"{session.REASONS}-{turn.id}",
        )
    )


def _two(turn: TurnView, first: Vote | None, press: Press) -> None:
    left, right = turn.lanes
    names = {
        "left": say.better(left.label),
        "right": say.better(right.label),
        "tie": say.TIE,
        "both_bad": say.BOTH_BAD,
    }
    said = first.pairs[0].outcome if first is not None and first.pairs else None
    with st.container(horizontal=True, gap="small"):
        for no, choice in enumerate(_CHOICES, 1):
            st.button(
                say.keep(names[choice]) if choice == said else names[choice],
                key=f"vote-{choice}",
                help=say.pressed_by(no),
                type="primary" if choice == said else "secondary",
                on_click=press,
                args=(Ballot(outcome=choice),),
            )


def _many(turn: TurnView, first: Vote | None, press: Press) -> None:
    labels = {lane.no: lane.label for lane in turn.lanes}
    with st.container(horizontal=True, gap="medium", vertical_alignment="bottom"):
        best, worst = (
            st.segmented_control(name, list(labels), format_func=labels.__getitem__, key=f"{key}-{turn.id}")
            for name, key in ((say.BEST, "vote-best"), (say.WORST, "vote-worst"))
        )
        st.button(
            say.VOTE,
            key="vote-ranked",
            type="primary",
            disabled=best is None or worst is None or best == worst,
            on_click=press,
            args=(Ballot(best=best, worst=worst),),
        )
    with st.container(horizontal=True, gap="small"):
        st.button(say.ALL_ALIKE, key="vote-tie", on_click=press, args=(Ballot(outcome="tie"),))
        st.button(say.ALL_BAD, key="vote-both_bad", on_click=press, args=(Ballot(outcome="both_bad"),))
        if first is not None:
            st.button(say.KEEP, key="vote-keep", on_click=press, args=(Ballot(pairs=first.pairs),))
