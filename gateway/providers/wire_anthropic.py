"""Anthropic's messages wire: its events -> our events. Pure. The way there is `wire_anthropic_request.py`.

Reference: platform.claude.com/docs/en/build-with-claude/streaming. Tokens read from a cache and written
to one are counted beside `input_tokens`, not within; usage is cumulative, and the last event has it.
A web search that the provider made is told as the responses wire tells it.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import msgspec

from gateway.messages import (
    CallKind,
    Citation,
    Event,
    Finished,
    FinishReason,
    HostedCall,
    ReasoningDelta,
    ReasoningProof,
    TextDelta,
    ToolCallDelta,
    Usage,
)
from gateway.providers.wire import ErrorBody, decode, reported
from gateway.providers.wire_anthropic_request import ANSWER_TOOL, WIRE
from gateway.providers.wire_tools import Unwrapped


class _OutputDetails(msgspec.Struct):
    thinking_tokens: int | float | None = None


class _ServerTools(msgspec.Struct):
    web_search_requests: int | float | None = None


class AnthropicUsage(msgspec.Struct):
    input_tokens: int | float | None = None
    output_tokens: int | float | None = None
    cache_read_input_tokens: int | float | None = None
    cache_creation_input_tokens: int | float | None = None
    output_tokens_details: _OutputDetails | None = None
    server_tool_use: _ServerTools | None = None


class _Message(msgspec.Struct):
    usage: AnthropicUsage | None = None


class _Block(msgspec.Struct):
    type: str = ""
    id: str | None = None
    name: str | None = None
    text: str | None = None
    thinking: str | None = None
    signature: str | None = None
    data: str | None = None
    input: msgspec.Raw = msgspec.Raw()


class _Cited(msgspec.Struct):
    type: str = ""
    url: str | None = None
    title: str | None = None


class _Delta(msgspec.Struct):
    type: str = ""
    text: str | None = None
    thinking: str | None = None
    signature: str | None = None
    partial_json: str | None = None
    citation: _Cited | None = None
    stop_reason: str | None = None


class _Event(msgspec.Struct):
    type: str = ""
    index: int | None = None
    message: _Message | None = None
    content_block: _Block | None = None
    delta: _Delta | None = None
    usage: AnthropicUsage | None = None
    error: ErrorBody | None = None


_EVENT = msgspec.json.Decoder(_Event)
_FINISH: Mapping[str, FinishReason] = {
    "end_turn": "stop",
    "stop_sequence": "stop",
    "pause_turn": "stop",
    "max_tokens": "length",
    "model_context_window_exceeded": "length",
    "tool_use": "tool_calls",
    "refusal": "content_filter",
}


class _Open:
    """A block of the answer that has begun and not ended."""

    def __init__(self, block: _Block, started_at: int) -> None:
        self.type = block.type
        self.block = block
        self.started_at = started_at  # in characters of the answer's text
        self.call: int | None = None  # which call it is
        self.kind: CallKind = "function"
        self.unwrapped: Unwrapped | None = None
        self.arguments = ""
        self.thought = False  # any text of it came
        self.proof = block.signature or ""
        self.cited: list[_Cited] = []


class AnthropicAnswer:
    """One answer on the messages wire. `disguised` names the functions that are something else;
    `by_tool` says that the answer is what a tool is called with."""

    def __init__(
        self, provider: str, disguised: Mapping[str, CallKind] | None = None, *, by_tool: bool = False
    ) -> None:
        self.done = False
        self._provider = provider
        self._disguised = disguised or {}
        self._by_tool = by_tool
        self._open: dict[int, _Open] = {}
        self._calls = 0
        self._chars = 0
        self._began = False
        self._finished = False
        self._usage: AnthropicUsage | None = None
        self._reported = False

    def take(self, frame: bytes) -> list[Event]:
        if not frame or frame.startswith(b"[DONE]"):
            return []
        event = decode(_EVENT, frame, self._provider)
        match event.type:
            case "content_block_delta":
                events = self._delta(event)
            case "content_block_start":
                events = self._started(event)
            case "content_block_stop":
                events = self._stopped(event)
            case "message_start":
                self._count(event.message.usage if event.message else None)
                return []
            case "message_delta":
                events = self._ending(event)
            case "message_stop":
                self.done = True
                return []
            case "error":
                raise reported(self._provider, event.error or ErrorBody(), began=self._began)
            case _:
                return []  # ping, and whatever comes to be
        self._began = self._began or bool(events)
        return events

    def end(self) -> list[Event]:
        """The end itself where only the last event told of it; then usage, which counts as told only
        where the message's end told it."""
        events: list[Event] = []
        if self.done and not self._finished and self._began:
            self._finished = True
            events.append(Finished("stop"))
        usage = usage_of(self._usage) if self._usage and self._reported and self._finished else None
        return events if usage is None else [*events, usage]

    # --- blocks ---------------------------------------------------------------------------------

    def _started(self, event: _Event) -> list[Event]:
        block = event.content_block or _Block()
        opened = _Open(block, self._chars)
        self._open[event.index or 0] = opened
        match block.type:
            case "text" if block.text:
                return [self._text(block.text)]
            case "thinking" if block.thinking:
                opened.thought = True
                return [ReasoningDelta(block.thinking)]
            case "redacted_thinking" if block.data:
                return [ReasoningProof(block.data, WIRE, redacted=True)]
            case "tool_use" if not self._is_answer(block):
                return [self._call(opened)]
        return []

    def _is_answer(self, block: _Block) -> bool:
        return self._by_tool and block.name == ANSWER_TOOL

    def _call(self, opened: _Open) -> ToolCallDelta:
        opened.call, self._calls = self._calls, self._calls + 1
        opened.kind = self._disguised.get(opened.block.name or "", "function")
        if opened.kind == "custom":
            opened.unwrapped = Unwrapped()
        return ToolCallDelta(opened.call, opened.block.id, opened.block.name, "", opened.kind)

    def _delta(self, event: _Event) -> list[Event]:
        delta, opened = event.delta, self._open.get(event.index or 0)
        if delta is None:
            return []
        if delta.text:
            return [self._text(delta.text)]
        if opened is None:
            return []
        if delta.thinking:
            opened.thought = True
            return [ReasoningDelta(delta.thinking)]
        if delta.signature:
            opened.proof += delta.signature
        if delta.citation is not None:
            opened.cited.append(delta.citation)
        return self._arguments(opened, delta.partial_json) if delta.partial_json else []

    def _arguments(self, opened: _Open, piece: str) -> list[Event]:
        opened.arguments += piece
        if self._is_answer(opened.block):
            return [self._text(piece)]
        if opened.call is None:
            return []  # a tool of the provider's own: told when it is whole
        if opened.unwrapped is not None:
            piece = opened.unwrapped.feed(piece)
        return [ToolCallDelta(opened.call, arguments=piece, kind=opened.kind)]

    def _stopped(self, event: _Event) -> list[Event]:
        opened = self._open.pop(event.index or 0, None)
        if opened is None:
            return []
        match opened.type:
            case "thinking" if opened.proof:
                return [ReasoningProof(opened.proof, WIRE)]
            case "text":
                return [
                    Citation(cited.url, cited.title or "", opened.started_at, self._chars)
                    for cited in opened.cited
                    if cited.url
                ]
            case "tool_use" if not opened.arguments:
                return self._whole_input(opened)
            case "server_tool_use":
                return [_hosted(opened)]
        return []

    def _whole_input(self, opened: _Open) -> list[Event]:
        """Arguments that came with the block; a function without any is called with none."""
        given = bytes(opened.block.input).decode("utf-8", "replace") or "{}"
        return self._arguments(opened, given)

    def _text(self, text: str) -> TextDelta:
        self._chars += len(text)
        return TextDelta(text)

    # --- the end --------------------------------------------------------------------------------

    def _ending(self, event: _Event) -> list[Event]:
        self._count(event.usage)
        self._reported = self._reported or event.usage is not None
        reason = event.delta.stop_reason if event.delta else None
        if not reason or self._finished:
            return []
        self._finished = True
        finish = _FINISH.get(reason, "stop")
        return [Finished("stop" if finish == "tool_calls" and not self._calls else finish)]

    def _count(self, usage: AnthropicUsage | None) -> None:
        """What an event leaves unsaid is as it was said before."""
        if usage is None:
            return
        before = self._usage or AnthropicUsage()
        for name in usage.__struct_fields__:
            if getattr(usage, name) is None:
                setattr(usage, name, getattr(before, name))
        self._usage = usage


def _hosted(opened: _Open) -> HostedCall:
    name, id = opened.block.name or "", opened.block.id or ""
    item: dict[str, Any] = {"type": f"{name}_call", "id": id, "status": "completed"}
    try:
        given = msgspec.json.decode(opened.arguments.encode() or bytes(opened.block.input) or b"{}")
    except msgspec.DecodeError:
        given = {}
    if name == "web_search":
        query = given.get("query") if isinstance(given, dict) else None
        item["action"] = {"type": "search", "query": query or ""}
    return HostedCall(name, id, item)


def usage_of(usage: AnthropicUsage) -> Usage | None:
    """Disjoint buckets, as this wire counts them itself; None where a count is missing."""
    if usage.input_tokens is None or usage.output_tokens is None:
        return None
    details = usage.output_tokens_details or _OutputDetails()
    tools = usage.server_tool_use or _ServerTools()
    return Usage(
        input=int(usage.input_tokens),
        output=int(usage.output_tokens),
        cached_input=int(usage.cache_read_input_tokens or 0),
        cache_write=int(usage.cache_creation_input_tokens or 0),
        reasoning=int(details.thinking_tokens or 0),
        tool_calls=int(tools.web_search_requests or 0),
    )
