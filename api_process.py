"""The API apart: processes that answer the API on a port of their own, so that no page delays a token.

`ApiProcesses` is `app.py`'s side: it starts `TILTYARD_API_PROCESSES` of them as `python -m api.asgi
--child`, restarts what dies, and drains them with the app. Such a child gets settings, keys and the doors
of the ledger's writer and the embedded model on standard input, and ends when that closes. They share the
port (SO_REUSEPORT): the kernel spreads connections over those that live.

Without `--child` the same module is a host of its own beside others on one PostgreSQL, with settings from
its environment.
"""

from __future__ import annotations

import asyncio
import logging
import os
import shutil
import signal
import socket
import sys
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import AsyncExitStack, asynccontextmanager, suppress
from pathlib import Path
from typing import Any

import msgspec
import uvicorn
from starlette.types import Receive, Scope, Send

import startup
from api.asgi import Api, ApiMiddleware
from api.connection import bound_connections
from api.edge import local_hosts
from billing.writer import Ledger
from billing.writer_process import listen
from children.supervisor import Child, ChildFailed, runtime_folder
from gateway.catalog import CatalogError
from gateway.providers.embedded import Embedded, EmbeddedDoor, EmbeddedElsewhere
from identity.local import LocalIdentity
from services import Joined, Open, Prepared, open_services
from settings import Settings, SettingsError, load

_log = logging.getLogger("tiltyard")

_CHILD = "--child"
_READY_WITHIN_S = 30.0
_AFTER_DRAIN_S = 8.0
_PAGE_WITHIN_S = 2.0
_BACKLOG = 2048
_SEND_BUFFER_BYTES = 64 * 1024  # what a caller that does not read may keep in the kernel


# --- the app's side --------------------------------------------------------------------------


class Handed(msgspec.Struct, frozen=True):
    """What a child is told on standard input."""

    settings: dict[str, Any]
    secret: str
    ledger_socket: str | None
    embedded: EmbeddedDoor | str
    provider_keys: dict[str, str]
    own_socket: str = ""  # where this child alone is reached


class ApiProcesses:
    """`stop` may be called more than once."""

    def __init__(
        self,
        children: Mapping[str, Child],
        port: socket.socket | None = None,
        drain_s: float = 0.0,
        metrics_token: str | None = None,
    ) -> None:
        """`children` by the paths of their own sockets, which lie in a folder of theirs."""
        self._by_socket = children
        self._children = tuple(children.values())
        self._metrics_token = metrics_token
        self._port = port
        self._drain_s = drain_s

    @classmethod
    async def start(cls, own: Open) -> ApiProcesses:
        """Raises `ChildFailed`."""
        settings = own.prepared.settings
        if not settings.api_processes:
            return cls({})
        try:
            port = _bound(settings)
        except OSError as error:
            startup.fail(
                f"cannot listen on {settings.host} port {settings.api_port}: {error.strerror}. "
                "See TILTYARD_API_PORT."
            )
        handed, folder = _handed(own), runtime_folder()
        children = {}
        for no in range(1, settings.api_processes + 1):
            told = msgspec.structs.replace(handed, own_socket=str(folder / f"api{no}"))
            children[told.own_socket] = Child(
                f"API process {no}",
                "api.asgi",
                msgspec.to_builtins(told),
                arguments=[_CHILD],
                ready_within_s=_READY_WITHIN_S,
            )
        processes = cls(children, port, settings.drain_s, settings.metrics_token)
        try:
            await asyncio.gather(*(child.start() for child in processes._children))
        except BaseException:
            await processes.stop()
            raise
        return processes

    async def metrics(self) -> list[bytes]:
        """The page of each that answers in time."""
        pages = await asyncio.gather(*(_page_of(path, self._metrics_token) for path in self._by_socket))
        return [page for page in pages if page is not None]

    async def stop(self) -> None:
        """Each lets its running answers go on for the time that a drain has, then settles and ends."""
        await asyncio.gather(*(child.stop(self._drain_s + _AFTER_DRAIN_S) for child in self._children))
        if self._port is not None:
            self._port.close()
        for path in self._by_socket:
            shutil.rmtree(Path(path).parent, ignore_errors=True)

    @property
    def state(self) -> dict[str, int]:
        return {
            "asked": len(self._children),
            "ready": sum(child.ready for child in self._children),
            "restarts": sum(child.restarts for child in self._children),
        }


def _handed(own: Open) -> Handed:
    prepared, ledger = own.prepared, own.stores.ledger
    embedded = prepared.embedded
    assert not isinstance(embedded, EmbeddedElsewhere)
    return Handed(
        settings=prepared.settings.model_dump(mode="json"),
        secret=own.secret.decode(),
        ledger_socket=str(ledger.socket) if isinstance(ledger, Ledger) else None,
        embedded=embedded.door if isinstance(embedded, Embedded) else embedded,
        provider_keys=prepared.provider_keys(),
    )


