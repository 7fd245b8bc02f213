"""Events under deadlines, one by one: as a provider says them, whatever came together."""

from __future__ import annotations

from collections.abc import AsyncGenerator, AsyncIterator
from contextlib import aclosing

from gateway.messages import Event
from gateway.providers.base import Call
from gateway.streaming import InTime, singly


async def in_time(events: AsyncIterator[Event], call: Call, provider_id: str) -> AsyncGenerator[Event, None]:
    async with aclosing(InTime(singly(events), call, provider_id)) as batches:
        async for batch in batches:
            for event in batch:
                yield event
