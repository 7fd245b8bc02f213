"""What a model's page says, from the catalog and our own figures. Pure: nothing is drawn here.

Unknown stays unknown. What the catalog does not say is not guessed, and two sources that disagree are
both told.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime
from typing import Final, Literal

from components import figure, model_words as say
from gateway.catalog import Catalog, ListedProvider, Model, Price
from gateway.catalog_values import ENDPOINTS, FEATURES, MODALITIES, DataPolicy
from gateway.errors import ModelUnavailable
from gateway.messages import Usage
from gateway.pricing import cost_of, price_at

# What our own API answers for any model that can be sent a prompt, whatever its provider's wire.
TRANSLATED: Final = frozenset({"chat_completions", "responses", "messages"})
ONE_REQUEST: Final = Usage(input=8_000, output=2_000)
_NAMES: Final = {
    "chat_completions": "Chat completions", "responses": "Responses", "messages": "Messages",
    "realtime": "Realtime", "assistants": "Assistants", "batch": "Batch", "fine_tuning": "Fine-tuning",
    "embeddings": "Embeddings", "images_generations": "Image generation", "images_edits": "Image edit",
    "audio_speech": "Speech generation", "audio_transcriptions": "Transcription",
    "audio_translations": "Translation", "moderations": "Moderation", "completions": "Completions (legacy)",
    "streaming": "Streaming", "tools": "Function calling", "structured_output": "Structured output",
    "json_mode": "JSON mode", "reasoning": "Reasoning tokens", "image_input": "Image input",
    "distillation": "Distillation", "predicted_outputs": "Predicted outputs",
    "prompt_caching": "Prompt caching", "local_shell": "Local shell tool", "file_input": "File input",
    "web_search": "Web search",
}  # fmt: skip


@dataclass(frozen=True, slots=True)
class Question:
    asked: str
    answered: str


def named(word: str) -> str:
    return _NAMES.get(word, word.replace("_", " ").capitalize())


def price_now(model: Model, now_ms: int) -> Price | None:
    try:
        return price_at(model, now_ms)
    except ModelUnavailable:
        return None


def one_request_nano_usd(model: Model, now_ms: int) -> int | None:
    price = price_now(model, now_ms)
    return None if price is None else cost_of(ONE_REQUEST, price)


def modalities(model: Model) -> list[tuple[str, str, str]]:
    """Each modality with whether it goes in and comes out."""
    return [
        (named(each), _yes(each in model.input_modalities), _yes(each in model.output_modalities))
        for each in MODALITIES
    ]


def endpoints(model: Model) -> list[tuple[str, str, str]]:
    """Each endpoint: whether the maker has it for this model, and whether it works through Tiltyard."""
    return [(named(each), _yes(each in model.endpoints), _through(model, each)) for each in ENDPOINTS]


def features(model: Model) -> list[tuple[str, str]]:
    """Those that a reader asks for; the catalog knows finer ones too."""
    return [(named(each), _can(model, each)) for each in FEATURES if each in _NAMES]


def standing(model: Model, today: date) -> str | None:
    """What to know of its life: retired, about to be, deprecated. None while nothing is announced."""
    life = model.lifecycle
    state = life.state_on(today)
    if state == "retired":
        return say.retired(life.retired_on, life.successor)
    if life.retired_on is not None:
        days = (date.fromisoformat(life.retired_on) - today).days
        return say.retires(life.retired_on, days, life.successor)
    if state == "deprecated":
        return say.deprecated(life.deprecated_on, life.successor)
    return None


def review_day(model: Model) -> str | None:
    """The day on which the newest of its facts was read."""
    days = [fact.as_of for fact in model.facts.values() if fact.as_of]
    days += [price.fact.as_of for price in model.prices if price.fact and price.fact.as_of]
    return max(days, default=None)


def verdict(model: Model, catalog: Catalog, now_ms: int) -> str:
    """What it comes to, in two or three sentences made of its facts."""
    life, price = model.lifecycle, price_now(model, now_ms)
    said = []
    if model.best_for:
        said.append(f"{model.name} is for {_in_words(model.best_for)}.")
    if price is not None:
        costs = figure.money(cost_of(ONE_REQUEST, price))
        said.append(f"8,000 tokens in and 2,000 out cost {costs}{_beside(model, catalog, now_ms)}.")
    if life.state_on(today_of(now_ms)) == "retired" and life.successor:
        said.append(f"It has ended: begin with {life.successor}.")
    elif life.successor:
        said.append(f"What begins now may begin with {life.successor}.")
    elif model.consider_others_for:
        said.append(f"For {_in_words(model.consider_others_for)}, look at another.")
    return " ".join(said)


def _beside(model: Model, catalog: Catalog, now_ms: int) -> str:
    """What the same costs on the nearest other of its maker."""
    for other in rivals(model, catalog, now_ms)[:1]:
        cost = one_request_nano_usd(other, now_ms)
        if cost is not None:
            return f", on {other.name} {figure.money(cost)}"
    return ""


def _in_words(items: Sequence[str]) -> str:
    lowered = [item[:1].lower() + item[1:] if item[1:2].islower() else item for item in items]
    return ", ".join(lowered)


def _difference(model: Model, other: Model, now_ms: int) -> str:
    """How another model of the maker differs, by what is known of both."""
    mine, theirs = price_now(model, now_ms), price_now(other, now_ms)
    told = [
        f"Its window is {figure.window(other.context_tokens)} tokens, "
        f"here {figure.window(model.context_tokens)}."
    ]
    if mine is not None and theirs is not None:
        told.append(
            f"It costs {figure.price_per_million(theirs.base.input)} / "
            f"{figure.price_per_million(theirs.base.output)} a million tokens, this one "
            f"{figure.price_per_million(mine.base.input)} / {figure.price_per_million(mine.base.output)}."
        )
    more = sorted(named(each) for each in other.features - model.features if each in _NAMES)
    less = sorted(named(each) for each in model.features - other.features if each in _NAMES)
    told += [f"It also has: {', '.join(more)}."] if more else []
    told += [f"It lacks: {', '.join(less)}."] if less else []
    return " ".join(told)


def watch(model: Model, catalog: Catalog, today: date) -> list[str]:
    """What may change, or is not known: each in a sentence."""
    found = []
    life = model.lifecycle
    if life.state_on(today) != "retired" and life.retired_on:
        found.append(f"Its last day is before {life.retired_on}: try {life.successor or 'another'} in time.")
    if life.successor and life.successor_is_external:
        found.append(f"{life.successor} is named as the successor and is not in this catalog.")
    for fact in model.conflicts:
        found.append(f"{named(fact.field)}: sources disagree.")
    for route in model.providers:
        listed = catalog.provider(route.provider)
        if listed is not None and listed.base_url is not None and not _says(listed.policy):
            found.append(f"{listed.name} does not say here whether it keeps or trains on what it is sent.")
    price = model.prices[-1] if model.prices else None
    if price is not None and not price.base.output and model.series == "paid":
        found.append("A price of zero is rarely for ever: a new one is a new version, dated, in this table.")
    return found


def rivals(model: Model, catalog: Catalog, now_ms: int) -> list[Model]:
    """Two to set beside it: what follows it, then its maker's living models of the nearest price."""
    others = [other for other in catalog.more_by(model.creator) if other.id != model.id and other.answers]

    def apart(other: Model) -> tuple[bool, bool, int, str]:
        far = abs(_output_pico_usd(other, now_ms) - _output_pico_usd(model, now_ms))
        retired = other.lifecycle.state == "retired"
        return other.id != model.lifecycle.successor, retired, far, other.name

    return sorted(others, key=apart)[:2]


