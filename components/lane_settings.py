"""The settings of a battle's lanes: those that all follow, and for each lane those that are pinned to it.

A field that a lane's model does not take stands there greyed, with the reason; what the shared settings say
of it is left out for that lane, as the gateway does and says.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any, Final

import streamlit as st

from battles.models import Settings
from components import battle_session as session, battle_words as say, figure, settings_panel, words
from gateway.catalog import Model
from gateway.messages import Sampling

SYSTEM: Final = "system"
FIELDS: Final = ("max_output_tokens", "temperature", "top_p", "seed", "effort")
_NAMES: Final = {SYSTEM: words.SYSTEM_PROMPT, **words.SAMPLING_NAMES}
_MOST_SYSTEM: Final = 20_000  # characters


def shared() -> Settings:
    """What is set for all lanes."""
    return _settings(None, (SYSTEM, *FIELDS), Settings())


def of_lane(slot: int, base: Settings) -> tuple[Settings, tuple[str, ...]]:
    """A lane's settings, and the names of those that are its own."""
    own = tuple(session.value(session.own_key(slot)) or ())
    return _settings(slot, own, base), own


def show_shared(models: Sequence[Model]) -> None:
    """Draw the settings of all lanes; a field stands there if any of the models takes it."""
    with st.popover(say.SHARED, icon=":material/tune:", key="battle-shared", wrap=False):
        _system(None, None)
        for name in FIELDS:
            lacking = [model.name for model in models if model.takes(name) is None]
            taking = [model for model in models if model.takes(name) is not None]
            if taking:
                _field(None, name, taking[0])
                if lacking:
                    st.caption(words.escaped(say.not_taken_by(sorted(set(lacking)))))


def show_lane(slot: int, model: Model, base: Settings) -> None:
    """Draw one lane's own settings beside those of all lanes, and a line that says which are its own."""
    _, own = of_lane(slot, base)
    with st.popover(
        say.settings_count(len(own)), icon=":material/tune:", key=f"battle-settings-{slot}", wrap=False
    ):
        taken = (SYSTEM, *(name for name in FIELDS if model.takes(name) is not None))
        own = tuple(
            st.pills(
                say.OWN,
                taken,
                selection_mode="multi",
                key=session.own_key(slot),
                format_func=lambda name: f":material/push_pin: {_NAMES[name]}",
                help=say.OWN_HELP,
                persist_state="session",
            )
        )
        for name in own:
            if name == SYSTEM:
                _system(slot, base.system)
            else:
                _field(slot, name, model)
        for name in FIELDS:
            if name not in taken:
                _greyed(slot, name, model)
    settings, own = of_lane(slot, base)
    _summary(settings, own, model)


def _system(slot: int | None, shared: str | None) -> None:
    st.text_area(
        words.SYSTEM_PROMPT,
        key=session.field_key(slot, SYSTEM),
        height=90,
        max_chars=_MOST_SYSTEM,
        placeholder=shared or "",
        help=words.SYSTEM_PROMPT_HELP,
        persist_state="session",
    )


def _field(slot: int | None, name: str, model: Model) -> None:
    field = model.takes(name)
    assert field is not None
    settings_panel.field_input(field, model, session.field_key(slot, name))


def _greyed(slot: int, name: str, model: Model) -> None:
    st.text_input(
        _NAMES[name],
        value="",
        placeholder=say.not_taken(model.name),
        disabled=True,
        key=f"{session.field_key(slot, name)}-greyed",
    )


def _settings(slot: int | None, names: Sequence[str], base: Settings) -> Settings:
    """`base` with what is set here for those names; an emptied field is left to the model."""
    found: dict[str, Any] = {name: session.value(session.field_key(slot, name)) for name in names}
    system = (found.pop(SYSTEM) or "").strip() or None if SYSTEM in found else base.system
    return replace(base, system=system, sampling=replace(base.sampling, **found))


def _summary(settings: Settings, own: Sequence[str], model: Model) -> None:
    """Which settings the lane has, the pinned ones marked."""
    with st.container(horizontal=True, gap="xsmall", key=None):
        for name in (SYSTEM, *FIELDS):
            text = _said(name, settings)
            if name in own:
                st.badge(
                    words.escaped(text or f"{_NAMES[name]}: {words.MODELS_DEFAULT}"),
                    icon=":material/push_pin:",
                )
            elif text and (name == SYSTEM or model.takes(name) is not None):
                st.badge(words.escaped(text), color="gray")


def _said(name: str, settings: Settings) -> str:
    if name == SYSTEM:
        return words.SYSTEM_PROMPT if settings.system else ""
    value = getattr(settings.sampling, name)
    return "" if value is None else f"{_NAMES[name]} {value}"


def in_words(settings: Settings) -> str:
    """The settings in a line; "" for the model's own."""
    sampling: Sampling = settings.sampling
    parts = [
        _said(name, settings)
        for name in (SYSTEM, *FIELDS)
        if name == SYSTEM or getattr(sampling, name) is not None
    ]
    if settings.examples:
        parts.append(words.example_turns(len(settings.examples)))
    return f" {figure.DOT} ".join(part for part in parts if part)
