"""The turns of a battle that lead to where the page stands: prompt, lanes, and where to go on from."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import streamlit as st

from battles.views import BattleView, LaneHead as Head, LaneView, TurnView
from components import (
    battle_session as session,
    battle_words as say,
    colours,
    figure,
    image_words,
    lane_settings,
    plain,
    words,
)
from components.battle_view import ALL, FAILED, Asked, LaneHead, battle_view

NameOf = Callable[[str], str]
TicketFor = Callable[[str], str]


@dataclass(frozen=True, slots=True)
class Asks:
    """What the reader may want: `ended` draws the page again, `retry` asks these lanes of a turn once more,
    or (None) all that gave no whole answer."""

    ended: Callable[[], None]
    retry: Callable[[str, Sequence[int] | None], None]


def path(view: BattleView, asked: str | None) -> tuple[TurnView, ...]:
    """The turns that lead to `asked` and on from it to the newest that followed; without one, to the newest
    turn of all."""
    by_id = {turn.id: turn for turn in view.turns}
    if not by_id:
        return ()
    at = by_id[asked] if asked in by_id else max(view.turns, key=lambda turn: turn.no)
    while after := _following(view, at.id):
        at = after[-1]
    found = [at]
    while (parent := by_id.get(found[0].parent_turn_id or "")) is not None:
        found.insert(0, parent)
    return tuple(found)


def show(
    view: BattleView, turns: Sequence[TurnView], ticket_for: TicketFor, name_of: NameOf, asks: Asks
) -> None:
    with st.container(key="turns", gap="large"):
        for turn in turns:
            with st.container(key=f"turn-{turn.id}", gap="small"):
                _branches(view, turn)
                _prompt(turn)
                _lanes(view, turn, ticket_for(turn.id), name_of, asks, current=turn is turns[-1])
                if turn is not turns[-1]:
                    _fork(view, turn)


def _branches(view: BattleView, turn: TurnView) -> None:
    """Which of the turns that followed the same one is shown."""
    beside = _following(view, turn.parent_turn_id)
    if len(beside) < 2:
        return
    parent = next((each.no for each in view.turns if each.id == turn.parent_turn_id), 0)
    names = {each.id: str(each.no) for each in beside}
    picked = st.segmented_control(
        say.BRANCH.format(no=parent),
        list(names),
        default=turn.id,
        required=True,
        format_func=names.__getitem__,
        key=f"branch-{turn.id}",
    )
    if picked is not None and picked != turn.id:
        session.show_turn(picked)
        st.rerun()


def _prompt(turn: TurnView) -> None:
    if turn.prompt is None:
        st.caption(words.escaped(words.TEXT_GONE))
        return
    plain.asked(turn.prompt.text)
    if turn.prompt.images:
        st.caption(image_words.beside(len(turn.prompt.images)))
    for name, value in turn.prompt.variables.items():
        st.caption(words.escaped(f"{name}: {value}"))


def _lanes(
    view: BattleView, turn: TurnView, ticket: str, name_of: NameOf, asks: Asks, *, current: bool
) -> None:
    def told(what: Asked, lane: int) -> None:
        if what == "retry":
            lanes = [each.no for each in turn.lanes] if lane == ALL else [lane]
            asks.retry(turn.id, None if lane == FAILED else lanes)
        else:
            asks.ended()

    heads = {head.no: head for head in view.lanes}
    voted = any(vote.turn_id == turn.id for vote in view.votes)  # what was voted on stays as it is
    may_retry = view.may_steer and current and not voted
    battle_view(
        turn.id,
        [_head(lane, heads[lane.no], name_of, retry=may_retry) for lane in turn.lanes],
        ticket,
        key=f"lanes-{turn.id}",
        hidden=view.hidden,
        open=turn.running or (not view.hidden and any(lane.cost_nano_usd is None for lane in turn.lanes)),
        current=current,
        on_ask=told,
    )


def _head(lane: LaneView, head: Head, name_of: NameOf, *, retry: bool) -> LaneHead:
    if head.model is None:
        return LaneHead(lane.live_id, lane.no, lane.label, retry=retry)
    return LaneHead(
        lane.live_id,
        lane.no,
        lane.label,
        name=name_of(head.model),
        about=_about(lane, head, name_of),
        colour=colours.colour_pair(head.model),
        shared_cpu=lane.shares_cpu,
        retry=retry,
    )


def _about(lane: LaneView, head: Head, name_of: NameOf) -> str:
    """Who serves the lane, with which settings, and how often it was asked."""
    model, provider = lane.answered_by or (head.model, head.provider)
    parts = [provider or ""]
    if model is not None and model != head.model:
        parts.append(say.answered_by(name_of(model)))
    if head.settings is not None:
        parts.append(lane_settings.in_words(head.settings))
    if lane.tries > 1:
        parts.append(say.tries(lane.tries))
    parts += [words.sentence(note) for note in lane.notes]
    return f" {figure.DOT} ".join(part for part in parts if part)


def _fork(view: BattleView, turn: TurnView) -> None:
    if view.may_steer:
        st.button(
            say.FORK,
            key=f"fork-{turn.id}",
            icon=":material/fork_right:",
            type="tertiary",
            help=say.FORK_HELP,
            on_click=session.set_fork,
            args=(turn.id,),
        )


def _following(view: BattleView, turn_id: str | None) -> tuple[TurnView, ...]:
    found = (turn for turn in view.turns if turn.parent_turn_id == turn_id)
    return tuple(sorted(found, key=lambda turn: turn.no))
