"""An answer in the order in which it came: thoughts, text, calls, put together from a provider's events.

The wires that number the parts of an answer (responses, Anthropic's) write from these, streamed or not.
"""

from __future__ import annotations

from collections.abc import Iterable

import msgspec
from msgspec.structs import replace

from gateway.messages import (
    CallKind,
    Citation,
    Event,
    HostedCall,
    ReasoningDelta,
    ReasoningProof,
    TextDelta,
    ToolCall,
    ToolCallDelta,
)
from gateway.records import RunRecord


class Thought(msgspec.Struct):
    """`proof` is set once the thought has ended, where its maker seals thoughts."""

    parts: list[str] = msgspec.field(default_factory=list)
    proof: ReasoningProof | None = None

    @property
    def text(self) -> str:
        return "".join(self.parts)


class Said(msgspec.Struct):
    """`start`: how many characters of text the answer had before."""

    start: int = 0
    parts: list[str] = msgspec.field(default_factory=list)
    citations: list[Citation] = msgspec.field(default_factory=list)

    @property
    def text(self) -> str:
        return "".join(self.parts)


class Called(msgspec.Struct):
    """`index` is the provider's own number for the call."""

    index: int
    id: str
    name: str
    kind: CallKind
    parts: list[str] = msgspec.field(default_factory=list)

    @property
    def arguments(self) -> str:
        return "".join(self.parts)

    @property
    def call(self) -> ToolCall:
        return ToolCall(self.id, self.name, self.arguments, self.kind)


class Hosted(msgspec.Struct):
    call: HostedCall


Piece = Thought | Said | Called | Hosted


class Assembly:
    """Takes events one by one; `take` gives the piece that an event belongs to, None where to none."""

    def __init__(self, run_id: str) -> None:
        self.pieces: list[Piece] = []
        self._run_id = run_id
        self._chars = 0
        self._calls: dict[int, Called] = {}

    def take_all(self, events: Iterable[Event]) -> tuple[Piece, ...]:
        for event in events:
            self.take(event)
        return tuple(self.pieces)

    def take(self, event: Event) -> Piece | None:
        match event:
            case TextDelta(text):
                said = self._said()
                said.parts.append(text)
                self._chars += len(text)
                return said
            case ReasoningDelta(text):
                thought = self._thought()
                thought.parts.append(text)
                return thought
            case ReasoningProof():
                sealed = self._thought(fresh=event.redacted)
                sealed.proof = event
                return sealed
            case ToolCallDelta():
                return self._call(event)
            case HostedCall():
                hosted = Hosted(event)
                self.pieces.append(hosted)
                return hosted
            case Citation():
                cited = self._said()
                cited.citations.append(_placed(event, cited.start))
                return cited
        return None

    @property
    def _last(self) -> Piece | None:
        return self.pieces[-1] if self.pieces else None

    def _said(self) -> Said:
        last = self._last
        if not isinstance(last, Said):
            last = Said(self._chars)
            self.pieces.append(last)
        return last

    def _thought(self, *, fresh: bool = False) -> Thought:
        """A sealed thought is over: what follows is another one."""
        last = self._last
        if not isinstance(last, Thought) or last.proof is not None or (fresh and last.parts):
            last = Thought()
            self.pieces.append(last)
        return last

    def _call(self, delta: ToolCallDelta) -> Called:
        call = self._calls.get(delta.index)
        if call is None:
            made_up = f"call_{self._run_id.removeprefix('run_')}_{delta.index}"
            call = self._calls[delta.index] = Called(delta.index, delta.id or made_up, "", delta.kind)
            self.pieces.append(call)
        if delta.name:
            call.name = delta.name
        if delta.arguments:
            call.parts.append(delta.arguments)
        return call


def _placed(citation: Citation, start: int) -> Citation:
    """Counted in the text that it stands by, not in the whole answer's."""
    if not start:
        return citation
    return replace(citation, start=max(0, citation.start - start), end=max(0, citation.end - start))


def pieces_of(record: RunRecord) -> tuple[Piece, ...]:
    """What a kept run has of its answer, as the wires write it."""
    return Assembly(record.id).take_all(events_of(record))


def events_of(record: RunRecord) -> list[Event]:
    """The answer again. What its marks do not place comes as thoughts, text, calls."""
    events: list[Event] = []
    thought = said = called = 0
    for mark in record.marks:
        reasoning, text = (
            record.reasoning[thought : mark.reasoning_chars],
            record.text[said : mark.text_chars],
        )
        thoughts: list[Event] = [ReasoningDelta(reasoning)] if reasoning else []
        words: list[Event] = [TextDelta(text)] if text else []
        words += _calls(record, called, mark.calls)
        # A seal ends the thought before it; whatever else is marked stands after words.
        sealing = isinstance(mark.event, ReasoningProof)
        events += [*words, *thoughts, mark.event] if sealing else [*thoughts, *words, mark.event]
        thought, said, called = mark.reasoning_chars, mark.text_chars, mark.calls
    if reasoning := record.reasoning[thought:]:
        events.append(ReasoningDelta(reasoning))
    if text := record.text[said:]:
        events.append(TextDelta(text))
    return events + _calls(record, called, len(record.tool_calls))


def _calls(record: RunRecord, start: int, end: int) -> list[Event]:
    return [
        ToolCallDelta(index, call.id, call.name, call.arguments, call.kind)
        for index, call in list(enumerate(record.tool_calls))[start:end]
    ]
