"""Answers as HTML, each rendered once for all the tabs that watch it.

A rendering works on its own small pool of threads, at most 16 times a second and less often where it is
costly; between two renderings a run may grow as it likes, only its newest state is looked at. It works
while somebody watches; what nobody watches is kept for a minute, so that a page that comes back finds
its blocks.
"""

from __future__ import annotations

import asyncio
import logging
import secrets
import time
from collections import OrderedDict
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from html import escape

from api.live.sources import LANE, Lanes, Record, RecordSource, RunSource
from api.live.views import end_of, figures_of
from api.live.wire import View
from gateway.errors import RunNotFound
from gateway.glimpse import Glimpse, Source
from gateway.runs import RunHub
from identity.principal import Principal
from markup.answer import GrowingAnswer
from markup.code import preload

_log = logging.getLogger(__name__)

FRAME_S = 1 / 16
_COST_SHARE = 20  # a rendering may take a twentieth of one core
_LONGEST_PAUSE_S = 2.0
_KEEP_S = 60.0
_KEEP_MOST = 64


@dataclass(slots=True)
class _Rendered:
    view: View
    took_s: float


class Rendering:
    """One run's answer. `view` is replaced as a whole; `watch` says when. On the loop only."""

    def __init__(self, source: Source, pool: ThreadPoolExecutor) -> None:
        self.view = View(epoch=secrets.token_hex(6))
        self.idle_since_s = time.monotonic()
        self._source = source
        self._pool = pool
        self._loop = asyncio.get_running_loop()
        self._answer = GrowingAnswer()
        self._text: str | None = None
        self._finished = False
        self._watchers: set[Callable[[], None]] = set()
        self._unfollow: Callable[[], None] | None = None
        self._timer: asyncio.TimerHandle | None = None
        self._busy = False
        self._changed = False
        self._due_s = 0.0

    def watch(self, watcher: Callable[[], None]) -> Callable[[], None]:
        """Call `watcher` when `view` is up to date, and after each change. Returns how to leave."""
        self._watchers.add(watcher)
        if self._unfollow is None:
            self._unfollow = self._source.follow(self._change)
        self._change()
        return lambda: self._leave(watcher)

    @property
    def watched(self) -> bool:
        return bool(self._watchers)

    def close(self) -> None:
        """Show nothing more: the pool is about to end."""
        for watcher in tuple(self._watchers):
            self._leave(watcher)

    def _leave(self, watcher: Callable[[], None]) -> None:
        self._watchers.discard(watcher)
        if not self._watchers and self._unfollow is not None:
            self._unfollow()
            self._unfollow = None
            if self._timer is not None:
                self._timer.cancel()
                self._timer = None
            self.idle_since_s = time.monotonic()

    def _change(self) -> None:
        self._changed = True
        self._plan()

    def _plan(self) -> None:
        if self._busy or not self._changed or not self._watchers:
            return
        at_once = self._source.state != "running" and not self._finished
        if self._timer is not None:
            if not at_once:
                return
            self._timer.cancel()
        pause_s = 0.0 if at_once else max(0.0, self._due_s - self._loop.time())
        self._timer = self._loop.call_later(pause_s, self._start)

    def _start(self) -> None:
        self._timer = None
        self._busy, self._changed = True, False
        started_s = self._loop.time()
        work = self._loop.run_in_executor(self._pool, self._render, self._source.look())
        work.add_done_callback(lambda done: self._done(done, started_s))

    def _render(self, glimpse: Glimpse) -> _Rendered:
        """On a thread, one at a time."""
        began_s = time.thread_time()
        ended = glimpse.state != "running"
        if ended and not self._finished:
            self._answer.finish(glimpse.text)
            self._finished = True
        elif not ended and glimpse.text != self._text:
            self._answer.advance(glimpse.text)
        self._text = glimpse.text
        answer = self._answer
        view = View(
            epoch=self.view.epoch,
            blocks=tuple(answer.blocks),
            tail=answer.tail,
            mended=dict(answer.mended),
            reasoning=glimpse.reasoning,
            state=glimpse.state,
            figures=figures_of(glimpse.figures),
            end=end_of(glimpse),
            settled=glimpse.settled,
        )
        return _Rendered(view, time.thread_time() - began_s)

    def _done(self, work: asyncio.Future[_Rendered], started_s: float) -> None:
        self._busy = False
        if work.cancelled():
            return
        if error := work.exception():
            _log.error("an answer could not be rendered and is shown as plain text", exc_info=error)
            rendered = _Rendered(_plain(self._source.look(), self.view.epoch), 0.0)
        else:
            rendered = work.result()
        self.view = rendered.view
        self._due_s = started_s + min(max(FRAME_S, _COST_SHARE * rendered.took_s), _LONGEST_PAUSE_S)
        for watcher in tuple(self._watchers):
            watcher()
        self._plan()


def _plain(glimpse: Glimpse, epoch: str) -> View:
    ended = glimpse.state != "running"
    text = glimpse.text.encode("utf-8", "replace").decode()
    html = f'<p class="raw" dir="auto">{escape(text)}</p>'
    return View(
        epoch=epoch if epoch.endswith("-plain") else f"{epoch}-plain",
        blocks=(html,) if ended else (),
        tail="" if ended else html,
        reasoning=glimpse.reasoning,
        state=glimpse.state,
        figures=figures_of(glimpse.figures),
        end=end_of(glimpse),
        settled=glimpse.settled,
    )


class Renderings:
    """The renderings of this process, by reader and run or lane."""

    def __init__(self, hub: RunHub, record: Record, lanes: Lanes | None = None) -> None:
        self._hub = hub
        self._record = record
        self._lanes = lanes
        self._pool = ThreadPoolExecutor(2, thread_name_prefix="render")
        self._kept: OrderedDict[tuple[int, int | None, str], Rendering] = OrderedDict()

    def warm(self) -> None:
        """Load lexers in the background, so that the first code block need not wait for them."""
        self._pool.submit(preload)

    async def of(self, principal: Principal, run_id: str) -> Rendering:
        """Raises `RunNotFound`."""
        self._forget_idle()
        key = (principal.team_id, principal.user_id, run_id)  # what its author may see, others may not
        if key not in self._kept:
            self._kept[key] = Rendering(await self._source(principal, run_id), self._pool)
        self._kept.move_to_end(key)
        return self._kept[key]

    async def text(self, principal: Principal, run_id: str) -> str:
        """The answer as the model wrote it. Raises `RunNotFound`."""
        return (await self._source(principal, run_id)).look().text

    def close(self) -> None:
        for rendering in self._kept.values():
            rendering.close()
        self._pool.shutdown(wait=False, cancel_futures=True)

    async def _source(self, principal: Principal, run_id: str) -> Source:
        if run_id.startswith(LANE):
            if self._lanes is None:
                raise RunNotFound(run_id)
            return await self._lanes.source(principal, run_id)
        run = self._hub.get(run_id, principal.team_id)
        if run is not None and run.user_id == principal.user_id:
            return RunSource(run)
        return RecordSource(principal, await self._record(principal, run_id), self._record)

    def _forget_idle(self) -> None:
        now_s = time.monotonic()
        for key, rendering in tuple(self._kept.items()):
            old = now_s - rendering.idle_since_s > _KEEP_S or len(self._kept) > _KEEP_MOST
            if old and not rendering.watched:
                del self._kept[key]
