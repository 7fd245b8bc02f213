"""Asking a provider in a test: a call, and what became of it."""

from __future__ import annotations

import time
from contextlib import aclosing
from dataclasses import dataclass, field

from gateway.errors import GatewayError
from gateway.messages import (
    CompletionRequest,
    Event,
    Finished,
    Message,
    ReasoningDelta,
    Sampling,
    TextDelta,
    Usage,
)
from gateway.providers.base import Call, Clocks, Deadlines, Provider, Wire
from tests.gateway.in_time import in_time

QUICK = Deadlines(connect_s=1.0, first_token_s=1.0, idle_s=1.0, total_s=3.0)


def call_of(
    prompt: str = "Say hello.",
    *,
    model: str = "m",
    out_cap: int = 64,
    deadlines: Deadlines = QUICK,
    wire: Wire | None = None,
    sampling: Sampling | None = None,
    request: CompletionRequest | None = None,
) -> Call:
    asked = request or CompletionRequest("lab/m", (Message.of("user", prompt),), sampling or Sampling())
    return Call("run_1", model, asked, out_cap, Clocks(time.monotonic_ns()), deadlines, wire)


@dataclass
class Outcome:
    events: list[Event] = field(default_factory=list)
    error: GatewayError | None = None
    took_s: float = 0.0

    @property
    def text(self) -> str:
        return "".join(event.text for event in self.events if isinstance(event, TextDelta))

    @property
    def reasoning(self) -> str:
        return "".join(event.text for event in self.events if isinstance(event, ReasoningDelta))

    @property
    def usage(self) -> Usage | None:
        """The last one, as whoever bills takes it."""
        return next((event for event in reversed(self.events) if isinstance(event, Usage)), None)

    @property
    def finish(self) -> str | None:
        return next((event.reason for event in self.events if isinstance(event, Finished)), None)


async def outcome(provider: Provider, call: Call, *, stop_after: int | None = None) -> Outcome:
    """All that comes, under the deadlines; leaves after `stop_after` events."""
    result = Outcome()
    started_s = time.monotonic()
    try:
        async with aclosing(in_time(provider.stream(call), call, provider.id)) as events:
            async for event in events:
                result.events.append(event)
                if len(result.events) == stop_after:
                    break
    except GatewayError as error:
        result.error = error
    result.took_s = time.monotonic() - started_s
    return result
