"""What a provider writes, on each wire, when it is well and when it is not.

`FAULTS` are those seen of real providers; each makes a reply for a wire.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from typing import Protocol

from gateway.providers.base import Wire
from tests.gateway.providers.upstream import EVENT_STREAM, Part, Pause, Reply, Reset

DONE = b"data: [DONE]\n\n"


def event(data: Mapping[str, object], name: str | None = None) -> bytes:
    head = f"event: {name}\n".encode() if name else b""
    return head + b"data: " + json.dumps(data, ensure_ascii=False).encode() + b"\n\n"


class WireScript(Protocol):
    """How a server of one wire says the same things."""

    def opening(self) -> list[bytes]: ...
    def text(self, text: str) -> bytes: ...
    def reasoning(self, text: str) -> bytes: ...
    def ending(self, input: int = 9, output: int = 2, cached: int = 0, reasoning: int = 0) -> list[bytes]: ...
    def error(self, code: str, message: str) -> bytes: ...


class ChatScript:
    def chunk(self, **parts: object) -> bytes:
        base = {"id": "chatcmpl-1", "object": "chat.completion.chunk", "created": 1_700_000_000, "model": "m"}
        return event({**base, "choices": [], **parts})

    def delta(self, finish_reason: str | None = None, **delta: object) -> bytes:
        return self.chunk(choices=[{"index": 0, "delta": delta, "finish_reason": finish_reason}])

    def opening(self) -> list[bytes]:
        return [self.delta(role="assistant", content="")]

    def text(self, text: str) -> bytes:
        return self.delta(content=text)

    def reasoning(self, text: str) -> bytes:
        return self.delta(reasoning_content=text)

    def finish(self, reason: str = "stop") -> bytes:
        return self.delta(finish_reason=reason)

    def usage(self, input: int, output: int, cached: int = 0, reasoning: int = 0) -> bytes:
        return self.chunk(
            usage={
                "prompt_tokens": input,
                "completion_tokens": output,
                "total_tokens": input + output,
                "prompt_tokens_details": {"cached_tokens": cached},
                "completion_tokens_details": {"reasoning_tokens": reasoning},
            }
        )

    def ending(self, input: int = 9, output: int = 2, cached: int = 0, reasoning: int = 0) -> list[bytes]:
        return [self.finish(), self.usage(input, output, cached, reasoning), DONE]

    def error(self, code: str, message: str) -> bytes:
        return event({"error": {"message": message, "type": "server_error", "code": code, "param": None}})


class ResponsesScript:
    def __init__(self) -> None:
        self._number = -1

    def event(self, type: str, **parts: object) -> bytes:
        self._number += 1
        return event({"type": type, "sequence_number": self._number, **parts}, name=type)

    def response(self, status: str, **parts: object) -> dict[str, object]:
        return {
            "id": "resp_1",
            "object": "response",
            "created_at": 1_700_000_000,
            "model": "m",
            "status": status,
            "output": [],
            "parallel_tool_calls": True,
            "tool_choice": "auto",
            "tools": [],
            "error": None,
            "incomplete_details": None,
            "instructions": None,
            "metadata": {},
            "temperature": 1.0,
            "top_p": 1.0,
            "usage": None,
            **parts,
        }

    def opening(self) -> list[bytes]:
        return [
            self.event("response.created", response=self.response("in_progress")),
            self.event("response.in_progress", response=self.response("in_progress")),
        ]

    def text(self, text: str) -> bytes:
        at = {"item_id": "msg_1", "output_index": 0, "content_index": 0}
        return self.event("response.output_text.delta", **at, delta=text, logprobs=[])

    def reasoning(self, text: str, part: int = 0) -> bytes:
        at = {"item_id": "rs_1", "output_index": 0, "summary_index": part}
        return self.event("response.reasoning_summary_text.delta", **at, delta=text)

    def usage(self, input: int, output: int, cached: int = 0, reasoning: int = 0) -> dict[str, object]:
        return {
            "input_tokens": input,
            "input_tokens_details": {"cached_tokens": cached, "cache_write_tokens": 0},
            "output_tokens": output,
            "output_tokens_details": {"reasoning_tokens": reasoning},
            "total_tokens": input + output,
        }

    def ended(self, status: str, **parts: object) -> bytes:
        return self.event(f"response.{status}", response=self.response(status, **parts))

    def ending(self, input: int = 9, output: int = 2, cached: int = 0, reasoning: int = 0) -> list[bytes]:
        return [self.ended("completed", usage=self.usage(input, output, cached, reasoning))]

    def error(self, code: str, message: str) -> bytes:
        return self.event("error", code=code, message=message, param=None)


class AnthropicScript:
    """Each call of `text` or `reasoning` is a delta in the block that is open, or in a new one."""

    def __init__(self, input: int = 9, cached: int = 0, written: int = 0) -> None:
        self._input = {
            "input_tokens": input,
            "cache_read_input_tokens": cached,
            "cache_creation_input_tokens": written,
        }
        self._index = -1
        self._open: str | None = None

    def event(self, type: str, **parts: object) -> bytes:
        return event({"type": type, **parts}, name=type)

    def opening(self) -> list[bytes]:
        message = {"id": "msg_1", "type": "message", "role": "assistant", "model": "m", "content": []}
        usage = {**self._input, "output_tokens": 1}
        return [self.event("message_start", message={**message, "usage": usage}), self.event("ping")]

    def block(self, type: str, **parts: object) -> bytes:
        """The beginning of a block, after the end of the one before."""
        end = self.stop()
        self._index, self._open = self._index + 1, type
        return end + self.event(
            "content_block_start", index=self._index, content_block={"type": type, **parts}
        )

    def delta(self, type: str, **parts: object) -> bytes:
        return self.event("content_block_delta", index=self._index, delta={"type": type, **parts})

    def stop(self) -> bytes:
        if self._open is None:
            return b""
        self._open = None
        return self.event("content_block_stop", index=self._index)

    def text(self, text: str) -> bytes:
        begun = b"" if self._open == "text" else self.block("text", text="")
        return begun + self.delta("text_delta", text=text)

    def reasoning(self, text: str) -> bytes:
        begun = b"" if self._open == "thinking" else self.block("thinking", thinking="", signature="")
        return begun + self.delta("thinking_delta", thinking=text)

    def seal(self, signature: str) -> bytes:
        return self.delta("signature_delta", signature=signature)

    def finish(self, reason: str = "end_turn", usage: Mapping[str, object] | None = None) -> bytes:
        told = {} if usage is None else {"usage": usage}
        return self.stop() + self.event("message_delta", delta={"stop_reason": reason}, **told)

    def usage(self, input: int, output: int, cached: int = 0, reasoning: int = 0) -> dict[str, object]:
        """`input` is the whole prompt, as the other scripts have it; this wire counts beside each other."""
        return {
            "input_tokens": input - cached,
            "cache_read_input_tokens": cached,
            "output_tokens": output,
            "output_tokens_details": {"thinking_tokens": reasoning},
        }

    def ending(self, input: int = 9, output: int = 2, cached: int = 0, reasoning: int = 0) -> list[bytes]:
        usage = self.usage(input, output, cached, reasoning)
        return [self.finish(usage=usage), self.event("message_stop")]

    def error(self, code: str, message: str) -> bytes:
        return self.event("error", error={"type": code, "message": message})


WIRES: tuple[Wire, ...] = ("chat_completions", "responses", "anthropic_messages")


def wire_script(name: str) -> WireScript:
    if name == "anthropic_messages":
        return AnthropicScript()
    return ResponsesScript() if name == "responses" else ChatScript()


# --- faults seen of real providers ------------------------------------------------------------------

SECRET = "sk-live-Zx81QpTmN0"  # stands in prose that a provider writes; it must go no further
HALF = "Half an answer"


def whole_answer(wire: WireScript, *texts: str) -> Reply:
    said = [wire.text(text) for text in texts or ("Hello", " world")]
    return Reply([*wire.opening(), *said, *wire.ending()])


def _half(wire: WireScript) -> list[Part]:
    return [*wire.opening(), wire.text(HALF)]


def _json(status: int, body: object, **headers: str) -> Reply:
    data = json.dumps(body).encode()
    return Reply([data], status, {"Content-Type": "application/json", **headers})


def _refused(status: int, code: str, **headers: str) -> Reply:
    said = {"message": f"Key {SECRET} is wrong at http://10.0.0.7", "type": "some_error", "code": code}
    return _json(status, {"error": said}, **headers)


FAULTS: Mapping[str, Callable[[WireScript], Reply]] = {
    "clean end without an end": lambda wire: Reply(_half(wire)),
    "cut in the middle of a chunked body": lambda wire: Reply(_half(wire), framing="cut"),
    "closed early": lambda wire: Reply(_half(wire), framing="close"),
    "html with 200": lambda wire: Reply([b"<html>Welcome</html>"], headers={"Content-Type": "text/html"}),
    "json with 200": lambda wire: _json(200, {"choices": [{"message": {"content": "Hello"}}]}),
    "empty body": lambda wire: Reply(),
    "only [DONE]": lambda wire: Reply([DONE]),
    "broken json": lambda wire: Reply([*_half(wire), b'data: {"choices": [{"del\n\n', *wire.ending()]),
    "json of another shape": lambda wire: Reply([*_half(wire), b'data: ["what"]\n\n', *wire.ending()]),
    "not even text": lambda wire: Reply([*_half(wire), b'data: {"error": "\xff\xfe"}\n\n', *wire.ending()]),
    "reset in the middle": lambda wire: Reply([*_half(wire), Pause(0.05), Reset()]),
    "reset before a byte": lambda wire: Reply([Reset()], framing="raw"),
    "closed before a byte": lambda wire: Reply([], framing="raw"),
    "broken http": lambda wire: Reply([b"SMTP 220 hello\r\n\r\n"], framing="raw"),
    "error event first": lambda wire: Reply([wire.error("rate_limit_exceeded", SECRET)]),
    "error event in the middle": lambda wire: Reply([*_half(wire), wire.error("server_error", SECRET)]),
    "compressed unasked": lambda wire: Reply([b"x"], headers={**EVENT_STREAM, "Content-Encoding": "br"}),
    "redirect": lambda wire: Reply([], 307, {"Location": "http://127.0.0.1:1/elsewhere"}),
    "wrong key": lambda wire: _refused(401, "invalid_api_key"),
    "unknown model": lambda wire: _refused(404, "model_not_found"),
    "too long": lambda wire: _refused(400, "context_length_exceeded"),
    "rate limited": lambda wire: _refused(429, "rate_limit_exceeded", **{"Retry-After": "7"}),
    "failing": lambda wire: _refused(500, "server_error"),
    "prose for an error": lambda wire: Reply(
        [f"Key {SECRET} failed".encode()], 503, {"Content-Type": "text/plain"}
    ),
}
