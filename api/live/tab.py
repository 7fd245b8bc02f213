"""One tab's socket: hears what it asks for, sends what is new, and never more than it can take."""

from __future__ import annotations

import asyncio
import contextlib
import logging
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, Final, Protocol, TypeVar

from starlette.websockets import WebSocket, WebSocketDisconnect, WebSocketState

from api.live.renderings import FRAME_S, Rendering, Renderings
from api.live.sources import subject
from api.live.standing import Standing
from api.live.topics import NoSuchChart, Topic, Topics
from api.live.wire import ChartJoin, Join, Malformed, Said, Seen, decode, encode, frame
from gateway.errors import GatewayError, RunNotFound
from identity.errors import NotAuthenticated
from identity.principal import Principal
from identity.tickets import CHARTS

_log = logging.getLogger(__name__)

MOST_RUNS: Final = 32  # that may still change; what has ended needs no subscription
MOST_CHARTS: Final = 16
_GATHER_S = 0.004  # runs that move together share a message
_FIGURES_S = 0.25
_OUR_FAULT = 1011
_SLOW_READER_S = 30.0
_SILENT_S = 150.0  # a hidden tab's timers run once a minute
_ANONYMOUS_S = 10.0
_MESSAGES_A_SECOND = 50.0
_BURST = 100.0

POLICY = 1008

T = TypeVar("T")

Stop = Callable[[Principal, str], Awaitable[None]]


class TicketBook(Protocol):
    def read(self, ticket: str, about: str) -> Principal:
        """Raises `NotAuthenticated`."""

    def issue(self, principal: Principal, about: str) -> str: ...


@dataclass(slots=True)
class _Watched:
    """A run that this tab shows."""

    principal: Principal
    rendering: Rendering
    seen: Seen
    leave: Callable[[], None] = lambda: None
    dirty: bool = False
    due_s: float = 0.0
    figures_due_s: float = 0.0


@dataclass(slots=True)
class _Drawn:
    """A chart that this tab shows."""

    topic: Topic
    leave: Callable[[], None] = lambda: None
    sent: Mapping[str, Any] | None = None


@dataclass(slots=True)
class _Replies:
    """What waits to be said once. By name, so that a repeated question is answered once."""

    refused: dict[str, dict[str, str]] = field(default_factory=dict)
    text: dict[str, str] = field(default_factory=dict)
    tickets: dict[str, str] = field(default_factory=dict)
    pong: int | None = None


@dataclass(frozen=True, slots=True)
class Desk:
    """What a tab asks of the process."""

    tickets: TicketBook
    stop: Stop
    renderings: Renderings
    topics: Topics
    standing: Standing


