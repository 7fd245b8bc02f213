"""A provider on loopback that writes slowly, for tests that need an answer to be under way for a while.

It speaks OpenAI's streamed chat completions, twenty tokens a second for a minute, and remembers how many
callers are listening.
"""

from __future__ import annotations

import json
import threading
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from types import TracebackType
from typing import Any

MODEL = "lab/slow"
TOKENS_PER_S = 20
_LONGEST_S = 60
_CONFIG = """\
[providers.lab]
base_url = "http://127.0.0.1:{port}/v1"
wire = "chat_completions"
allow_private_address = true

[[models]]
id = "lab/slow"
name = "Slow writer"
context_tokens = 32768
max_output_tokens = 4096
input_usd_per_million = "1.00"
output_usd_per_million = "4.00"
providers = [ {{ id = "lab", model = "slow" }} ]
"""


class SlowUpstream:
    """Serves in a thread from `with` to its end; `config` is what tiltyard.toml must say."""

    def __init__(self) -> None:
        self.listening = 0
        upstream = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.0"  # the end of the connection is the end of the answer

            def do_POST(self) -> None:
                self.rfile.read(int(self.headers.get("Content-Length", "0")))
                upstream.listening += 1
                try:
                    self._answer()
                except OSError:
                    pass  # the caller hung up, as callers do
                finally:
                    upstream.listening -= 1

            def _answer(self) -> None:
                self.send_response(200)
                self.send_header("Content-Type", "text/event-stream")
                self.end_headers()
                for number in range(TOKENS_PER_S * _LONGEST_S):
                    self._send({"index": 0, "delta": {"content": f"word{number} "}, "finish_reason": None})
                    time.sleep(1 / TOKENS_PER_S)
                self._send({"index": 0, "delta": {}, "finish_reason": "stop"})
                self.wfile.write(b"data: [DONE]\n\n")

            def _send(self, choice: dict[str, object]) -> None:
                chunk = {"id": "chatcmpl-slow", "object": "chat.completion.chunk", "created": 1_700_000_000}
                chunk |= {"model": "slow", "choices": [choice]}
                self.wfile.write(b"data: " + json.dumps(chunk).encode() + b"\n\n")
                self.wfile.flush()

            def log_message(self, format: str, *args: Any) -> None:
                """Quiet."""

        class Listener(ThreadingHTTPServer):
            daemon_threads = True
            request_queue_size = 256  # so that a hundred may knock at once

        self._server = Listener(("127.0.0.1", 0), Handler)
        self.config = _CONFIG.format(port=self._server.server_address[1])

    def __enter__(self) -> SlowUpstream:
        threading.Thread(target=self._server.serve_forever, daemon=True, name="slow upstream").start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._server.shutdown()
        self._server.server_close()
