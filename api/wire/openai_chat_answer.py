"""OpenAI's chat completions answers: server-sent chunks as they come, or one body at the end.

The last chunk before `[DONE]` carries usage, with the cost that the ledger charged: it is written
after the run is settled. Each piece of text is one chunk, encoded once between bytes that were
prepared when the stream began.
"""

from __future__ import annotations

from collections.abc import Iterable

import msgspec

from billing.money import decimal_usd
from gateway.messages import Event, Finished, ReasoningDelta, TextDelta, ToolCall, ToolCallDelta
from gateway.records import RunRecord

DONE = b"data: [DONE]\n\n"
_encode = msgspec.json.encode


class Chunks:
    """Encodes one stream. With usage asked for, every chunk says `"usage": null` but the last."""

    def __init__(self, run_id: str, model: str, created_ms: int, *, with_usage: bool) -> None:
        created = created_ms // 1000
        head = _encode(
            {"id": run_id, "object": "chat.completion.chunk", "created": created, "model": model}
        ).removesuffix(b"}")
        usage = b',"usage":null' if with_usage else b""
        self._with_usage = with_usage
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

    def finish(self, reason: str) -> bytes:
        return self._before + b'},"logprobs":null,"finish_reason":' + _encode(reason) + self._after_finish

    def usage(self, usage: dict[str, object]) -> bytes:
        """Empty where the caller did not ask for usage."""
        if not self._with_usage:
            return b""
        return self._head + b',"choices":[],"usage":' + _encode(usage) + b"}\n\n"

    def error(self, body: dict[str, object]) -> bytes:
        """An error in mid-stream. Nothing follows it, not even `[DONE]`: the answer is not complete."""
        return b"data: " + _encode(body) + b"\n\n"

    def _event(self, event: Event) -> bytes:
        match event:
            case TextDelta(text):
                return self._text + _encode(text) + self._after
            case ReasoningDelta(text):
                return self._reasoning + _encode(text) + self._after
            case ToolCallDelta():
                return self._before + b'"tool_calls":[' + _encode(_call_delta(event)) + b"]" + self._after
            case Finished("error"):
                return b""  # the run fails, and says why
            case Finished(reason):
                return self.finish(reason)
            case _:
                return b""


def whole(record: RunRecord, usage: dict[str, object]) -> dict[str, object]:
    """The answer in one body."""
    message: dict[str, object] = {"role": "assistant", "content": record.text, "refusal": None}
    if record.reasoning:
        message["reasoning_content"] = record.reasoning
    if record.tool_calls:
        message["content"] = record.text or None
        message["tool_calls"] = [_call(call) for call in record.tool_calls]
    finish = record.finish_reason or "stop"
    return {
        "id": record.id,
        "object": "chat.completion",
        "created": record.created_ms // 1000,
        "model": record.model_id,
        "choices": [{"index": 0, "message": message, "logprobs": None, "finish_reason": finish}],
        "usage": usage,
    }


def usage_of(record: RunRecord, cached_tokens: int = 0) -> dict[str, object]:
    """OpenAI's counts; then what it cost and what is left, in dollars, as the ledger has it.

    `cost` is null only where the bill is still being written.
    """
    figures = record.figures
    prompt, answer = figures.input_tokens or 0, figures.output_tokens or 0
    cost, left = figures.cost_nano_usd, figures.available_after_nano_usd
    return {
        "prompt_tokens": prompt,
        "completion_tokens": answer,
        "total_tokens": prompt + answer,
        "prompt_tokens_details": {"cached_tokens": cached_tokens},
        "completion_tokens_details": {"reasoning_tokens": figures.reasoning_tokens or 0},
        "cost": None if cost is None else decimal_usd(cost),
        "available_after": None if left is None else decimal_usd(left),
        "estimated": figures.estimated and figures.input_tokens is not None,
    }


def _call(call: ToolCall) -> dict[str, object]:
    return {"id": call.id, "type": "function", "function": {"name": call.name, "arguments": call.arguments}}


def _call_delta(delta: ToolCallDelta) -> dict[str, object]:
    function: dict[str, object] = {"arguments": delta.arguments}
    if delta.name is not None:
        function = {"name": delta.name, **function}
    if delta.id is None:
        return {"index": delta.index, "function": function}
    return {"index": delta.index, "id": delta.id, "type": "function", "function": function}