def questions(model: Model, catalog: Catalog, now_ms: int) -> list[Question]:
    """What people ask of a model, answered from its facts."""
    price = price_now(model, now_ms)
    life = model.lifecycle
    asked = [
        Question(
            f"What does {model.name} cost?",
            "It has no price today."
            if price is None
            else f"{figure.price_per_million(price.base.input)} for a million tokens of input and "
            f"{figure.price_per_million(price.base.output)} for a million of output.",
        ),
        Question(
            "Which name do I send?",
            f"`{model.id}`. "
            + (f"Also: {', '.join(f'`{name}`' for name in model.aliases)}." if model.aliases else ""),
        ),
        Question(
            "How long may a prompt be?",
            f"Prompt and answer together {figure.tokens(model.context_tokens)} tokens, the answer up to "
            f"{figure.tokens(model.max_output_tokens)}.",
        ),
        Question(
            "Does it read images?",
            "Yes." if "image_input" in model.features else "Not through this installation.",
        ),
        Question("Is what I send used for training?", _training(model, catalog)),
        Question(
            "How do I sign a request?",
            "With a key of this installation, or a token of an issuer that your team trusts, as a bearer "
            "credential. Keys of providers stay on the server.",
        ),
        Question(
            "May my team use its own key of a provider?",
            "Yes, under Connect. What is asked with it costs no credits here and is a series of its own.",
        ),
        Question(
            "Is it fit for a pipeline that asks on every change?",
            "Give the pipeline a key of its own, with a cap and a tag: what it costs and how fast it is are "
            "then told apart from everything else.",
        ),
        Question(
            "Must its answers be checked?",
            "As anybody's: run the tests and the linters over code before it is used. Batches hold many "
            "answers against checks at once.",
        ),
        Question(
            "How fast is it?", "The figures above are measured here, from this installation's requests."
        ),
    ]
    if model.best_for:
        asked.insert(0, Question("What is it best at?", f"{'; '.join(model.best_for)}."))
    for other in rivals(model, catalog, now_ms)[:1]:
        asked.append(Question(f"How does {other.name} differ?", _difference(model, other, now_ms)))
    asked.append(
        Question(
            "Does it run what it writes?",
            "Not here: it answers with text and with calls of tools, and your program decides what runs."
            + (" It knows the local shell tool." if "local_shell" in model.features else ""),
        )
    )
    if life.retired_on:
        follows = f" {life.successor} follows it." if life.successor else ""
        asked.append(Question("Until when does it answer?", f"Its retirement is {life.retired_on}.{follows}"))
    return asked


