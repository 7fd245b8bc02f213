"""The deadlines and clocks around a provider's events, with providers made for one question each."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncGenerator, AsyncIterator
from contextlib import aclosing

import pytest

from gateway import streaming
from gateway.errors import ProviderBroke, ProviderRefused, ProviderTimeout
from gateway.messages import Event, Finished, ReasoningDelta, TextDelta, ToolCallDelta, Usage
from gateway.providers.base import Call, Deadlines
from tests.gateway.in_time import in_time
from tests.gateway.providers.asking import call_of

LIMITS = Deadlines(connect_s=0.1, first_token_s=0.2, idle_s=0.2, total_s=1.0)
WHOLE: list[Event] = [TextDelta("Hello"), Finished("stop"), Usage(3, 1)]


class Said:
    """A provider's events: values as they are, numbers as seconds of silence, errors as themselves."""

    def __init__(self, *script: Event | float | Exception) -> None:
        self.script = script
        self.closed = False

    async def events(self) -> AsyncGenerator[Event, None]:
        try:
            for step in self.script:
                if isinstance(step, Exception):
                    raise step
                if isinstance(step, int | float):
                    await asyncio.sleep(step)
                else:
                    yield step
        finally:
            self.closed = True


async def heard(said: Said, call: Call | None = None) -> list[Event]:
    call = call or call_of(deadlines=LIMITS)
    async with aclosing(in_time(said.events(), call, "lab")) as events:
        return [event async for event in events]


async def test_events_in_time_go_by_as_they_are() -> None:
    said = Said(*WHOLE)
    assert await heard(said) == WHOLE
    assert said.closed


# --- how it may end ---------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("script", "sentence"),
    [
        ([TextDelta("Half")], "The provider cut its answer short."),
        ([], "The provider sent an empty answer."),
        ([Usage(3, 0)], "The provider sent an empty answer."),
    ],
)
async def test_a_stream_without_an_end_broke(script: list[Event], sentence: str) -> None:
    with pytest.raises(ProviderBroke) as broke:
        await heard(Said(*script))
    assert (str(broke.value), broke.value.provider) == (sentence, "lab")


async def test_a_providers_own_error_comes_through() -> None:
    refused = ProviderRefused("lab", "No.", status=429)
    with pytest.raises(ProviderRefused) as caught:
        await heard(Said(TextDelta("Half"), refused))
    assert caught.value is refused


async def test_an_error_after_the_end_spoils_nothing() -> None:
    said = Said(TextDelta("Whole"), Finished("stop"), ProviderBroke("lab", "cut"))
    assert await heard(said) == [TextDelta("Whole"), Finished("stop")]


async def test_usage_that_never_comes_is_not_waited_for_long(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(streaming, "AFTER_FINISH_S", 0.1)
    said = Said(TextDelta("Whole"), Finished("stop"), 30.0, Usage(1, 1))
    call = call_of(deadlines=Deadlines(idle_s=30))
    started_s = time.monotonic()
    assert await heard(said, call) == [TextDelta("Whole"), Finished("stop")]
    assert time.monotonic() - started_s < 10
    assert said.closed


async def test_leaving_early_closes_the_provider() -> None:
    said = Said(TextDelta("a"), 30.0)
    async with aclosing(in_time(said.events(), call_of(), "lab")) as events:
        assert await anext(events) == TextDelta("a")
    assert said.closed


async def test_a_fault_of_ours_in_the_provider_is_not_dressed_up() -> None:
    with pytest.raises(ZeroDivisionError):
        await heard(Said(ZeroDivisionError()))


# --- deadlines --------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("script", "deadline", "after_s"),
    [
        ([30.0], "first_token", 0.2),
        ([Usage(1, 0), 30.0], "first_token", 0.2),
        ([0.15, TextDelta("a"), 30.0], "idle", 0.35),
        ([TextDelta("a"), 0.15, TextDelta("b"), 0.15, TextDelta("c"), 30.0], "idle", 0.5),
        ([ReasoningDelta("a"), *[0.1, TextDelta("b")] * 30], "total", 1.0),
    ],
)
async def test_each_silence_has_its_limit(
    script: list[Event | float | Exception], deadline: str, after_s: float
) -> None:
    said = Said(*script)
    call = call_of(deadlines=LIMITS)
    call.clocks.sent_ns = time.monotonic_ns()
    started_s = time.monotonic()
    with pytest.raises(ProviderTimeout) as timeout:
        await heard(said, call)
    assert timeout.value.deadline == deadline
    assert timeout.value.limit_s == (1.0 if deadline == "total" else 0.2)
    assert after_s - 0.01 <= time.monotonic() - started_s < after_s + 0.25
    assert said.closed
    task = asyncio.current_task()
    assert task is not None
    assert task.cancelling() == 0


