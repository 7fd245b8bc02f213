"""Tool calls with the results that were recorded for them, so that a run can be replayed without its tools.

A conversation that went through tools holds both: the calls that the model made and the results that its
caller sent back. `recorded` finds them; `next_round` answers what another model (or the same) calls with
what was recorded for the same call, and says which calls nothing was recorded for: those are never made up.
Pure.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from msgspec.structs import replace

from gateway.messages import CompletionRequest, Message, TextPart, ToolCall

MOST_ROUNDS: Final = 8


@dataclass(frozen=True, slots=True)
class Recorded:
    """Results by what was called: the tool's name, and its arguments as JSON with its keys in order."""

    results: Mapping[tuple[str, str], str]

    def result_of(self, call: ToolCall) -> str | None:
        """None where this was never called with these arguments."""
        return self.results.get(_named(call))

    def __bool__(self) -> bool:
        return bool(self.results)


def recorded(messages: Sequence[Message]) -> Recorded:
    """What these messages tell; the later result counts where one was called twice alike."""
    calls = {call.id: call for message in messages for call in message.tool_calls}
    return Recorded(
        {
            _named(calls[message.tool_call_id]): message.text
            for message in messages
            if message.role == "tool" and message.tool_call_id in calls
        }
    )


def first_round(request: CompletionRequest) -> CompletionRequest:
    """The request before its first tool call: where a replay starts."""
    kept: list[Message] = []
    for message in request.messages:
        if message.role == "assistant" and message.tool_calls:
            break
        kept.append(message)
    return replace(request, messages=tuple(kept))


def next_round(
    request: CompletionRequest, text: str, calls: Sequence[ToolCall], known: Recorded
) -> tuple[CompletionRequest | None, tuple[ToolCall, ...]]:
    """The request that follows an answer which called tools, and the calls that nothing was recorded for;
    where there are some, there is no request."""
    missing = tuple(call for call in calls if known.result_of(call) is None)
    if missing or not calls:
        return None, missing
    parts = (TextPart(text),) if text else ()
    answered = Message("assistant", parts, tuple(calls))
    results = [
        replace(Message.of("tool", known.result_of(call) or ""), tool_call_id=call.id, name=call.name)
        for call in calls
    ]
    return replace(request, messages=(*request.messages, answered, *results)), ()


def _named(call: ToolCall) -> tuple[str, str]:
    try:
        arguments = json.dumps(json.loads(call.arguments or "{}"), sort_keys=True, separators=(",", ":"))
    except (ValueError, RecursionError):
        arguments = call.arguments
    return call.name, arguments
