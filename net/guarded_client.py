"""The guard around aiohttp, for what is fetched now and then. Import it where that happens: aiohttp is 10 MB
of a process, and most processes never fetch anything. Calls to models go through `http_client.py`.
"""

from __future__ import annotations

import functools
import socket

from aiohttp import ThreadedResolver
from aiohttp.abc import AbstractResolver, ResolveResult
from aiohttp.connector import TCPConnector

from net.guard import AddressRefused, guarded_socket, may_call


class GuardedResolver(AbstractResolver):
    """Resolves as `inner` does, and gives only addresses that may be called."""

    def __init__(self, inner: AbstractResolver, *, allow_private_address: bool) -> None:
        self._inner = inner
        self._allow_private_address = allow_private_address

    async def resolve(
        self, host: str, port: int = 0, family: socket.AddressFamily = socket.AF_INET
    ) -> list[ResolveResult]:
        """Raises `AddressRefused` where none is left."""
        found = await self._inner.resolve(host, port, family)
        allowed = [
            result
            for result in found
            if may_call(result["host"], allow_private_address=self._allow_private_address)
        ]
        if found and not allowed:
            raise AddressRefused(f"{host} leads to no public address")
        return allowed

    async def close(self) -> None:
        await self._inner.close()


def guarded_connector(
    *, allow_private_address: bool, resolver: AbstractResolver | None = None
) -> TCPConnector:
    """A connector without a limit on connections. Wants a running loop."""
    return TCPConnector(
        limit=0,
        resolver=GuardedResolver(resolver or ThreadedResolver(), allow_private_address=allow_private_address),
        socket_factory=functools.partial(guarded_socket, allow_private_address=allow_private_address),
    )
