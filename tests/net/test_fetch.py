"""Small documents from the outside come from where they were asked for, or not at all."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager

import pytest
from aiohttp import web
from aiohttp.abc import AbstractResolver, ResolveResult

from net.fetch import MOST_BYTES, FetchFailed, fetch_json


@asynccontextmanager
async def serving(answer: Callable[[web.Request], web.StreamResponse]) -> AsyncIterator[int]:
    async def handle(request: web.Request) -> web.StreamResponse:
        return answer(request)

    app = web.Application()
    app.router.add_get("/{path:.*}", handle)
    runner = web.AppRunner(app)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    assert site._server is not None
    yield site._server.sockets[0].getsockname()[1]  # type: ignore[attr-defined]  # asyncio's own server
    await runner.cleanup()


class Names(AbstractResolver):
    """A name server that changes its answer: the first look sees `answers[0]`, the next the next."""

    def __init__(self, *answers: str) -> None:
        self.asked = 0
        self._answers = answers

    async def resolve(
        self, host: str, port: int = 0, family: socket.AddressFamily = socket.AF_INET
    ) -> list[ResolveResult]:
        address = self._answers[min(self.asked, len(self._answers) - 1)]
        self.asked += 1
        return [
            ResolveResult(hostname=host, host=address, port=port, family=socket.AF_INET, proto=0, flags=0)
        ]

    async def close(self) -> None: ...


async def test_a_document_is_fetched() -> None:
    async with serving(lambda _: web.json_response({"keys": []})) as port:
        found = await fetch_json(f"http://127.0.0.1:{port}/keys", allow_private_address=True)
    assert found == {"keys": []}


@pytest.mark.parametrize(
    "url",
    [
        "https://127.0.0.1/keys",
        "https://10.1.2.3/keys",
        "https://192.168.0.1/keys",
        "https://169.254.169.254/latest/meta-data",
        "https://[::1]/keys",
        "https://[::ffff:127.0.0.1]/keys",
        "https://[::ffff:169.254.169.254]/keys",
        "https://[fd00:ec2::254]/keys",
        "https://[64:ff9b::a9fe:a9fe]/keys",
        "http://ci.example/keys",
        "file:///etc/passwd",
        "https://user:pass@ci.example/keys",
    ],
)
async def test_private_addresses_in_every_spelling_are_refused(url: str) -> None:
    with pytest.raises(FetchFailed):
        await fetch_json(url)


@pytest.mark.parametrize("address", ["127.0.0.1", "10.0.0.7", "169.254.169.254", "100.64.0.1"])
async def test_a_name_that_leads_inside_is_refused(address: str) -> None:
    names = Names(address)
    with pytest.raises(FetchFailed, match="could not be reached"):
        await fetch_json("https://ci.example/keys", resolver=names)
    assert names.asked == 1


async def test_a_name_that_changes_its_answer_is_judged_by_the_address_that_is_used() -> None:
    reached = asyncio.Event()

    def answer(_: web.Request) -> web.Response:
        reached.set()
        return web.json_response({})

    async with serving(answer) as port:
        names = Names("127.0.0.1", "93.184.216.34")  # inside now, outside for whoever looks again
        with pytest.raises(FetchFailed):
            await fetch_json(f"https://ci.example:{port}/keys", resolver=names)
    assert not reached.is_set()


async def test_a_metadata_address_is_refused_even_where_private_ones_are_meant() -> None:
    with pytest.raises(FetchFailed):
        await fetch_json(
            "http://ci.example/latest", allow_private_address=True, resolver=Names("169.254.169.254")
        )


async def test_a_redirect_is_not_followed() -> None:
    asked: list[str] = []

    def answer(request: web.Request) -> web.Response:
        asked.append(request.path)
        return web.Response(status=302, headers={"location": "http://169.254.169.254/latest/meta-data"})

    async with serving(answer) as port:
        with pytest.raises(FetchFailed, match="answered 302"):
            await fetch_json(f"http://127.0.0.1:{port}/keys", allow_private_address=True)
    assert asked == ["/keys"]


@pytest.mark.parametrize(
    ("body", "why"), [(b"<html>", "not JSON"), (b'"' + b"x" * MOST_BYTES + b'"', "too large")]
)
async def test_what_is_no_small_json_document_is_refused(body: bytes, why: str) -> None:
    async with serving(lambda _: web.Response(body=body)) as port:
        with pytest.raises(FetchFailed, match=why):
            await fetch_json(f"http://127.0.0.1:{port}/", allow_private_address=True)
