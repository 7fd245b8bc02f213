"""Where outgoing calls may go: every way to write an address of ours, and names that change their mind."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import Mapping

import aiohttp
import pytest
from aiohttp.abc import AbstractResolver, ResolveResult

from net.guard import AddressRefused, UrlRefused, check_url, is_public, may_call
from net.guarded_client import GuardedResolver, guarded_connector

PUBLIC = [
    "1.1.1.1",
    "93.184.216.34",
    "2606:4700:4700::1111",
    "::ffff:1.1.1.1",
    "64:ff9b::1.1.1.1",
    "2002:101:101::",
]
PRIVATE = [
    "127.0.0.1",
    "127.9.9.9",
    "0.0.0.0",
    "10.0.0.1",
    "172.16.0.1",
    "172.31.255.255",
    "192.168.1.1",
    "100.64.0.1",  # shared by carriers
    "198.18.0.1",  # benchmarks
    "192.88.99.1",  # 6to4 relays, withdrawn
    "224.0.0.1",
    "240.0.0.1",
    "255.255.255.255",
    "::",
    "::1",
    "::ffff:127.0.0.1",
    "::ffff:10.0.0.1",
    "::127.0.0.1",
    "64:ff9b::10.0.0.1",
    "64:ff9b:1::1",
    "2002:7f00:1::",  # 6to4 of 127.0.0.1
    "2002:a00:1::",
    "2001:0:7f00:1::",  # Teredo
    "2001:db8::1",
    "fc00::1",
    "fd12:3456::1",
    "fe80::1",
    "fe80::1%eth0",
    "fec0::1",
    "ff02::1",
]
METADATA = [
    "169.254.169.254",
    "::ffff:169.254.169.254",
    "64:ff9b::a9fe:a9fe",
    "fd00:ec2::254",
    "100.100.100.200",
]


class FakeResolver(AbstractResolver):
    """A name server that gives its lists of addresses in turn: one for each time it is asked."""

    def __init__(self, names: Mapping[str, list[list[str]]]) -> None:
        self.names = {name: list(answers) for name, answers in names.items()}
        self.closed = False

    async def resolve(
        self, host: str, port: int = 0, family: socket.AddressFamily = socket.AF_INET
    ) -> list[ResolveResult]:
        answers = self.names[host]
        addresses = answers.pop(0) if len(answers) > 1 else answers[0]
        return [
            ResolveResult(
                hostname=host,
                host=address,
                port=port,
                family=socket.AF_INET6 if ":" in address else socket.AF_INET,
                proto=0,
                flags=socket.AI_NUMERICHOST,
            )
            for address in addresses
        ]

    async def close(self) -> None:
        self.closed = True


@pytest.mark.parametrize("address", PUBLIC)
def test_the_public_internet_may_be_called(address: str) -> None:
    assert is_public(address)
    assert may_call(address, allow_private_address=False)


@pytest.mark.parametrize("address", PRIVATE)
def test_private_addresses_want_permission_however_they_are_written(address: str) -> None:
    assert not is_public(address)
    assert not may_call(address, allow_private_address=False)
    assert may_call(address, allow_private_address=True)


@pytest.mark.parametrize("address", METADATA)
def test_credentials_of_the_machine_are_out_of_reach_even_with_permission(address: str) -> None:
    assert not may_call(address, allow_private_address=False)
    assert not may_call(address, allow_private_address=True)


@pytest.mark.parametrize(
    "url", ["https://api.example.com/v1", "https://1.1.1.1:8443/v1", "https://[2606:4700::1]/"]
)
def test_a_public_encrypted_url_passes(url: str) -> None:
    check_url(url, allow_private_address=False)


@pytest.mark.parametrize("url", ["http://127.0.0.1:9100/v1", "http://lab.internal/v1", "https://10.0.0.3/v1"])
def test_a_url_of_our_own_network_passes_with_permission_alone(url: str) -> None:
    check_url(url, allow_private_address=True)
    if not url.startswith("https://lab"):
        with pytest.raises(UrlRefused, match="allow_private_address"):
            check_url(url, allow_private_address=False)


@pytest.mark.parametrize(
    "url",
    [
        "",
        "api.example.com",
        "ftp://example.com",
        "file:///etc/passwd",
        "https://",
        "https://user:pass@example.com/v1",
        "https://example.com/v1?key=1",
        "https://example.com/v1#x",
        "https://example.com:99999/",
        "https://[::1",
        "http://169.254.169.254/latest",
    ],
)
def test_what_is_no_plain_web_address_is_refused_whatever_the_permission(url: str) -> None:
    with pytest.raises(UrlRefused):
        check_url(url, allow_private_address=True)


async def test_of_a_names_addresses_only_the_public_ones_are_left() -> None:
    inner = FakeResolver({"mixed.test": [["10.0.0.1", "1.1.1.1", "::1"]]})
    resolver = GuardedResolver(inner, allow_private_address=False)
    assert [found["host"] for found in await resolver.resolve("mixed.test", 443)] == ["1.1.1.1"]
    await resolver.close()
    assert inner.closed


async def test_a_name_with_none_but_private_addresses_is_refused() -> None:
    resolver = GuardedResolver(
        FakeResolver({"home.test": [["127.0.0.1", "::1"]]}), allow_private_address=False
    )
    with pytest.raises(AddressRefused):
        await resolver.resolve("home.test", 443)


async def status_of(url: str, *, allow: bool, names: Mapping[str, list[list[str]]]) -> int:
    connector = guarded_connector(allow_private_address=allow, resolver=FakeResolver(names))
    async with (
        aiohttp.ClientSession(connector=connector, trust_env=False) as session,
        session.get(url) as response,
    ):
        return response.status


class Home:
    """A server on loopback that counts who connects."""

    def __init__(self) -> None:
        self.connections = 0
        self.port = 0

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.connections += 1
        writer.write(b"HTTP/1.1 204 No Content\r\nConnection: close\r\n\r\n")
        await writer.drain()
        writer.close()


async def test_with_permission_a_name_of_our_own_is_reached() -> None:
    home = Home()
    async with await asyncio.start_server(home.serve, "127.0.0.1", 0) as server:
        port = server.sockets[0].getsockname()[1]
        url = f"http://home.test:{port}/"
        assert await status_of(url, allow=True, names={"home.test": [["127.0.0.1"]]}) == 204
        with pytest.raises(aiohttp.ClientConnectorError) as refused:
            await status_of(url, allow=False, names={"home.test": [["127.0.0.1"]]})
    assert isinstance(refused.value.os_error, AddressRefused)
    assert home.connections == 1


async def test_an_address_in_the_url_itself_is_judged_at_the_socket() -> None:
    """No resolver is asked for it, so the last look is what keeps it out."""
    home = Home()
    async with await asyncio.start_server(home.serve, "127.0.0.1", 0) as server:
        port = server.sockets[0].getsockname()[1]
        for host in ("127.0.0.1", "[::ffff:127.0.0.1]"):
            with pytest.raises(aiohttp.ClientConnectorError):
                await status_of(f"http://{host}:{port}/", allow=False, names={})
    assert home.connections == 0


async def test_a_name_that_changes_its_mind_is_judged_each_time() -> None:
    """DNS rebinding: public when looked at, loopback when called. What was judged is what is called."""
    names = FakeResolver({"two-faced.test": [["1.1.1.1"], ["127.0.0.1"]]})
    resolver = GuardedResolver(names, allow_private_address=False)
    assert [found["host"] for found in await resolver.resolve("two-faced.test", 443)] == ["1.1.1.1"]
    with pytest.raises(AddressRefused):
        await resolver.resolve("two-faced.test", 443)
