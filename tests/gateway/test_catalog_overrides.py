"""An operator's tables over the catalog: added, overridden field by field, stood in for, refused whole."""

from __future__ import annotations

import re
import tomllib
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, strategies as st

from gateway.catalog import Catalog, CatalogError, CatalogOverrides, Model
from gateway.errors import RetiredModel
from gateway.pricing import price_at


def at(day: str) -> int:
    return int(datetime.fromisoformat(day).replace(tzinfo=UTC).timestamp()) * 1000


TODAY = at("2026-11-21")

LAB = """
[providers.lab]
base_url = "http://127.0.0.1:9100/v1"
api_key_env = "LAB_KEY"
wire = "chat_completions"
allow_private_address = true

[[models]]
id = "lab/fast"
name = "Lab Fast"
context_tokens = 32768
max_output_tokens = 4096
input_usd_per_million = "0.10"
output_usd_per_million = "0.40"
providers = [ { id = "lab", model = "fast-1" } ]
"""


def overrides(toml: str) -> CatalogOverrides:
    tables: dict[str, Any] = tomllib.loads(toml)
    return CatalogOverrides(
        tables.get("providers", {}), tables.get("models", []), tables.get("stand_ins", {})
    )


def load(toml: str) -> Catalog:
    return Catalog.load(overrides(toml))


def problems(toml: str) -> tuple[str, ...]:
    with pytest.raises(CatalogError) as refused:
        load(toml)
    return refused.value.problems


# --- what an operator can do ------------------------------------------------------------------------


def test_a_server_of_ones_own_is_added_with_a_few_lines() -> None:
    catalog = load(LAB)
    model = catalog.resolve("lab/fast", TODAY).model
    assert (model.name, model.creator, model.series) == ("Lab Fast", "lab", "paid")
    (route,) = catalog.routes(model)
    assert (route.provider, route.model, route.wire) == ("lab", "fast-1", "chat_completions")
    provider = catalog.provider("lab")
    assert provider is not None
    assert (provider.base_url, provider.allow_private_address) == ("http://127.0.0.1:9100/v1", True)
    price = price_at(model, TODAY)
    assert (price.base.input, price.base.output) == (100_000, 400_000)
    assert model.facts["limits"].source == "tiltyard.toml"
    assert model.takes("temperature") is not None
    assert "tools" in model.features


def test_one_field_is_overridden_and_the_others_stay() -> None:
    model = load('[[models]]\nid = "openai/gpt-4.1"\ncontext_tokens = 200000').get("openai/gpt-4.1")
    assert model.context_tokens == 200_000
    assert model.max_output_tokens == 32_768
    assert model.facts["limits"].source == "tiltyard.toml"
    assert model.facts["about"].source.startswith("https://")


def test_a_retired_model_that_somebody_still_serves_can_be_kept_alive() -> None:
    catalog = load(
        LAB
        + """
[[models]]
id = "openai/codex-mini"
lifecycle = { state = "living" }
endpoints = ["chat_completions"]
providers = [{ id = "lab", model = "codex" }]
"""
    )
    model = catalog.resolve("codex-mini-latest", TODAY).model
    assert [(route.provider, route.model) for route in model.providers] == [("lab", "codex")]
    assert model.lifecycle.successor == "openai/gpt-5-codex-mini"  # the rest of the lifecycle stays


def test_another_model_stands_in_for_a_retired_one() -> None:
    catalog = load('[stand_ins]\n"openai/codex-mini" = "openai/gpt-5.4-mini"')
    resolution = catalog.resolve("codex-mini", TODAY)
    assert resolution.model.id == "openai/gpt-5.4-mini"
    assert (resolution.asked, resolution.stand_in_for) == ("codex-mini", "openai/codex-mini")


def test_a_stand_in_waits_until_the_model_is_retired() -> None:
    catalog = load('[stand_ins]\n"openai/gpt-4.1" = "openai/gpt-6-luna"')
    assert catalog.resolve("gpt-4.1", at("2027-01-13")).stand_in_for is None
    assert catalog.resolve("gpt-4.1", at("2027-01-14")).model.id == "openai/gpt-6-luna"


