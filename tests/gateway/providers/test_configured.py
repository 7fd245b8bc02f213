from dataclasses import replace

from gateway.catalog import Catalog, CatalogOverrides
from gateway.providers.base import Provider
from gateway.providers.configured import configured
from gateway.providers.simulated import Simulated

LISTED = Catalog.load().providers()
BUILT_IN: dict[str, Provider | str] = {"simulated": Simulated(), "embedded": "it is off."}


def test_without_keys_only_this_installation_answers_and_each_absence_says_what_to_set() -> None:
    found = configured(LISTED, {}, BUILT_IN)
    assert set(found.providers) == {"simulated"}
    assert found.absent["embedded"] == "it is off."
    assert "OPENAI_API_KEY" in found.absent["openai"]
    assert found.problems == ()


async def test_a_key_in_the_environment_turns_its_provider_on() -> None:
    found = configured(LISTED, {"OPENAI_API_KEY": "sk-x", "MISTRAL_API_KEY": ""}, BUILT_IN)
    assert set(found.providers) == {"simulated", "openai"}
    assert "mistral" in found.absent
    await found.providers["openai"].close()


async def test_a_server_of_the_operators_needs_no_key_unless_it_names_one() -> None:
    lab = {"base_url": "http://127.0.0.1:9100/v1", "allow_private_address": True}
    listed = Catalog.load(CatalogOverrides(providers={"lab": lab})).providers()
    found = configured(listed, {}, BUILT_IN)
    assert "lab" in found.providers
    await found.providers["lab"].close()


def test_a_private_address_that_nobody_allowed_is_a_problem_with_its_setting() -> None:
    [openai] = [one for one in LISTED if one.id == "openai"]
    inside = replace(openai, id="inside", base_url="http://169.254.169.254/v1", api_key_env=None)
    found = configured((inside,), {}, {})
    assert found.providers == {}
    assert found.problems[0].startswith("providers.inside.base_url: ")
