"""The chat completions wire: its chunks -> our events. Pure. The way there is `wire_chat_request.py`.

Reference: platform.openai.com/docs/api-reference/chat. Where others stray from it and mean well, they
are understood: reasoning under two names, usage in each chunk, no `finish_reason` before `[DONE]`,
reasoning counted beside the output.
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
    ReasoningDelta,
    TextDelta,
    ToolCallDelta,
    Usage,
)
from gateway.providers.wire import ErrorBody, decode, reported
from gateway.providers.wire_tools import Unwrapped


class _Function(msgspec.Struct):
    name: str | None = None
    arguments: str | None = None


class _Custom(msgspec.Struct):
    name: str | None = None
    input: str | None = None


class _ToolCall(msgspec.Struct):
    index: int | None = None
    id: str | None = None
    function: _Function | None = None
    custom: _Custom | None = None


class _Cited(msgspec.Struct):
    url: str = ""
    title: str | None = None
    start_index: int | None = None
    end_index: int | None = None


class _Annotation(msgspec.Struct):
    url_citation: _Cited | None = None


class _Delta(msgspec.Struct):
    content: str | list[Any] | None = None
    reasoning_content: str | None = None
    reasoning: str | None = None
    refusal: str | None = None
    tool_calls: list[_ToolCall] | None = None
    annotations: list[_Annotation] | None = None


class _Choice(msgspec.Struct):
    index: int | None = 0
    delta: _Delta | None = None
    finish_reason: str | None = None


class _InputDetails(msgspec.Struct):
    cached_tokens: int | float | None = None
    cache_write_tokens: int | float | None = None


class _OutputDetails(msgspec.Struct):
    reasoning_tokens: int | float | None = None


class ChatUsage(msgspec.Struct):
    prompt_tokens: int | float | None = None
    completion_tokens: int | float | None = None
    total_tokens: int | float | None = None
    prompt_tokens_details: _InputDetails | None = None
    completion_tokens_details: _OutputDetails | None = None
    prompt_cache_hit_tokens: int | float | None = None  # as DeepSeek writes it


class _Chunk(msgspec.Struct):
    choices: list[_Choice] | None = None
    usage: ChatUsage | None = None
    error: ErrorBody | str | None = None


_CHUNK = msgspec.json.Decoder(_Chunk)

_FINISH: Mapping[str, FinishReason] = {
    "stop": "stop",
    "length": "length",
    "max_tokens": "length",
    "model_length": "length",
    "tool_calls": "tool_calls",
    "function_call": "tool_calls",
    "content_filter": "content_filter",
    "error": "error",
}


class ChatAnswer:
    """One answer on the chat wire. `disguised` names the functions that are something else."""

    def __init__(self, provider: str, disguised: Mapping[str, CallKind] | None = None) -> None:
        self.done = False
        self._provider = provider
        self._opened = False  # a choice came, be it an empty one that only names the role
        self._began = False  # something to show came
        self._finished = False
        self._usage: ChatUsage | None = None
        self._disguised = disguised or {}
        self._kinds: dict[int, CallKind] = {}  # of the calls that are no functions, by index
        self._unwrapped: dict[int, Unwrapped] = {}

    def take(self, frame: bytes) -> list[Event]:
        if frame.startswith(b"[DONE]"):
            self.done = True
            return []
        if not frame:
            return []
        chunk = decode(_CHUNK, frame, self._provider)
        if chunk.error is not None:
            error = chunk.error if isinstance(chunk.error, ErrorBody) else ErrorBody()
            raise reported(self._provider, error, began=self._began)
        if chunk.usage is not None:
            self._usage = chunk.usage  # cumulative: the last one counts
        events: list[Event] = []
        for choice in chunk.choices or ():
            if not choice.index:
                self._opened = True
                delta = choice.delta
                if delta is not None:
                    _take_delta(delta, events)
                    if delta.tool_calls:
                        events.extend(self._tool_call(call, at) for at, call in enumerate(delta.tool_calls))
                if choice.finish_reason and not self._finished:
                    self._finished = True
                    events.append(Finished(_FINISH.get(choice.finish_reason, "stop")))
        self._began = self._began or bool(events)
        return events

    def end(self) -> list[Event]:
        """Usage, if it came; before it the end itself where only `[DONE]` told of it."""
        events: list[Event] = []
        if self.done and self._opened and not self._finished:
            self._finished = True
            events.append(Finished("stop"))
        usage = usage_of(self._usage) if self._usage and self._finished else None
        return events if usage is None else [*events, usage]

    def _tool_call(self, call: _ToolCall, at: int) -> ToolCallDelta:
        index = at if call.index is None else call.index
        if call.custom is not None:
            self._kinds[index] = "custom"
            name, arguments = call.custom.name or None, call.custom.input or ""
        else:
            function = call.function or _Function()
            name, arguments = function.name or None, function.arguments or ""
            if name and name in self._disguised:
                self._kinds[index] = self._disguised[name]
                if self._kinds[index] == "custom":
                    self._unwrapped[index] = Unwrapped()
            if index in self._unwrapped:
                arguments = self._unwrapped[index].feed(arguments)
        return ToolCallDelta(index, call.id or None, name, arguments, self._kinds.get(index, "function"))


def _take_delta(delta: _Delta, events: list[Event]) -> None:
    reasoning = delta.reasoning_content or delta.reasoning
    if reasoning:
        events.append(ReasoningDelta(reasoning))
    if delta.content:
        if isinstance(delta.content, str):
            events.append(TextDelta(delta.content))
        else:
            events.extend(_from_parts(delta.content))
    if delta.refusal:
        events.append(TextDelta(delta.refusal))
    if delta.annotations:
        events.extend(_citation(each.url_citation) for each in delta.annotations if each.url_citation)


def _citation(cited: _Cited) -> Citation:
    return Citation(cited.url, cited.title or "", cited.start_index or 0, cited.end_index or 0)


def _from_parts(parts: list[Any]) -> list[Event]:
    """Content as a list of parts, as Mistral's reasoning models write it."""
    events: list[Event] = []
    for part in parts:
        match part:
            case {"type": "text", "text": str(text)} if text:
                events.append(TextDelta(text))
            case {"type": "thinking", "thinking": [*thoughts]}:
                events.extend(_from_thoughts(thoughts))
    return events