async def test_the_first_token_is_counted_from_when_the_request_was_sent() -> None:
    call = call_of(deadlines=Deadlines(connect_s=5, first_token_s=0.2))

    async def slow_to_connect() -> AsyncIterator[Event]:
        await asyncio.sleep(0.3)
        call.clocks.sent_ns = time.monotonic_ns()
        await asyncio.sleep(0.1)
        for event in WHOLE:
            yield event

    async with aclosing(in_time(slow_to_connect(), call, "lab")) as events:
        assert [event async for event in events] == WHOLE


async def test_a_provider_that_never_sends_is_not_waited_for_for_ever() -> None:
    started_s = time.monotonic()
    with pytest.raises(ProviderTimeout):
        await heard(Said(30.0))
    assert 0.25 < time.monotonic() - started_s < 10  # connecting and first token together


async def test_a_slow_consumer_is_not_its_providers_silence() -> None:
    said = Said(*[TextDelta("x")] * 3, Finished("stop"))
    got = 0
    async with aclosing(in_time(said.events(), call_of(deadlines=LIMITS), "lab")) as events:
        async for _ in events:
            got += 1
            await asyncio.sleep(0.22)
    assert got == 4


async def test_total_holds_a_slow_consumer_too() -> None:
    call = call_of(deadlines=Deadlines(idle_s=0.2, total_s=0.3))
    steps: list[Event | float | Exception] = [TextDelta("x"), 0.01]

    async def listen_slowly() -> None:
        async with aclosing(in_time(Said(*steps * 30).events(), call, "lab")) as events:
            async for _ in events:
                await asyncio.sleep(0.15)

    with pytest.raises(ProviderTimeout) as timeout:
        await listen_slowly()
    assert timeout.value.deadline == "total"


async def test_a_cancelled_task_stays_cancelled() -> None:
    said = Said(TextDelta("a"), 30.0)
    reading = asyncio.create_task(heard(said, call_of(deadlines=Deadlines())))
    await asyncio.sleep(0.02)
    reading.cancel()
    with pytest.raises(asyncio.CancelledError):
        await reading
    assert said.closed


async def test_a_cancel_that_meets_a_deadline_is_still_a_cancel() -> None:
    """Both in one turn of the loop: whoever asked for the cancel must get it."""
    said = Said(30.0)
    call = call_of(deadlines=LIMITS)
    call.clocks.sent_ns = time.monotonic_ns()
    reading = asyncio.create_task(heard(said, call))

    def stall_past_the_deadline_and_cancel() -> None:
        time.sleep(0.1)
        reading.cancel()

    asyncio.get_running_loop().call_later(0.15, stall_past_the_deadline_and_cancel)
    with pytest.raises(asyncio.CancelledError):
        await reading


# --- clocks -----------------------------------------------------------------------------------------


async def test_the_clocks_mark_the_first_of_each_kind_and_the_last_event() -> None:
    call = call_of(deadlines=LIMITS)
    await heard(
        Said(ReasoningDelta("Hm."), 0.03, TextDelta("a"), 0.03, Finished("stop"), 0.03, Usage(1, 1)), call
    )
    clocks = call.clocks
    assert clocks.first_reasoning_ns is not None
    assert clocks.first_answer_ns is not None
    assert clocks.last_ns is not None
    assert clocks.first_answer_ns - clocks.first_reasoning_ns >= 25e6
    assert clocks.last_ns - clocks.first_answer_ns >= 50e6


async def test_an_empty_text_or_a_calls_bare_name_is_no_first_answer() -> None:
    call = call_of(deadlines=LIMITS)
    said = Said(
        TextDelta(""),
        ToolCallDelta(0, "call_1", "f"),
        0.03,
        ToolCallDelta(0, arguments="{"),
        Finished("stop"),
    )
    before_ns = time.monotonic_ns()
    await heard(said, call)
    assert call.clocks.first_answer_ns is not None
    assert call.clocks.first_answer_ns - before_ns >= 25e6
    assert call.clocks.first_reasoning_ns is None
