"""Serves the scripts and styles of our own views, and plotly.js out of its wheel, under `/ui`.

Every address names its content's version, so answers may be kept for ever. Each file is compressed
once, when somebody first asks for it, off the event loop.
"""

from __future__ import annotations

import asyncio
import gzip
from collections.abc import Callable
from importlib import metadata
from pathlib import Path
from typing import Final

from starlette.datastructures import Headers
from starlette.responses import Response
from starlette.types import Receive, Scope, Send

from markup.assets import Bundle, plotly_url

_PLOTLY_FILE: Final = "plotly/package_data/plotly.min.js"
_KINDS: Final = {"js": "text/javascript; charset=utf-8", "css": "text/css; charset=utf-8"}
_FOR_EVER: Final = "public, max-age=31536000, immutable"


def _read_plotly() -> bytes:
    return Path(str(metadata.distribution("plotly").locate_file(_PLOTLY_FILE))).read_bytes()


class Assets:
    """ASGI application for everything below `/ui/`. Knows its files by name: no path reaches a disk."""

    def __init__(self, bundle: Bundle) -> None:
        self._readers: dict[str, Callable[[], bytes]] = {plotly_url(): _read_plotly}
        for name, content in bundle.files.items():
            self._readers[bundle.url(name)] = lambda content=content: content  # type: ignore[misc]
        self._ready: dict[str, asyncio.Task[tuple[bytes, bytes]]] = {}

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        response = await self._answer(scope["method"], scope["path"], Headers(scope=scope))
        await response(scope, receive, send)

    async def _answer(self, method: str, path: str, headers: Headers) -> Response:
        if path not in self._readers:
            return Response("Not found", 404, media_type="text/plain")
        if method not in ("GET", "HEAD"):
            return Response("Method not allowed", 405, {"allow": "GET, HEAD"}, "text/plain")
        plain, small = await self._content(path)
        takes_gzip = "gzip" in headers.get("accept-encoding", "")
        about = {
            "cache-control": _FOR_EVER,
            "vary": "accept-encoding",
            "content-type": _KINDS[path.rpartition(".")[2]],
        }
        if takes_gzip:
            about["content-encoding"] = "gzip"
        # A response to HEAD keeps its length: the server leaves the body out.
        return Response(small if takes_gzip else plain, headers=about)

    async def _content(self, path: str) -> tuple[bytes, bytes]:
        """The file, plain and compressed; one reader works, others wait for it."""
        if path not in self._ready:
            read = self._readers[path]
            self._ready[path] = asyncio.create_task(asyncio.to_thread(_both, read), name=f"compress {path}")
        try:
            return await asyncio.shield(self._ready[path])
        except OSError:
            del self._ready[path]
            raise


def _both(read: Callable[[], bytes]) -> tuple[bytes, bytes]:
    plain = read()
    return plain, gzip.compress(plain, 6, mtime=0)


def assets_app(bundle: Bundle) -> Assets:
    """The endpoint for `Mount("/ui", ...)` or `Route("/ui/{path:path}", ...)`."""
    return Assets(bundle)