def _from_thoughts(thoughts: list[Any]) -> list[Event]:
    texts = [thought.get("text") for thought in thoughts if isinstance(thought, dict)]
    return [ReasoningDelta(text) for text in texts if isinstance(text, str) and text]


def usage_of(usage: ChatUsage) -> Usage | None:
    """Disjoint buckets. None where a count is missing: that is unknown, not zero.

    The wire counts cached tokens in `prompt_tokens` and reasoning in `completion_tokens`.
    """
    if usage.prompt_tokens is None or usage.completion_tokens is None:
        return None
    prompt = int(usage.prompt_tokens)
    details = usage.prompt_tokens_details or _InputDetails()
    cached = int(details.cached_tokens or usage.prompt_cache_hit_tokens or 0)
    written = int(details.cache_write_tokens or 0)
    output, reasoning = _output_of(usage, prompt, int(usage.completion_tokens))
    return Usage(
        input=prompt - cached - written,
        output=output,
        cached_input=cached,
        cache_write=written,
        reasoning=reasoning,
    )


def _output_of(usage: ChatUsage, prompt: int, output: int) -> tuple[int, int]:
    """Output with its reasoning, and the reasoning alone.

    Some count reasoning beside `completion_tokens` (xAI), or in the total alone (Google), against the
    wire's rule; the sum gives it away, and they charge for it. Sources: github.com/vercel/ai/pull/12425,
    github.com/mozilla-ai/any-llm/issues/1290.
    """
    details = usage.completion_tokens_details
    reasoning = int((details or _OutputDetails()).reasoning_tokens or 0)
    beyond = 0 if usage.total_tokens is None else int(usage.total_tokens) - prompt - output
    if reasoning > 0 and (beyond == reasoning or reasoning > output):
        return output + reasoning, reasoning
    if beyond > 0 and details is None and usage.prompt_tokens_details is None:
        return output + beyond, beyond
    return output, reasoning