def preferences(model: Model) -> str:
    """The body of a request that names its providers, as JSON."""
    order = ", ".join(f'"{route.provider}"' for route in model.providers)
    return (
        f'{{"model": "{model.id}",\n "provider": {{"order": [{order}], "allow_fallbacks": true}}}}\n\n'
        f'{{"model": "{model.id}",\n "provider": {{"only": ["{model.providers[0].provider}"]}}}}'
    )


def codex_config(model: Model, base_url: str) -> str:
    """`~/.codex/config.toml` for Codex CLI."""
    return (
        f'model = "{model.id}"\nmodel_provider = "tiltyard"\n\n'
        f'[model_providers.tiltyard]\nname = "Tiltyard"\nbase_url = "{base_url}/v1"\n'
        'env_key = "TILTYARD_API_KEY"\nwire_api = "responses"\n'
    )


def fitting(
    models: Sequence[Model], words: str, maker: str | None, can: Sequence[str], keep: Callable[[Model], bool]
) -> list[Model]:
    """Those that have every word somewhere in what is said of them, and every feature that is asked for."""
    wanted = words.lower().split()
    return [
        model
        for model in models
        if (maker is None or model.creator == maker)
        and set(can) <= model.features
        and keep(model)
        and all(word in _searched(model) for word in wanted)
    ]


def said_of_data(model: Model, catalog: Catalog, what: Literal["retention", "training", "regions"]) -> str:
    """What its providers say of that, in a word where they agree, else by provider."""
    said = {}
    for route in model.providers:
        listed = catalog.provider(route.provider)
        if listed is not None:
            said[listed.name] = _said(listed, what)
    if len(set(said.values())) == 1:
        return next(iter(said.values()))
    return "; ".join(f"{name}: {word}" for name, word in said.items()) or say.UNKNOWN


def _said(listed: ListedProvider, what: Literal["retention", "training", "regions"]) -> str:
    if listed.base_url is None and listed.id == "embedded":
        return say.STAYS_HERE
    policy = listed.policy
    if what == "regions":
        return ", ".join(policy.regions) or say.UNKNOWN
    value = policy.zero_data_retention if what == "retention" else policy.trains_on_data
    return {"yes": say.YES, "no": say.NO}.get(value, say.UNKNOWN)


def today_of(now_ms: int) -> date:
    return datetime.fromtimestamp(now_ms / 1_000, UTC).date()


def _output_pico_usd(model: Model, now_ms: int) -> int:
    price = price_now(model, now_ms)
    return price.base.output if price is not None else 0


def _searched(model: Model) -> str:
    said = (model.id, model.name, model.creator, model.summary, *model.aliases, *model.best_for)
    return " ".join((*said, *(named(feature) for feature in model.features))).lower()


def _through(model: Model, endpoint: str) -> str:
    if endpoint in TRANSLATED and model.answers:
        return say.YES if endpoint in model.endpoints else say.TRANSLATED
    return _yes(endpoint == "embeddings" and model.embeds)


def _training(model: Model, catalog: Catalog) -> str:
    said = []
    for route in model.providers:
        listed = catalog.provider(route.provider)
        if listed is None:
            continue
        if listed.base_url is None:
            said.append("It runs inside this installation: nothing leaves it.")
        else:
            trains = {"yes": "Yes", "no": "No", "unknown": "Not known"}[listed.policy.trains_on_data]
            said.append(f"{listed.name}: {trains}.")
    return " ".join(said)


def _says(policy: DataPolicy) -> bool:
    return policy.zero_data_retention != "unknown" and policy.trains_on_data != "unknown"


def _can(model: Model, feature: str) -> str:
    """A model may read images where nobody says what an image comes to at most: then we send it none."""
    if feature == "image_input" and "image" in model.input_modalities and feature not in model.features:
        return say.MAKER_ALONE
    return _yes(feature in model.features)


def _yes(has: bool) -> str:
    return say.YES if has else say.NO
