"""A provider on loopback that reads what it is asked, on OpenAI's two wires, and answers by rule.

    a schema is asked for          an object that fits it
    a tool's result came last      "The tool said: ..."
    tools, and no result yet       a call of the first function, with `CITY` as its arguments
    otherwise                      three pieces of text, after a thought where the model is `thinker`

A coding agent is answered by another rule (`by_working`). It remembers every request, so that a test can see
what a client's words became.
"""

from __future__ import annotations

import contextlib
import json
import threading
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from types import TracebackType
from typing import Any, Protocol

PIECES = ("Because of ", "Rayleigh ", "scattering.")
TEXT = "".join(PIECES)
THOUGHT = "Short waves scatter most."
CITY = '{"city": "Oslo"}'
WEATHER = '{"city": "Oslo", "degrees": 21}'
INPUT_TOKENS, OUTPUT_TOKENS = 12, 5


@dataclass(frozen=True, slots=True)
class Asked:
    """A request, whichever wire it came on."""

    path: str
    body: Mapping[str, Any]
    tools: tuple[str, ...]
    results: tuple[str, ...]  # of tools, since the user spoke last
    wants_object: bool


@dataclass(frozen=True, slots=True)
class Call:
    id: str
    name: str
    arguments: str
    custom: bool = False


@dataclass(frozen=True, slots=True)
class Says:
    pieces: tuple[str, ...] = ()
    thought: str = ""
    calls: tuple[Call, ...] = ()


class Script(Protocol):
    def __call__(self, asked: Asked) -> Says: ...


def by_rule(asked: Asked) -> Says:
    if asked.wants_object:
        return Says((WEATHER,))
    if asked.results:
        return Says((f"The tool said: {asked.results[-1]}",))
    if asked.tools:
        return Says(calls=(Call("call_1", asked.tools[0], CITY),))
    return Says(PIECES, THOUGHT if asked.body["model"] == "thinker" else "")


_COMMAND = "echo hello > hello.txt && cat hello.txt"
# How coding agents call a shell.
_SHELLS: Mapping[str, Mapping[str, Any]] = {
    "exec_command": {"cmd": _COMMAND},
    "shell_command": {"command": _COMMAND},
    "shell": {"command": ["sh", "-c", _COMMAND]},
    "Bash": {"command": _COMMAND, "description": "Writes the file"},
}


def by_working(asked: Asked) -> Says:
    """What a coding agent's model does: writes a file by a command, reads what came of it, says so."""
    if asked.results:
        return Says((f"Done: {asked.results[-1].strip().splitlines()[-1]}",))
    shell = next(name for name in _SHELLS if name in asked.tools)
    return Says(("I write the file.",), calls=(Call("call_1", shell, json.dumps(_SHELLS[shell])),))


@dataclass
class Scripted:
    """Serves in a thread from `with` to its end. `script` may be changed between requests."""

    script: Script = by_rule
    asked: list[Asked] = field(default_factory=list)
    base_url: str = ""

    @contextlib.contextmanager
    def following(self, script: Script) -> Iterator[None]:
        before, self.script = self.script, script
        try:
            yield
        finally:
            self.script = before

    def __enter__(self) -> Scripted:
        scripted = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.0"  # the end of the connection is the end of the answer

            def do_POST(self) -> None:
                body = json.loads(self.rfile.read(int(self.headers.get("Content-Length", "0"))))
                asked = _asked(self.path, body)
                scripted.asked.append(asked)
                if body["model"] == "busy":
                    self._refuse()
                    return
                self.send_response(200)
                self.send_header("Content-Type", "text/event-stream")
                self.end_headers()
                says = scripted.script(asked)
                events = _responses(says) if asked.path.endswith("/responses") else _chat(says)
                for event in events:
                    self.wfile.write(b"data: " + json.dumps(event).encode() + b"\n\n")
                    self.wfile.flush()
                self.wfile.write(b"data: [DONE]\n\n")

            def _refuse(self) -> None:
                self.send_response(429)
                self.send_header("Content-Type", "application/json")
                self.send_header("Retry-After", "1")
                self.end_headers()
                error = {"message": "slow down", "type": "rate_limit_error", "code": "rate_limit_exceeded"}
                self.wfile.write(json.dumps({"error": error}).encode())

            def log_message(self, format: str, *args: Any) -> None:
                """Quiet."""

        class Listener(ThreadingHTTPServer):
            daemon_threads = True

        self._server = Listener(("127.0.0.1", 0), Handler)
        self.base_url = f"http://127.0.0.1:{self._server.server_address[1]}/v1"
        threading.Thread(target=self._server.serve_forever, args=(0.05,), daemon=True).start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None
    ) -> None:
        self._server.shutdown()
        self._server.server_close()