def test_a_stand_in_that_is_itself_retired_does_not_answer() -> None:
    with pytest.raises(RetiredModel):
        load('[stand_ins]\n"openai/codex-mini" = "openai/o4-mini"').resolve("codex-mini", TODAY)


def test_a_price_without_a_day_replaces_that_field_in_every_version() -> None:
    catalog = load('[[models]]\nid = "google/gemini-4-argon"\noutput_usd_per_million = "11"')
    model = catalog.get("google/gemini-4-argon")
    before, after = price_at(model, at("2026-11-30")), price_at(model, at("2026-12-01"))
    assert (before.base.input, before.base.output) == (2_000_000, 11_000_000)
    assert (after.base.input, after.base.output) == (4_000_000, 11_000_000)
    assert before.fact is not None
    assert before.fact.source == "tiltyard.toml"


def test_a_price_with_a_day_starts_on_that_day() -> None:
    toml = """
[[models]]
id = "openai/gpt-4.1"
input_usd_per_million = "3"
valid_from = 2026-12-01
"""
    model = load(toml).get("openai/gpt-4.1")
    assert price_at(model, at("2026-12-01") - 1).base.input == 2_000_000
    changed = price_at(model, at("2026-12-01"))
    assert (changed.base.input, changed.base.output) == (3_000_000, 8_000_000)
    assert changed.version.startswith("2026-12-01-")


def test_an_operators_price_holds_for_every_provider_that_is_not_priced_apart() -> None:
    toml = """
[[models]]
id = "openai/gpt-oss-120b"
input_usd_per_million = "1"
output_usd_per_million = "2"
"""
    model = load(toml).get("openai/gpt-oss-120b")
    for route in model.providers:
        assert price_at(model, TODAY, route.provider).base.output == 2_000_000


def test_another_provider_of_a_known_model_may_have_its_own_price() -> None:
    toml = """
[[models]]
id = "openai/gpt-4.1"
providers = [
  { id = "openai", model = "gpt-4.1" },
  { id = "openrouter", model = "a/gpt-4.1", input_usd_per_million = "2.10", output_usd_per_million = "8" },
]
"""
    model = load(toml).get("openai/gpt-4.1")
    assert price_at(model, TODAY, "openai").base.input == 2_000_000
    assert price_at(model, TODAY, "openrouter").base.input == 2_100_000


def test_a_free_model_must_be_said_to_be_free() -> None:
    toml = LAB.replace('"0.10"', '"0"').replace('"0.40"', '"0"')
    assert price_at(load(toml).get("lab/fast"), TODAY).base.output == 0


def test_a_sampling_field_can_be_taken_away() -> None:
    model = load('[[models]]\nid = "openai/gpt-4.1"\nsampling = { seed = false }').get("openai/gpt-4.1")
    assert model.takes("seed") is None
    assert model.takes("temperature") is not None


# --- what is refused, all of it at once ------------------------------------------------------------


def test_everything_that_is_wrong_is_said_at_once() -> None:
    said = problems(
        """
[providers.lab]
base_url = "http://lab.example/v1"
wire = "grpc"
colour = "red"

[[models]]
id = "lab/fast"
context_tokens = 1000
max_output_tokens = 4096
input_usd_per_million = 0.1
output_usd_per_million = "-1"
features = ["streaming", "telepathy"]
providers = [ { id = "nobody", model = "fast-1" } ]

[stand_ins]
"openai/codex-mini" = "lab/none"
"""
    )
    expected = (
        "providers.lab.base_url: must be https",
        "providers.lab.wire: must be one of chat_completions, responses",
        "providers.lab.colour: there is no such field",
        "models.lab/fast.max_output_tokens: is more than context_tokens",
        "models.lab/fast.input_usd_per_million: must be dollars in quotes",
        "models.lab/fast.output_usd_per_million: '-1' is not 0 or dollars",
        "models.lab/fast.features: 'telepathy' is not one of",
        "models.lab/fast.providers[0].id: there is no provider 'nobody'",
        "stand_ins: there is no model 'lab/none'",
    )
    for start in expected:
        assert any(problem.startswith(start) for problem in said), (start, said)