class Tab:
    """`serve` runs until the tab leaves. On the loop only."""

    def __init__(self, desk: Desk, socket: WebSocket) -> None:
        self._desk = desk
        self._socket = socket
        self._loop = asyncio.get_running_loop()
        self._runs: dict[str, _Watched] = {}
        self._charts: dict[str, _Drawn] = {}
        self._replies = _Replies()
        self._wake = asyncio.Event()
        self._timer: asyncio.TimerHandle | None = None
        self._timer_due_s = 0.0
        self._principals: set[Principal] = set()  # whose good tickets were shown
        self._allowance = _BURST
        self._heard_s = self._loop.time()

    async def serve(self) -> None:
        await self._socket.accept()
        sender = asyncio.create_task(self._send_all(), name="live sender")
        sender.add_done_callback(self._sender_ended)
        watcher = asyncio.create_task(self._watch_standing(), name="live standing")
        try:
            await self._hear_all()
        except (TimeoutError, Malformed):
            await self.close(POLICY)
        except WebSocketDisconnect:
            pass
        finally:
            sender.cancel()
            watcher.cancel()
            if self._timer is not None:
                self._timer.cancel()
            for name in (*self._runs, *self._charts):
                self._let_go(name)

    def _sender_ended(self, sender: asyncio.Task[None]) -> None:
        """A tab that is heard but told nothing would wait for ever: let it connect again."""
        if not sender.cancelled() and (error := sender.exception()):
            _log.error("a tab's sender failed", exc_info=error)
            self._farewell = asyncio.create_task(self.close(_OUR_FAULT))

    async def close(self, code: int) -> None:
        """Say goodbye; safe at any time."""
        if self._socket.application_state is WebSocketState.CONNECTED:
            with contextlib.suppress(Exception):
                async with asyncio.timeout(2.0):
                    await self._socket.close(code)

    # --- hearing ------------------------------------------------------------------------------

    async def _hear_all(self) -> None:
        unknown_until_s = self._loop.time() + _ANONYMOUS_S
        while True:
            now_s = self._loop.time()
            async with asyncio.timeout_at(now_s + _SILENT_S if self._principals else unknown_until_s):
                message = await self._socket.receive()
            if message["type"] != "websocket.receive":
                return
            self._spend_allowance()
            await self._hear(decode(message.get("text") or ""))
            self._wake.set()

    def _spend_allowance(self) -> None:
        now_s = self._loop.time()
        self._allowance = min(_BURST, self._allowance + (now_s - self._heard_s) * _MESSAGES_A_SECOND) - 1
        self._heard_s = now_s
        if self._allowance < 0:
            raise Malformed("too many messages")

    async def _hear(self, said: Said) -> None:
        if said.ping is not None:
            self._replies.pong = said.ping
        for run_id in said.stop:
            await self._stop(run_id)
        for name in (*said.unsub, *said.unchart):
            self._let_go(name)
        for name, chart in said.chart.items():
            await self._join_chart(name, chart)
        for run_id, join in said.sub.items():
            await self._join_run(run_id, join)
        for run_id, ticket in said.copy.items():
            await self._copy(run_id, ticket)
        for name, ticket in said.renew.items():
            await self._renew(name, ticket)

    async def _stop(self, run_id: str) -> None:
        if watched := self._runs.get(run_id):
            try:
                await self._desk.stop(watched.principal, run_id)
            except GatewayError as error:
                self._refuse(run_id, "stop", str(error) or "This answer cannot be stopped.")

    def _let_go(self, name: str) -> None:
        if watched := self._runs.pop(name, None):
            watched.leave()
        if drawn := self._charts.pop(name, None):
            drawn.leave()

    async def _join_chart(self, name: str, join: ChartJoin) -> None:
        self._let_go(name)
        principal = await self._principal(name, join.ticket, CHARTS)
        if principal is None:
            return
        if len(self._charts) >= MOST_CHARTS:
            return self._refuse(name, "too_many", "This page shows too many live charts.")
        try:
            topic = self._desk.topics.of(principal, join.id, join.params)
        except NoSuchChart:
            return self._refuse(name, "not_found", "There is no such chart.")
        self._charts[name] = drawn = _Drawn(topic)
        drawn.leave = topic.watch(self._wake.set)

    async def _join_run(self, run_id: str, join: Join) -> None:
        self._let_go(run_id)
        principal = await self._principal(run_id, join.ticket, subject(run_id))
        if principal is None:
            return
        if len(self._runs) >= MOST_RUNS:
            return self._refuse(run_id, "too_many", "This page shows too many answers at once.")
        rendering = await self._found(run_id, self._desk.renderings.of(principal, run_id))
        if rendering is None:
            return
        watched = _Watched(principal, rendering, Seen(epoch=join.epoch, blocks=join.blocks))

        def changed() -> None:
            watched.dirty = True
            self._wake.set()

        self._runs[run_id] = watched
        watched.leave = rendering.watch(changed)

    async def _copy(self, run_id: str, ticket: str) -> None:
        principal = await self._principal(run_id, ticket, subject(run_id))
        if principal is not None:
            text = await self._found(run_id, self._desk.renderings.text(principal, run_id))
            if text is not None:
                self._replies.text[run_id] = text

    async def _renew(self, name: str, ticket: str) -> None:
        """A page that stays open gets a new ticket for an old one, as long as whoever it names may look."""
        principal = await self._principal(name, ticket, subject(name))
        if principal is not None:
            self._replies.tickets[name] = self._desk.tickets.issue(principal, subject(name))

    async def _found(self, run_id: str, look: Awaitable[T]) -> T | None:
        """What was looked for; else the page is told why not, and everything else goes on."""
        try:
            return await look
        except RunNotFound:
            self._refuse(run_id, "not_found", "There is no such answer here.")
        except Exception:
            _log.exception("run %s could not be read for a page", run_id)
            self._refuse(run_id, "unavailable", "This answer cannot be read just now.")
        return None

    async def _principal(self, name: str, ticket: str, about: str) -> Principal | None:
        try:
            principal = self._desk.tickets.read(ticket, about)
        except NotAuthenticated:
            principal = None
        if principal is None or not await self._desk.standing.of(principal):
            self._refuse(name, "ticket", "This page is out of date.")
            return None
        self._principals.add(principal)
        return principal

    async def _watch_standing(self) -> None:
        """Whoever left the team or signed out sees no more, though the page is still open."""
        while self._desk.standing.asks:
            await self._desk.standing.wait()
            try:
                stands = [await self._desk.standing.of(principal) for principal in self._principals.copy()]
            except Exception:
                _log.warning("it could not be asked who may still look", exc_info=True)
                continue
            if not all(stands):
                await self.close(POLICY)
                return

    def _refuse(self, name: str, kind: str, message: str) -> None:
        self._replies.refused[name] = {"kind": kind, "message": message}

    # --- sending ------------------------------------------------------------------------------

    async def _send_all(self) -> None:
        while True:
            await self._wake.wait()
            await asyncio.sleep(_GATHER_S)
            self._wake.clear()
            message = self._compose()
            if not message:
                continue
            try:
                async with asyncio.timeout(_SLOW_READER_S):
                    await self._socket.send_text(encode(message))
            except (TimeoutError, RuntimeError, WebSocketDisconnect):
                await self.close(POLICY)
                return

    def _compose(self) -> dict[str, Any]:
        now_s = self._loop.time()
        replies, self._replies = self._replies, _Replies()
        message: dict[str, Any] = {
            "runs": {run_id: news for run_id in tuple(self._runs) if (news := self._news(run_id, now_s))},
            "charts": self._pictures(),
            "refused": replies.refused,
            "text": replies.text,
            "tickets": replies.tickets,
            "pong": replies.pong,
        }
        return {name: part for name, part in message.items() if part or (name == "pong" and part is not None)}

    def _news(self, run_id: str, now_s: float) -> dict[str, Any]:
        watched = self._runs[run_id]
        if not watched.dirty:
            return {}
        view = watched.rendering.view
        if now_s < watched.due_s and view.end is None:
            self._wake_at(watched.due_s)
            return {}
        watched.due_s = max(watched.due_s, now_s - FRAME_S) + FRAME_S
        due = now_s >= watched.figures_due_s or view.end is not None
        news = frame(watched.seen, view, with_figures=due)
        if "figures" in news:
            watched.figures_due_s = now_s + _FIGURES_S
        watched.dirty = watched.seen.figures != view.figures
        if watched.dirty:
            self._wake_at(watched.figures_due_s)
        elif view.settled:
            self._let_go(run_id)
        return news

    def _pictures(self) -> dict[str, Any]:
        pictures: dict[str, Any] = {}
        for name, drawn in tuple(self._charts.items()):
            if drawn.topic.refusal is not None:
                self._refuse(name, "bad_request", drawn.topic.refusal)
                self._let_go(name)
                self._wake.set()
            elif drawn.topic.payload is not drawn.sent:
                pictures[name] = drawn.sent = drawn.topic.payload
        return pictures

    def _wake_at(self, due_s: float) -> None:
        """Wake the sender then, or earlier where that is planned already."""
        if self._timer is not None:
            if self._loop.time() < self._timer_due_s <= due_s:
                return
            self._timer.cancel()
        # Kept here: for what is due at once uvloop gives a handle that does not know its time.
        self._timer_due_s = due_s
        self._timer = self._loop.call_at(due_s, self._wake.set)