# --- reading ---------------------------------------------------------------------------------


def _asked(path: str, body: Mapping[str, Any]) -> Asked:
    tools = tuple(_tool_name(tool) for tool in body.get("tools") or ())
    if path.endswith("/responses"):
        return Asked(path, body, tools, _item_results(body["input"]), bool(body.get("text")))
    return Asked(path, body, tools, _message_results(body["messages"]), bool(body.get("response_format")))


def _tool_name(tool: Mapping[str, Any]) -> str:
    named = tool.get("function", tool.get("custom", tool))
    return str(named.get("name", tool["type"]))


def _message_results(messages: Iterable[Mapping[str, Any]]) -> tuple[str, ...]:
    results: list[str] = []
    for message in messages:
        if message["role"] == "user":
            results = []
        elif message["role"] == "tool":
            results.append(_text(message["content"]))
    return tuple(results)


def _item_results(items: Iterable[Mapping[str, Any]]) -> tuple[str, ...]:
    results: list[str] = []
    for item in items:
        if item.get("role") == "user":
            results = []
        elif str(item.get("type")).endswith("_call_output"):
            results.append(_text(item["output"]))
    return tuple(results)


def _text(content: Any) -> str:
    if isinstance(content, str):
        return content
    return "".join(str(part.get("text", "")) for part in content or ())


# --- writing ---------------------------------------------------------------------------------


def _chat(says: Says) -> Iterator[dict[str, Any]]:
    base = {"id": "chatcmpl-1", "object": "chat.completion.chunk", "created": 1_700_000_000, "model": "m"}

    def chunk(delta: dict[str, Any], reason: str | None = None) -> dict[str, Any]:
        return {**base, "choices": [{"index": 0, "delta": delta, "finish_reason": reason}]}

    yield chunk({"role": "assistant", "content": ""})
    if says.thought:
        yield chunk({"reasoning_content": says.thought})
    for piece in says.pieces:
        yield chunk({"content": piece})
    for index, call in enumerate(says.calls):
        kind, written = ("custom", "input") if call.custom else ("function", "arguments")
        yield chunk({"tool_calls": [{"index": index, "id": call.id, "type": kind,
                                     kind: {"name": call.name, written: call.arguments}}]})  # fmt: skip
    yield chunk({}, "tool_calls" if says.calls else "stop")
    usage = {"prompt_tokens": INPUT_TOKENS, "completion_tokens": OUTPUT_TOKENS}
    yield {**base, "choices": [], "usage": usage}


def _responses(says: Says) -> Iterator[dict[str, Any]]:
    response: dict[str, Any] = {"id": "resp_1", "object": "response", "status": "in_progress", "output": []}
    yield {"type": "response.created", "response": response}
    at = 0
    if says.thought:
        item = {"id": "rs_1", "type": "reasoning", "summary": []}
        yield {"type": "response.output_item.added", "output_index": at, "item": item}
        where = {"item_id": "rs_1", "output_index": at, "summary_index": 0}
        yield {"type": "response.reasoning_summary_text.delta", **where, "delta": says.thought}
        summary = [{"type": "summary_text", "text": says.thought}]
        done = {**item, "summary": summary, "encrypted_content": "sealed-thought"}
        yield {"type": "response.output_item.done", "output_index": at, "item": done}
        at += 1
    if says.pieces:
        message: dict[str, Any] = {"id": "msg_1", "type": "message", "role": "assistant", "content": []}
        yield {"type": "response.output_item.added", "output_index": at, "item": message}
        where = {"item_id": "msg_1", "output_index": at, "content_index": 0}
        for piece in says.pieces:
            yield {"type": "response.output_text.delta", **where, "delta": piece}
        at += 1
    for call in says.calls:
        kind, written = ("custom_tool_call", "input") if call.custom else ("function_call", "arguments")
        item = {"id": f"item_{call.id}", "type": kind, "call_id": call.id, "name": call.name, written: ""}
        yield {"type": "response.output_item.added", "output_index": at, "item": item}
        where = {"item_id": item["id"], "output_index": at}
        name = "custom_tool_call_input" if call.custom else "function_call_arguments"
        yield {"type": f"response.{name}.delta", **where, "delta": call.arguments}
        yield {"type": f"response.{name}.done", **where, written: call.arguments}
        done = {**item, written: call.arguments}
        yield {"type": "response.output_item.done", "output_index": at, "item": done}
        at += 1
    usage = {"input_tokens": INPUT_TOKENS, "output_tokens": OUTPUT_TOKENS}
    yield {"type": "response.completed", "response": {**response, "status": "completed", "usage": usage}}
