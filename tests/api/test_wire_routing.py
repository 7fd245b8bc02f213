"""What a body says of routing, in the words of three gateways."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest

from api.wire.openai_chat import read
from gateway.errors import BadRequest, Unsupported
from gateway.preferences import NO_PREFERENCES, CallerDeadlines, MaxPrice, RoutingPreferences


def preferences(**fields: Any) -> RoutingPreferences:
    body = {"model": "two/fast", "messages": [{"role": "user", "content": "Hello"}], **fields}
    return read(msgspec.json.encode(body)).request.routing


@pytest.mark.parametrize(
    "fields", [{}, {"provider": None}, {"provider": {}}, {"providerOptions": {"openai": {"x": 1}}}]
)
def test_what_asks_for_nothing_is_nothing(fields: dict[str, Any]) -> None:
    assert preferences(**fields) is NO_PREFERENCES


def test_openrouters_words() -> None:
    asked = preferences(
        provider={
            "order": ["Lab", "backup"],
            "only": ["lab", "backup"],
            "ignore": ["slow"],
            "sort": "latency",
            "max_price": {"prompt": 0.1, "completion": "2.50"},
            "require_parameters": True,
            "zdr": True,
            "data_collection": "deny",
            "allow_fallbacks": False,
        },
        models=["one/slow"],
        route="fallback",
    )
    assert asked == RoutingPreferences(
        order=("lab", "backup"),
        only=("lab", "backup"),
        ignore=("slow",),
        sort="first_token",
        max_price=MaxPrice(100_000, 2_500_000),
        require_parameters=True,
        zero_data_retention=True,
        no_training=True,
        allow_fallbacks=False,
        models=("one/slow",),
    )


def test_vercels_words() -> None:
    gateway = {
        "order": ["lab"],
        "models": ["one/slow"],
        "sort": "tps",
        "zeroDataRetention": True,
        "disallowPromptTraining": True,
        "user": "somebody",
        "tags": ["nightly"],
    }
    assert preferences(providerOptions={"gateway": gateway, "openai": {"anything": 1}}) == RoutingPreferences(
        order=("lab",), models=("one/slow",), sort="throughput", zero_data_retention=True, no_training=True
    )


def test_our_own_words() -> None:
    asked = preferences(provider={"deadlines": {"first_token": 2, "total": 30.5}, "stand_in": "successor"})
    assert asked == RoutingPreferences(
        stand_in="successor", deadlines=CallerDeadlines(first_token_s=2, total_s=30.5)
    )


@pytest.mark.parametrize(
    ("fields", "param"),
    [
        ({"provider": {"quantizations": ["fp8"]}}, "provider.quantizations"),
        ({"provider": {"order": "lab"}}, "provider.order"),
        ({"provider": {"sort": "beauty"}}, "provider.sort"),
        ({"provider": {"max_price": {"prompt": -1}}}, "provider.max_price.prompt"),
        ({"provider": {"max_price": {"completion": "NaN"}}}, "provider.max_price.completion"),
        ({"provider": {"max_price": {"image": 1}}}, "provider.max_price.image"),
        ({"provider": {"deadlines": {"total": 0}}}, "provider.deadlines.total"),
        ({"provider": "lab"}, "provider"),
        ({"models": "one/slow"}, "models"),
        ({"models": ["x"] * 17}, "models"),
        ({"route": "shortest"}, "route"),
        ({"providerOptions": {"gateway": {"speed": "fast"}}}, "providerOptions.gateway.speed"),
        ({"provider": {"order": ["a"]}, "providerOptions": {"gateway": {"order": ["b"]}}}, "provider.order"),
    ],
)
def test_what_is_not_carried_is_refused_by_name(fields: dict[str, Any], param: str) -> None:
    with pytest.raises(BadRequest) as refused:
        preferences(**fields)
    assert refused.value.param == param
    assert isinstance(refused.value, Unsupported) == param.endswith(("quantizations", "image", "speed"))
