"""Settled runs re-rated elsewhere, and what cannot be compared."""

from __future__ import annotations

from datetime import date
from typing import Any

import pytest

from billing.accounts import Bucket
from billing.commands import Line
from billing.money import cost_nano_usd
from billing.usage import SettledRun
from gateway.catalog import Catalog, CatalogOverrides
from gateway.catalog_values import Rates
from gateway.errors import BadRequest, UnknownModel
from gateway.what_if import on_model, on_provider, on_rates, re_rate

NOW_MS = 1_795_000_000_000


def run(
    model: str = "lab/fast", *, series: str = "paid", estimated: bool = False, **buckets: int
) -> SettledRun:
    prices: dict[str, int] = {
        "input": 100_000,
        "cached_input": 10_000,
        "cache_write": 125_000,
        "output": 400_000,
    }
    names: list[tuple[Bucket, int]] = list(buckets.items())  # type: ignore[arg-type]
    lines = tuple(Line(bucket, quantity, prices.get(bucket, 5_000_000)) for bucket, quantity in names)
    return SettledRun(
        1,
        1,
        "run_1",
        NOW_MS,
        model,
        "lab",
        "v1",
        series,
        estimated,
        None,
        None,
        (),
        cost_nano_usd(lines),
        lines,
    )


@pytest.fixture(scope="module")
def catalog() -> Catalog:
    base: dict[str, Any] = {"context_tokens": 1_000, "max_output_tokens": 500}
    rates = {"input_usd_per_million": "0.20", "output_usd_per_million": "0.80"}
    dear = [
        {
            "input_usd_per_million": "1",
            "output_usd_per_million": "2",
            "source": "s",
            "as_of": date(2020, 1, 1),
            "valid_from": "2020-01-01",
        }
    ]
    return Catalog.load(
        CatalogOverrides(
            providers={name: {"base_url": f"https://{name}.example/v1"} for name in ("lab", "far")},
            models=[
                {"id": "lab/fast", "name": "Fast", **base, **rates,
                 "providers": [{"id": "lab", "model": "f"}, {"id": "far", "model": "f", "prices": dear}]},
                {"id": "lab/cache", "name": "Cache", **base, **rates, "cached_input_usd_per_million": "0.02",
                 "providers": [{"id": "lab", "model": "c"}]},
                {"id": "lab/gone", "name": "Gone", **base, **rates, "lifecycle": {"retired_on": "2020-01-01"},
                 "providers": [{"id": "lab", "model": "g"}]},
            ],
        )
    )  # fmt: skip


def test_the_same_tokens_at_another_price(catalog: Catalog) -> None:
    result = re_rate(
        [run(input=100, output=50), run(input=100, output=50)], on_model(catalog, "lab/fast", NOW_MS)
    )
    (row,) = result.compared
    assert (row.model, row.runs, row.was_nano_usd, row.would_nano_usd) == ("lab/fast", 2, 60_000, 120_000)
    assert row.difference_nano_usd == 60_000


def test_each_run_is_rounded_up_once_as_a_bill_would_be(catalog: Catalog) -> None:
    rates = Rates(input=1, output=0)  # a thousandth of a nano-dollar each
    assert re_rate([run(input=1)] * 3, on_rates(rates)).would_nano_usd == 3


def test_cached_tokens_without_a_rate_cost_as_fresh_ones_and_are_counted(catalog: Catalog) -> None:
    runs = [run(input=100, cached_input=50, cache_write=10)]
    dear = re_rate(runs, on_model(catalog, "lab/fast", NOW_MS))
    assert (dear.would_nano_usd, dear.as_fresh_tokens) == (32_000, 60)
    cached = re_rate(runs, on_model(catalog, "lab/cache", NOW_MS))
    assert (cached.would_nano_usd, cached.as_fresh_tokens) == (20_000 + 1_000 + 2_000, 10)


def test_what_cannot_be_compared_is_in_neither_sum(catalog: Catalog) -> None:
    runs = [
        run(input=10, output=10),
        run(input=900, cached_input=101),
        run(input=1, output=501),
        run(input=1, tool_call=1),
        run(input=1, image=1),
    ]
    result = re_rate(runs, on_model(catalog, "lab/fast", NOW_MS))
    assert result.left_out == {
        "prompt_too_long": 1,
        "answer_too_long": 1,
        "tool_calls_not_priced": 1,
        "bucket_not_priced": 1,
    }
    assert result.runs == 1
    assert result.was_nano_usd == runs[0].cost_nano_usd
    assert result.left_out_nano_usd == sum(run.cost_nano_usd for run in runs[1:])


def test_a_provider_alone_rates_each_run_on_its_own_model_there(catalog: Catalog) -> None:
    result = re_rate(
        [run(input=100), run("lab/cache", input=100), run("old/model", input=1)],
        on_provider(catalog, "far", NOW_MS),
    )
    assert [(row.model, row.would_nano_usd) for row in result.compared] == [("lab/fast", 100_000)]
    assert result.left_out == {"no_such_route": 2}


def test_a_model_at_one_of_its_providers_and_a_retired_one(catalog: Catalog) -> None:
    assert (
        re_rate([run(input=100)], on_model(catalog, "lab/fast", NOW_MS, provider="far")).would_nano_usd
        == 100_000
    )
    assert re_rate([run(input=100)], on_model(catalog, "lab/gone", NOW_MS)).would_nano_usd == 20_000


def test_a_price_list_is_named_by_its_version(catalog: Catalog) -> None:
    version = catalog.get("lab/cache").prices[0].version
    target = on_model(catalog, "lab/cache", NOW_MS, version=version)
    assert re_rate([run(input=100)], target).would_nano_usd == 20_000
    with pytest.raises(BadRequest, match="no price list"):
        on_model(catalog, "lab/cache", NOW_MS, version="1999")


def test_what_does_not_exist_is_said_before_anything_is_read(catalog: Catalog) -> None:
    with pytest.raises(UnknownModel):
        on_model(catalog, "lab/nope", NOW_MS)
    with pytest.raises(BadRequest):
        on_model(catalog, "lab/cache", NOW_MS, provider="far")
    with pytest.raises(BadRequest):
        on_provider(catalog, "nobody", NOW_MS)


def test_demonstration_is_a_row_of_its_own_and_estimates_are_counted(catalog: Catalog) -> None:
    runs = [run(input=10), run(input=1, series="demonstration", estimated=True)]
    result = re_rate(runs, on_model(catalog, "lab/fast", NOW_MS))
    assert [(row.series, row.runs) for row in result.compared] == [("paid", 1), ("demonstration", 1)]
    assert result.estimated == 1
