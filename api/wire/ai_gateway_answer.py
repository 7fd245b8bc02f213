"""Answers in the AI SDK's gateway protocol: its stream parts as server-sent events, or one result.

Text and thoughts are blocks with a start, deltas and an end; a call is its input as it is written and
then the call, whole, as soon as the model has ended it. A maker's seal on a thought stands among that
maker's metadata, where the SDK's own provider for it would put it, so that the SDK sends it back. The
last part carries usage, what it cost and the run's id (`providerMetadata.gateway.generationId`).
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

import msgspec

from api.wire.ai_gateway_warnings import Warnings
from api.wire.costs import costs
from api.wire.pieces import Called, Hosted, Piece, Said, Thought
from api.wire.shapes import Answered, Begun
from api.wire.values import instant
from gateway.messages import (
    CallKind,
    Citation,
    Event,
    Finished,
    HostedCall,
    ReasoningDelta,
    ReasoningProof,
    TextDelta,
    ToolCallDelta,
)
from gateway.tool_fees import tool_of

_DONE = b"data: [DONE]\n\n"
_encode = msgspec.json.encode
_Part = dict[str, object]


@dataclass(frozen=True, slots=True)
class AiSdkShape:
    """`names` says what the caller calls a tool that the provider knows by its kind."""

    specification: int
    model_asked: str
    warnings: Warnings
    names: Mapping[str, str]

    def stream(self, begun: Begun) -> Parts:
        return Parts(self, begun)

    def whole(self, answered: Answered) -> dict[str, object]:
        content = [part for piece in answered.pieces for part in self._content(piece)]
        marks = [mark for piece in answered.pieces if isinstance(piece, Said) for mark in piece.citations]
        content += [source(mark, f"source-{at}") for at, mark in enumerate(marks)]
        return {
            "content": content,
            **self.ending(answered, answered.finish),
            "response": {
                "id": answered.record.id,
                "modelId": answered.record.model_id,
                "timestamp": instant(answered.record.created_ms),
            },
            "warnings": self.warnings.written(self.specification, answered.record.notes),
        }

    def ending(self, answered: Answered, reason: str) -> dict[str, object]:
        """What is known when all is over."""
        record = answered.record
        unified = reason.replace("_", "-")
        return {
            "finishReason": unified if self.specification == 2 else {"unified": unified, "raw": reason},
            "usage": _usage_2(answered) if self.specification == 2 else _usage(answered),
            "providerMetadata": {
                "gateway": {
                    "generationId": record.id,
                    **costs(answered),
                    "routing": {
                        "originalModelId": self.model_asked,
                        "resolvedModelId": record.model_id,
                        "finalProvider": record.provider,
                    },
                }
            },
        }

    def call(self, id: str, name: str, kind: CallKind, arguments: str) -> _Part:
        """The SDK parses `input`; a custom tool's plain text is a JSON string there."""
        match kind:
            case "custom":
                written = _encode(arguments).decode()
            case "local_shell":
                written = f'{{"action":{arguments or "{}"}}}'
            case _:
                written = arguments or "{}"
        return {
            "type": "tool-call",
            "toolCallId": id,
            "toolName": self.tool_name(name, kind),
            "input": written,
        }

    def tool_name(self, name: str, kind: CallKind) -> str:
        return self.names.get("local_shell", name) if kind == "local_shell" else name

    def hosted(self, call: HostedCall) -> list[_Part]:
        """A call that the provider made and answered itself."""
        tool = tool_of(call.kind)
        called = {"toolCallId": call.id, "toolName": self.names.get(tool, tool)}
        done = {"providerExecuted": True, "dynamic": tool not in self.names}
        return [
            {"type": "tool-call", **called, "input": "{}", **done},
            {"type": "tool-result", **called, "result": call.item, **done},
        ]

    def _content(self, piece: Piece) -> list[_Part]:
        match piece:
            case Said():
                return [{"type": "text", "text": piece.text}] if piece.parts else []
            case Thought():
                thought: _Part = {"type": "reasoning", "text": piece.text}
                return [
                    thought if piece.proof is None else {**thought, "providerMetadata": seal(piece.proof)}
                ]
            case Called():
                return [self.call(piece.id, piece.name, piece.kind, piece.arguments)]
            case Hosted():
                return self.hosted(piece.call)


