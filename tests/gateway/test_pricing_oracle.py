"""Our prices against genai-prices (MIT), which was read apart from ours; what differs is listed, with why."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime
from decimal import ROUND_CEILING

import pytest
from genai_prices import Usage as OracleUsage, calc_price

from gateway.catalog import Catalog
from gateway.messages import Usage
from gateway.pricing import cost_of, price_at, prompt_tokens

CATALOG = Catalog.load()
PROVIDERS = {"xai": "x-ai"}  # where its name for a provider is not ours
NOT_THERE = {"embedded", "simulated"}  # this installation's own
# A Monday at 02:00 UTC, within DeepSeek's peak hours: the only ones our list price knows.
PEAK = datetime(2026, 11, 23, 2, tzinfo=UTC)
OFF_PEAK = datetime(2026, 11, 23, 12, tzinfo=UTC)
CHARGES_HALF_OFF_PEAK = {"deepseek/deepseek-v4.1-flash", "deepseek/deepseek-v4-pro"}

USAGES = (
    Usage(input=1_000, output=500),
    Usage(input=1_234, cached_input=5_678, output=910),
    Usage(input=99_999, cached_input=1, output=1),
    Usage(input=100_001, output=77),
    Usage(input=199_999, output=77),
    Usage(input=200_000, output=77),
    Usage(input=272_000, output=77),
    Usage(input=272_001, output=77),
)
WRITES = Usage(input=1_000, cache_write=2_000, output=3)


def _routes() -> Iterator[tuple[str, str, str]]:
    for model in CATALOG.models():
        for route in model.providers:
            if route.provider not in NOT_THERE:
                yield model.id, route.provider, route.model


def _theirs(provider: str, model: str, usage: Usage, now: datetime) -> int:
    oracle = calc_price(
        OracleUsage(
            input_tokens=prompt_tokens(usage),
            output_tokens=usage.output,
            cache_read_tokens=usage.cached_input or None,
            cache_write_tokens=usage.cache_write or None,
        ),
        model_ref=model,
        provider_id=PROVIDERS.get(provider, provider),
        genai_request_timestamp=now,
    )
    return int(oracle.total_price.scaleb(9).to_integral_value(ROUND_CEILING))


def _ours(model_id: str, provider: str, usage: Usage, now: datetime) -> int:
    price = price_at(CATALOG.get(model_id), int(now.timestamp()) * 1000, provider)
    return cost_of(usage, price)


@pytest.mark.parametrize(("model_id", "provider", "model"), list(_routes()))
def test_our_bill_is_the_oracles(model_id: str, provider: str, model: str) -> None:
    usages = list(USAGES)
    if price_at(CATALOG.get(model_id), int(PEAK.timestamp()) * 1000, provider).base.cache_write:
        usages.append(WRITES)
    for usage in usages:
        assert _ours(model_id, provider, usage, PEAK) == _theirs(provider, model, usage, PEAK), usage


@pytest.mark.parametrize(
    ("model_id", "provider", "model"),
    [
        ("google/gemini-4-argon", "google", "gemini-4-argon"),
        ("google/gemini-3.8-flash", "google", "gemini-3.8-flash"),
        ("openai/gpt-5.6-terra", "openai", "gpt-5.6-terra"),
    ],
)
@pytest.mark.parametrize("day", ["2026-07-29", "2026-07-30", "2026-11-30", "2026-12-01", "2027-01-01"])
def test_prices_change_on_the_oracles_days(model_id: str, provider: str, model: str, day: str) -> None:
    noon = datetime.fromisoformat(day).replace(hour=12, tzinfo=UTC)
    for usage in USAGES[:2]:
        assert _ours(model_id, provider, usage, noon) == _theirs(provider, model, usage, noon)


def test_the_listed_disagreements_are_all_there_are() -> None:
    """DeepSeek charges half off-peak; a list price here knows days, not hours, and bills the peak."""
    usage = Usage(input=1_000, output=500)
    differing = {
        model_id
        for model_id, provider, model in _routes()
        if _ours(model_id, provider, usage, OFF_PEAK) != _theirs(provider, model, usage, OFF_PEAK)
    }
    assert differing == CHARGES_HALF_OFF_PEAK
    for model_id in differing:
        route = CATALOG.get(model_id).providers[0]
        ours = _ours(model_id, route.provider, usage, OFF_PEAK)
        assert ours == 2 * _theirs(route.provider, route.model, usage, OFF_PEAK)
        assert any("peak" in note for note in CATALOG.get(model_id).notes)
