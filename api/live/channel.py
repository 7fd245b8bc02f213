"""The live channel of a process: lets tabs in, and shows them out when it ends."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from typing import Final
from urllib.parse import urlsplit

from starlette.types import Receive, Scope, Send
from starlette.websockets import WebSocket

from api.live.renderings import Renderings
from api.live.sources import LANE, Lanes, Record
from api.live.standing import Standing, Still
from api.live.tab import POLICY, Desk, Stop, Tab, TicketBook
from api.live.topics import Chart, Subscribe, Topics
from gateway.runs import RunHub
from identity.principal import Principal

MOST_TABS: Final = 2_000
SERVICE_RESTART: Final = 1012


class Live:
    """The channel as an ASGI application. Made on the server's loop; `close_all` ends it."""

    def __init__(
        self,
        hub: RunHub,
        tickets: TicketBook,
        record: Record,
        stop: Stop,
        charts: Mapping[str, Chart],
        subscribe: Subscribe | None,
        origins: frozenset[str],
        still: Still | None = None,
        lanes: Lanes | None = None,
    ) -> None:
        self._standing = Standing(still)
        renderings, topics = Renderings(hub, record, lanes), Topics(charts, subscribe)
        self._desk = Desk(tickets, _stops(stop, lanes), renderings, topics, self._standing)
        self._origins = origins
        self._tabs: set[Tab] = set()
        self._closing = False

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "websocket":
            raise RuntimeError("the live channel speaks WebSocket alone")
        socket = WebSocket(scope, receive, send)
        if self._closing or len(self._tabs) >= MOST_TABS or not self._same_origin(socket):
            await socket.close(POLICY)  # before `accept` this answers 403
            return
        tab = Tab(self._desk, socket)
        self._tabs.add(tab)
        try:
            await tab.serve()
        finally:
            self._tabs.discard(tab)

    def warm(self) -> None:
        """Load what the first answer would wait for, in the background."""
        self._desk.renderings.warm()

    def rights_changed(self) -> None:
        """Ask again whether everybody may still look. On the loop."""
        self._standing.changed()

    @property
    def tabs(self) -> int:
        return len(self._tabs)

    async def close_all(self, code: int = SERVICE_RESTART) -> None:
        """Take no more sockets and close those that are open, so that tabs look for another server."""
        self._closing = True
        await asyncio.gather(*(tab.close(code) for tab in tuple(self._tabs)))
        self._desk.topics.close()
        self._desk.renderings.close()

    def _same_origin(self, socket: WebSocket) -> bool:
        """Browsers say which page opens a socket; any other site's may not, whatever it knows."""
        origin = socket.headers.get("origin", "")
        host = urlsplit(origin).netloc.lower()
        return bool(host) and (host == socket.headers.get("host", "").lower() or origin in self._origins)


def _stops(stop: Stop, lanes: Lanes | None) -> Stop:
    """Stops what a tab shows: a run, or a lane."""
    if lanes is None:
        return stop

    async def stop_either(principal: Principal, name: str) -> None:
        await (lanes.stop if name.startswith(LANE) else stop)(principal, name)

    return stop_either


def live_app(
    hub: RunHub,
    tickets: TicketBook,
    record: Record,
    stop: Stop,
    charts: Mapping[str, Chart],
    *,
    subscribe: Subscribe | None = None,
    origins: frozenset[str] = frozenset(),
    still: Still | None = None,
    lanes: Lanes | None = None,
) -> Live:
    """The endpoint for `WebSocketRoute("/live", ...)`.

    `record` and `stop` are the gateway's, each raising `RunNotFound`; `charts` draw a payload for a
    principal and parameters, raising `ValueError` for parameters that they do not take; `subscribe`
    tells of finished requests, on the loop. `origins` may open the channel beside this host's own,
    where a proxy changes the Host header. `still` says whether whoever a ticket names may still look;
    `lanes` are what is asked for by a name that begins with `lane_`.
    """
    return Live(hub, tickets, record, stop, charts, subscribe, origins, still, lanes)