class Parts:
    """Encodes one stream."""

    def __init__(self, shape: AiSdkShape, begun: Begun) -> None:
        self._shape = shape
        self._begun = begun
        self._block = ""  # the open block's id
        self._kind = ""  # "text" or "reasoning" where one is open
        self._delta = b""
        self._blocks = 0
        self._sources = 0
        self._call: _Call | None = None
        self._reason: str | None = None

    def opening(self) -> bytes:
        begun = self._begun
        warnings = self._shape.warnings.written(self._shape.specification, begun.notes)
        about: _Part = {"id": begun.run_id, "modelId": begun.model, "timestamp": instant(begun.created_ms)}
        start = _part({"type": "stream-start", "warnings": warnings})
        return start + _part({"type": "response-metadata", **about})

    def events(self, batch: Iterable[Event]) -> bytes:
        return b"".join(self._event(event) for event in batch)

    def ended(self, answered: Answered) -> bytes:
        return self._over() + self._finish(answered, self._reason or answered.finish)

    def failed(self, answered: Answered, error: dict[str, Any], status: int) -> bytes:
        """What was billed is told all the same; a call that was cut is not told as one."""
        self._call = None
        told: _Part = {"type": "error", "error": {**error["error"], "statusCode": status}}
        return self._close() + _part(told) + self._finish(answered, "error")

    def _finish(self, answered: Answered, reason: str) -> bytes:
        return _part({"type": "finish", **self._shape.ending(answered, reason)}) + _DONE

    def _event(self, event: Event) -> bytes:
        match event:
            case TextDelta(text):
                return self._open("text") + self._delta + _encode(text) + b"}\n\n"
            case ReasoningDelta(text):
                return self._open("reasoning") + self._delta + _encode(text) + b"}\n\n"
            case ReasoningProof():
                fresh = self._over() if event.redacted else b""
                return fresh + self._open("reasoning") + self._close(seal(event))
            case ToolCallDelta():
                return self._tool_call(event)
            case HostedCall():
                return self._over() + b"".join(map(_part, self._shape.hosted(event)))
            case Citation():
                self._sources += 1
                return _part(source(event, f"source-{self._sources - 1}"))
            case Finished(reason):
                self._reason = reason
                return b"" if reason == "error" else self._over()
            case _:
                return b""

    def _open(self, kind: str) -> bytes:
        if kind == self._kind:
            return b""
        before = self._over()
        self._kind, self._block = kind, f"{kind}-{self._blocks}"
        self._blocks += 1
        head = _encode({"type": f"{kind}-delta", "id": self._block}).removesuffix(b"}")
        self._delta = b"data: " + head + b',"delta":'
        return before + _part({"type": f"{kind}-start", "id": self._block})

    def _close(self, metadata: _Part | None = None) -> bytes:
        """Ends the open block, if there is one."""
        if not self._kind:
            return b""
        end: _Part = {"type": f"{self._kind}-end", "id": self._block}
        self._kind = ""
        return _part(end if metadata is None else {**end, "providerMetadata": metadata})

    def _over(self) -> bytes:
        """Ends whatever is open: a block, or a call."""
        call, self._call = self._call, None
        if call is None:
            return self._close()
        end = _part({"type": "tool-input-end", "id": call.id})
        return end + _part(self._shape.call(call.id, call.name, call.kind, "".join(call.pieces)))

    def _tool_call(self, delta: ToolCallDelta) -> bytes:
        before = b""
        call = self._call
        if call is None or call.index != delta.index:
            before = self._over()
            made_up = f"call_{self._begun.run_id.removeprefix('run_')}_{delta.index}"
            call = self._call = _Call(delta.index, delta.id or made_up, delta.name or "", delta.kind, [])
            start: _Part = {"type": "tool-input-start", "id": call.id}
            start["toolName"] = self._shape.tool_name(call.name, call.kind)
            before += _part(start)
        if not delta.arguments:
            return before
        call.pieces.append(delta.arguments)
        return before + _part({"type": "tool-input-delta", "id": call.id, "delta": delta.arguments})


@dataclass(slots=True)
class _Call:
    index: int
    id: str
    name: str
    kind: CallKind
    pieces: list[str]


def _part(part: _Part) -> bytes:
    return b"data: " + _encode(part) + b"\n\n"


def source(citation: Citation, id: str) -> _Part:
    return {"type": "source", "sourceType": "url", "id": id, "url": citation.url, "title": citation.title}


def seal(proof: ReasoningProof) -> _Part:
    """Read again by `ai_gateway_prompt.py`."""
    match proof.wire:
        case "anthropic_messages":
            return {"anthropic": {"redactedData" if proof.redacted else "signature": proof.proof}}
        case "responses":
            return {"openai": {"itemId": proof.id, "reasoningEncryptedContent": proof.proof}}
        case wire:
            return {"tiltyard": {"wire": wire, "seal": proof.proof, "id": proof.id}}


def _usage(answered: Answered) -> _Part:
    figures = answered.record.figures
    total, output, reasoning = figures.input_tokens, figures.output_tokens, figures.reasoning_tokens
    cached, written = answered.cached_tokens, answered.cache_write_tokens
    return {
        "inputTokens": _known(
            total=total,
            noCache=None if total is None else total - cached - written,
            cacheRead=None if total is None else cached,
            cacheWrite=None if total is None else written,
        ),
        "outputTokens": _known(
            total=output,
            text=None if output is None else output - (reasoning or 0),
            reasoning=reasoning,
        ),
    }


def _usage_2(answered: Answered) -> _Part:
    figures = answered.record.figures
    total, output = figures.input_tokens, figures.output_tokens
    return _known(
        inputTokens=total,
        outputTokens=output,
        totalTokens=None if total is None or output is None else total + output,
        reasoningTokens=figures.reasoning_tokens,
        cachedInputTokens=None if total is None else answered.cached_tokens,
    )


def _known(**counts: int | None) -> _Part:
    """Unknown is left out: the SDK's word for it is `undefined`."""
    return {name: count for name, count in counts.items() if count is not None}
