"""What stands on the page, as the wish that a battle is opened with.

Read from the session and never carried along from an earlier drawing: a switch that is moved and a button
that is pressed in one breath arrive together, and the press must see the switch.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import cast

from battles.models import BattleWish, Category, LaneWish, Order, Settings
from battles.prompt_values import PromptVersion, PromptView
from billing.money import parse_usd
from components import battle_session as session, lane_settings
from components.model_picker import Choice

Served = Callable[[str, int], PromptVersion]


@dataclass(frozen=True, slots=True)
class Offer:
    """What lanes may be made of: models, providers that can be asked, and the prompt library."""

    models: Sequence[Choice]
    connected: frozenset[str]
    prompts: Sequence[PromptView]
    served: Served


def read(offer: Offer) -> BattleWish:
    """Of lanes that were drawn at least once."""
    shared = lane_settings.shared()
    drill = bool(session.value(session.DRILL))
    cap = session.value(session.CAP)
    return BattleWish(
        lanes=tuple(lane(slot, offer, shared) for slot in session.slots(())),
        blind=bool(session.value(session.BLIND)) and not drill,
        personal=bool(session.value(session.PERSONAL)),
        category=cast("Category | None", session.value(session.CATEGORY)),
        tags=tuple(session.value(session.TAGS) or ()),
        order=cast(Order, session.value(session.ORDER) or "auto"),
        cost_cap_nano_usd=None if cap is None else parse_usd(f"{cap:.4f}"),
        shared=shared,
        kind="drill" if drill else "battle",
    )


def lane(slot: int, offer: Offer, shared: Settings) -> LaneWish:
    model_id = str(session.value(session.model_key(slot)))
    found = version(slot, offer)
    if found is not None:
        return found.lane(model_id)
    settings, own = lane_settings.of_lane(slot, shared)
    return LaneWish(model_id, provider(slot, offer), None, settings, own)


def provider(slot: int, offer: Offer) -> str | None:
    """The provider that alone is asked, if one was named that serves the lane's model."""
    picked = session.value(session.provider_key(slot))
    return picked if picked in providers(slot, offer) else None


def providers(slot: int, offer: Offer) -> tuple[str, ...]:
    """Who can be asked for the lane's model here."""
    model_id = session.value(session.model_key(slot))
    choice = next((choice for choice in offer.models if choice.model.id == model_id), None)
    routes = choice.model.providers if choice is not None else ()
    return tuple(route.provider for route in routes if route.provider in offer.connected)


def version(slot: int, offer: Offer) -> PromptVersion | None:
    """The version of a prompt that the lane puts, if one was picked."""
    picked: tuple[str, int] | None = session.value(session.version_key(slot))
    known = {prompt.name: prompt.newest_no for prompt in offer.prompts}
    if picked is None or not 0 < picked[1] <= known.get(picked[0], 0):
        return None
    return offer.served(*picked)


def versions(offer: Offer) -> tuple[PromptVersion, ...]:
    found = (version(slot, offer) for slot in session.slots(()))
    return tuple(each for each in found if each is not None)


def variables(offer: Offer) -> Mapping[str, str]:
    """What the variables of all lanes' versions stand for."""
    names = dict.fromkeys(name for each in versions(offer) for name in each.variables)
    return {name: session.value(session.variable_key(name)) or "" for name in names}
