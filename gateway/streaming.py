"""Watches one attempt's events go by: obeys the deadlines, marks the clocks, tells a cut from an end.

    first_token   sent -> the first delta (keep-alive comments yield nothing, so they do not count)
    idle          between two events
    total         start of the run's first attempt -> end

A stream ends well only after `Finished`. What comes after that (usage) is waited for a few seconds,
and its loss spoils nothing: the answer is whole. Whether usage is sane is `pricing.sane_usage`'s
business; here it passes through.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncGenerator, AsyncIterator

from gateway.errors import Deadline, ProviderBroke, ProviderError, ProviderTimeout
from gateway.messages import Event, Finished, ReasoningDelta, TextDelta, ToolCallDelta, Usage
from gateway.providers.base import Call, Clocks, InBatches, Provider

AFTER_FINISH_S = 5.0  # what a provider has, once its answer is whole, to say what it cost


def batches_of(provider: Provider, call: Call) -> AsyncGenerator[list[Event], None]:
    """What a provider streams, as it came together where it can tell, else one by one."""
    # Not isinstance, which takes a dozen microseconds for a protocol: this is on the way of each request.
    batches: InBatches | None = provider if hasattr(provider, "batches") else None  # type: ignore[assignment]
    return singly(provider.stream(call)) if batches is None else batches.batches(call)


async def singly(events: AsyncIterator[Event]) -> AsyncGenerator[list[Event], None]:
    """Each event as a batch of its own."""
    try:
        async for event in events:
            yield [event]
    finally:
        if isinstance(events, AsyncGenerator):
            await events.aclose()


class InTime:
    """The same batches, in time. Iterate it inside `contextlib.aclosing`: leaving drops the connection.

    Raises `ProviderTimeout`, `ProviderBroke` where the stream was cut or empty, and what the
    provider raises. Time that the consumer takes between two batches counts against `total` alone.
    """

    def __init__(self, batches: AsyncGenerator[list[Event], None], call: Call, provider_id: str) -> None:
        self._batches = batches
        self._provider_id = provider_id
        self._watch = _Watch(call)

    def __aiter__(self) -> InTime:
        return self

    async def __anext__(self) -> list[Event]:
        watch = self._watch
        watch.wait()
        try:
            batch = await self._batches.__anext__()
        except StopAsyncIteration:
            self._refuse_a_cut()
            raise
        except asyncio.CancelledError:
            if not watch.rang_alone():
                raise
            if watch.finished:
                raise StopAsyncIteration from None
            raise ProviderTimeout(self._provider_id, *watch.passed()) from None
        except ProviderError:
            if watch.finished:
                raise StopAsyncIteration from None
            raise
        finally:
            watch.rest()
        watch.saw(batch)
        return batch

    async def aclose(self) -> None:
        self._watch.close()
        await self._batches.aclose()

    def _refuse_a_cut(self) -> None:
        if not self._watch.finished:
            what = "cut its answer short" if self._watch.began else "sent an empty answer"
            raise ProviderBroke(self._provider_id, f"The provider {what}.")


def _mark_first(clocks: Clocks, event: Event, now_ns: int) -> None:
    if isinstance(event, TextDelta):
        if event.text:
            clocks.first_answer_ns = now_ns
    elif isinstance(event, ToolCallDelta):
        if event.arguments:
            clocks.first_answer_ns = now_ns
    elif isinstance(event, ReasoningDelta) and event.text and clocks.first_reasoning_ns is None:
        clocks.first_reasoning_ns = now_ns


class _Watch:
    """One timer for a whole stream. It is not set anew for each event: when it rings it looks whether
    the limit has really passed, and otherwise rings again when it will have.

    Like `asyncio.timeout`, it interrupts by cancelling the task that waits; unlike it, only between
    `wait` and `rest`, so that a slow consumer is never cancelled for its provider's silence.
    """

    def __init__(self, call: Call) -> None:
        self._loop = asyncio.get_running_loop()
        self._clocks = call.clocks
        self._limits = call.deadlines
        self._start_s = self._last_s = time.monotonic()
        self._total_from_s = self._start_s if call.started_s is None else call.started_s
        self._timer: asyncio.TimerHandle | None = None
        self._reader = asyncio.current_task()  # a stream has one reader from its beginning to its end
        self._task: asyncio.Task[object] | None = None
        self._cancels_before = 0
        self._rang = False
        self.began = False
        self.finished = False

    def wait(self) -> None:
        """From now until `rest`, the running task is interrupted when a limit passes."""
        task = self._task = self._reader
        assert task is not None
        self._cancels_before = task.cancelling()
        if self._timer is None:
            self._ring_at(min(self._due()[0], self._start_s + self._limits.first_token_s))

    def rest(self) -> None:
        self._task = None

    def saw(self, batch: list[Event]) -> None:
        now_ns = time.monotonic_ns()
        self._last_s = now_ns / 1e9
        self._clocks.last_ns = now_ns
        for event in batch:
            if self._clocks.first_answer_ns is None:
                _mark_first(self._clocks, event, now_ns)
            kind = type(event)
            if kind is Finished:
                self._now(finished=True)
            elif not self.began and kind is not Usage:
                self._now(finished=False)

    def rang_alone(self) -> bool:
        """Whether the cancellation just caught is ours, and nobody else asked for one as well."""
        task = asyncio.current_task()
        assert task is not None
        return self._rang and task.uncancel() <= self._cancels_before

    def passed(self) -> tuple[Deadline, float]:
        """The deadline that passed, and its limit in seconds."""
        _, which, limit_s = self._due()
        return which, limit_s

    def close(self) -> None:
        self._task = None
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def _now(self, *, finished: bool) -> None:
        """Another limit holds from here on, and may be nearer."""
        self.began = True
        self.finished = self.finished or finished
        self._ring_at(self._due()[0])

    def _due(self) -> tuple[float, Deadline, float]:
        """When the limit that holds now passes, which one that is, and its length."""
        limits = self._limits
        which: Deadline = "idle"
        if self.finished:
            limit_s = AFTER_FINISH_S
            due_s = self._last_s + limit_s
        elif self.began:
            limit_s = limits.idle_s
            due_s = self._last_s + limit_s
        else:
            which, limit_s = "first_token", limits.first_token_s
            due_s = self._first_token_due_s()
        total_due_s = self._total_from_s + limits.total_s
        return (total_due_s, "total", limits.total_s) if total_due_s < due_s else (due_s, which, limit_s)

    def _first_token_due_s(self) -> float:
        """Until the request is sent, connecting has its own limit on top, should a provider forget it."""
        sent_ns = self._clocks.sent_ns
        if sent_ns is not None:
            return sent_ns / 1e9 + self._limits.first_token_s
        return self._start_s + self._limits.connect_s + self._limits.first_token_s

    def _ring_at(self, due_s: float) -> None:
        if self._timer is not None:
            self._timer.cancel()
        self._timer = self._loop.call_later(max(0.0, due_s - time.monotonic()), self._ring)

    def _ring(self) -> None:
        self._timer = None
        if self._task is None:
            return  # the consumer is at work; `wait` sets the timer again
        due_s = self._due()[0]
        if due_s > time.monotonic():
            self._ring_at(due_s)
        else:
            self._rang = True
            self._task.cancel()
