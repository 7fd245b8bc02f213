from dataclasses import replace

import pytest

from gateway.catalog import Catalog
from gateway.catalog_values import ListedProvider
from gateway.providers.base import Wire
from gateway.providers.configured import configured
from gateway.providers.openai_compatible import OpenAICompatible
from gateway.providers.simulated import Simulated
from tests.gateway.providers.asking import call_of, outcome
from tests.gateway.providers.scripts import ChatScript, whole_answer, wire_script
from tests.gateway.providers.upstream import serving


def listed(
    id: str, url: str | None = "https://api.example.com/v1", key: str | None = "LAB_KEY"
) -> ListedProvider:
    return ListedProvider(id, id.title(), url, key)


def test_a_provider_is_connected_once_its_key_is_there() -> None:
    with_key = configured((listed("lab"),), {"LAB_KEY": "secret"}, {})
    assert isinstance(with_key.providers["lab"], OpenAICompatible)
    without = configured((listed("lab"),), {"LAB_KEY": ""}, {})
    assert without.providers == {}
    assert "LAB_KEY" in without.absent["lab"]


def test_one_that_needs_no_key_needs_none() -> None:
    assert "lab" in configured((listed("lab", key=None),), {}, {}).providers


def test_what_lives_here_is_there_or_says_why_not() -> None:
    simulated = Simulated()
    found = configured(
        (listed("simulated", None, None), listed("embedded", None, None)),
        {},
        {"simulated": simulated, "embedded": "it has no wheel here."},
    )
    assert found.providers == {"simulated": simulated}
    assert found.absent == {"embedded": "it has no wheel here."}
    assert found.problems == ()


def test_a_url_that_may_not_be_called_is_a_problem_with_its_place() -> None:
    (problem,) = configured((listed("lab", "http://10.0.0.7/v1", None),), {}, {}).problems
    assert problem.startswith("providers.lab.base_url: ")
    assert "allow_private_address" in problem
    (missing,) = configured((listed("lab", None, None),), {}, {}).problems
    assert missing == "providers.lab.base_url: is missing"


async def test_a_providers_own_ways_reach_its_requests() -> None:
    async with serving(whole_answer(ChatScript())) as upstream:
        ways = replace(
            listed("lab", upstream.base_url, None),
            allow_private_address=True,
            output_limit_field="max_completion_tokens",
            asks_for_usage=False,
        )
        provider = configured((ways,), {}, {}).providers["lab"]
        got = await outcome(provider, call_of(out_cap=5))
        await provider.close()
    assert got.text == "Hello world"
    body = upstream.requests[0].body
    assert body["max_completion_tokens"] == 5
    assert not {"max_tokens", "stream_options"} & set(body)


@pytest.mark.parametrize(
    ("provider_id", "wire", "said"),
    [
        ("openai", "chat_completions", False),
        ("openai", "responses", False),
        ("deepseek", "chat_completions", None),  # does not say that it knows the field
        ("anthropic", "anthropic_messages", None),  # has no such field
    ],
)
async def test_who_can_be_told_to_store_nothing_is_told_with_every_request(
    provider_id: str, wire: Wire, said: bool | None
) -> None:
    known = Catalog.load().provider(provider_id)
    assert known is not None
    async with serving(whole_answer(wire_script(wire))) as upstream:
        here = replace(known, base_url=upstream.base_url, api_key_env=None, allow_private_address=True)
        provider = configured((here,), {}, {}).providers[provider_id]
        got = await outcome(provider, call_of(wire=wire))
        await provider.close()
    assert got.text == "Hello world"
    assert upstream.requests[0].body.get("store") is said
