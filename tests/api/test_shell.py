"""The page before its script: what we add to its head, and that nothing else is touched."""

from __future__ import annotations

import gzip

import httpx
import pytest
from starlette.applications import Starlette
from starlette.middleware import Middleware
from starlette.requests import Request
from starlette.responses import HTMLResponse, JSONResponse, Response
from starlette.routing import Route

from api.shell import Shell

PAGE = '<html><head><title>Streamlit</title></head><body><div id="root"></div></body></html>'


async def _page(request: Request) -> Response:
    if request.headers.get("if-none-match"):
        return Response(status_code=304)
    return HTMLResponse(PAGE, headers={"etag": '"theirs"', "x-kept": "yes"})


async def _json(request: Request) -> Response:
    return JSONResponse({"title": "<title>Streamlit</title>", "told": request.headers.get("if-none-match")})


APP = Starlette(routes=[Route("/", _page), Route("/data", _json)], middleware=[Middleware(Shell)])


async def _get(path: str, **headers: str) -> httpx.Response:
    transport = httpx.ASGITransport(APP)
    async with httpx.AsyncClient(transport=transport, base_url="http://test") as client:
        return await client.get(path, headers=headers)


@pytest.mark.parametrize("coding", ["gzip", "identity"])
async def test_a_page_has_our_title_and_stays_blank_until_the_house_style_comes(coding: str) -> None:
    answer = await _get(
        "/", accept="text/html,*/*", **{"accept-encoding": coding, "if-none-match": '"theirs"'}
    )
    assert "<title>Tiltyard</title>" in answer.text and "#root { visibility: hidden;" in answer.text
    assert answer.headers.get("content-encoding", "identity") == coding
    assert (answer.headers["x-kept"], "etag" in answer.headers) == ("yes", False)
    assert int(answer.headers["content-length"]) == len(
        gzip.compress(answer.content, mtime=0) if coding == "gzip" else answer.content
    )


async def test_what_is_no_page_passes_as_it_is() -> None:
    whole = await _get("/data", accept="application/json", **{"if-none-match": "1"})
    assert whole.json() == {"title": "<title>Streamlit</title>", "told": "1"}
    asked_by_a_browser = await _get("/data", accept="text/html")
    assert asked_by_a_browser.json()["title"] == "<title>Streamlit</title>"
