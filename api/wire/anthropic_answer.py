"""Anthropic's messages answers: its events as they come, or one message at the end.

    message_start
    for each block     content_block_start, its deltas, content_block_stop
    at the end         message_delta with the stop reason and the whole usage, message_stop

Blocks follow one another on this wire. A call that begins while another's arguments are not complete
waits until that one has ended.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

import msgspec

from api.wire.costs import costs
from api.wire.pieces import Assembly, Called, Hosted, Piece, Said, Thought
from api.wire.seals import sealed
from api.wire.shapes import Answered, Begun
from gateway.messages import (
    Citation,
    Event,
    Finished,
    FinishReason,
    ReasoningDelta,
    ReasoningProof,
    TextDelta,
    ToolCallDelta,
)

_OWN_WIRE = "anthropic_messages"
_STOPS: dict[FinishReason, str] = {
    "stop": "end_turn",
    "length": "max_tokens",
    "tool_calls": "tool_use",
    "content_filter": "refusal",
    "error": "end_turn",
}
_encode = msgspec.json.encode


@dataclass(frozen=True, slots=True)
class MessageShape:
    """`hides_thoughts`: only their seals are given out, for a caller who sends them back and shows none."""

    hides_thoughts: bool = False

    def stream(self, begun: Begun) -> MessageStream:
        return MessageStream(begun, self.hides_thoughts)

    def whole(self, answered: Answered) -> dict[str, object]:
        record = answered.record
        pieces = map(_hidden, answered.pieces) if self.hides_thoughts else answered.pieces
        blocks = [block for piece in pieces for block in _blocks(piece)]
        return {
            **_message(record.id, record.model_id),
            "content": blocks,
            "stop_reason": _STOPS[answered.finish],
            "usage": usage_of(answered),
        }


def _hidden(piece: Piece) -> Piece:
    return Thought([""], piece.proof) if isinstance(piece, Thought) else piece


def usage_of(answered: Answered) -> dict[str, object]:
    """Disjoint counts, as this wire has them."""
    figures = answered.record.figures
    cached, written = answered.cached_tokens, answered.cache_write_tokens
    return {
        "input_tokens": max(0, (figures.input_tokens or 0) - cached - written),
        "cache_creation_input_tokens": written,
        "cache_read_input_tokens": cached,
        "output_tokens": figures.output_tokens or 0,
        **costs(answered),
    }


class MessageStream:
    """Encodes one stream. `_at` is the index of the open block."""

    def __init__(self, begun: Begun, hides_thoughts: bool = False) -> None:
        self._begun = begun
        self._hides_thoughts = hides_thoughts
        self._assembly = Assembly(begun.run_id)
        self._piece: Piece | None = None  # whose block is open
        self._waiting: list[Called] = []
        self._at = -1
        self._before = b""

    def opening(self) -> bytes:
        usage = {
            "input_tokens": 0,
            "cache_creation_input_tokens": 0,
            "cache_read_input_tokens": 0,
            "output_tokens": 0,
        }
        begun = {**_message(self._begun.run_id, self._begun.model), "usage": usage}
        return _told("message_start", message=begun)

    def events(self, batch: Iterable[Event]) -> bytes:
        return b"".join(self._event(event) for event in batch)

    def ended(self, answered: Answered) -> bytes:
        delta = {"stop_reason": _STOPS[answered.finish], "stop_sequence": None}
        ending = self._end() + _told("message_delta", delta=delta, usage=usage_of(answered))
        return ending + _told("message_stop")

    def failed(self, answered: Answered, error: dict[str, Any], status: int) -> bytes:
        return b"event: error\ndata: " + _encode(error) + b"\n\n"

    # --- one event ----------------------------------------------------------------------------

    def _event(self, event: Event) -> bytes:
        if isinstance(event, Finished):
            return b"" if event.reason == "error" else self._end()
        if self._hides_thoughts and isinstance(event, ReasoningDelta):
            event = ReasoningDelta("")
        piece = self._assembly.take(event)
        if piece is None or (isinstance(piece, Called) and piece in self._waiting):
            return b""
        if piece is self._piece:
            return self._delta(event)
        if isinstance(piece, Called) and (self._waiting or self._is_calling() or not piece.name):
            self._waiting.append(piece)
            return b""
        return self._begin(piece)

    def _is_calling(self) -> bool:
        """Whether the open block is a call whose arguments are not complete."""
        if not isinstance(self._piece, Called):
            return False
        try:
            msgspec.json.decode(self._piece.arguments)
        except msgspec.DecodeError:
            return True
        return False

    def _begin(self, piece: Piece) -> bytes:
        """A block with what there is of it."""
        told = self._stop()
        for block in _blocks(piece) if isinstance(piece, Hosted) else ():
            self._at += 1
            told += _told("content_block_start", index=self._at, content_block=block)
            told += _told("content_block_stop", index=self._at)
        if isinstance(piece, Hosted):
            return told
        self._piece, self._at = piece, self._at + 1
        match piece:
            case Thought(proof=proof) if proof is not None and not piece.parts:
                return told + _told("content_block_start", index=self._at, content_block=_thought(piece))
            case Thought():
                head = b'{"type":"thinking_delta","thinking":'
                begun: dict[str, object] = {"type": "thinking", "thinking": "", "signature": ""}
                text = piece.text
            case Said():
                head, text = b'{"type":"text_delta","text":', piece.text
                begun = {"type": "text", "text": ""}
            case Called():
                head, text = b'{"type":"input_json_delta","partial_json":', piece.arguments
                begun = {"type": "tool_use", "id": piece.id, "name": piece.name, "input": {}}
        self._before = (
            b'event: content_block_delta\ndata: {"type":"content_block_delta","index":%d,"delta":' % self._at
        ) + head
        told += _told("content_block_start", index=self._at, content_block=begun)
        return told + self._text(text) if text else told

    def _delta(self, event: Event) -> bytes:
        match event:
            case TextDelta(text):
                return self._text(text)
            case ReasoningDelta(text):
                return self._text(text) if text else b""
            case ToolCallDelta():
                return self._text(event.arguments) if event.arguments else b""
            case ReasoningProof():
                signature = {"type": "signature_delta", "signature": sealed(event, _OWN_WIRE)}
                return _told("content_block_delta", index=self._at, delta=signature)
            case Citation():
                assert isinstance(self._piece, Said)
                cited = {
                    "type": "citations_delta",
                    "citation": _citation(self._piece.citations[-1], self._piece.text),
                }
                return _told("content_block_delta", index=self._at, delta=cited)
        return b""

    def _text(self, text: str) -> bytes:
        return self._before + _encode(text) + b"}}\n\n"

    def _stop(self) -> bytes:
        if self._piece is None:
            return b""
        self._piece = None
        return _told("content_block_stop", index=self._at)

    def _end(self) -> bytes:
        waiting, self._waiting = self._waiting, []
        return b"".join(self._begin(call) for call in waiting) + self._stop()


def _message(run_id: str, model: str) -> dict[str, object]:
    return {
        "id": run_id,
        "type": "message",
        "role": "assistant",
        "model": model,
        "content": [],
        "stop_reason": None,
        "stop_sequence": None,
    }


def _blocks(piece: Piece) -> list[dict[str, object]]:
    match piece:
        case Thought():
            return [_thought(piece)]
        case Said():
            text = piece.text
            cited = [_citation(citation, text) for citation in piece.citations]
            return [{"type": "text", "text": text, **({"citations": cited} if cited else {})}]
        case Called():
            return [{"type": "tool_use", "id": piece.id, "name": piece.name, "input": _input(piece)}]
        case Hosted(call):
            action = call.item.get("action")
            asked = action if isinstance(action, dict) else {}
            query = {"query": asked.get("query", "")}
            return [
                {"type": "server_tool_use", "id": call.id, "name": "web_search", "input": query},
                {"type": "web_search_tool_result", "tool_use_id": call.id, "content": []},
            ]


def _thought(piece: Thought) -> dict[str, object]:
    proof = piece.proof
    if proof is not None and not piece.parts:
        return {"type": "redacted_thinking", "data": sealed(proof, _OWN_WIRE)}
    signature = "" if proof is None else sealed(proof, _OWN_WIRE)
    return {"type": "thinking", "thinking": piece.text, "signature": signature}


def _citation(citation: Citation, text: str) -> dict[str, object]:
    """The index is Anthropic's own seal on its source, which others do not have."""
    return {
        "type": "web_search_result_location",
        "url": citation.url,
        "title": citation.title,
        "cited_text": text[citation.start : citation.end],
        "encrypted_index": "",
    }


def _input(call: Called) -> object:
    """An object always: what is not one stands in `input`."""
    try:
        value = msgspec.json.decode(call.arguments or "{}")
    except msgspec.DecodeError:
        value = call.arguments
    return value if isinstance(value, dict) else {"input": value}


def _told(name: str, **fields: object) -> bytes:
    return b"event: " + name.encode() + b"\ndata: " + _encode({"type": name, **fields}) + b"\n\n"
