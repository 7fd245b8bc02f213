"""Whether this process takes one more request at all: refused here, running streams stay on time.

The loop is asked for the time twenty times a second; how late it answers is its lag. One that has been
late for a second is full, whatever its number of runs: what comes then is sent elsewhere, with a 503. A
single stall (a page that loads) refuses nobody, and a process with few runs refuses nobody: it would gain
nothing by it.
"""

from __future__ import annotations

import asyncio
from collections import deque
from statistics import median
from typing import Final

from gateway.errors import BadRequest, Overloaded
from gateway.messages import CompletionRequest, ImagePart

MOST_MESSAGES: Final = 2_000
MOST_IMAGES: Final = 100
_ASKED_EVERY_S: Final = 0.05
_REMEMBERED: Final = 20  # a second's worth
_FEW_RUNS: Final = 8
_A_TURN: Final = 4  # requests that one turn of the loop takes


class LoopLag:
    """How late the event loop is, in ms: the median of the last second. `keep_asking` runs on it."""

    def __init__(self) -> None:
        self._late_ms: deque[float] = deque([0.0] * _REMEMBERED, _REMEMBERED)
        self.now_ms = 0.0

    async def keep_asking(self) -> None:
        """Until cancelled."""
        loop = asyncio.get_running_loop()
        while True:
            asked_s = loop.time()
            await asyncio.sleep(_ASKED_EVERY_S)
            self.saw((loop.time() - asked_s - _ASKED_EVERY_S) * 1e3)

    def saw(self, late_ms: float) -> None:
        self._late_ms.append(max(late_ms, 0.0))
        self.now_ms = median(self._late_ms)


class Admission:
    """`most_running` runs here, and a loop that is at most `most_lag_ms` late."""

    def __init__(self, most_running: int, most_lag_ms: float, lag: LoopLag | None = None) -> None:
        self._most_running = most_running
        self._most_lag_ms = most_lag_ms
        self.lag = lag or LoopLag()
        self._left = _A_TURN
        self._waiting: deque[asyncio.Future[None]] = deque()
        self._next: asyncio.Handle | None = None

    async def turn(self) -> None:
        """Of requests that come all at once a few are taken, then what streams is served, then a few more:
        two hundred in a row would hold up every token for a tenth of a second. First come, first served."""
        loop = asyncio.get_running_loop()
        if self._next is None:
            self._next = loop.call_soon(self._next_turn)
        if self._left > 0 and not self._waiting:
            self._left -= 1
            return
        waiting = loop.create_future()
        self._waiting.append(waiting)
        await waiting

    def _next_turn(self) -> None:
        self._next, self._left = None, _A_TURN
        while self._waiting and self._left:
            waiting = self._waiting.popleft()
            if not waiting.done():  # else its caller left
                waiting.set_result(None)
                self._left -= 1
        if self._waiting:
            self._next = asyncio.get_running_loop().call_soon(self._next_turn)

    def refuse_where_full(self, running: int) -> None:
        """Raises `Overloaded`."""
        if running >= self._most_running:
            raise Overloaded(f"This server has {running} requests running, as many as it may.")
        if self.lag.now_ms > self._most_lag_ms and running >= _FEW_RUNS:
            raise Overloaded("This server is busy: one more request would delay those that it answers.")


def refuse_too_much(request: CompletionRequest) -> None:
    """Bounds that hold on every wire. Raises `BadRequest`."""
    if len(request.messages) > MOST_MESSAGES:
        raise BadRequest(f"A request has at most {MOST_MESSAGES:,} messages.", "messages")
    images = sum(isinstance(part, ImagePart) for message in request.messages for part in message.parts)
    if images > MOST_IMAGES:
        raise BadRequest(f"A request has at most {MOST_IMAGES} images.", "messages")
