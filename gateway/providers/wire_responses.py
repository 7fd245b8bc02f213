"""The responses wire: our request -> its body, its events -> our events. Pure.

Reference: platform.openai.com/docs/api-reference/responses-streaming. Nothing is stored at the
provider. All three terminal events carry usage, also the one that tells of a failure.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import msgspec

from gateway.errors import ProviderError
from gateway.messages import (
    CompletionRequest,
    Event,
    FilePart,
    Finished,
    FinishReason,
    ImagePart,
    Message,
    ReasoningDelta,
    TextDelta,
    Tool,
    ToolCallDelta,
    Usage,
)
from gateway.providers.wire import ErrorBody, decode, reported

# --- the request ------------------------------------------------------------------------------------


def responses_body(
    request: CompletionRequest, model: str, out_cap: int, reasoning_summary: str | None = None
) -> dict[str, Any]:
    """The body of a streamed request. The wire has no stop sequences, seed or penalties.

    `reasoning_summary` ("auto") asks for summaries of the thoughts; some accounts may not.
    """
    sampling = request.sampling
    reasoning = {"effort": sampling.effort, "summary": reasoning_summary}
    body: dict[str, Any] = {
        "model": model,
        "input": [item for message in request.messages for item in _items(message)],
        "stream": True,
        "store": False,
        "max_output_tokens": out_cap,
        "temperature": sampling.temperature,
        "top_p": sampling.top_p,
        "reasoning": {name: value for name, value in reasoning.items() if value is not None} or None,
        "tools": [_tool(tool) for tool in request.tools if isinstance(tool, Tool)] or None,
        "tool_choice": _tool_choice(request.tool_choice),
        "text": _text_format(request.response_format),
    }
    return {name: value for name, value in body.items() if value is not None}


def _items(message: Message) -> list[dict[str, Any]]:
    if message.role == "tool":
        output = {"type": "function_call_output", "call_id": message.tool_call_id, "output": message.text}
        return [output]
    items: list[dict[str, Any]] = []
    if message.parts:
        items.append({"role": message.role, "content": _content(message)})
    items += [
        {"type": "function_call", "call_id": call.id, "name": call.name, "arguments": call.arguments}
        for call in message.tool_calls
    ]
    return items


def _content(message: Message) -> list[dict[str, Any]]:
    text = "output_text" if message.role == "assistant" else "input_text"
    return [
        {"type": "input_image", "image_url": part.url, "detail": part.detail}
        if isinstance(part, ImagePart)
        else {"type": text, "text": part.text}
        for part in message.parts
        if not isinstance(part, FilePart)
    ]


def _tool(tool: Tool) -> dict[str, Any]:
    # `strict` has another default on this wire, so it is always said.
    return {
        "type": "function",
        "name": tool.name,
        "description": tool.description,
        "parameters": dict(tool.parameters),
        "strict": bool(tool.strict),
    }


def _tool_choice(choice: str | Mapping[str, object] | None) -> object:
    if isinstance(choice, Mapping) and isinstance(function := choice.get("function"), Mapping):
        return {"type": "function", "name": function.get("name")}
    return choice


def _text_format(response_format: Mapping[str, object] | None) -> dict[str, object] | None:
    """The chat wire nests a schema one level deeper."""
    if response_format is None:
        return None
    schema = response_format.get("json_schema")
    nested = dict(schema) if isinstance(schema, Mapping) else {}
    return {"format": {"type": response_format.get("type"), **nested}}


# --- the answer -------------------------------------------------------------------------------------


class _InputDetails(msgspec.Struct):
    cached_tokens: int | float | None = None


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
    call_id: str | None = None
    name: str | None = None
    arguments: str | None = None
    content: list[_Part] | None = None


class _Incomplete(msgspec.Struct):
    reason: str | None = None


class _Response(msgspec.Struct):
    status: str | None = None
    usage: ResponsesUsage | None = None
    error: ErrorBody | None = None
    incomplete_details: _Incomplete | None = None
    output: list[_Item] | None = None


class _Event(msgspec.Struct):
    type: str = ""
    delta: str | dict[str, Any] | None = None
    output_index: int | None = None
    summary_index: int | None = None
    item: _Item | None = None
    response: _Response | None = None
    error: ErrorBody | None = None
    # an `error` event carries these itself
    code: Any = None
    message: Any = None
    param: Any = None


_EVENT = msgspec.json.Decoder(_Event)


class ResponsesAnswer:
    """One answer on the responses wire."""

    def __init__(self, provider: str) -> None:
        self.done = False
        self._provider = provider
        self._said = False  # any text, refusal or call came as a delta
        self._began = False
        self._calls: dict[int, int] = {}  # output index -> which call it is
        self._argued: set[int] = set()  # output indexes whose arguments came as deltas
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
            case "response.function_call_arguments.delta":
                return self._arguments(event)
            case "response.output_item.added":
                return self._item_added(event)
            case "response.output_item.done":
                return self._item_done(event)
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
        return [ToolCallDelta(self._call_no(at), arguments=event.delta)]

    def _item_added(self, event: _Event) -> list[Event]:
        item = event.item
        if item is None or item.type != "function_call":
            return []
        self._began = self._said = True
        return [ToolCallDelta(self._call_no(event.output_index or 0), item.call_id, item.name)]

    def _item_done(self, event: _Event) -> list[Event]:
        """A call whose arguments came whole."""
        item, at = event.item, event.output_index or 0
        if item is None or item.type != "function_call" or at in self._argued or not item.arguments:
            return []
        known = at in self._calls
        self._began = self._said = True
        self._argued.add(at)
        names = (None, None) if known else (item.call_id, item.name)
        return [ToolCallDelta(self._call_no(at), *names, arguments=item.arguments)]

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
        parts = [part for item in response.output or () for part in item.content or ()]
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
    cached = int((usage.input_tokens_details or _InputDetails()).cached_tokens or 0)
    return Usage(
        input=int(usage.input_tokens) - cached,
        output=int(usage.output_tokens),
        cached_input=cached,
        reasoning=int((usage.output_tokens_details or _OutputDetails()).reasoning_tokens or 0),
    )
