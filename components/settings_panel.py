"""Settings of a request: the system prompt, and the sampling fields that the model takes.

What was set for another model stays set, and is sent; the gateway leaves out what a model does not
take. `fit` says the same before anything is sent, and the page shows it as chips.
"""

from __future__ import annotations

from typing import Final

import streamlit as st

from components import session, words
from gateway.catalog_values import SAMPLING_FIELDS, Model, SamplingField
from gateway.messages import Sampling

_MOST_SYSTEM: Final = 20_000  # characters
_MOST_STOPS: Final = 4
_MOST_SEED: Final = 2**31 - 1
_LIMITS: Final = {
    "temperature": (0.0, 2.0),
    "top_p": (0.0, 1.0),
    "frequency_penalty": (-2.0, 2.0),
    "presence_penalty": (-2.0, 2.0),
}
_PAIRS: Final = (
    ("max_output_tokens", "seed"),
    ("temperature", "top_p"),
    ("frequency_penalty", "presence_penalty"),
)


def show(model: Model) -> None:
    """Draw the fields; what they hold is read with `sampling` and `session.system_prompt`."""
    count = _set_count(model)
    label = f"{words.SETTINGS} ({count})" if count else words.SETTINGS
    with st.popover(label, icon=":material/tune:", key="settings", wrap=False):
        st.text_area(
            words.SYSTEM_PROMPT,
            key=session.SYSTEM,
            height=100,
            max_chars=_MOST_SYSTEM,
            help=words.SYSTEM_PROMPT_HELP,
            persist_state="session",
        )
        if not model.sampling:
            st.caption(words.NO_SAMPLING)
        for pair in _PAIRS:
            _row([field for name in pair if (field := model.takes(name)) is not None], model)
        for name in ("effort", "stop"):
            if (field := model.takes(name)) is not None:
                field_input(field, model, session.sampling_key(name))


def sampling() -> Sampling:
    """What is set on the page, for whichever model."""
    value = session.sampling
    return Sampling(
        max_output_tokens=value("max_output_tokens"),
        temperature=value("temperature"),
        top_p=value("top_p"),
        frequency_penalty=value("frequency_penalty"),
        presence_penalty=value("presence_penalty"),
        seed=value("seed"),
        stop=tuple(value("stop") or ()),
        effort=value("effort"),
    )


def _set_count(model: Model) -> int:
    named = [name for name in SAMPLING_FIELDS if model.takes(name) is not None]
    return sum(1 for name in named if session.sampling(name)) + bool(session.system_prompt())


def _row(fields: list[SamplingField], model: Model) -> None:
    if not fields:
        return
    for field, column in zip(fields, st.columns(2), strict=False):
        with column:
            field_input(field, model, session.sampling_key(field.name))


def field_input(field: SamplingField, model: Model, key: str) -> None:
    """Draw the input of one sampling field under that key, with this model's limits."""
    if field.name == "effort":
        _effort(field, key)
    elif field.name == "stop":
        _stop(key)
    else:
        _number(field, model, key)


def _number(field: SamplingField, model: Model, key: str) -> None:
    whole = field.name in ("max_output_tokens", "seed")
    least, most = _limits(field, model)
    common = {
        "key": key,
        "help": words.SAMPLING_HELP[field.name],
        "placeholder": words.MODELS_DEFAULT,
        "persist_state": "session",
    }
    label = words.SAMPLING_NAMES[field.name]
    if whole:
        st.number_input(label, int(least), int(most), None, step=1, **common)  # type: ignore[call-overload]
    else:
        st.number_input(label, least, most, None, step=0.05, format="%.2f", **common)  # type: ignore[call-overload]


def _limits(field: SamplingField, model: Model) -> tuple[float, float]:
    if field.name == "max_output_tokens":
        return 1, model.max_output_tokens
    if field.name == "seed":
        return 0, _MOST_SEED
    least, most = _LIMITS[field.name]
    return (
        least if field.least is None else float(field.least),
        most if field.most is None else float(field.most),
    )


def _effort(field: SamplingField, key: str) -> None:
    st.segmented_control(
        words.SAMPLING_NAMES["effort"],
        field.choices,
        key=key,
        help=words.SAMPLING_HELP["effort"],
        persist_state="session",
    )


def _stop(key: str) -> None:
    st.multiselect(
        words.SAMPLING_NAMES["stop"],
        [],
        key=key,
        accept_new_options=True,
        max_selections=_MOST_STOPS,
        placeholder=words.MODELS_DEFAULT,
        help=words.SAMPLING_HELP["stop"],
        persist_state="session",
    )
