"""The responses wire: its events -> our events. Pure. The way there is `wire_responses_request.py`.

Reference: platform.openai.com/docs/api-reference/responses-streaming. All three terminal events carry
usage, also the one that tells of a failure. A call that the provider made itself is passed on whole.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import msgspec

from gateway.errors import ProviderError
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
from gateway.providers.wire import ErrorBody, decode, garbled, reported
from gateway.providers.wire_tools import LOCAL_SHELL, Unwrapped


class _InputDetails(msgspec.Struct):
    cached_tokens: int | float | None = None
    cache_write_tokens: int | float | None = None


class _OutputDetails(msgspec.Struct):
    reasoning_tokens: int | float | None = None


class ResponsesUsage(msgspec.Struct):
    input_tokens: int | float | None = None
    output_tokens: int | float | None = None
    input_tokens_details: _InputDetails | None = None
    output_tokens_details: _OutputDetails | None = None


class _Part(msgspec.Struct):
    type: str = ""
    text: str | None = None
    refusal: str | None = None


class _Item(msgspec.Struct):
    type: str = ""
    id: str | None = None
    call_id: str | None = None
    name: str | None = None
    arguments: Any = None
    input: str | None = None
    action: msgspec.Raw = msgspec.Raw()
    encrypted_content: str | None = None
    summary: list[_Part] | None = None
    content: list[_Part] | None = None


class _Annotation(msgspec.Struct):
    type: str = ""
    url: str | None = None
    title: str | None = None
    start_index: int | None = None
    end_index: int | None = None


class _Incomplete(msgspec.Struct):
    reason: str | None = None


class _Response(msgspec.Struct):
    status: str | None = None
    usage: ResponsesUsage | None = None
    error: ErrorBody | None = None
    incomplete_details: _Incomplete | None = None
    output: list[msgspec.Raw] | None = None


class _Event(msgspec.Struct):
    type: str = ""
    delta: str | dict[str, Any] | None = None
    output_index: int | None = None
    summary_index: int | None = None
    item: msgspec.Raw = msgspec.Raw()
    annotation: _Annotation | None = None
    response: _Response | None = None
    error: ErrorBody | None = None
    # an `error` event carries these itself
    code: Any = None
    message: Any = None
    param: Any = None


_EVENT = msgspec.json.Decoder(_Event)
_ITEM = msgspec.json.Decoder(_Item)
_CALLS: Mapping[str, CallKind] = {
    "function_call": "function",
    "custom_tool_call": "custom",
    "local_shell_call": "local_shell",
}


class ResponsesAnswer:
    """One answer on the responses wire. `disguised` names the functions that are something else."""

    def __init__(self, provider: str, disguised: Mapping[str, CallKind] | None = None) -> None:
        self.done = False
        self._provider = provider
        self._said = False  # any text, refusal or call came as a delta
        self._began = False
        self._calls: dict[int, int] = {}  # output index -> which call it is
        self._argued: set[int] = set()  # output indexes whose arguments came as deltas
        self._kinds: dict[int, CallKind] = {}  # by output index, of those that are no functions
        self._unwrapped: dict[int, Unwrapped] = {}
        self._disguised = disguised or {}
        self._summary: tuple[int, int] | None = None
        self._failure: ProviderError | None = None

    def take(self, frame: bytes) -> list[Event]:
        if not frame or frame.startswith(b"[DONE]"):
            return []
        event = decode(_EVENT, frame, self._provider)
        match event.type:
            case "response.output_text.delta" | "response.refusal.delta":
                return self._text(event)
            case "response.reasoning_summary_text.delta" | "response.reasoning_text.delta":
                return self._reasoning(event)
            case "response.function_call_arguments.delta" | "response.custom_tool_call_input.delta":
                return self._arguments(event)
            case "response.output_item.added":
                return self._item_added(event)
            case "response.output_item.done":
                return self._item_done(event)
            case "response.output_text.annotation.added":
                return self._annotation(event)
            case "response.completed" | "response.incomplete":
                return self._ended(event.response or _Response())
            case "response.failed":
                return self._failed(event.response or _Response())
            case "error":
                raise reported(self._provider, _error_of(event), began=self._began)
        return []

    def end(self) -> list[Event]:
        """Raises the failure whose usage `take` has just told."""
        if self._failure is not None:
            raise self._failure
        return []

    def _text(self, event: _Event) -> list[Event]:
        if not isinstance(event.delta, str) or not event.delta:
            return []
        self._began = self._said = True
        return [TextDelta(event.delta)]

    def _reasoning(self, event: _Event) -> list[Event]:
        """Summaries come in parts, which are paragraphs."""
        if not isinstance(event.delta, str) or not event.delta:
            return []
        part = (event.output_index or 0, event.summary_index or 0)
        paragraph = "\n\n" if self._summary not in (None, part) else ""
        self._summary = part
        self._began = True
        return [ReasoningDelta(paragraph + event.delta)]

    def _arguments(self, event: _Event) -> list[Event]:
        if not isinstance(event.delta, str) or not event.delta:
            return []
        at = event.output_index or 0
        self._argued.add(at)
        return [self._piece(at, event.delta)]

    def _piece(
        self, at: int, arguments: str, id: str | None = None, name: str | None = None
    ) -> ToolCallDelta:
        if at in self._unwrapped:
            arguments = self._unwrapped[at].feed(arguments)
        return ToolCallDelta(self._call_no(at), id, name, arguments, self._kinds.get(at, "function"))

    def _item_added(self, event: _Event) -> list[Event]:
        item = self._item(event)
        if item.type not in _CALLS or item.type == "local_shell_call":
            return []  # a shell's action comes whole, when the item is done
        self._began = self._said = True
        at = event.output_index or 0
        self._kind(at, item)
        return [self._piece(at, "", item.call_id, item.name)]

    def _kind(self, at: int, item: _Item) -> None:
        kind = _CALLS[item.type]
        if kind == "function":
            kind = self._disguised.get(item.name or "", kind)
            if kind == "custom":
                self._unwrapped.setdefault(at, Unwrapped())
        if kind != "function":
            self._kinds[at] = kind

    def _item_done(self, event: _Event) -> list[Event]:
        item, at = self._item(event), event.output_index or 0
        if item.type in _CALLS:
            return self._call_done(item, at)
        if item.type == "reasoning":
            return self._thought_done(item)
        if item.type in ("", "message"):
            return []
        self._began = True
        return [HostedCall(item.type.removesuffix("_call"), item.id or "", self._whole_item(event))]

    def _call_done(self, item: _Item, at: int) -> list[Event]:
        """A call whose arguments came whole."""
        arguments = self._said_whole(item)
        if at in self._argued or not arguments:
            return []
        known = at in self._calls
        self._began = self._said = True
        self._argued.add(at)
        self._kind(at, item)
        name = LOCAL_SHELL if item.type == "local_shell_call" else item.name
        names = (None, None) if known else (item.call_id, name)
        return [self._piece(at, arguments, *names)]

    def _said_whole(self, item: _Item) -> str:
        if item.type == "local_shell_call":
            return bytes(item.action).decode("utf-8", "replace")
        said = item.input if item.type == "custom_tool_call" else item.arguments
        return said if isinstance(said, str) else ""

    def _thought_done(self, item: _Item) -> list[Event]:
        if not item.encrypted_content:
            return []
        self._began = True
        told = any(part.text for part in (item.summary or []) + (item.content or []))
        return [ReasoningProof(item.encrypted_content, "responses", item.id, redacted=not told)]

    def _annotation(self, event: _Event) -> list[Event]:
        said = event.annotation
        if said is None or said.type != "url_citation" or not said.url:
            return []
        return [Citation(said.url, said.title or "", said.start_index or 0, said.end_index or 0)]

    def _item(self, event: _Event) -> _Item:
        item = bytes(event.item)
        return decode(_ITEM, item, self._provider) if item not in (b"", b"null") else _Item()

    def _whole_item(self, event: _Event) -> dict[str, Any]:
        item = msgspec.json.decode(event.item)
        if not isinstance(item, dict):
            raise garbled(self._provider)
        return item

    def _call_no(self, output_index: int) -> int:
        return self._calls.setdefault(output_index, len(self._calls))

    def _ended(self, response: _Response) -> list[Event]:
        self.done = True
        events = [] if self._said else self._whole(response)
        events.append(Finished(self._reason(response)))
        usage = usage_of(response.usage) if response.usage else None
        return events if usage is None else [*events, usage]

    def _whole(self, response: _Response) -> list[Event]:
        """The text of a server that sent no deltas."""
        items = (decode(_ITEM, bytes(item), self._provider) for item in response.output or ())
        parts = [part for item in items if item.type == "message" for part in item.content or ()]
        text = "".join(part.text or part.refusal or "" for part in parts)
        return [TextDelta(text)] if text else []

    def _reason(self, response: _Response) -> FinishReason:
        if response.incomplete_details is not None or response.status == "incomplete":
            why = response.incomplete_details.reason if response.incomplete_details else None
            return "content_filter" if why == "content_filter" else "length"
        return "tool_calls" if self._calls else "stop"

    def _failed(self, response: _Response) -> list[Event]:
        self.done = True
        self._failure = reported(self._provider, response.error or ErrorBody(), began=self._began)
        usage = usage_of(response.usage) if response.usage else None
        return [] if usage is None else [usage]


def _error_of(event: _Event) -> ErrorBody:
    return event.error or ErrorBody(code=event.code, param=event.param)


def usage_of(usage: ResponsesUsage) -> Usage | None:
    """Disjoint buckets; None where a count is missing. Output includes reasoning on this wire."""
    if usage.input_tokens is None or usage.output_tokens is None:
        return None
    details = usage.input_tokens_details or _InputDetails()
    cached, written = int(details.cached_tokens or 0), int(details.cache_write_tokens or 0)
    return Usage(
        input=int(usage.input_tokens) - cached - written,
        output=int(usage.output_tokens),
        cached_input=cached,
        cache_write=written,
        reasoning=int((usage.output_tokens_details or _OutputDetails()).reasoning_tokens or 0),
    )