@pytest.mark.parametrize(
    ("change", "problem"),
    [
        ('input_usd_per_million = "0.10"', "input_usd_per_million: is missing"),
        ("context_tokens = 32768", "context_tokens: is missing"),
        ('providers = [ { id = "lab", model = "fast-1" } ]', "providers: is missing"),
    ],
)
def test_what_a_new_model_lacks_is_named(change: str, problem: str) -> None:
    assert any(problem in said for said in problems(LAB.replace(change, "")))


@pytest.mark.parametrize(
    ("added", "problem"),
    [
        ('aliases = ["gpt-4.1-2025-04-14"]', "belongs to openai/gpt-4.1"),
        ('aliases = ["codex-mini"]', "belongs to openai/codex-mini"),
        ('aliases = ["openai/gpt-4.1"]', "belongs to openai/gpt-4.1"),
        ('lifecycle = { successor = "lab/next" }', "not in the catalog"),
        (
            'lifecycle = { successor = "openai/gpt-4.1", successor_is_external = true }',
            "drop successor_is_external",
        ),
        ('lifecycle = { successor = "lab/fast" }', "cannot succeed itself"),
        ("lifecycle = { released_on = 2026-02-02, retired_on = 2026-01-01 }", "must follow each other"),
        ('lifecycle = { retired_on = "soon" }', "must be a day"),
        ("cached_input_usd_per_million = '0.20'", "more than fresh input"),
        ("cache_write_usd_per_million = '0.50'", "more than four times"),
        (
            "tiers = [{ above_input_tokens = 40000, input_usd_per_million = 1, output_usd_per_million = 1 }]",
            "within the context",
        ),
        ("prices = [{ input_usd_per_million = '1', output_usd_per_million = '1' }]", "not both"),
        ('endpoints = ["moderations"]', "none of the endpoints"),
        ('endpoints = ["embeddings"]', "goes with the endpoint embeddings"),
        ('features = ["image_input"]', "goes with the feature image_input"),
        ("sampling = { temperature = [2, 0] }", "the lower first"),
        ("sampling = { vibes = true }", "is not one of"),
        ('series = "gratis"', "must be one of paid, demonstration, simulated"),
        ("max_tokens = 5", "there is no such field"),
        ("knowledge_cutoff = 'last summer'", "is not of the form"),
    ],
)
def test_a_model_that_contradicts_itself_or_others_is_refused(added: str, problem: str) -> None:
    said = problems(LAB + added)
    assert any(problem in each for each in said), said


@pytest.mark.parametrize(
    "price",
    [
        '"0.00001"',
        '"10001"',
        '"1e-6"',
        '"NaN"',
        '"Infinity"',
        '"-0.1"',
        '"1,5"',
        '" 1"',
        '""',
        "true",
        "0.1",
        "[]",
    ],
)
def test_a_price_outside_of_the_band_or_not_exact_is_refused(price: str) -> None:
    said = problems(LAB.replace('"0.10"', price))
    assert any(each.startswith("models.lab/fast.input_usd_per_million") for each in said), said


@pytest.mark.parametrize(
    "url",
    [
        "lab.example/v1", "ftp://lab.example/v1", "https://", "https://user:pass@lab.example/v1",
        "https://lab.example/v1?key=1", "https://lab.example/v1#x", "http://lab.example/v1", "https://a:b/v1",
    ],
)  # fmt: skip
def test_an_address_that_is_no_api_or_not_private_by_permission_is_refused(url: str) -> None:
    toml = LAB.replace("http://127.0.0.1:9100/v1", url).replace("allow_private_address = true", "")
    assert any(each.startswith("providers.lab.base_url") for each in problems(toml))


@pytest.mark.parametrize("provider_id", ["embedded", "simulated", "La b"])
def test_a_built_in_providers_id_cannot_be_taken(provider_id: str) -> None:
    said = problems(f'[providers."{provider_id}"]\nbase_url = "https://lab.example/v1"')
    assert any("choose another id" in each for each in said)


def test_a_stand_in_of_a_stand_in_is_refused() -> None:
    said = problems(
        '[stand_ins]\n"openai/codex-mini" = "openai/o4-mini"\n"openai/o4-mini" = "openai/gpt-6-luna"'
    )
    assert any("has a stand-in itself" in each for each in said)


