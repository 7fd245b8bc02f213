"""A model server on loopback, as people run one: it lists its models and answers prompts at once.

OpenAI's wire, a thread a caller. `keys` are those that it accepts; empty, it asks for none. It remembers
the keys that it was shown.
"""

from __future__ import annotations

import json
import threading
from collections.abc import Sequence
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from types import TracebackType
from typing import Any


class ModelServer:
    """Serves in a thread from `with` to its end."""

    def __init__(self, models: Sequence[dict[str, Any]] = (), keys: Sequence[str] = ()) -> None:
        self.models = list(models) or [{"id": "tiny:3b", "max_model_len": 4096}]
        self.keys = list(keys)
        self.shown: list[str | None] = []
        self.answers = True
        upstream = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.0"

            def do_GET(self) -> None:
                if self._may():
                    self._json(200, {"object": "list", "data": upstream.models})

            def do_POST(self) -> None:
                body = json.loads(self.rfile.read(int(self.headers.get("Content-Length", "0"))))
                if not self._may():
                    return
                if not upstream.answers:
                    self._json(500, {"error": {"message": "out of memory", "type": "server_error"}})
                    return
                self.send_response(200)
                self.send_header("Content-Type", "text/event-stream")
                self.end_headers()
                for choice in (
                    {"index": 0, "delta": {"content": f"hello from {body['model']}"}},
                    {"index": 0, "delta": {}, "finish_reason": "stop"},
                ):
                    self._event({"choices": [choice]})
                self._event({"choices": [], "usage": {"prompt_tokens": 10, "completion_tokens": 4}})
                self.wfile.write(b"data: [DONE]\n\n")

            def _may(self) -> bool:
                said = self.headers.get("Authorization", "").removeprefix("Bearer ")
                upstream.shown.append(said or None)
                if not upstream.keys or said in upstream.keys:
                    return True
                self._json(401, {"error": {"message": f"no such key {said}", "code": "invalid_api_key"}})
                return False

            def _event(self, chunk: dict[str, Any]) -> None:
                self.wfile.write(b"data: " + json.dumps(chunk).encode() + b"\n\n")

            def _json(self, status: int, body: dict[str, Any]) -> None:
                self.send_response(status)
                self.send_header("Content-Type", "application/json")
                self.end_headers()
                self.wfile.write(json.dumps(body).encode())

            def log_message(self, format: str, *args: Any) -> None:
                """Quiet."""

        class Listener(ThreadingHTTPServer):
            daemon_threads = True

        self._server = Listener(("127.0.0.1", 0), Handler)
        self.base_url = f"http://127.0.0.1:{self._server.server_address[1]}/v1"

    def __enter__(self) -> ModelServer:
        threading.Thread(target=self._server.serve_forever, args=(0.05,), daemon=True).start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None
    ) -> None:
        self._server.shutdown()
        self._server.server_close()
