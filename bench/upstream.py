"""A provider to measure against: OpenAI's streamed chat completions on loopback, in its own process.

`python -m bench.upstream PORT`. The first token leaves 10 ms after the request arrived, the rest follow
at once. Prints `ready` when it listens; ends when its standard input closes.
"""

from __future__ import annotations

import asyncio
import sys

import msgspec
from aiohttp import web

FIRST_TOKEN_S = 0.010
TOKENS = 8


class _Counted(msgspec.Struct):
    prompt_tokens: int
    completion_tokens: int
    total_tokens: int


async def chat_completions(request: web.Request) -> web.StreamResponse:
    await request.read()
    loop = asyncio.get_running_loop()
    due = loop.time() + FIRST_TOKEN_S
    response = web.StreamResponse(headers={"Content-Type": "text/event-stream"})
    await response.prepare(request)
    await asyncio.sleep(due - loop.time())
    for number in range(TOKENS):
        await response.write(
            _event({"index": 0, "delta": {"content": f"word{number} "}, "finish_reason": None})
        )
    await response.write(_event({"index": 0, "delta": {}, "finish_reason": "stop"}))
    await response.write(_event(None, _Counted(12, TOKENS, 12 + TOKENS)))
    await response.write(b"data: [DONE]\n\n")
    await response.write_eof()
    return response


def _event(choice: dict[str, object] | None, usage: _Counted | None = None) -> bytes:
    chunk = {
        "id": "chatcmpl-bench",
        "object": "chat.completion.chunk",
        "created": 1_700_000_000,
        "model": "bench",
        "choices": [choice] if choice else [],
        "usage": usage,
    }
    return b"data: " + msgspec.json.encode(chunk) + b"\n\n"


async def serve(port: int) -> None:
    app = web.Application()
    app.router.add_post("/v1/chat/completions", chat_completions)
    runner = web.AppRunner(app, access_log=None)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", port).start()
    print("ready", flush=True)
    await asyncio.get_running_loop().run_in_executor(None, sys.stdin.read)
    await runner.cleanup()


if __name__ == "__main__":
    asyncio.run(serve(int(sys.argv[1])))
