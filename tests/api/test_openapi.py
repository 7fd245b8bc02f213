"""The description holds: each route is in it, its examples are answered, nothing drawn from it gets a 500."""

from __future__ import annotations

import functools
import json
import os
import re
from collections.abc import Callable
from typing import Any

import httpx
import pytest
import schemathesis
from hypothesis import HealthCheck, Phase, given, settings, strategies as st
from schemathesis.checks import load_all_checks
from schemathesis.specs.openapi.checks import (
    content_type_conformance,
    response_schema_conformance,
    status_code_conformance,
)

from api.described import DESCRIBED
from api.openapi import description
from api.routes import ROUTES
from tests.server import API_KEY, Server

load_all_checks()
# Simulated models that answer at once, each in its own way: schemathesis would never guess a name.
AT_ONCE = ("simulated/empty", "simulated/rate-limited", "simulated/embedding", "nobody/knows")
METHODS = ("get", "post", "put", "delete", "patch")


@functools.cache
def document() -> Any:
    return schemathesis.openapi.from_dict(description())


def operations() -> list[tuple[str, str]]:
    return [
        (method, path)
        for path, item in description()["paths"].items()
        for method in item
        if method in METHODS
    ]


def test_every_route_is_described_and_nothing_else_is() -> None:
    assert {(route.method, route.path) for route in ROUTES} == set(DESCRIBED)
    assert {(route.method, route.path): route.wire for route in ROUTES} == {
        at: about.wire for at, about in DESCRIBED.items()
    }


def test_two_routes_never_share_a_place_in_the_description() -> None:
    assert len(operations()) == len(DESCRIBED)
    names = [
        operation["operationId"] for item in description()["paths"].values() for operation in item.values()
    ]
    assert len(set(names)) == len(names)


def test_every_reference_leads_somewhere_and_no_name_is_private() -> None:
    text = json.dumps(description())
    named = set(re.findall(r'"#/components/schemas/([^"]+)"', text))
    known = set(description()["components"]["schemas"])
    assert named <= known
    assert not [name for name in known if "_" in name.rsplit(".", 1)[-1][:1] or "api.wire" in name]


def test_it_is_openapi_as_schemathesis_reads_it_and_is_served_without_a_key(tiltyard: Server) -> None:
    served = httpx.get(f"{tiltyard.url}/openapi.json")
    assert served.status_code == 200
    assert served.json() == json.loads(json.dumps(description()))
    document().validate()


def test_the_page_names_every_path_and_runs_no_script(tiltyard: Server) -> None:
    served = httpx.get(f"{tiltyard.url}/docs")
    assert served.headers["content-type"] == "text/html; charset=utf-8"
    assert "script-src" in served.headers["content-security-policy"]
    assert "<script" not in served.text
    for (_, path), about in DESCRIBED.items():
        assert f"<code>{about.path or path}</code>" in served.text
    assert f"curl -X POST {tiltyard.url}/v1/chat/completions" in served.text


@pytest.mark.parametrize(
    ("method", "path"),
    [at for at, about in DESCRIBED.items() if about.example is not None and about.runs],
    ids=lambda value: str(value),
)
def test_an_example_is_answered(tiltyard: Server, method: str, path: str) -> None:
    body = {**(DESCRIBED[method, path].example or {})}
    if body["model"].startswith("embedded/"):
        body["model"] = "simulated/hostile"
    headers = {"authorization": f"Bearer {API_KEY}"}
    answered = httpx.request(method, tiltyard.url + path, json=body, headers=headers, timeout=20)
    assert answered.status_code == 200, answered.text
    assert set(DESCRIBED[method, path].keys) <= set(answered.json())


# --- whatever the description allows, and what it does not ------------------------------------


def probe(url: str, method: str, path: str, examples: int, how: settings) -> int:
    """Ask `examples` times, with what fits the description and with what does not. Returns how many
    were answered well."""
    operation = document()[path][method.upper()]
    well = 0
    client = httpx.Client(base_url=url, headers={"authorization": f"Bearer {API_KEY}"}, timeout=20)

    @settings(how, max_examples=examples)
    @given(
        case=st.one_of(
            operation.as_strategy(generation_mode=schemathesis.GenerationMode.POSITIVE),
            operation.as_strategy(generation_mode=schemathesis.GenerationMode.NEGATIVE),
        ),
        model=st.sampled_from((*AT_ONCE, None)),
    )
    def ask(case: Any, model: str | None) -> None:
        nonlocal well
        if model is not None and isinstance(case.body, dict) and "model" in case.body:
            case.body["model"] = model
        if case.headers is not None and "ai-language-model-id" in case.headers and model is not None:
            case.headers["ai-language-model-id"] = model
        asked = case.as_transport_kwargs(base_url=url)
        asked.pop("cookies", None)
        # httpx sends no header that ends in a space; neither does any client.
        told = {name: value.strip() for name, value in asked["headers"].items()}
        asked["headers"] = {name: value for name, value in told.items() if name.lower() != "authorization"}
        answered = client.request(content=asked.pop("data", None), **asked)
        assert answered.status_code != 500, answered.text
        well += answered.status_code == 200
        case.validate_response(
            answered,
            checks=[status_code_conformance, content_type_conformance, response_schema_conformance],
        )

    with client:
        ask()
    return well


QUICK = settings(
    deadline=None,
    derandomize=True,
    database=None,
    phases=[Phase.generate],
    suppress_health_check=list(HealthCheck),
)


@pytest.mark.parametrize(("method", "path"), operations(), ids=lambda value: str(value))
def test_nothing_that_the_description_allows_or_forbids_gets_a_500(
    tiltyard: Server, method: str, path: str
) -> None:
    probe(tiltyard.url, method, path, 6, QUICK)


@pytest.mark.slow
@pytest.mark.timeout(900)
@pytest.mark.parametrize(("method", "path"), operations(), ids=lambda value: str(value))
def test_nothing_gets_a_500_however_long_one_asks(
    tiltyard: Server, method: str, path: str, record_figure: Callable[[str], None]
) -> None:
    """The same questions each time, so that what fails here fails everywhere; others, to look for more, with
    `TILTYARD_TEST_RANDOM=1`."""
    how = settings(QUICK, derandomize="TILTYARD_TEST_RANDOM" not in os.environ)
    well = probe(tiltyard.url, method, path, 50, how)
    record_figure(f"schemathesis: {method.upper()} {path}: 50 asked, {well} answered 200, none 500")
