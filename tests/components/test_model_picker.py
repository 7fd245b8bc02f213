"""What the list of models says of each, from the real catalog."""

from __future__ import annotations

import time

from components.model_picker import Choice, cheaper, choices, label
from gateway.catalog import Catalog, CatalogOverrides, Model
from gateway.errors import ModelUnavailable, RetiredModel

CATALOG = Catalog.load()
NOW_MS = time.time_ns() // 1_000_000
EMBEDDED = "embedded/smollm2-135m"


def offered(
    catalog: Catalog = CATALOG, here: tuple[str, ...] = ("embedded", "simulated")
) -> dict[str, Choice]:
    def why_not(model: Model) -> str | None:
        known = any(route.provider in here for route in model.providers)
        return None if known else "no key is set."

    return {each.model.id: each for each in choices(catalog, why_not, lambda _: None, NOW_MS)}


def test_every_model_that_takes_a_prompt_is_listed_once() -> None:
    assert sorted(offered()) == sorted(model.id for model in CATALOG.models() if model.answers)


def test_what_answers_comes_first_and_what_was_retired_last() -> None:
    found = list(offered().values())
    assert found[0].model.id == EMBEDDED
    answering = [each.answers for each in found]
    assert answering == sorted(answering, reverse=True)
    assert isinstance(found[-1].refusal, RetiredModel)


def test_a_model_without_its_provider_says_why() -> None:
    refusal = offered()["openai/gpt-4.1"].refusal
    assert isinstance(refusal, ModelUnavailable)
    assert refusal.reason == "no key is set."


def test_a_paid_model_that_answers_stands_before_simulated_ones() -> None:
    order = list(offered(here=("embedded", "simulated", "mistral")))
    assert order.index("mistral/ministral-8b") < order.index("simulated/steady")


def test_a_stand_in_is_named_and_its_price_shown() -> None:
    catalog = Catalog.load(CatalogOverrides(stand_ins={"openai/codex-mini": EMBEDDED}))
    choice = offered(catalog)["openai/codex-mini"]
    assert choice.answers and choice.stand_in is not None and choice.stand_in.id == EMBEDDED
    assert "$0.10 / $0.40" in label(choice)


def test_what_little_credit_is_enough_for_is_found_among_those_that_answer() -> None:
    found = cheaper(list(offered().values()), 1_000_000, NOW_MS, 100)
    assert found is not None and found[0].id == EMBEDDED
    assert cheaper(list(offered().values()), 10, NOW_MS, 100) is None
