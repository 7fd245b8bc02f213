"""HTTP/1.1 to one server, for the way of a token: connections are opened as they are needed and kept.

`Tcp` opens them to the addresses that `guard.py` lets through, the nearest family first, over TLS where the
address says https; `Unix` to a socket of this machine. Nothing is retried, and nothing of a proxy is taken
from the environment.
"""

from __future__ import annotations

import asyncio
import functools
import socket
import ssl
from collections.abc import Callable, Mapping
from typing import Final, Protocol
from urllib.parse import SplitResult, quote, urlsplit

import aiohappyeyeballs

from net.guard import guarded_addresses, guarded_socket
from net.http_connection import Cut, HttpConnection, HttpFailed, NotHttp

__all__ = ["Cut", "HttpClient", "HttpConnection", "HttpFailed", "NotHttp", "Tcp", "Unix"]

_KEPT_S: Final = 15.0  # servers close what is idle for long, often in the moment at which it is used
_NEXT_ADDRESS_S: Final = 0.25  # RFC 8305, 5
_PORTS: Final = {"http": 80, "https": 443}
_PATH: Final = "/%:@!$&'()*+,;=~-._"


class NoConnection(HttpFailed):
    """Nobody takes it."""


class NoAddress(NoConnection):
    """The name leads nowhere."""


class NotTrusted(NoConnection):
    """The other side's certificate or encryption."""


class ConnectTimeout(NoConnection):
    """Nobody took it in time."""


class Way(Protocol):
    """How a connection is opened. Raises `OSError`, `guard.AddressRefused` among them."""

    host: str

    async def open(self) -> HttpConnection: ...


class Tcp:
    """`base_url` as `guard.check_url` lets it through."""

    def __init__(self, base_url: str, *, allow_private_address: bool) -> None:
        parts = urlsplit(base_url)
        assert parts.hostname is not None
        self._name = parts.hostname
        self._port = parts.port or _PORTS[parts.scheme]
        self._tls = parts.scheme == "https"
        self._allow_private_address = allow_private_address
        self.host = _host_header(parts)

    async def open(self) -> HttpConnection:
        allow = self._allow_private_address
        addresses = await guarded_addresses(self._name, self._port, allow_private_address=allow)
        connected = await aiohappyeyeballs.start_connection(
            addresses,
            happy_eyeballs_delay=_NEXT_ADDRESS_S,
            interleave=1,
            socket_factory=functools.partial(guarded_socket, allow_private_address=allow),
        )
        tls = {"ssl": _trusting(), "server_hostname": self._name} if self._tls else {}
        try:
            return await _connection(sock=connected, **tls)
        except BaseException:
            connected.close()
            raise


class Unix:
    def __init__(self, path: str, *, host: str = "localhost") -> None:
        self._path = path
        self.host = host

    async def open(self) -> HttpConnection:
        _, made = await asyncio.get_running_loop().create_unix_connection(HttpConnection, self._path)
        return made


class HttpClient:
    """Of one server. `keeps` False opens a connection for each request."""

    def __init__(self, way: Way, *, keeps: bool = True) -> None:
        self._way = way
        self._keeps = keeps
        self._idle: list[HttpConnection] = []
        self._sweeper: asyncio.TimerHandle | None = None
        self._closed = False

    def head(self, path: str, headers: Mapping[str, str]) -> bytes:
        """What `post` wants of a request that goes there. Raises `ValueError` for what no header holds."""
        lines = [f"POST {path} HTTP/1.1", f"Host: {self._way.host}"]
        lines += [f"{name}: {value}" for name, value in headers.items()]
        if any("\r" in line or "\n" in line or "\0" in line for line in lines):
            raise ValueError("a header has more than one line")
        return "\r\n".join([*lines, "Content-Length: "]).encode("latin-1")

    async def post(
        self, head: bytes, body: bytes, connect_s: float, on_sent: Callable[[], None]
    ) -> HttpConnection:
        """Ask, and give the connection on which the answer comes: `done` with it in the end, whatever
        happens. Raises `NoConnection` and `Cut`, and `guard.AddressRefused`."""
        connection = self._kept() or await self._opened(connect_s)
        try:
            connection.send(head + b"%d\r\n\r\n" % len(body), body, on_sent)
        except BaseException:
            connection.close()
            raise
        return connection

    def done(self, connection: HttpConnection) -> None:
        """Keep a connection whose answer was read to its end; drop any other."""
        if not (self._keeps and connection.reusable) or self._closed:
            connection.close()
            return
        loop = asyncio.get_running_loop()
        connection.rest()
        connection.idle_since_s = loop.time()
        self._idle.append(connection)
        if self._sweeper is None:
            self._sweeper = loop.call_later(_KEPT_S, self._sweep)

    async def close(self) -> None:
        self._closed = True
        if self._sweeper is not None:
            self._sweeper.cancel()
        for connection in self._idle:
            connection.close()
        self._idle.clear()

    def _kept(self) -> HttpConnection | None:
        """The one that was used last, so that those beyond need are closed in time."""
        while self._idle:
            connection = self._idle.pop()
            if not connection.lost:
                return connection
        return None

    async def _opened(self, connect_s: float) -> HttpConnection:
        try:
            async with asyncio.timeout(connect_s):
                return await self._way.open()
        except TimeoutError as error:
            raise ConnectTimeout("nobody took the connection") from error
        except ssl.SSLError as error:
            raise NotTrusted("no trusted encryption") from error
        except socket.gaierror as error:
            raise NoAddress("the name leads nowhere") from error

    def _sweep(self) -> None:
        loop = asyncio.get_running_loop()
        before_s = loop.time() - _KEPT_S
        kept = [one for one in self._idle if one.idle_since_s > before_s and not one.lost]
        for connection in self._idle:
            if connection not in kept:
                connection.close()
        self._idle = kept
        self._sweeper = loop.call_later(_KEPT_S, self._sweep) if kept else None


def path_of(base_url: str) -> str:
    """The path below which everything of a base URL lies, as a request writes it."""
    return quote(urlsplit(base_url).path.rstrip("/"), safe=_PATH)


def _host_header(parts: SplitResult) -> str:
    name = parts.hostname or ""
    name = f"[{name}]" if ":" in name else name.encode("idna").decode()
    return name if parts.port in (None, _PORTS[parts.scheme]) else f"{name}:{parts.port}"


async def _connection(**to: object) -> HttpConnection:
    loop = asyncio.get_running_loop()
    _, made = await loop.create_connection(HttpConnection, **to)  # type: ignore[call-overload]  # a socket
    assert isinstance(made, HttpConnection)
    return made


@functools.cache
def _trusting() -> ssl.SSLContext:
    """Reads the machine's certificates once."""
    context = ssl.create_default_context()
    context.set_alpn_protocols(["http/1.1"])
    return context
