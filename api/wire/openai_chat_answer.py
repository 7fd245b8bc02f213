"""OpenAI's chat completions answers: server-sent chunks as they come, or one body at the end.

The last chunk before `[DONE]` carries usage, with the cost that the ledger charged: it is written
after the run is settled. Each piece of text is one chunk, encoded once between bytes that were
prepared when the stream began.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import msgspec

from api.wire.costs import costs
from api.wire.pieces import Called, Said, Thought
from api.wire.seals import sealed
from api.wire.shapes import Answered, Begun
from gateway.messages import (
    Citation,
    Event,
    Finished,
    ReasoningDelta,
    ReasoningProof,
    TextDelta,
    ToolCallDelta,
)

DONE = b"data: [DONE]\n\n"
_OWN_WIRE = "chat_completions"
_encode = msgspec.json.encode


class ChatShape(msgspec.Struct, frozen=True):
    with_usage: bool = False

    def stream(self, begun: Begun) -> Chunks:
        return Chunks(begun.run_id, begun.model, begun.created_ms, with_usage=self.with_usage)

    def whole(self, answered: Answered) -> dict[str, object]:
        record = answered.record
        return {
            "id": record.id,
            "object": "chat.completion",
            "created": record.created_ms // 1000,
            "model": record.model_id,
            "choices": [
                {
                    "index": 0,
                    "message": _message(answered),
                    "logprobs": None,
                    "finish_reason": answered.finish,
                }
            ],
            "usage": usage_of(answered),
        }


class Chunks:
    """Encodes one stream. With usage asked for, every chunk says `"usage": null` but the last."""

    def __init__(self, run_id: str, model: str, created_ms: int, *, with_usage: bool) -> None:
        created = created_ms // 1000
        head = _encode(
            {"id": run_id, "object": "chat.completion.chunk", "created": created, "model": model}
        ).removesuffix(b"}")
        usage = b',"usage":null' if with_usage else b""
        self._with_usage = with_usage
        self._finished = False
        self._thought: list[str] = []
        self._thoughts = 0
        self._head = b"data: " + head
        self._before = self._head + b',"choices":[{"index":0,"delta":{'
        self._after = b'},"logprobs":null,"finish_reason":null}]' + usage + b"}\n\n"
        self._after_finish = b"}]" + usage + b"}\n\n"
        self._text = self._before + b'"content":'
        self._reasoning = self._before + b'"reasoning_content":'

    def opening(self) -> bytes:
        return self._before + b'"role":"assistant","content":""' + self._after

    def events(self, batch: Iterable[Event]) -> bytes:
        return b"".join(self._event(event) for event in batch)

    def ended(self, answered: Answered) -> bytes:
        finish = b"" if self._finished else self._finish(answered.finish)
        return finish + self._usage(answered) + DONE

    def failed(self, answered: Answered, error: dict[str, Any], status: int) -> bytes:
        """Nothing follows it, not even `[DONE]`: the answer is not complete."""
        return self._usage(answered) + b"data: " + _encode(error) + b"\n\n"

    def _usage(self, answered: Answered) -> bytes:
        """Empty where the caller did not ask for usage."""
        if not self._with_usage:
            return b""
        return self._head + b',"choices":[],"usage":' + _encode(usage_of(answered)) + b"}\n\n"

    def _event(self, event: Event) -> bytes:
        match event:
            case TextDelta(text):
                return self._text + _encode(text) + self._after
            case ReasoningDelta(text):
                self._thought.append(text)
                return self._reasoning + _encode(text) + self._after
            case ReasoningProof():
                return self._delta(b'"reasoning_details":[', self._sealed(event), b"]")
            case ToolCallDelta():
                return self._delta(b'"tool_calls":[', _call_delta(event), b"]")
            case Citation():
                return self._delta(b'"annotations":[', _annotation(event), b"]")
            case Finished("error"):
                return b""  # the run fails, and says why
            case Finished(reason):
                return self._finish(reason)
            case _:
                return b""

    def _delta(self, before: bytes, value: dict[str, object], after: bytes) -> bytes:
        return self._before + before + _encode(value) + after + self._after

    def _finish(self, reason: str) -> bytes:
        self._finished = True
        return self._before + b'},"logprobs":null,"finish_reason":' + _encode(reason) + self._after_finish

    def _sealed(self, proof: ReasoningProof) -> dict[str, object]:
        text, self._thought = "".join(self._thought), []
        self._thoughts += 1
        return _detail(text, proof, self._thoughts - 1)


def usage_of(answered: Answered) -> dict[str, object]:
    """OpenAI's counts, then what it cost."""
    figures = answered.record.figures
    prompt, answer = figures.input_tokens or 0, figures.output_tokens or 0
    cached: dict[str, object] = {"cached_tokens": answered.cached_tokens}
    if answered.cache_write_tokens:
        cached["cache_write_tokens"] = answered.cache_write_tokens
    return {
        "prompt_tokens": prompt,
        "completion_tokens": answer,
        "total_tokens": prompt + answer,
        "prompt_tokens_details": cached,
        "completion_tokens_details": {"reasoning_tokens": figures.reasoning_tokens or 0},
        **costs(answered),
    }


