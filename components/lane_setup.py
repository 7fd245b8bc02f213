"""Draws lanes that are being set up: for each its model, provider, prompt and settings; one more, one less.
`battle_wish` reads them; whether they can be is `battles`' to say."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

import streamlit as st

from battles.models import LEAST_LANES, MOST_LANES
from components import (
    battle_session as session,
    battle_wish,
    battle_words as say,
    lane_prompt,
    lane_settings,
    model_picker,
    words,
)
from components.battle_wish import Offer
from components.model_picker import Choice

_A_ROW: Final = 4


def to_pick(offered: Sequence[Choice], *, drill: bool) -> tuple[Choice, ...]:
    """What lanes may be of: simulated models in a fault drill, first, and nowhere else."""
    if not drill:
        return tuple(choice for choice in offered if choice.model.series != "simulated")
    return tuple(sorted(offered, key=lambda choice: choice.model.series != "simulated"))


def first_models(offered: Sequence[Choice]) -> tuple[str, ...]:
    """Two lanes to begin with: two models that answer here, or one against itself."""
    found = [choice.model.id for choice in offered if choice.answers] or [offered[0].model.id]
    return (found[0], found[min(1, len(found) - 1)])


def linked(offered: Sequence[Choice], names: Sequence[str]) -> tuple[str, ...]:
    """The lanes that an address asks for: two at least; a name that nothing answers to is left out."""
    known = {choice.model.id for choice in offered}
    found = [name for name in names if name in known]
    return tuple((found * LEAST_LANES)[: max(len(found), LEAST_LANES)]) or first_models(offered)


def picked(offered: Sequence[Choice]) -> tuple[Choice, ...]:
    """The model of each lane, left first; one that may not be picked any more gives way to the first."""
    by_id = {choice.model.id: choice for choice in offered}
    found = []
    for slot in session.slots(first_models(offered)):
        if session.value(session.model_key(slot)) not in by_id:
            session.set_model(slot, offered[0].model.id)
        found.append(by_id[session.value(session.model_key(slot))])
    return tuple(found)


def show(offer: Offer) -> None:
    """Draw the lanes."""
    slots = session.slots(first_models(offer.models))
    with st.container(key="battle-setup", gap="small"):
        for start in range(0, len(slots), _A_ROW):
            row = slots[start : start + _A_ROW]
            for no, (slot, column) in enumerate(zip(row, st.columns(len(row)), strict=True), start):
                with column, st.container(border=True, gap="xsmall", key=f"battle-lane-{slot}"):
                    _lane(no, slot, offer, len(slots))


def show_add(offered: Sequence[Choice]) -> None:
    """One more lane: a model that has none yet, where there is one."""
    slots = session.slots(first_models(offered))
    taken = {session.value(session.model_key(slot)) for slot in slots}
    free = [choice.model.id for choice in offered if choice.answers and choice.model.id not in taken]
    st.button(
        say.ADD_LANE,
        key="add-lane",
        icon=":material/add:",
        help=say.ADD_LANE_HELP,
        disabled=len(slots) >= MOST_LANES,
        on_click=session.add_lane,
        args=((free or first_models(offered))[0],),
    )


def first_picker(offered: Sequence[Choice]) -> str:
    """The key of the first lane's model field."""
    return session.model_key(session.slots(first_models(offered))[0])


def _lane(no: int, slot: int, offer: Offer, count: int) -> None:
    with st.container(horizontal=True, vertical_alignment="center", gap="small"):
        st.markdown(f"**{say.lane(say.LETTERS[no])}**", width="stretch")
        st.button(
            "",
            key=f"remove-lane-{slot}",
            icon=":material/close:",
            type="tertiary",
            help=say.remove(say.LETTERS[no]),
            disabled=count <= LEAST_LANES,
            on_click=session.remove_lane,
            args=(slot,),
        )
    choice = _model(no, slot, offer.models)
    if choice.refusal is not None:
        st.caption(f":orange[{words.escaped(words.NOT_HERE)}]")
    _provider(slot, battle_wish.providers(slot, offer))
    lane_prompt.show(slot, offer.prompts)
    version = battle_wish.version(slot, offer)
    if version is None:
        lane_settings.show_lane(slot, choice.model, lane_settings.shared())
    elif version.model is not None:
        st.caption(words.escaped(say.version_asks(version.model)))


def _model(no: int, slot: int, offered: Sequence[Choice]) -> Choice:
    by_id = {choice.model.id: choice for choice in offered}
    model_id: str = st.selectbox(
        f"{words.MODEL}, {say.lane(say.LETTERS[no])}",
        list(by_id),
        key=session.model_key(slot),
        format_func=lambda model_id: model_picker.label(by_id[model_id]),
        label_visibility="collapsed",
        persist_state="session",
    )
    return by_id[model_id]


def _provider(slot: int, here: Sequence[str]) -> None:
    """Which provider alone is asked; nothing to choose where only one could be."""
    if len(here) > 1:
        st.selectbox(
            say.PROVIDER,
            [None, *here],
            key=session.provider_key(slot),
            format_func=lambda provider: provider or say.ROUTED,
            help=say.PROVIDER_HELP,
            label_visibility="collapsed",
            persist_state="session",
        )
