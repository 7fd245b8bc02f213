"""Two providers of one model, and one of another, that do what a test tells them, in turn."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncGenerator, Callable
from contextlib import AbstractAsyncContextManager
from pathlib import Path
from typing import Any

from gateway.catalog import CatalogOverrides
from gateway.errors import ProviderBroke, ProviderRefused, ProviderUnreachable
from gateway.messages import CompletionRequest, Event, Finished, Message, Sampling, TextDelta, Usage
from gateway.preferences import RoutingPreferences
from gateway.providers.base import Call, Deadlines
from tests.gateway.desk import Desk, desk

Play = Callable[["Scripted", Call], AsyncGenerator[Event, None]]


class Scripted:
    """Plays `plays` one after the other, the last one again and again."""

    def __init__(self, id: str, *plays: Play) -> None:
        self.id = id
        self.plays = list(plays) or [answers]
        self.calls: list[Call] = []

    def stream(self, call: Call) -> AsyncGenerator[Event, None]:
        self.calls.append(call)
        call.clocks.sent_ns = time.monotonic_ns()
        play = self.plays.pop(0) if len(self.plays) > 1 else self.plays[0]
        return play(self, call)

    async def close(self) -> None:
        """Nothing is kept open."""


async def answers(self: Scripted, call: Call) -> AsyncGenerator[Event, None]:
    yield TextDelta(f"{self.id} says")
    yield TextDelta(" hello")
    yield Finished("stop")
    yield Usage(input=1_000, output=100)


async def answers_without_usage(self: Scripted, call: Call) -> AsyncGenerator[Event, None]:
    yield TextDelta(f"{self.id} says hello")
    yield Finished("stop")


async def cut_in_the_middle(self: Scripted, call: Call) -> AsyncGenerator[Event, None]:
    yield TextDelta("half of an")
    raise ProviderBroke(self.id, "The provider cut its answer short.")


async def empty(self: Scripted, call: Call) -> AsyncGenerator[Event, None]:
    return
    yield


async def garbled_after_usage(self: Scripted, call: Call) -> AsyncGenerator[Event, None]:
    """It says what it will charge before it breaks, as some do."""
    yield Usage(input=1_000, output=0)
    raise ProviderBroke(self.id, "The provider's answer cannot be read.")


async def silent(self: Scripted, call: Call) -> AsyncGenerator[Event, None]:
    await asyncio.sleep(60)
    yield TextDelta("too late")


async def unreachable(self: Scripted, call: Call) -> AsyncGenerator[Event, None]:
    raise ProviderUnreachable(self.id, "The provider takes no connection.")
    yield


def refuses(status: int, retry_after_s: float | None = None) -> Play:
    async def play(self: Scripted, call: Call) -> AsyncGenerator[Event, None]:
        message = f"The provider refused (status {status})."
        raise ProviderRefused(self.id, message, status=status, retry_after_s=retry_after_s)
        yield

    return play


# --- their catalog: "two/fast" at lab ($1 and $2 a million) and backup ($3 and $6), "one/slow" at slow -----

_PROVIDER = {"base_url": "https://lab.invalid/v1"}
_MODEL: dict[str, Any] = {"context_tokens": 32_768, "max_output_tokens": 4_096, "tokenizer": "bytes"}
CATALOG = CatalogOverrides(
    providers={
        "lab": {**_PROVIDER, "name": "Lab", "policy": {"zero_data_retention": "no", "trains_on_data": "yes"}},
        "backup": {
            **_PROVIDER,
            "name": "Backup",
            "policy": {"zero_data_retention": "yes", "trains_on_data": "no"},
        },
        "slow": {**_PROVIDER, "name": "Slow"},
    },
    models=[
        {
            **_MODEL,
            "id": "two/fast",
            "providers": [
                {
                    "id": "lab",
                    "model": "fast-1",
                    "without": ["seed"],
                    "input_usd_per_million": "1",
                    "output_usd_per_million": "2",
                },
                {
                    "id": "backup",
                    "model": "fast-b",
                    "input_usd_per_million": "3",
                    "output_usd_per_million": "6",
                },
            ],
        },
        {
            **_MODEL,
            "id": "one/slow",
            "providers": [{"id": "slow", "model": "slow-1"}],
            "input_usd_per_million": "10",
            "output_usd_per_million": "20",
        },
        {
            **_MODEL,
            "id": "one/free",
            "providers": [{"id": "slow", "model": "free-1"}],
            "input_usd_per_million": "0",
            "output_usd_per_million": "0",
        },
        {
            **_MODEL,
            "id": "one/gone",
            "providers": [{"id": "slow", "model": "gone-1"}],
            "input_usd_per_million": "1",
            "output_usd_per_million": "1",
            "lifecycle": {"retired_on": "2026-01-01", "successor": "one/slow"},
        },
    ],
)


def with_providers(
    folder: Path, *providers: Scripted, deadlines: Deadlines | None = None
) -> AbstractAsyncContextManager[Desk]:
    by_id = {provider.id: provider for provider in providers}
    return desk(folder, providers=by_id, overrides=CATALOG, deadlines=deadlines)


def asks(
    model: str = "two/fast", *, sampling: Sampling | None = None, **preferences: Any
) -> CompletionRequest:
    return CompletionRequest(
        model,
        (Message.of("user", "Hello"),),
        sampling or Sampling(max_output_tokens=1_000),
        routing=RoutingPreferences(**preferences),
    )
