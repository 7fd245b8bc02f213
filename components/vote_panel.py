"""The two votes on a turn, where the prompt would be: on the text alone, then with names and prices in sight.

A row of buttons, which the keys from 1 on press: each lane as the better (of more than two: the best), a
tie, all bad. Behind *Why*: reasons, and with more than two lanes the worst. Says what was pressed; casting
it is the page's.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Final

import streamlit as st

from battles.ballots import Ballot
from battles.models import REASONS, Pair, Reason, Vote
from battles.views import BattleView, TurnView
from components import battle_session as session, battle_words as say

_TIE: Final = "vote-tie"
_BAD: Final = "vote-bad"
Cast = Callable[[Ballot, tuple[Reason, ...]], None]


def keys(view: BattleView) -> dict[str, str]:
    """Which element each key presses."""
    pressed = [*(f"vote-{lane.no}" for lane in view.lanes), _TIE, _BAD]
    return {str(no): element for no, element in enumerate(pressed, 1)} if view.may_vote else {}


def is_due(view: BattleView, turn: TurnView) -> bool:
    """Whether the reader is asked for a vote, in the place where a prompt would be typed."""
    return view.may_vote is not None and not turn.running and not session.asks_on(turn.id)


def show(
    view: BattleView, turn: TurnView, user_id: int | None, cast: Cast, reveal: Callable[[], None]
) -> None:
    first, _ = own(view, user_id)
    with st.bottom, st.container(key="vote", gap="xsmall"):
        st.markdown(
            f"**{say.VOTE_FIRST if first is None else say.VOTE_FINAL}**",
            help=say.VOTE_FIRST_ABOUT if first is None else say.VOTE_FINAL_ABOUT,
        )
        with st.container(horizontal=True, gap="small", vertical_alignment="center"):
            row = st.container(horizontal=True, gap="small", width="content")
            _why(turn)
            with row:
                for no, (element, name, ballot) in enumerate(_ballots(turn), 1):
                    _button(no, element, name, ballot, first, lambda ballot: _cast(turn, ballot, cast))
            if first is None:
                st.button(say.REVEAL, key="reveal", type="tertiary", help=say.REVEAL_HELP, on_click=reveal)
            st.button(say.ASK_ON, key="ask-on", type="tertiary", on_click=session.ask_on, args=(turn.id,))


def show_said(view: BattleView, user_id: int | None) -> None:
    """What this reader has voted, or why they cannot."""
    first, final = own(view, user_id)
    if first is not None:
        st.markdown(say.your_vote(in_words(first.pairs), in_words(final.pairs) if final else None))
    elif view.may_vote is None and view.why_no_vote:
        st.caption(view.why_no_vote)


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
    top, bottom = (max(set(each), key=each.count) for each in (won, lost))
    if len(pairs) == 1:
        return say.better(say.LETTERS[top])
    worst = say.LETTERS[bottom] if lost.count(bottom) > 1 else None  # beaten once is just not the best
    return say.best_and_worst(say.LETTERS[top], worst)


def own(view: BattleView, user_id: int | None) -> tuple[Vote | None, Vote | None]:
    """The first vote and the final one."""
    mine = {vote.stage: vote for vote in view.votes if vote.voter_user_id == user_id is not None}
    return mine.get("first"), mine.get("final")


def _why(turn: TurnView) -> None:
    """Reasons, and with more than two lanes the worst of them."""
    with st.popover(say.REASONS, icon=":material/sell:", key=f"{session.REASONS}-open", wrap=False):
        st.pills(
            say.REASONS,
            REASONS,
            selection_mode="multi",
            format_func=say.REASON_NAMES.__getitem__,
            key=session.reasons_key(turn.id),
        )
        if len(turn.lanes) > 2:
            labels = {lane.no: lane.label for lane in turn.lanes}
            st.segmented_control(
                say.WORST, list(labels), format_func=labels.__getitem__, key=session.worst_key(turn.id)
            )


def _cast(turn: TurnView, ballot: Ballot, cast: Cast) -> None:
    """With the reasons, and the worst lane, that stand there when the button is pressed."""
    worst = session.value(session.worst_key(turn.id))
    if ballot.best is not None:
        ballot = replace(ballot, worst=None if worst == ballot.best else worst)
    cast(ballot, tuple(session.value(session.reasons_key(turn.id)) or ()))


def _ballots(turn: TurnView) -> list[tuple[str, str, Ballot]]:
    """What each button is called and says."""
    if len(turn.lanes) == 2:
        left, right = turn.lanes
        lanes = [(left, Ballot(outcome="left")), (right, Ballot(outcome="right"))]
    else:
        lanes = [(lane, Ballot(best=lane.no)) for lane in turn.lanes]
    name = say.better if len(turn.lanes) == 2 else say.best
    return [
        *((f"vote-{lane.no}", name(lane.label), ballot) for lane, ballot in lanes),
        (_TIE, say.TIE, Ballot(outcome="tie")),
        (_BAD, say.BOTH_BAD if len(turn.lanes) == 2 else say.ALL_BAD, Ballot(outcome="both_bad")),
    ]


def _button(
    no: int, element: str, name: str, ballot: Ballot, first: Vote | None, press: Callable[[Ballot], None]
) -> None:
    """`first`: the vote on the text alone, which the button that repeats it keeps."""
    kept = first is not None and in_words(first.pairs).startswith(name)
    if kept and first is not None:
        ballot = Ballot(pairs=first.pairs)
    st.button(
        say.keep(name) if kept else name,
        key=element,
        help=say.pressed_by(no),
        type="primary" if kept else "secondary",
        on_click=press,
        args=(ballot,),
    )
