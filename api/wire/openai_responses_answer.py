"""OpenAI's responses answers: numbered events in their order as they come, or one object at the end.

    response.created, response.in_progress
    for each item      response.output_item.added, its parts and deltas and what they came to, ...done
    at the end         response.completed, .incomplete or .failed, with the whole answer and its usage

Text and thoughts end when something else begins; calls stay open until the model has finished, since
some providers write several at once. A run that somebody stopped ends with an `error` event.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

import msgspec

from api.wire.costs import costs
from api.wire.openai_responses_objects import (
    ANSWERED_NOTHING,
    Ended,
    Item,
    Namespaces,
    annotation,
    incomplete_reason,
    response,
    text_part,
)
from api.wire.pieces import Assembly, Called, Hosted, Piece, Said, Thought
from api.wire.shapes import Answered, Begun
from gateway.messages import Citation, Event, Finished, FinishReason, ReasoningDelta, TextDelta, ToolCallDelta

_encode = msgspec.json.encode


@dataclass(frozen=True, slots=True)
class ResponseShape:
    """`echo` is what the answer repeats of the request; seals are given out where they were asked for.
    `namespaces`: which tools the caller knows under two names."""

    echo: Mapping[str, object] = field(default_factory=lambda: ANSWERED_NOTHING)
    with_seals: bool = False
    namespaces: Namespaces = field(default_factory=dict)

    def stream(self, begun: Begun) -> ResponseStream:
        return ResponseStream(begun, self)

    def whole(self, answered: Answered) -> dict[str, object]:
        record = answered.record
        items = _items(answered.record.id, answered.pieces, answered.finish, self)
        begun = Begun(record.id, record.model_id, record.created_ms)
        error: dict[str, object] | None = None
        if record.failure is not None:
            error = {"code": "server_error", "message": record.failure.message}
        return response(
            begun,
            self.echo,
            _STATUS.get(record.state) or _status(answered.finish),
            items,
            completed_ms=_completed_ms(answered),
            usage=None if record.state == "running" else usage_of(answered),
            error=error,
            incomplete=incomplete_reason(answered.finish) if record.state == "done" else None,
        )


_STATUS = {"running": "in_progress", "failed": "failed", "stopped": "cancelled"}


def usage_of(answered: Answered) -> dict[str, object]:
    figures = answered.record.figures
    prompt, output = figures.input_tokens or 0, figures.output_tokens or 0
    return {
        "input_tokens": prompt,
        "input_tokens_details": {
            "cached_tokens": answered.cached_tokens,
            "cache_write_tokens": answered.cache_write_tokens,
        },
        "output_tokens": output,
        "output_tokens_details": {"reasoning_tokens": figures.reasoning_tokens or 0},
        "total_tokens": prompt + output,
        **costs(answered),
    }


def _items(
    run_id: str, pieces: Iterable[Piece], finish: FinishReason, shape: ResponseShape
) -> list[dict[str, Any]]:
    numbered = [
        Item(run_id, at, piece, shape.with_seals, shape.namespaces) for at, piece in enumerate(pieces)
    ]
    return [item.whole(_item_status(item, numbered, finish)) for item in numbered]


def _item_status(item: Item, items: list[Item], finish: FinishReason | None) -> Ended:
    """Only the last one can have been cut."""
    return "incomplete" if item is items[-1] and finish not in (None, "stop", "tool_calls") else "completed"


def _completed_ms(answered: Answered) -> int | None:
    total_ms = answered.record.figures.total_ms
    return None if total_ms is None else answered.record.created_ms + int(total_ms)


def _status(finish: FinishReason) -> str:
    return "incomplete" if incomplete_reason(finish) else "completed"


class ResponseStream:
    """Encodes one stream: an event is its name, its data and the next sequence number."""

    def __init__(self, begun: Begun, shape: ResponseShape) -> None:
        self._begun = begun
        self._shape = shape
        self._assembly = Assembly(begun.run_id)
        self._items: list[Item] = []
        self._by_piece: dict[int, Item] = {}
        self._open: list[Item] = []
        self._flowing: Item | None = None  # whose deltas are prepared
        self._before = b""
        self._next = 0

    def opening(self) -> bytes:
        begun = self._response("in_progress")
        created = self._told("response.created", response=begun)
        return created + self._told("response.in_progress", response=begun)

    def events(self, batch: Iterable[Event]) -> bytes:
        return b"".join(self._event(event) for event in batch)

    def ended(self, answered: Answered) -> bytes:
        finish = answered.finish
        closing = self._close_all(finish)
        status = _status(finish)
        whole = self._response(
            status,
            usage=usage_of(answered),
            incomplete=incomplete_reason(finish),
            completed_ms=_completed_ms(answered),
        )
        return closing + self._told(f"response.{status}", response=whole)

    def failed(self, answered: Answered, error: dict[str, Any], status: int) -> bytes:
        """A stop is an `error` event; a failure the response's own end. Nothing follows either."""
        said = error["error"]
        if answered.record.state == "stopped":
            return self._told("error", code=said["code"], message=said["message"], param=None)
        code = "rate_limit_exceeded" if status == 429 else "server_error"
        failure = {"code": code, "message": said["message"]}
        whole = self._response(
            "failed", usage=usage_of(answered), error={**said, "reason": said["code"], **failure}
        )
        return self._told("response.failed", response=whole)

    # --- one event ----------------------------------------------------------------------------

    def _event(self, event: Event) -> bytes:
        if isinstance(event, Finished):
            return b"" if event.reason == "error" else self._close_all(event.reason)
        piece = self._assembly.take(event)
        if piece is None:
            return b""
        item = self._by_piece.get(id(piece))
        if item is None:
            item = self._by_piece[id(piece)] = Item(
                self._begun.run_id, len(self._items), piece, self._shape.with_seals, self._shape.namespaces
            )
            self._items.append(item)
            return self._close_flowing() + self._begin(item)
        if item not in self._open:
            return self._begin(item)
        return self._delta(item, event)

    def _begin(self, item: Item) -> bytes:
        """Announce an item with what there is of it. A call waits for its name, a shell call for its end."""
        piece = item.piece
        if isinstance(piece, Called) and (not piece.name or piece.kind == "local_shell"):
            return b""
        self._open.append(item)
        told = self._told("response.output_item.added", output_index=item.index, item=item.announced())
        match piece:
            case Said():
                told += self._part("response.content_part.added", item, text_part("", ()))
                told += self._text_delta(item, piece.text) if piece.parts else b""
                return told + self._annotations(item, piece.citations)
            case Thought() if piece.parts:
                return told + self._summary_begins(item) + self._text_delta(item, piece.text)
            case Called() if piece.parts:
                return told + self._text_delta(item, piece.arguments)
            case Hosted():
                return told + self._hosted(item, piece)
        return told

    def _delta(self, item: Item, event: Event) -> bytes:
        match event:
            case TextDelta(text):
                return self._text_delta(item, text)
            case ReasoningDelta(text):
                return self._text_delta(item, text)
            case ToolCallDelta():
                return self._text_delta(item, event.arguments) if event.arguments else b""
            case Citation():
                assert isinstance(item.piece, Said)
                return self._annotations(item, item.piece.citations[-1:])
        return b""  # a seal, which is told with the whole thought

    def _text_delta(self, item: Item, text: str) -> bytes:
        if item is not self._flowing:
            self._flowing = item
            name, fixed = item.delta_event()
            head = _encode({"type": name, **fixed}).removesuffix(b"}")
            self._before = b"event: " + name.encode() + b"\ndata: " + head + b',"delta":'
        number, self._next = self._next, self._next + 1
        return self._before + _encode(text) + b',"sequence_number":%d}\n\n' % number

    def _annotations(self, item: Item, citations: list[Citation]) -> bytes:
        assert isinstance(item.piece, Said)
        first = len(item.piece.citations) - len(citations)
        return b"".join(
            self._told(
                "response.output_text.annotation.added",
                item_id=item.id,
                output_index=item.index,
                content_index=0,
                annotation_index=at,
                annotation=annotation(citation),
            )
            for at, citation in enumerate(citations, first)
        )

    def _hosted(self, item: Item, piece: Hosted) -> bytes:
        """It was made and answered before we heard of it: all its steps at once."""
        kind = "web_search_call" if piece.call.kind.startswith("web_search") else piece.call.kind
        steps = ("in_progress", "searching", "completed") if kind == "web_search_call" else ()
        told = b"".join(
            self._told(f"response.{kind}.{step}", item_id=item.id, output_index=item.index) for step in steps
        )
        return told + self._close(item, "completed")

    # --- ends ---------------------------------------------------------------------------------

    def _close_flowing(self) -> bytes:
        """Text and thoughts are over once another item begins."""
        over = [item for item in self._open if not isinstance(item.piece, Called)]
        return b"".join(self._close(item, "completed") for item in over)

    def _close_all(self, finish: FinishReason) -> bytes:
        closing = b"".join(
            self._close(item, _item_status(item, self._items, finish)) for item in tuple(self._open)
        )
        for item in self._items:  # shell calls, and calls that never got a name
            if item.ended is None:
                announced = self._told(
                    "response.output_item.added", output_index=item.index, item=item.announced()
                )
                self._open.append(item)
                closing += announced + self._close(item, _item_status(item, self._items, finish))
        return closing

    def _close(self, item: Item, status: Ended) -> bytes:
        self._open.remove(item)
        item.ended = status
        piece, told = item.piece, b""
        if isinstance(piece, Said):
            told = self._said(
                "response.output_text.done", item, text=piece.text, content_index=0, logprobs=[]
            )
            told += self._part("response.content_part.done", item, text_part(piece.text, piece.citations))
        elif isinstance(piece, Thought) and piece.parts:
            summary = {"type": "summary_text", "text": piece.text}
            told = self._said("response.reasoning_summary_text.done", item, text=piece.text, summary_index=0)
            told += self._said("response.reasoning_summary_part.done", item, part=summary, summary_index=0)
        elif isinstance(piece, Called) and piece.kind == "custom":
            told = self._said("response.custom_tool_call_input.done", item, input=piece.arguments)
        elif isinstance(piece, Called) and piece.kind == "function":
            _, name = self._shape.namespaces.get(piece.name, (None, piece.name))
            told = self._said(
                "response.function_call_arguments.done", item, name=name, arguments=piece.arguments
            )
        return told + self._told(
            "response.output_item.done", output_index=item.index, item=item.whole(status)
        )

    # --- bytes --------------------------------------------------------------------------------

    def _summary_begins(self, item: Item) -> bytes:
        part = {"type": "summary_text", "text": ""}
        return self._said("response.reasoning_summary_part.added", item, part=part, summary_index=0)

    def _part(self, name: str, item: Item, part: dict[str, object]) -> bytes:
        return self._said(name, item, content_index=0, part=part)

    def _said(self, event: str, item: Item, /, **fields: object) -> bytes:
        return self._told(event, item_id=item.id, output_index=item.index, **fields)

    def _told(self, event: str, /, **fields: object) -> bytes:
        number, self._next = self._next, self._next + 1
        data = _encode({"type": event, "sequence_number": number, **fields})
        return b"event: " + event.encode() + b"\ndata: " + data + b"\n\n"

    def _response(self, status: str, **more: Any) -> dict[str, object]:
        items = [item.whole(item.ended or "incomplete") for item in self._items]
        return response(self._begun, self._shape.echo, status, items, **more)
