"""The catalog's own data, and how a name leads to a model."""

from __future__ import annotations

from datetime import UTC, datetime
from itertools import pairwise

import pytest

from gateway.catalog import Catalog
from gateway.catalog_values import FACT_GROUPS, Model
from gateway.errors import RetiredModel, UnknownModel
from gateway.pricing import price_at


def at(day: str) -> int:
    return int(datetime.fromisoformat(day).replace(tzinfo=UTC).timestamp()) * 1000


TODAY = at("2026-11-21")


@pytest.fixture(scope="module")
def catalog() -> Catalog:
    return Catalog.load()


def _is_outside(model: Model) -> bool:
    return model.series == "paid"


# --- the data ---------------------------------------------------------------------------------------


def test_fifteen_models_live_and_five_providers_serve_them(catalog: Catalog) -> None:
    day = datetime.fromtimestamp(TODAY / 1000, UTC).date()
    living = [
        model
        for model in catalog.models()
        if _is_outside(model) and model.lifecycle.state_on(day) == "living"
    ]
    assert len(living) >= 15
    assert len({route.provider for model in living for route in model.providers}) >= 5


def test_every_fact_has_a_public_source_and_a_day(catalog: Catalog) -> None:
    for model in catalog.models():
        assert set(model.facts) == set(FACT_GROUPS), model.id
        prices = [*model.prices, *(price for route in model.providers for price in route.prices)]
        facts = [*model.facts.values(), *(price.fact for price in prices)]
        for fact in facts:
            assert fact is not None, model.id
            assert fact.source.startswith("https://") or (
                not _is_outside(model) and fact.source == "docs/catalog.md"
            ), model.id
            assert fact.as_of is not None
            assert "2025-01-01" <= fact.as_of <= "2026-11-21", model.id
    for provider in catalog.providers():
        assert provider.fact is not None, provider.id


def test_what_is_known_of_a_providers_data_policy_has_a_source_and_the_rest_is_unknown(
    catalog: Catalog,
) -> None:
    for provider in catalog.providers():
        policy = provider.policy
        said = (policy.zero_data_retention, policy.trains_on_data, policy.retention_days, policy.regions)
        if policy.fact is None:
            assert said == ("unknown", "unknown", None, ()), provider.id


def test_every_model_has_a_price_today_at_every_provider(catalog: Catalog) -> None:
    for model in catalog.models():
        for provider in (None, *(route.provider for route in model.providers)):
            price = price_at(model, TODAY, provider).base
            assert (price.output if model.answers else price.input) > 0, model.id


def test_openai_compatible_providers_are_reached_over_https_with_a_key(catalog: Catalog) -> None:
    for provider in catalog.providers():
        if provider.id in ("embedded", "simulated"):
            assert provider.base_url is None
            assert provider.api_key_env is None
        else:
            assert provider.base_url is not None
            assert provider.base_url.startswith("https://")
            assert provider.api_key_env is not None
            assert not provider.allow_private_address


def test_the_embedded_model_is_what_it_is_said_to_be(catalog: Catalog) -> None:
    model = catalog.get("embedded/smollm2-135m")
    assert (model.series, model.licence, model.creator) == ("demonstration", "Apache-2.0", "Hugging Face")
    assert (model.context_tokens, model.tokenizer) == (2048, "smollm2")
    assert model.badges["note"] == "Demonstration: English, small tasks"
    price = price_at(model, TODAY)
    assert (price.base.input, price.base.output) == (100_000, 400_000)
    assert [route.provider for route in model.providers] == ["embedded"]


@pytest.mark.parametrize(
    ("model_id", "until", "from_then", "successor"),
    [
        ("openai/codex-mini", "2026-02-11", "2026-02-12", "openai/gpt-5-codex-mini"),
        ("openai/gpt-5.1-codex-mini", "2026-07-22", "2026-07-23", "openai/gpt-5.4-mini"),
        ("openai/o4-mini", "2026-10-22", "2026-10-23", "openai/gpt-5.6-terra"),
        ("openai/gpt-4.1", "2027-01-13", "2027-01-14", "openai/gpt-6-luna"),
    ],
)
def test_the_models_of_the_first_pages_end_on_their_day(
    catalog: Catalog, model_id: str, until: str, from_then: str, successor: str
) -> None:
    assert catalog.resolve(model_id, at(until)).model.id == model_id
    with pytest.raises(RetiredModel) as refused:
        catalog.resolve(model_id, at(from_then))
    assert refused.value.successor == successor
    assert refused.value.retired_on == from_then


def test_a_model_that_will_end_is_deprecated_and_still_answers(catalog: Catalog) -> None:
    model = catalog.resolve("gpt-4.1", TODAY).model
    assert model.lifecycle.state_on(datetime(2026, 10, 13, tzinfo=UTC).date()) == "living"
    assert model.lifecycle.state_on(datetime(2026, 11, 21, tzinfo=UTC).date()) == "deprecated"


def test_codex_mini_has_the_facts_of_its_page(catalog: Catalog) -> None:
    model = catalog.get("openai/codex-mini")
    assert model.aliases == ("codex-mini", "codex-mini-latest")
    assert (model.context_tokens, model.max_output_tokens) == (200_000, 100_000)
    assert model.knowledge_cutoff == "2024-06-01"
    assert (model.input_modalities, model.output_modalities) == (("text", "image"), ("text",))
    assert model.badges == {"performance": "Higher", "speed": "Medium"}
    rates = price_at(model, TODAY).base
    assert (rates.input, rates.cached_input, rates.output) == (1_500_000, 375_000, 6_000_000)
    assert model.reasons


