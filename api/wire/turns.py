"""Puts a flat list of what was thought, said and called together into messages.

What an assistant did in one turn is one message: thoughts, then text, then calls. Calls that were made
together stay together, since other wires want their results right after them.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field

from gateway.messages import Message, Part, Reasoning, ToolCall


@dataclass(slots=True)
class _Turn:
    """What an assistant did since somebody else spoke."""

    reasoning: list[Reasoning] = field(default_factory=list)
    parts: list[Part] = field(default_factory=list)
    calls: list[ToolCall] = field(default_factory=list)

    def __bool__(self) -> bool:
        return bool(self.reasoning or self.parts or self.calls)


class Conversation:
    """Call `end_turn` after the last one; then `messages` has them all."""

    def __init__(self) -> None:
        self.messages: list[Message] = []
        self._turn = _Turn()

    def end_turn(self) -> None:
        turn, self._turn = self._turn, _Turn()
        if turn:
            calls, thoughts = tuple(turn.calls), tuple(turn.reasoning)
            self.messages.append(
                Message("assistant", tuple(turn.parts), tool_calls=calls, reasoning=thoughts)
            )

    def add(self, message: Message) -> None:
        self.end_turn()
        self.messages.append(message)

    def think(self, thought: Reasoning) -> None:
        if self._turn.parts and not self._turn.calls:
            self.end_turn()
        self._turn.reasoning.append(thought)

    def say(self, parts: Iterable[Part]) -> None:
        if self._turn.parts and not self._turn.calls:
            self.end_turn()
        self._turn.parts += parts

    def call(self, call: ToolCall) -> None:
        self._turn.calls.append(call)
