"""The least that a gateway in Python can be: Starlette and aiohttp, bytes passed on as they come.

`python -m bench.floor PORT UPSTREAM_URL`: no key, no limits, no hold, no log, nothing read of an answer.
"""

from __future__ import annotations

import sys
from collections.abc import AsyncIterator

import aiohttp
import uvicorn
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import Response, StreamingResponse
from starlette.routing import Route

_sessions: list[aiohttp.ClientSession] = []


async def pass_on(request: Request) -> Response:
    if not _sessions:
        connector = aiohttp.TCPConnector(limit=0)
        _sessions.append(aiohttp.ClientSession(connector=connector, cookie_jar=aiohttp.DummyCookieJar()))
    body, headers = await request.body(), {"Content-Type": "application/json"}
    if b'"stream":true' not in body:
        async with _sessions[0].post(sys.argv[2], data=body, headers=headers) as answer:
            return Response(await answer.read(), media_type="application/json")
    answer = await _sessions[0].post(sys.argv[2], data=body, headers=headers)

    async def pieces() -> AsyncIterator[bytes]:
        async with answer:
            async for piece in answer.content.iter_any():
                yield piece

    return StreamingResponse(pieces(), media_type="text/event-stream")


if __name__ == "__main__":
    app = Starlette(routes=[Route("/v1/chat/completions", pass_on, methods=["POST"])])
    uvicorn.run(app, host="127.0.0.1", port=int(sys.argv[1]), log_level="error", loop="uvloop")