def test_two_tables_with_one_id_are_refused() -> None:
    table = '[[models]]\nid = "openai/gpt-4.1"\nname = "Mine"\n'
    assert any("is there twice" in each for each in problems(table + table))


anything = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=3),
    max_leaves=6,
)
FIELDS = (
    "id", "name", "aliases", "series", "lifecycle", "context_tokens", "sampling", "providers", "prices",
    "tiers", "input_usd_per_million", "sources", "conflicts", "features", "badges", "valid_from",
    "image_tokens",
)  # fmt: skip


@given(
    model=st.dictionaries(st.sampled_from(FIELDS), anything, max_size=6),
    provider=st.dictionaries(st.sampled_from(("base_url", "wire", "policy", "api_key_env")), anything),
)
def test_whatever_a_file_says_it_is_either_taken_or_refused_in_words(
    small_catalog: Path, model: dict[str, Any], provider: dict[str, Any]
) -> None:
    over = CatalogOverrides({"lab": provider}, [{"id": "openai/gpt-4.1", **model}])
    try:
        taken = Catalog.load(over, small_catalog)
    except CatalogError as error:
        refused = error.problems
    else:
        refused = ()
        assert taken.get("openai/gpt-4.1").providers
    assert all(isinstance(problem, str) and problem for problem in refused)


@pytest.fixture(scope="module")
def small_catalog(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A catalog of one model, for tests that load it a hundred times."""
    folder = tmp_path_factory.mktemp("catalog")
    (folder / "one.toml").write_text(LAB.replace("lab/fast", "openai/gpt-4.1"))
    return folder


# --- its name ---------------------------------------------------------------------------------------


def test_the_hash_is_of_what_is_said_and_not_of_how() -> None:
    provider, model = LAB.split("[[models]]\n")
    turned = "\n".join(reversed(model.strip().splitlines()))
    assert load(LAB).hash == load(f"[[models]]\n{turned}\n{provider}").hash
    assert load(LAB).hash != load(LAB.replace('"0.10"', '"0.11"')).hash
    assert load(LAB).hash != Catalog.load().hash
    assert len(Catalog.load().hash) == 64


def test_a_price_version_changes_with_any_figure_and_with_nothing_else() -> None:
    def version(toml: str) -> str:
        return price_at(load(toml).get("lab/fast"), TODAY).version

    assert version(LAB) == version(LAB.replace("Lab Fast", "Lab Faster"))
    assert version(LAB) == version(LAB.replace('"0.10"', '"0.1"'))
    assert version(LAB) != version(LAB.replace('"0.40"', '"0.41"'))


def test_a_file_of_ours_that_cannot_be_read_is_named(tmp_path: Path) -> None:
    (tmp_path / "broken.toml").write_text("[[models]\n")
    (tmp_path / "odd.toml").write_text("[surprise]\n")
    with pytest.raises(CatalogError) as refused:
        Catalog.load(folder=tmp_path)
    assert any(problem.startswith("broken.toml:") for problem in refused.value.problems)
    assert any("surprise" in problem for problem in refused.value.problems)


# --- the page about it ------------------------------------------------------------------------------

_PAGE = Path(__file__).parents[2] / "docs" / "catalog.md"


@pytest.mark.parametrize("example", re.findall(r"```toml\n(.*?)```", _PAGE.read_text(), re.DOTALL))
def test_every_example_of_the_documentation_is_taken(example: str) -> None:
    assert load(example).hash != Catalog.load().hash


def test_every_field_of_the_documentation_exists_and_every_known_provider_is_listed() -> None:
    page = _PAGE.read_text()
    catalog = Catalog.load()
    for provider in catalog.providers():
        if provider.api_key_env is not None:
            assert f"`{provider.api_key_env}`" in page, provider.id
    for field in Model.__slots__:
        if field not in ("facts", "conflicts", "prices"):
            assert f"`{field}`" in page, field
    for model in catalog.models():
        if model.series == "simulated":
            assert f"`{model.id}`" in page or f"`{model.providers[0].model}`" in page
