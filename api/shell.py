"""The page that Streamlit serves before any script of ours has run, with what we add to its head.

Nothing of it is drawn until the navigation stands (`components/house_style.py` says when): the content would
move aside for it. Where that never comes, it shows itself after four seconds. Everything else that a browser
asks for passes as it is.
"""

from __future__ import annotations

import gzip
from typing import Final

from starlette.types import ASGIApp, Message, Receive, Scope, Send

_HEAD: Final = b"""<title>Tiltyard</title>
    <style>
      html { background: #ffffff; color-scheme: light dark; }
      @media (prefers-color-scheme: dark) { html { background: #111418; } }
      #root { visibility: hidden; opacity: 0; animation: ty-come 0s linear 4s forwards; }
      @keyframes ty-come { to { visibility: visible; opacity: 1; } }
    </style>"""
_THEIRS: Final = b"<title>Streamlit</title>"
_CONDITIONS: Final = frozenset({b"accept-encoding", b"if-none-match", b"if-modified-since", b"range"})
_STALE: Final = frozenset({b"content-length", b"etag", b"last-modified", b"accept-ranges", b"vary"})


class Shell:
    """Wraps the pages. Only a browser's own request for a page, one that accepts HTML, is looked into."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http" or scope["method"] != "GET" or not _has(scope, b"accept", b"text/html"):
            await self._app(scope, receive, send)
            return
        headers = [pair for pair in scope["headers"] if pair[0] not in _CONDITIONS]
        rewriting = _Rewriting(send, gzipped=_has(scope, b"accept-encoding", b"gzip"))
        await self._app({**scope, "headers": headers}, receive, rewriting)


class _Rewriting:
    """Holds an HTML answer until it is whole; passes any other."""

    def __init__(self, send: Send, *, gzipped: bool) -> None:
        self._send, self._gzipped = send, gzipped
        self._start: Message | None = None
        self._body = bytearray()

    async def __call__(self, message: Message) -> None:
        if message["type"] == "http.response.start" and _is_page(message):
            self._start = message
        elif self._start is None or message["type"] != "http.response.body":
            await self._send(message)
        else:
            self._body += message.get("body", b"")
            if not message.get("more_body", False):
                await self._finish(self._start)

    async def _finish(self, start: Message) -> None:
        body = bytes(self._body).replace(_THEIRS, _HEAD, 1)
        headers = [pair for pair in start["headers"] if pair[0].lower() not in _STALE]
        if self._gzipped:
            body = gzip.compress(body, mtime=0)
            headers.append((b"content-encoding", b"gzip"))
        headers += [(b"vary", b"Accept-Encoding"), (b"content-length", str(len(body)).encode())]
        await self._send({**start, "headers": headers})
        await self._send({"type": "http.response.body", "body": body})


def _is_page(start: Message) -> bool:
    return start["status"] == 200 and any(
        name.lower() == b"content-type" and value.startswith(b"text/html")
        for name, value in start.get("headers", ())
    )


def _has(scope: Scope, name: bytes, value: bytes) -> bool:
    return any(key == name and value in said for key, said in scope["headers"])
