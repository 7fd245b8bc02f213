"""Charts that many tabs may watch: drawn once for all of one principal's, at most once a second.

A finished request makes every watched chart draw itself again, at once and, because what it reads may
lag behind by a moment, once more a second later; without news a chart is drawn every 15 s, since its
window of time moves on. A picture that did not change is not sent.
"""

from __future__ import annotations

import asyncio
import json
import logging
from collections.abc import Awaitable, Callable, Mapping
from typing import Any

from identity.principal import Principal

_log = logging.getLogger(__name__)

_PAUSE_S = 1.0
_LAG_S = 1.2
_IDLE_S = 15.0
_LONGEST_S = 10.0

Params = Mapping[str, Any]
Chart = Callable[[Principal, Params], Awaitable[Mapping[str, Any]]]
Subscribe = Callable[[Callable[[Any], None]], Callable[[], None]]


class NoSuchChart(Exception):
    """There is no chart of that id, or it does not take these parameters."""


class Topic:
    """One chart for one principal. `payload` is None until it was drawn; `version` counts its changes."""

    def __init__(self, draw: Callable[[], Awaitable[Mapping[str, Any]]]) -> None:
        self.payload: Mapping[str, Any] | None = None
        self.refusal: str | None = None
        self._draw = draw
        self._watchers: set[Callable[[], None]] = set()
        self._news = asyncio.Event()
        self._until_s = 0.0
        self._task: asyncio.Task[None] | None = None

    @property
    def watched(self) -> bool:
        return bool(self._watchers)

    def watch(self, watcher: Callable[[], None]) -> Callable[[], None]:
        self._watchers.add(watcher)
        if self._task is None:
            self._task = asyncio.create_task(self._keep_drawing(), name="live chart")
        else:
            self.news()
        watcher()
        return lambda: self._leave(watcher)

    def news(self) -> None:
        """A request has finished."""
        self._until_s = asyncio.get_running_loop().time() + _LAG_S
        self._news.set()

    def _leave(self, watcher: Callable[[], None]) -> None:
        self._watchers.discard(watcher)
        if not self._watchers and self._task is not None:
            self._task.cancel()
            self._task = None

    async def _keep_drawing(self) -> None:
        loop = asyncio.get_running_loop()
        while True:
            self._news.clear()
            await self._draw_once()
            await asyncio.sleep(_PAUSE_S)
            if loop.time() > self._until_s and not self._news.is_set():
                try:
                    async with asyncio.timeout(_IDLE_S):
                        await self._news.wait()
                except TimeoutError:
                    continue

    async def _draw_once(self) -> None:
        try:
            async with asyncio.timeout(_LONGEST_S):
                payload = await self._draw()
        except ValueError as error:
            self.refusal = str(error)
        except Exception:
            _log.warning("a live chart could not be drawn; the last picture stands", exc_info=True)
            return
        else:
            self.refusal = None
            if payload == self.payload:
                return
            self.payload = payload
        for watcher in tuple(self._watchers):
            watcher()


class Topics:
    """The charts of this process that somebody watches."""

    def __init__(self, charts: Mapping[str, Chart], subscribe: Subscribe | None) -> None:
        self._charts = charts
        self._topics: dict[tuple[str, Principal, str], Topic] = {}
        self._subscribe = subscribe
        self._unsubscribe: Callable[[], None] | None = None

    def of(self, principal: Principal, chart_id: str, params: Params) -> Topic:
        """Raises `NoSuchChart`."""
        chart = self._charts.get(chart_id)
        if chart is None:
            raise NoSuchChart(chart_id)
        self._topics = {key: topic for key, topic in self._topics.items() if topic.watched}
        key = (chart_id, principal, json.dumps(params, sort_keys=True))
        if key not in self._topics:
            self._topics[key] = Topic(lambda: chart(principal, params))
        if self._unsubscribe is None and self._subscribe is not None:
            self._unsubscribe = self._subscribe(self._finished)
        return self._topics[key]

    def close(self) -> None:
        """Hear of nothing more, until a chart is asked for again."""
        unsubscribe, self._unsubscribe = self._unsubscribe, None
        if unsubscribe is not None:
            unsubscribe()

    def _finished(self, _row: Any) -> None:
        watched = [topic for topic in self._topics.values() if topic.watched]
        for topic in watched:
            topic.news()
        if not watched:  # hearing of other processes' requests costs a look at the log each second
            self.close()
