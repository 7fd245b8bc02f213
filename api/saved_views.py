"""Addresses that people know, and the page that answers each: `/benchmarks/speed` is one page's view.

Pages have addresses of one word, so what has two leads there. What the address asks besides goes along.
"""

from __future__ import annotations

from typing import Final

from starlette.requests import Request
from starlette.responses import RedirectResponse
from starlette.routing import Route

SAVED_VIEWS: Final = {
    "/benchmarks/leaderboard": "/leaderboard",
    "/benchmarks/speed": "/benchmarks?board=speed",
    "/benchmarks/methodology": "/benchmarks?board=methodology",
    "/live-test": "/battle",
    "/benchmarks/intelligence": "/benchmarks?board=intelligence",
}


async def _lead_on(request: Request) -> RedirectResponse:
    target = SAVED_VIEWS[request.url.path]
    query = request.url.query
    if query:
        target += ("&" if "?" in target else "?") + query
    return RedirectResponse(target, 302)


ROUTES: Final = [Route(path, _lead_on, methods=["GET"]) for path in SAVED_VIEWS]
