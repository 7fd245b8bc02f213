"""From what somebody wishes to a battle that can be: every refusal, the order drawn by lot, who runs in
sequence. Pure but for the dice."""

from __future__ import annotations

import hashlib
import json
import random
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, replace
from typing import Final

from battles.errors import BadBattle
from battles.models import (
    CATEGORIES,
    LEAST_LANES,
    MOST_LANES,
    Battle,
    BattleWish,
    Lane,
    LaneWish,
    Prompt,
    Settings,
)
from billing.commands import MAX_AMOUNT_NANO_USD
from gateway.catalog import Catalog

MOST_TAGS: Final = 8
LONGEST_TAG: Final = 64
LONGEST_PROMPT: Final = 400_000  # characters; the model's own window is the gateway's to hold
MOST_EXAMPLES: Final = 50
MOST_IMAGES: Final = 8
MOST_VARIABLES: Final = 100
EMBEDDED: Final = "embedded"


def lanes_of(wish: BattleWish, catalog: Catalog, shuffle: Callable[[list[Lane]], None]) -> tuple[Lane, ...]:
    """The lanes in the order in which they are shown: drawn by lot where the battle is blind. Raises
    `BadBattle`, and `UnknownModel` and `RetiredModel` as the catalog does."""
    if not LEAST_LANES <= len(wish.lanes) <= MOST_LANES:
        raise BadBattle(f"A battle has {LEAST_LANES} to {MOST_LANES} lanes.", "lanes")
    lanes = [_lane(no, asked, wish, catalog) for no, asked in enumerate(wish.lanes)]
    if wish.blind:
        shuffle(lanes)
    return tuple(replace(lane, no=no) for no, lane in enumerate(lanes))


def by_lot(lanes: list[Lane]) -> None:
    random.SystemRandom().shuffle(lanes)


def _lane(no: int, asked: LaneWish, wish: BattleWish, catalog: Catalog) -> Lane:
    found = catalog.resolve(asked.model)
    model = found.model
    where = f"lanes[{no}]"
    if not model.answers:
        raise BadBattle(f"{model.name} makes vectors, and answers no prompts.", f"{where}.model")
    if model.series == "simulated" and wish.kind != "drill":
        raise BadBattle(
            f"{model.name} is simulated: it appears in a fault drill alone, and never in a vote.",
            f"{where}.model",
        )
    if asked.provider is not None and asked.provider not in {route.provider for route in model.providers}:
        raise BadBattle(f"{model.name} is not served by {asked.provider[:80]!r}.", f"{where}.provider")
    _check_settings(asked.settings, f"{where}.settings")
    return Lane(
        no=no,
        asked_no=no,
        model=model.id,
        snapshot=found.snapshot,
        provider=asked.provider,
        prompt_version_id=asked.prompt_version_id,
        settings=asked.settings,
        own=asked.own,
    )


def check(wish: BattleWish) -> None:
    """What is not about lanes. Raises `BadBattle`."""
    if wish.category is not None and wish.category not in CATEGORIES:
        raise BadBattle(f"The category is one of {', '.join(CATEGORIES)}, or none.", "category")
    good = all(0 < len(tag) <= LONGEST_TAG and tag.isprintable() for tag in wish.tags)
    if len(wish.tags) > MOST_TAGS or not good:
        raise BadBattle(f"At most {MOST_TAGS} tags of at most {LONGEST_TAG} printable characters.", "tags")
    cap = wish.cost_cap_nano_usd
    if cap is not None and not 0 < cap <= MAX_AMOUNT_NANO_USD:
        raise BadBattle("The cost cap is above zero.", "cost_cap_usd")
    if wish.blind and wish.kind == "drill":
        raise BadBattle("A fault drill shows what happens: it is never blind.", "blind")
    _check_settings(wish.shared, "settings")


def check_prompt(prompt: Prompt) -> None:
    """Raises `BadBattle`."""
    if not prompt.text.strip() and not prompt.variables:
        raise BadBattle("The prompt is empty.", "prompt")
    if len(prompt.text) + sum(map(len, prompt.variables.values())) > LONGEST_PROMPT:
        raise BadBattle(f"A prompt has at most {LONGEST_PROMPT:,} characters.", "prompt")
    if len(prompt.images) > MOST_IMAGES:
        raise BadBattle(f"A prompt has at most {MOST_IMAGES} images.", "images")
    if any(not image.startswith(("data:image/", "https://")) for image in prompt.images):
        raise BadBattle("An image is a data: URL or an https address.", "images")
    if len(prompt.variables) > MOST_VARIABLES:
        raise BadBattle(f"A prompt has at most {MOST_VARIABLES} variables.", "variables")


def _check_settings(settings: Settings, where: str) -> None:
    texts = [settings.system or "", settings.template or ""]
    texts += [text for example in settings.examples for text in (example.asked, example.answered)]
    if len(settings.examples) > MOST_EXAMPLES or sum(map(len, texts)) > LONGEST_PROMPT:
        raise BadBattle(f"At most {MOST_EXAMPLES} examples and {LONGEST_PROMPT:,} characters.", where)


def prompt_digest(prompt: Prompt) -> str:
    """sha256 in hexadecimal: the same question, whoever asks it and wherever."""
    said = json.dumps([prompt.text, list(prompt.images), dict(prompt.variables)], sort_keys=True)
    return hashlib.sha256(said.encode("utf-8", "surrogatepass")).hexdigest()


def settings_fingerprint(settings: Settings) -> str:
    """Equal where everything but model, provider and prompt version is equal; "" for no settings at all."""
    if settings == Settings():
        return ""
    return hashlib.sha256(json.dumps(asdict(settings), sort_keys=True).encode()).hexdigest()[:32]


# --- who runs beside whom ---------------------------------------------------------------------


def local_server(
    lane: Lane, catalog: Catalog, connected: frozenset[str], private: Mapping[str, bool]
) -> str | None:
    """What of this house answers the lane, and would answer another one slower meanwhile: the embedded
    model, or one model on a server at a private address. None where it is somebody else's machine.
    `private` says of providers whether they may have such an address."""
    routes = [route.provider for route in catalog.get(lane.model).providers if route.provider in connected]
    first = lane.provider or (routes[0] if routes else "")
    if first == EMBEDDED:
        return first
    return f"{first} {lane.model}" if private.get(first, False) else None


def chains(battle: Battle, servers: Sequence[str | None]) -> tuple[tuple[tuple[int, ...], ...], bool]:
    """Lanes that run one after another, as chains that run beside each other; and whether lanes that run
    beside each other slow each other down. `servers` are `local_server` of each lane."""
    numbers = tuple(lane.no for lane in battle.lanes)
    on_one = [server for server in servers if server is not None and servers.count(server) > 1]
    if battle.order == "in_sequence":
        return (numbers,), False
    if battle.order == "at_once" or not on_one:
        return tuple((no,) for no in numbers), bool(on_one)
    alone = [(no,) for no in numbers if servers[no] not in on_one]
    together = [tuple(no for no in numbers if servers[no] == server) for server in dict.fromkeys(on_one)]
    return (*alone, *together), False