def _message(answered: Answered) -> dict[str, object]:
    pieces = answered.pieces
    text = "".join(piece.text for piece in pieces if isinstance(piece, Said))
    thoughts = [piece for piece in pieces if isinstance(piece, Thought)]
    calls = [piece for piece in pieces if isinstance(piece, Called)]
    said = [piece for piece in pieces if isinstance(piece, Said)]
    citations = [_annotation(citation, piece.start) for piece in said for citation in piece.citations]
    message: dict[str, object] = {"role": "assistant", "content": text, "refusal": None}
    if thought := "".join(thought.text for thought in thoughts):
        message["reasoning_content"] = thought
    proofs = [(thought.text, thought.proof) for thought in thoughts]
    if details := [_detail(told, proof, at) for at, (told, proof) in enumerate(proofs) if proof is not None]:
        message["reasoning_details"] = details
    if citations:
        message["annotations"] = citations
    if calls:
        message["content"] = text or None
        message["tool_calls"] = [_call(call) for call in calls]
    return message


def _detail(text: str, proof: ReasoningProof, index: int) -> dict[str, object]:
    """A sealed thought as OpenRouter writes it: send it back with the message."""
    named: dict[str, object] = {"index": index} if proof.id is None else {"index": index, "id": proof.id}
    if proof.redacted or not text:
        return {"type": "reasoning.encrypted", "data": sealed(proof, _OWN_WIRE), **named}
    return {"type": "reasoning.text", "text": text, "signature": sealed(proof, _OWN_WIRE), **named}


def _annotation(citation: Citation, start: int = 0) -> dict[str, object]:
    """Counted in the whole answer's text; `start` is where its piece begins there."""
    place = {
        "url": citation.url,
        "title": citation.title,
        "start_index": citation.start + start,
        "end_index": citation.end + start,
    }
    return {"type": "url_citation", "url_citation": place}


def _call(call: Called) -> dict[str, object]:
    if call.kind == "custom":
        return {"id": call.id, "type": "custom", "custom": {"name": call.name, "input": call.arguments}}
    return {"id": call.id, "type": "function", "function": {"name": call.name, "arguments": call.arguments}}


def _call_delta(delta: ToolCallDelta) -> dict[str, object]:
    kind, said = ("custom", "input") if delta.kind == "custom" else ("function", "arguments")
    called: dict[str, object] = {said: delta.arguments}
    if delta.name is not None:
        called = {"name": delta.name, **called}
    if delta.id is None:
        return {"index": delta.index, kind: called}
    return {"index": delta.index, "id": delta.id, "type": kind, kind: called}
