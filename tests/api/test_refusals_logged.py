from dataclasses import replace
from typing import Any

import pytest

from api.asgi import Api, ApiMiddleware
from api.edge import local_hosts
from api.refusals import BURST, Refusals
from telemetry.exposition import Exposition
from tests.api.conftest import World, chat, pages


@pytest.fixture
def logging(world: World) -> World:
    """The same world, with what `services.py` adds to it."""
    exposition = Exposition("proc_1", "app")

    async def page() -> bytes:
        return exposition.text()

    services = replace(world.services, refusals=Refusals(world.rows.append), metrics=page)
    world.app = ApiMiddleware(pages, api=Api(services), hosts=local_hosts("127.0.0.1"))
    world.services = services
    return world


@pytest.mark.parametrize(
    ("body", "how", "status", "error", "team"),
    [
        (chat(), {"key": "ty_" + "x" * 40}, 401, "NotAuthenticated", None),
        (b"{not json", {}, 400, "BadRequest", 1),
        ({"model": "lab/fast"}, {}, 400, "BadRequest", 1),
        (b"x" * 5_000_000, {}, 413, "TooLarge", 1),
    ],
)
async def test_what_never_reached_the_gateway_stands_in_the_log(
    logging: World, body: object, how: dict[str, Any], status: int, error: str, team: int | None
) -> None:
    answered = await logging.post(body, **how)
    assert answered.status == status
    row = logging.rows[-1]
    assert (row.status, row.error, row.team_id, row.outcome) == (status, error, team, "client_fault")
    assert row.request_id == answered.headers["x-request-id"]
    assert (row.model, row.model_asked, row.run_id) == (None, "", None)


async def test_what_the_gateway_refused_stands_there_once(logging: World) -> None:
    assert (await logging.post(chat() | {"model": "lab/none"})).status == 404
    assert len(logging.rows) == 1


async def test_other_paths_are_no_requests_of_models(logging: World) -> None:
    await logging.get("/v1/credits", key="ty_" + "x" * 40)
    await logging.get("/v1/nothing")
    assert logging.rows == []


async def test_whoever_knocks_without_end_does_not_fill_the_disk(logging: World) -> None:
    for _ in range(int(BURST) + 50):
        await logging.post(chat(), key="ty_" + "x" * 40)
    assert BURST <= len(logging.rows) <= BURST + 20
    refusals = logging.services.refusals
    assert refusals is not None and refusals.left_out >= 30


async def test_metrics_are_for_this_machine_and_not_for_proxies(logging: World) -> None:
    async with logging.client() as client:  # it comes from 127.0.0.1
        assert (await client.get("/metrics")).text.startswith("# HELP tiltyard_")
        forwarded = {"x-forwarded-for": "203.0.113.9"}
        assert (await client.get("/metrics", headers=forwarded)).status_code == 401


async def test_with_sign_in_metrics_need_a_token(logging: World) -> None:
    services = replace(logging.services, metrics_without_token=False)
    logging.app = ApiMiddleware(pages, api=Api(services), hosts=local_hosts("127.0.0.1"))
    async with logging.client() as client:
        assert (await client.get("/metrics")).status_code == 401
    assert (await logging.get("/metrics")).status == 200, "no address: a socket of our own"


async def test_with_a_token_metrics_are_for_whoever_has_it(logging: World) -> None:
    token = "m" * 20
    services = replace(logging.services, metrics_token=token)
    logging.app = ApiMiddleware(pages, api=Api(services), hosts=local_hosts("127.0.0.1"))
    assert (await logging.get("/metrics", key=token)).status == 200
    assert (await logging.get("/metrics", key="n" * 20)).status == 401
