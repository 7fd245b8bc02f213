"""Picks the model: search by name and maker, with price, window and speed beside each name.

Every model of the catalog is in the list. One that cannot answer here can be looked at, and says why.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import streamlit as st

from components import figure, notices, session, words
from gateway.catalog import Catalog, Model, Price
from gateway.errors import GatewayError, ModelUnavailable, RetiredModel
from gateway.pricing import cheapest_that_fits, price_at

# Pixels: in one row with what stands beside it, which is more in a conversation; on a phone the whole row.
_WIDTH = 320
_NARROW = 240
_FACTS_GAP = "  \N{MIDDLE DOT}  "


@dataclass(frozen=True, slots=True)
class Choice:
    """A model of the catalog as this installation can use it now.

    `refusal` is what a prompt to it would be answered with; `stand_in` answers in its place.
    """

    model: Model
    price: Price | None
    refusal: GatewayError | None
    stand_in: Model | None
    first_token_ms: float | None

    @property
    def answers(self) -> bool:
        return self.refusal is None


def choices(
    catalog: Catalog,
    why_not: Callable[[Model], str | None],
    first_token_ms: Callable[[str], float | None],
    now_ms: int,
) -> tuple[Choice, ...]:
    """Every model that takes prompts, the ready first: the demonstration, paid ones, simulated ones."""
    found = [
        _choice(catalog, model, why_not, first_token_ms, now_ms)
        for model in catalog.models()
        if model.answers
    ]
    return tuple(sorted(found, key=_place))


def names(offered: Sequence[Choice]) -> Mapping[str, str]:
    return {choice.model.id: choice.model.name for choice in offered}


def cheaper(
    offered: Sequence[Choice], available_nano_usd: int, now_ms: int, prompt_bytes: int
) -> tuple[Model, int] | None:
    """The cheapest model that can be paid from what is there, and what it would hold."""
    answering = [choice.model for choice in offered if choice.answers]
    return cheapest_that_fits(answering, available_nano_usd, now_ms, lambda model: prompt_bytes)


def show(offered: Sequence[Choice], *, narrow: bool = False) -> Choice:
    """Draw the picker and what is known of the model that it shows."""
    by_id = {choice.model.id: choice for choice in offered}
    asked = session.model_asked()
    if asked not in by_id:
        asked = offered[0].model.id
    session.pick_model(asked)
    picked: str = st.selectbox(
        words.MODEL,
        list(by_id),
        key=session.MODEL,
        format_func=lambda model_id: label(by_id[model_id]),
        label_visibility="collapsed",
        placeholder=words.PICK_A_MODEL,
        width=_NARROW if narrow else _WIDTH,
        persist_state="session",
    )
    return by_id[picked]


def show_facts(choice: Choice) -> None:
    """The line under the picker: price, window, speed, badges; and why it cannot answer, if so."""
    with st.container(horizontal=True, vertical_alignment="center", gap="small", key="model-facts"):
        st.caption(words.escaped(_FACTS_GAP.join(_facts(choice))), width="content")
        _badges(choice.model)


def show_state(choice: Choice, names: Mapping[str, str]) -> None:
    """Who stands in for the model, or why nobody can answer and what to take instead."""
    if choice.stand_in is not None:
        st.info(words.escaped(words.stands_in(choice.stand_in.name, choice.model.name)))
    if choice.refusal is not None:
        notices.show(notices.notice_of(choice.refusal, session.reader()), names, session.pick_model)


def label(choice: Choice) -> str:
    """The model in one line, with every word that somebody may search for."""
    parts = [choice.model.name, choice.model.creator]
    state = _state(choice)
    if state and state != choice.model.creator.lower():
        parts.append(state)
    if choice.price is not None:
        rates = choice.price.base
        parts.append(f"{figure.price_per_million(rates.input)} / {figure.price_per_million(rates.output)}")
    parts.append(figure.window(choice.model.context_tokens))
    return f" {figure.DOT} ".join(parts)


def _choice(
    catalog: Catalog,
    model: Model,
    why_not: Callable[[Model], str | None],
    first_token_ms: Callable[[str], float | None],
    now_ms: int,
) -> Choice:
    refusal: GatewayError | None = None
    stand_in: Model | None = None
    price: Price | None = None
    try:
        answering = catalog.resolve(model.id, now_ms).model
        stand_in = answering if answering.id != model.id else None
        price = price_at(answering, now_ms)
        reason = why_not(answering)
        refusal = ModelUnavailable(model.id, reason) if reason is not None else None
    except (RetiredModel, ModelUnavailable) as error:
        refusal = error
    return Choice(model, price, refusal, stand_in, first_token_ms(model.id))


def _place(choice: Choice) -> tuple[int, str, str]:
    if isinstance(choice.refusal, RetiredModel):
        rank = 4
    elif choice.refusal is not None:
        rank = 3
    else:
        rank = {"demonstration": 0, "paid": 1, "simulated": 2}[choice.model.series]
    return rank, choice.model.creator.lower(), choice.model.name.lower()


def _state(choice: Choice) -> str:
    if isinstance(choice.refusal, RetiredModel):
        return words.RETIRED.lower()
    if choice.refusal is not None:
        return words.NOT_HERE.lower()
    return {"demonstration": "demonstration", "simulated": "simulated"}.get(choice.model.series, "")


def _facts(choice: Choice) -> list[str]:
    facts = []
    if choice.price is not None:
        rates = choice.price.base
        facts.append(
            words.price_pair(figure.price_per_million(rates.input), figure.price_per_million(rates.output))
        )
    facts.append(words.context(figure.window(choice.model.context_tokens)))
    if choice.first_token_ms is not None:
        facts.append(words.first_token(figure.duration(choice.first_token_ms)))
    elif choice.answers:
        facts.append(words.NO_SPEED)
    return facts


def _badges(model: Model) -> None:
    if model.series == "demonstration":
        st.badge(words.DEMONSTRATION, color="gray", help=words.DEMONSTRATION_HELP)
    if model.series == "simulated":
        st.badge(words.SIMULATED, color="orange", help=words.SIMULATED_HELP)
    state = model.lifecycle.state
    if state == "retired":
        st.badge(words.RETIRED, color="red")
    elif state == "deprecated":
        st.badge(words.deprecated(model.lifecycle.retired_on), color="orange")