async def _page_of(path: str, token: str | None) -> bytes | None:
    """/metrics of one child, through its own socket; None where it does not answer now."""
    asking = f"GET /metrics HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\nAuthorization: Bearer {token}"
    try:
        async with asyncio.timeout(_PAGE_WITHIN_S):
            reader, writer = await asyncio.open_unix_connection(path)
            try:
                writer.write(asking.encode() + b"\r\n\r\n")
                head, _, page = (await reader.read(-1)).partition(b"\r\n\r\n")
            finally:
                writer.close()
    except (OSError, TimeoutError):
        return None
    return page if head.startswith(b"HTTP/1.1 200") else None


def _bound(settings: Settings) -> socket.socket:
    """The port, taken but not listened on: held by the app so that it stays ours while a child is away."""
    family = socket.AF_INET6 if ":" in settings.host else socket.AF_INET
    bound = socket.socket(family)
    try:
        bound.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        bound.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
        bound.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, _SEND_BUFFER_BYTES)
        bound.bind((settings.host, settings.api_port))
    except BaseException:
        bound.close()
        raise
    return bound


# --- the process -----------------------------------------------------------------------------


def main(arguments: Sequence[str]) -> None:
    prepared, own_socket = _prepared(_CHILD in arguments)
    startup.set_up_logging(prepared.settings.log_level)
    api = Api()
    hosts = local_hosts(prepared.settings.host, prepared.settings.url, prepared.settings.api_url)
    config = uvicorn.Config(
        ApiMiddleware(
            _nothing_else, api=api, hosts=hosts, secure=prepared.settings.api_url.startswith("https://")
        ),
        loop="uvloop" if sys.platform != "win32" else "auto",
        lifespan="off",
        ws="none",
        access_log=False,
        log_config=None,
        server_header=False,
        proxy_headers=False,  # nobody here asks for a caller's address
        backlog=_BACKLOG,
    )
    config.load()
    bound_connections(config)
    with suppress(KeyboardInterrupt):  # it was answered by the drain; uvicorn raises it again
        sockets = [_bound(prepared.settings)]
        if own_socket:
            sockets.append(listen(own_socket))
        _Server(config, prepared, api).run(sockets)


def _prepared(is_child: bool) -> tuple[Prepared, str]:
    """As app.py's, or its end with every mistake in the settings; and a child's own socket."""
    try:
        if is_child:
            handed = msgspec.json.decode(sys.stdin.buffer.readline(), type=Handed)
            settings = Settings.model_validate({**handed.settings, "secret_key": handed.secret})
            joined = Joined(handed.ledger_socket, handed.embedded, handed.provider_keys)
            return Prepared(settings, role="api", joined=joined), handed.own_socket
        settings = load()
        if settings.database_url is None:
            startup.fail(
                "the API on a host of its own needs TILTYARD_DATABASE_URL. On one machine let app.py "
                "start it: TILTYARD_API_PROCESSES=1."
            )
        return Prepared(settings.model_copy(update={"api_processes": 1}), role="api"), ""
    except (SettingsError, CatalogError) as error:
        startup.fail(*error.problems)


class _Server(uvicorn.Server):
    """Opens everything before it listens, and closes everything after the last connection."""

    def __init__(self, config: uvicorn.Config, prepared: Prepared, api: Api) -> None:
        super().__init__(config)
        self._prepared = prepared
        self._api = api

    async def serve(self, sockets: list[socket.socket] | None = None) -> None:
        with self.capture_signals():
            async with _serving(self._prepared, self._api):
                await self._serve(sockets)

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        await super().startup(sockets)
        if self._prepared.joined is None:
            startup.say(f"Tiltyard's API is at {self._prepared.settings.api_url}")
        else:
            sys.stdout.write("ready\n")
            sys.stdout.flush()
            asyncio.get_running_loop().add_reader(0, _end_with_parent)


@asynccontextmanager
async def _serving(prepared: Prepared, api: Api) -> AsyncIterator[None]:
    async with AsyncExitStack() as opened:
        own = await open_services(prepared, opened)
        if prepared.joined is None:
            app_db, settings = own.stores.databases.app, prepared.settings
            identity = await asyncio.to_thread(
                LocalIdentity.open, app_db, settings.local_api_key, make_key=not settings.sign_in
            )
            if identity.new_key is not None:
                startup.say(f"Your API key, shown this once:  {identity.new_key}")
        api.open(own.for_the_api())
        opened.callback(api.close)
        startup.install_drain(lambda: own.gateway.drain(prepared.settings.drain_s))
        startup.rest_after_opening()
        yield
        await own.gateway.drain(0)


def _end_with_parent() -> None:
    """Standard input closes with whoever started us."""
    if not os.read(0, 4096):
        asyncio.get_running_loop().remove_reader(0)
        os.kill(os.getpid(), signal.SIGTERM)


async def _nothing_else(scope: Scope, receive: Receive, send: Send) -> None:
    """Where the app has its pages."""
    if scope["type"] == "websocket":
        await receive()
        await send({"type": "websocket.close", "code": 1008})
        return
    body = b'{"error": {"message": "Here is the API alone; its paths begin with /v1/.", "type": \
"invalid_request_error", "code": "not_found", "param": null}}'
    headers = [(b"content-type", b"application/json"), (b"content-length", str(len(body)).encode())]
    await send({"type": "http.response.start", "status": 404, "headers": headers})
    await send({"type": "http.response.body", "body": body if scope["method"] != "HEAD" else b""})


__all__ = ["ApiProcesses", "ChildFailed", "main"]
