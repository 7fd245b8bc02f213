"""Servers and keys connected while the process runs."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace
from pathlib import Path

import pytest

from gateway.catalog import Catalog, CatalogOverrides
from gateway.connection_tables import ConnectedModel, Server, model_id
from gateway.connections import Connections
from gateway.errors import BadRequest, ProviderRefused, ProviderUnreachable, UnknownModel
from gateway.providers.base import Provider
from gateway.providers.listing import OfferedModel, find_local
from identity.audit_log import entries
from identity.keys import purpose_key
from identity.principal import Principal
from identity.sealing import Sealer
from store.databases import Databases
from tests.databases import Home
from tests.gateway.desk import desk
from tests.gateway.test_completion import run as ran
from tests.model_server import ModelServer

_SEALER = Sealer(purpose_key(b"s" * 32, "provider-key"))
_TINY = ConnectedModel("tiny:3b", 4096, 1024)
_OPERATOR = Principal(1, "Local", 1, "owner", operator=True)


def _server(upstream: ModelServer, **changes: object) -> Server:
    made = Server("attic", "Attic", upstream.base_url, (_TINY,), allow_private_address=True)
    return replace(made, **changes)  # type: ignore[arg-type]  # whatever a test changes


class _Process:
    """What one process of the installation holds."""

    def __init__(self, databases: Databases, overrides: CatalogOverrides | None = None) -> None:
        self.overrides = overrides or CatalogOverrides()
        self.catalog = Catalog.load(self.overrides)
        self.providers: dict[str, Provider] = {}
        self.absent = {"openai": "OpenAI is not connected. Set OPENAI_API_KEY and restart."}
        self.connections = Connections(
            databases.app, _SEALER, self.catalog, self.overrides, self.providers, self.absent
        )


@asynccontextmanager
async def _process(home: Home, overrides: CatalogOverrides | None = None) -> AsyncIterator[_Process]:
    process = _Process(home.open(), overrides)
    await process.connections.open()
    yield process
    await process.connections.close()


async def test_a_connected_server_answers_at_once_and_costs_what_was_said(tmp_path: Path) -> None:
    with ModelServer() as upstream:
        async with desk(tmp_path) as here:
            gateway = here.gateway
            connections = Connections(
                here.databases.app,
                _SEALER,
                gateway._catalog,
                CatalogOverrides(),
                gateway._routing._providers,  # type: ignore[arg-type]  # a dict, as in the process
                {},
            )
            priced = replace(_TINY, input_usd_per_million="1.00", output_usd_per_million="10.00")
            await connections.connect_server(_server(upstream, models=(priced,)), None, _OPERATOR)
            run = await ran(here, "attic/tiny:3b")
            assert run.text == "hello from tiny:3b"
            assert run.receipt is not None and run.receipt.cost_nano_usd == 10 * 1_000 + 4 * 10_000
            await connections.disconnect("attic", _OPERATOR)
            with pytest.raises(UnknownModel):
                await ran(here, "attic/tiny:3b")
            await connections.close()


async def test_another_process_and_a_later_start_have_the_connection_too(home: Home) -> None:
    with ModelServer(keys=["sk-attic-0123456789-wxyz"]) as upstream:
        async with _process(home) as first, _process(home) as second:
            await first.connections.connect_server(_server(upstream), "sk-attic-0123456789-wxyz", _OPERATOR)
            assert "attic" not in second.providers
            await second.connections.refresh()
            assert second.catalog.get("attic/tiny:3b").context_tokens == 4096
            async with _process(home) as later:
                (kept,) = later.connections.all()
                assert (kept.provider_id, kept.key_hint) == ("attic", "...wxyz")
                assert (kept.models, kept.problem) == (("attic/tiny:3b",), None)
                assert later.catalog.hash == second.catalog.hash == first.catalog.hash
            await second.connections.disconnect("attic", _OPERATOR)
            await first.connections.refresh()
            assert first.connections.all() == () and "attic" not in first.providers


async def test_no_key_is_readable_in_the_database(home: Home) -> None:
    with ModelServer() as upstream:
        async with _process(home) as process:
            await process.connections.connect_server(_server(upstream), "sk-very-secret-key-0001", _OPERATOR)
        with home.engine("app").connect() as connection:
            row = connection.exec_driver_sql("SELECT * FROM provider_key").one()
        assert b"sk-very-secret" not in repr(tuple(row)).encode()


async def test_a_key_for_a_known_provider_turns_its_models_on(home: Home) -> None:
    async with _process(home) as process:
        assert "openai" in {listed.id for listed in process.connections.connectable()}
        await process.connections.connect_known("openai", "  sk-pasted-with-spaces-0001 ", _OPERATOR)
        assert "openai" in process.providers and "openai" not in process.absent
        assert "openai" not in {listed.id for listed in process.connections.connectable()}
        await process.connections.disconnect("openai", _OPERATOR)
        assert "openai" not in process.providers
        assert process.absent["openai"].startswith("OpenAI is not connected")


async def test_a_key_sealed_under_another_secret_says_so_instead_of_failing_the_start(home: Home) -> None:
    async with _process(home) as process:
        await process.connections.connect_known("openai", "sk-some-key-that-is-long", _OPERATOR)
    other = _Process(home.open())
    other.connections._sealer = Sealer(purpose_key(b"t" * 32, "provider-key"))
    await other.connections.open()
    (kept,) = other.connections.all()
    assert kept.problem is not None and "TILTYARD_SECRET_KEY" in kept.problem
    assert "openai" not in other.providers and "its key is of no use" in other.absent["openai"]


async def test_what_the_operators_file_says_comes_first(home: Home) -> None:
    with ModelServer() as upstream:
        async with _process(home) as process:
            await process.connections.connect_server(_server(upstream), None, _OPERATOR)
        table = {"base_url": upstream.base_url, "allow_private_address": True, "name": "From the file"}
        async with _process(home, CatalogOverrides({"attic": table})) as later:
            listed = later.catalog.provider("attic")
            assert listed is not None and listed.name == "From the file"


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"id": "Attic!"}, "small letters"),
        ({"id": "openai"}, "already"),
        ({"id": "embedded"}, "small letters"),
        ({"models": ()}, "at least one model"),
        ({"models": (replace(_TINY, context_tokens=1),)}, "context_tokens"),
        ({"models": (replace(_TINY, input_usd_per_million="-1"),)}, "input_usd_per_million"),
        ({"base_url": "http://192.168.0.1/v1", "allow_private_address": False}, "https"),
        ({"wire": "smoke_signals"}, "wire"),
    ],
)
async def test_a_server_that_cannot_be_is_refused_and_nothing_is_kept(
    sqlite_home: Home, changes: dict[str, object], said: str
) -> None:
    with ModelServer() as upstream:
        async with _process(sqlite_home) as process:
            with pytest.raises(BadRequest, match=said):
                await process.connections.connect_server(_server(upstream, **changes), None, _OPERATOR)
            assert process.connections.all() == ()


@pytest.mark.parametrize("key", ["", "  ", "ключ", "sk-a\r\nX-Evil: 1", "k" * 5_000])
async def test_a_key_that_cannot_be_one_is_refused(sqlite_home: Home, key: str) -> None:
    async with _process(sqlite_home) as process:
        with pytest.raises(BadRequest):
            await process.connections.connect_known("openai", key, _OPERATOR)


async def test_looking_before_connecting_tells_models_and_tries_one(sqlite_home: Home) -> None:
    with ModelServer(keys=["right"]) as upstream:
        async with _process(sqlite_home) as process:
            server = _server(upstream)
            assert await process.connections.offered(server.listed(), "right") == (
                OfferedModel("tiny:3b", 4096),
            )
            assert (
                await process.connections.try_out(server.listed(), "right", "tiny:3b") == "hello from tiny:3b"
            )
            with pytest.raises(ProviderRefused, match="does not accept the key") as refused:
                await process.connections.offered(server.listed(), "wrong-key-here")
            assert "wrong-key-here" not in str(refused.value)
            upstream.answers = False
            with pytest.raises(ProviderRefused, match="failed"):
                await process.connections.try_out(server.listed(), "right", "tiny:3b")


async def test_an_address_where_nobody_listens_is_said_plainly(sqlite_home: Home) -> None:
    async with _process(sqlite_home) as process:
        server = Server("gone", "Gone", "http://127.0.0.1:9/v1", (_TINY,), allow_private_address=True)
        with pytest.raises(ProviderUnreachable, match="No server takes a connection"):
            await process.connections.offered(server.listed(), None)


async def test_a_private_address_is_not_called_unless_it_is_meant(sqlite_home: Home) -> None:
    with ModelServer() as upstream:
        async with _process(sqlite_home) as process:
            url = upstream.base_url.replace("http:", "https:")
            server = _server(upstream, base_url=url, allow_private_address=False)
            with pytest.raises(BadRequest, match="not a public address"):
                await process.connections.offered(server.listed(), None)
            assert upstream.shown == []


async def test_local_servers_are_found_where_they_listen() -> None:
    with ModelServer([{"id": "b"}, {"id": "A", "meta": {"n_ctx_train": 8192}}]) as upstream:
        found = await find_local({"Ollama": upstream.base_url, "vLLM": "http://127.0.0.1:9/v1"})
    (only,) = found
    assert (only.name, only.models) == ("Ollama", (OfferedModel("A", 8192), OfferedModel("b", None)))


@pytest.mark.parametrize(
    ("model", "named"),
    [
        ("llama3.2:3b", "ollama/llama3.2:3b"),
        ("meta-llama/Llama-3.1-8B", "ollama/Llama-3.1-8B"),
        ("my model (best)", "ollama/my-model-best-"),
        ("../..", "ollama/model"),
    ],
)
def test_a_servers_model_gets_a_name_that_can_be_asked_for(model: str, named: str) -> None:
    assert model_id("ollama", model) == named


async def test_the_audit_log_names_who_connected_what_and_no_key(home: Home) -> None:
    with ModelServer() as upstream:
        async with _process(home) as process:
            await process.connections.connect_server(_server(upstream), "sk-very-secret-key-0001", _OPERATOR)
            await process.connections.connect_known("openai", "sk-very-secret-key-0002", _OPERATOR)
            await process.connections.disconnect("attic", _OPERATOR)
    with home.open().app.session() as session:
        told = [(entry.subject, entry.user_id, entry.detail) for entry in reversed(entries(session))]
    assert told == [
        ("attic", 1, {"host": "127.0.0.1", "key": True, "models": ["tiny:3b"]}),
        ("openai", 1, {"hint": "...0002"}),
        ("attic", 1, {"removed": True}),
    ]