def test_a_responses_only_model_is_asked_over_responses(catalog: Catalog) -> None:
    (route,) = catalog.get("openai/gpt-5.1-codex-mini").providers
    assert route.wire == "responses"


def test_sources_that_disagree_are_both_kept(catalog: Catalog) -> None:
    conflicts = {conflict.field for conflict in catalog.get("openai/gpt-5.1-codex-mini").conflicts}
    assert {"prices", "context_tokens"} <= conflicts


def test_reasoning_models_that_refuse_a_temperature_do_not_offer_one(catalog: Catalog) -> None:
    assert catalog.get("openai/o4-mini").takes("temperature") is None
    effort = catalog.get("openai/o4-mini").takes("effort")
    assert effort is not None
    assert effort.choices == ("low", "medium", "high")
    temperature = catalog.get("openai/gpt-4.1").takes("temperature")
    assert temperature is not None
    assert (temperature.least, temperature.most) == (0.0, 2.0)


def test_every_simulated_model_is_named_after_its_behaviour(catalog: Catalog) -> None:
    simulated = [model for model in catalog.models() if model.series == "simulated"]
    assert {model.id for model in simulated} >= {
        f"simulated/{behaviour}"
        for behaviour in (
            "steady", "slow-first-token", "cut-mid-stream", "rate-limited", "lying-usage", "empty",
            "reasoning", "keep-alive", "hostile",
        )
    }  # fmt: skip
    for model in simulated:
        assert [(route.provider, f"simulated/{route.model}") for route in model.providers] == [
            ("simulated", model.id)
        ]


def test_price_versions_follow_each_other_and_each_has_a_name_of_its_own(catalog: Catalog) -> None:
    for model in catalog.models():
        for prices in (model.prices, *(route.prices for route in model.providers)):
            assert all(earlier.valid_from_ms < later.valid_from_ms for earlier, later in pairwise(prices))
            assert len({price.version for price in prices}) == len(prices)


# --- names ------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["openai/gpt-6-luna", "gpt-6-luna"])
def test_an_id_leads_to_its_model_with_or_without_its_creator(catalog: Catalog, name: str) -> None:
    resolution = catalog.resolve(name, TODAY)
    assert (resolution.model.id, resolution.asked, resolution.stand_in_for) == (
        "openai/gpt-6-luna",
        name,
        None,
    )


@pytest.mark.parametrize("name", ["codex-mini", "codex-mini-latest", "openai/codex-mini"])
def test_an_alias_of_a_retired_model_is_refused_with_the_successor(catalog: Catalog, name: str) -> None:
    with pytest.raises(RetiredModel, match=r"2026-02-12.*openai/gpt-5-codex-mini"):
        catalog.resolve(name, TODAY)


def test_a_snapshot_is_asked_for_by_its_own_name(catalog: Catalog) -> None:
    resolution = catalog.resolve("gpt-4.1-2025-04-14", TODAY)
    assert resolution.model.id == "openai/gpt-4.1"
    assert resolution.snapshot == "gpt-4.1-2025-04-14"
    routes = catalog.routes(resolution.model, resolution.snapshot)
    assert [(route.provider, route.model) for route in routes] == [("openai", "gpt-4.1-2025-04-14")]
    assert [route.model for route in catalog.routes(resolution.model)] == ["gpt-4.1"]


@pytest.mark.parametrize(
    ("asked", "first"),
    [
        ("gpt-6-lunar", "openai/gpt-6-luna"),
        ("openai/gpt6-luna", "openai/gpt-6-luna"),
        ("claude-opus-5.5-latest", "anthropic/claude-opus-5.5"),
        ("GEMINI-4-ARGON", "google/gemini-4-argon"),
        ("simulated/stead", "simulated/steady"),
    ],
)
def test_an_unknown_name_is_answered_with_the_nearest_three(catalog: Catalog, asked: str, first: str) -> None:
    with pytest.raises(UnknownModel) as refused:
        catalog.resolve(asked, TODAY)
    assert refused.value.nearest[0] == first
    assert len(set(refused.value.nearest)) == 3


@pytest.mark.parametrize("asked", ["", " ", "\x00", "é" * 50, "/", "openai/"])
def test_nonsense_is_unknown_and_still_answered_with_three_names(catalog: Catalog, asked: str) -> None:
    with pytest.raises(UnknownModel) as refused:
        catalog.resolve(asked, TODAY)
    assert len(refused.value.nearest) == 3


def test_a_name_of_a_megabyte_is_cut_before_it_is_compared(catalog: Catalog) -> None:
    with pytest.raises(UnknownModel) as refused:
        catalog.resolve("x" * 1_000_000, TODAY)
    assert len(str(refused.value)) < 500


def test_get_knows_retired_models_and_refuses_unknown_ones(catalog: Catalog) -> None:
    assert catalog.get("openai/o4-mini").name == "o4-mini"
    with pytest.raises(UnknownModel):
        catalog.get("o4-mini")  # an alias is not an id


def test_more_models_of_a_creator_are_found_by_its_name(catalog: Catalog) -> None:
    assert {model.id for model in catalog.more_by("xAI")} == {"xai/grok-4.7", "xai/grok-4.3"}
