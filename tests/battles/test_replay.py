"""A run is replayed with what its tools answered then, and with nothing that they did not."""

from __future__ import annotations

from collections.abc import AsyncGenerator

import pytest

from battles.errors import TextGone
from battles.replay import first_round, next_round, recorded
from battles.replaying import replay
from gateway.messages import (
    CompletionRequest,
    Event,
    Finished,
    Message,
    TextPart,
    Tool,
    ToolCall,
    ToolCallDelta,
    Usage,
)
from gateway.providers.base import Call
from tests.battles.ring import Play, Ring, says
from tests.gateway.desk import LOCAL, ended

pytestmark = pytest.mark.asyncio(loop_scope="session")
CALL = ToolCall("call_1", "weather", '{"city": "Bremen", "unit": "C"}')
WENT = CompletionRequest(
    "north/alpha",
    (
        Message.of("user", "Weather in Bremen?"),
        Message("assistant", (TextPart("Looking."),), (CALL,)),
        Message("tool", (TextPart("14 degrees"),), tool_call_id="call_1"),
    ),
    tools=(Tool("weather"),),
)


def calls(name: str, arguments: str) -> Play:
    async def play(call: Call) -> AsyncGenerator[Event, None]:
        yield ToolCallDelta(0, "call_9", name, arguments)
        yield Finished("tool_calls")
        yield Usage(input=10, output=5)

    return play


async def test_results_are_found_whatever_the_order_of_arguments() -> None:
    known = recorded(WENT.messages)
    assert known.result_of(ToolCall("x", "weather", '{"unit":"C","city":"Bremen"}')) == "14 degrees"
    assert known.result_of(ToolCall("x", "weather", '{"city":"Oslo","unit":"C"}')) is None
    assert known.result_of(ToolCall("x", "weather", "not json")) is None
    assert not recorded(WENT.messages[:2])


async def test_a_round_goes_on_only_with_what_was_recorded() -> None:
    start = first_round(WENT)
    assert [message.role for message in start.messages] == ["user"]
    following, missing = next_round(start, "Looking.", (CALL,), recorded(WENT.messages))
    assert missing == () and following is not None
    assert [message.role for message in following.messages] == ["user", "assistant", "tool"]
    assert following.messages[-1].text == "14 degrees"
    other = ToolCall("call_2", "delete_all", "{}")
    assert next_round(start, "", (CALL, other), recorded(WENT.messages)) == (None, (other,))
    assert next_round(start, "Done.", (), recorded(WENT.messages)) == (None, ())


async def test_a_run_is_replayed_on_another_model_to_its_end(at: Ring) -> None:
    at.lab.plays_of(
        alpha=says("It is 14 degrees."),
        beta=[calls("weather", '{"unit": "C", "city": "Bremen"}'), says("14 it is.")],
    )
    first = await ended(await at.desk.gateway.admit(LOCAL, WENT, surface="page"))
    before = at.spent_nano_usd()
    done = await replay(at.desk.gateway, LOCAL, first.id, "south/beta")
    assert (done.rounds, done.missing) == (2, ())
    last = await at.desk.gateway.record(LOCAL, done.run_id)
    assert last.text == "14 it is." and last.model_id == "south/beta"
    assert [message.role for message in last.messages] == ["user", "assistant", "tool"]
    assert at.spent_nano_usd() > before  # each round is charged


async def test_a_call_without_a_recorded_result_ends_the_replay(at: Ring) -> None:
    at.lab.plays_of(alpha=says("x"), beta=calls("weather", '{"city": "Oslo"}'))
    first = await ended(await at.desk.gateway.admit(LOCAL, WENT, surface="page"))
    done = await replay(at.desk.gateway, LOCAL, first.id, "south/beta")
    assert done.rounds == 1 and [call.name for call in done.missing] == ["weather"]


async def test_without_its_text_a_run_cannot_be_replayed(at: Ring) -> None:
    at.lab.plays_of(alpha=says("x"))
    first = await ended(await at.desk.gateway.admit(LOCAL, WENT, surface="page"))
    await at.desk.gateway.forget_text(LOCAL, first.id)
    with pytest.raises(TextGone):
        await replay(at.desk.gateway, LOCAL, first.id)
