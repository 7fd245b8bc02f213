"""The description holds: each route is in it, its examples are answered, nothing drawn from it gets a 500."""

from __future__ import annotations

import functools
import json
import os
import re
import shlex
import subprocess
from collections import Counter
from collections.abc import Callable, Iterator
from typing import Any

import httpx
import pytest
import schemathesis
from hypothesis import HealthCheck, Phase, given, settings, strategies as st
from schemathesis.checks import load_all_checks
from schemathesis.core import NOT_SET
from schemathesis.specs.openapi.checks import (
    content_type_conformance,
    response_schema_conformance,
    status_code_conformance,
)

from api.described import DESCRIBED
from api.docs_examples import curl
from api.openapi import description
from api.routes import ROUTES
from tests.api.known import Good, Known
from tests.clients.conftest import config_of
from tests.clients.scripted import Scripted
from tests.server import API_KEY, Server

load_all_checks()
METHODS = ("get", "post", "put", "delete", "patch")


@pytest.fixture(scope="module")
def known(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Known]:
    """A server of its own, with a thing of each kind: what is asked here costs credit and ends teams."""
    with Scripted() as upstream:
        server = Server(tmp_path_factory.mktemp("known"), {"TILTYARD_EMBEDDED": "false"}, config_of(upstream))
        server.start()
        try:
            known = Known(
                server, model="lab/fast", other="lab/native", busy="lab/busy", vectors="simulated/embedding"
            )
            yield known
            known.close()
        finally:
            server.end()


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
def test_an_example_is_answered(known: Known, method: str, path: str) -> None:
    about = DESCRIBED[method, path]
    body = {**(about.example or {})}
    headers = {"authorization": f"Bearer {API_KEY}"}
    headers |= {one.name: one.example for one in about.parameters if one.place == "header" and one.example}
    for said, name in ((body, "model"), (headers, "ai-language-model-id")):
        if said.get(name, "").startswith("embedded/"):
            said[name] = "lab/fast"
    answered = httpx.request(method, known.url + path, json=body, headers=headers, timeout=20)
    assert answered.status_code == 200, answered.text
    assert set(about.keys) <= set(answered.json())


# --- whatever the description allows, and what it does not ------------------------------------


def probe(known: Known, method: str, path: str, examples: int, how: settings) -> Counter[int]:
    """Ask `examples` times: a good request, one with a part that was drawn, and whatever fits the description
    or does not. Returns the statuses that were seen."""
    operation = document()[path][method.upper()]
    seen: Counter[int] = Counter()
    client = httpx.Client(base_url=known.url, headers={"authorization": f"Bearer {API_KEY}"}, timeout=20)

    @settings(how, max_examples=examples)
    @given(
        case=st.one_of(
            operation.as_strategy(generation_mode=schemathesis.GenerationMode.POSITIVE),
            operation.as_strategy(generation_mode=schemathesis.GenerationMode.NEGATIVE),
        ),
        good=st.sampled_from(GOOD),
    )
    def ask(case: Any, good: str) -> None:
        if good != "nothing":
            improve(case, known.request(method.upper(), path), good)
        seen[send(known, client, case)] += 1

    with client:
        ask()
    return seen


# What is good of a request, which is else as it was drawn.
GOOD = ("all", "all but a field", "all but the query", "the place", "nothing")


def improve(case: Any, good: Good, how_much: str) -> None:
    drawn = case.body
    case.path_parameters = dict(good.path)
    case.headers = {**(case.headers or {}), **good.headers} if how_much == "the place" else dict(good.headers)
    if how_much == "the place":
        return
    if how_much != "all but the query":
        case.query = dict(good.query)
    case.body = NOT_SET if good.body is None else good.body
    case.media_type = None if good.body is None else "application/json"
    if how_much == "all but a field" and isinstance(drawn, dict) and isinstance(good.body, dict):
        name = next(iter(sorted(drawn)), None)
        case.body = good.body if name is None else {**good.body, name: drawn[name]}


def send(known: Known, client: httpx.Client, case: Any) -> int:
    asked = case.as_transport_kwargs(base_url=str(client.base_url))
    asked.pop("cookies", None)
    # httpx sends no header that ends in a space; neither does any client.
    told = {name: value.strip() for name, value in asked["headers"].items()}
    asked["headers"] = {name: value for name, value in told.items() if name.lower() != "authorization"}
    answered = client.request(content=asked.pop("data", None), **asked)
    assert answered.status_code != 500, known.log[-4000:]
    case.validate_response(
        answered, checks=[status_code_conformance, content_type_conformance, response_schema_conformance]
    )
    return answered.status_code


QUICK = settings(
    deadline=None,
    derandomize=True,
    database=None,
    phases=[Phase.generate],
    suppress_health_check=list(HealthCheck),
)


@pytest.mark.parametrize(("method", "path"), operations(), ids=lambda value: str(value))
def test_a_good_request_is_answered_as_described(known: Known, method: str, path: str) -> None:
    good = known.request(method.upper(), path)
    case = document()[path][method.upper()].Case()
    improve(case, good, "all")
    with httpx.Client(base_url=known.url, headers={"authorization": f"Bearer {API_KEY}"}) as client:
        assert send(known, client, case) // 100 == 2


@pytest.mark.slow
@pytest.mark.parametrize(("method", "path"), list(DESCRIBED), ids=lambda value: str(value))
def test_each_command_of_the_page_can_be_pasted(known: Known, method: str, path: str) -> None:
    about = DESCRIBED[method, path]
    good = known.request(method, about.path or path)
    said = curl(known.url, method, about.path or path, about)
    yours: dict[str | None, Any] = {
        one.example: good.path[one.name] for one in about.parameters if one.name in good.path
    }
    if isinstance(good.body, dict):
        yours |= {"TURN_ID": good.body.get("turn_id"), "TOP_UP_CODE": good.body.get("code")}
    yours |= {"RUN_ID": known.run_id, "embedded/smollm2-135m": "lab/fast"}
    for placeholder, filled in yours.items():
        if placeholder and filled and (placeholder.isupper() or "/" in placeholder):
            said = said.replace(placeholder, filled)
    told = ["-sS", "-o", "/dev/null", "-w", "%{http_code}"]
    command = said.replace("curl ", f"curl {shlex.join(told)} ", 1)
    environment = {"PATH": os.environ["PATH"], "TILTYARD_API_KEY": API_KEY}
    done = subprocess.run(["bash", "-c", command], env=environment, capture_output=True, text=True)
    assert done.stdout.startswith("2"), (command, done.stdout, done.stderr)


@pytest.mark.parametrize("path", [about.path or path for (_, path), about in DESCRIBED.items() if about.runs])
def test_nothing_that_runs_a_model_gets_a_500(known: Known, path: str) -> None:
    probe(known, "post", path, 3, QUICK)


@pytest.mark.slow
@pytest.mark.timeout(900)
@pytest.mark.parametrize(("method", "path"), operations(), ids=lambda value: str(value))
def test_nothing_gets_a_500_however_long_one_asks(
    known: Known, method: str, path: str, record_figure: Callable[[str], None]
) -> None:
    """The same questions each time, so that what fails here fails everywhere; others, to look for more, with
    `TILTYARD_TEST_RANDOM=1`."""
    how = settings(QUICK, derandomize="TILTYARD_TEST_RANDOM" not in os.environ)
    seen = probe(known, method, path, 50, how)
    statuses = ", ".join(f"{status} {times} times" for status, times in sorted(seen.items()))
    record_figure(f"schemathesis: {method.upper()} {path}: {statuses}")
