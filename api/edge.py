"""What holds for every answer, page or API: the right host, a request id, the security headers.

- Host: only names that this installation answers to, so that a foreign page cannot reach it through
  a name of its own that it points at this machine (DNS rebinding). Probes ask by address and are let
  through. A WebSocket from a page must come from a page of the host that it connects to.
- Request id: ours, never the caller's; it is in the scope, in `x-request-id` and in every error.
- No CORS headers: no other origin has business here.
"""

from __future__ import annotations

import time
from collections.abc import Awaitable, Iterable
from urllib.parse import urlsplit

import uuid_utils
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from api.exchange import ACCEPTED_NS, ANSWER_HEADERS, REQUEST_ID

_PROBES = frozenset({"/healthz", "/readyz"})

# Verified with Streamlit 1.67, whose inline components need blob:, whose styles need 'unsafe-inline' and
# whose fonts need data:. The hash is that of the one script in its page (`prerenderReady = false`): another
# version's is refused, which harms nothing but the console. No other origin is asked for anything.
_POLICY = (
    "default-src 'none'; "
    "script-src 'self' blob: 'sha256-THxz9J9+wf7rhwR2YkXJoSZ13UCmYyC+3lNDv2+8ugA='; "
    "style-src 'self' 'unsafe-inline'; img-src 'self' data:; "
    "font-src 'self' data:; connect-src 'self'; frame-src 'none'; worker-src 'none'; manifest-src 'self'; "
    "base-uri 'none'; form-action 'self'; frame-ancestors 'none'; object-src 'none'"
)
_HEADERS = (
    (b"content-security-policy", _POLICY.encode()),
    (b"x-content-type-options", b"nosniff"),
    (b"referrer-policy", b"same-origin"),
    (b"cross-origin-opener-policy", b"same-origin"),
    (b"cross-origin-resource-policy", b"same-origin"),
    (
        b"permissions-policy",
        b"camera=(), display-capture=(), geolocation=(), microphone=(), payment=(), usb=()",
    ),
)
_STAY_WITH_TLS = (b"strict-transport-security", b"max-age=31536000")
_OURS = frozenset(name for name, _ in _HEADERS) | {b"x-request-id"}
_WRONG_HOST = b'{"error": {"message": "This server does not answer to that host name.", "type": \
"invalid_request_error", "code": "wrong_host", "param": null, "request_id": "%s"}}'


def local_hosts(*more: str) -> frozenset[str]:
    """The names that a server on this machine answers to, and `more`: a bind address or a base URL."""
    names = {"localhost", "127.0.0.1", "[::1]"}
    for name in more:
        host = urlsplit(name).hostname if "//" in name else name
        if host:
            names.add(f"[{host}]" if ":" in host and not host.startswith("[") else host.lower())
    return frozenset(names)


class Edge:
    """Wraps the whole application. `hosts` as `local_hosts` makes them, without ports. `secure`: browsers
    reach us over TLS alone; cookies then say so, and browsers are told to stay with it."""

    def __init__(self, app: ASGIApp, *, hosts: Iterable[str], secure: bool = False) -> None:
        self._app = app
        self._hosts = frozenset(hosts)
        self._secure = secure

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] not in ("http", "websocket"):
            await self._app(scope, receive, send)
            return
        request_id = "req_" + uuid_utils.uuid7().hex
        scope[REQUEST_ID] = request_id
        scope[ACCEPTED_NS] = time.monotonic_ns()
        if scope["type"] == "websocket":
            if self._may_connect(scope):
                await self._app(scope, receive, send)
            else:
                await _refuse_websocket(receive, send)
            return
        dressed = _dressed(scope, send, request_id.encode(), self._secure)
        if scope["path"] in _PROBES or self._is_ours(_headers(scope, b"host")):
            await self._app(scope, receive, dressed)
        else:
            await _refuse(dressed, request_id.encode())

    def _is_ours(self, named: list[str]) -> bool:
        return len(named) == 1 and _without_port(named[0]) in self._hosts

    def _may_connect(self, scope: Scope) -> bool:
        hosts, origins = _headers(scope, b"host"), _headers(scope, b"origin")
        if not self._is_ours(hosts):
            return False
        # A script sends no Origin; a browser always does.
        return all(
            host == hosts[0] and (scheme == "https" or not self._secure)
            for scheme, _, host in (origin.partition("://") for origin in origins)
        )


def _dressed(scope: Scope, send: Send, request_id: bytes, secure: bool) -> Send:
    ours = (*_HEADERS, _STAY_WITH_TLS) if secure else _HEADERS

    def dressed(message: Message) -> Awaitable[None]:
        if message["type"] == "http.response.start":
            # Names are in lower case here (ASGI's rule).
            theirs = [pair for pair in message.get("headers", ()) if pair[0] not in _OURS]
            more = scope.get(ANSWER_HEADERS)
            kept = _secured(theirs) if secure else theirs
            told = more() if more is not None else ()
            message["headers"] = [*kept, *ours, (b"x-request-id", request_id), *told]
        return send(message)

    return dressed


def _secured(headers: Iterable[tuple[bytes, bytes]]) -> list[tuple[bytes, bytes]]:
    """With each cookie kept from ever going over plain HTTP; Streamlit leaves that to whoever is in front."""
    return [
        (name, value + b"; Secure")
        if name.lower() == b"set-cookie" and b"; secure" not in value.lower()
        else (name, value)
        for name, value in headers
    ]


def _headers(scope: Scope, name: bytes) -> list[str]:
    return [value.decode("latin-1").strip().lower() for key, value in scope["headers"] if key == name]


def _without_port(host: str) -> str:
    if host.startswith("["):
        return host.partition("]")[0] + "]"
    return host.partition(":")[0].removesuffix(".")


async def _refuse(send: Send, request_id: bytes) -> None:
    body = _WRONG_HOST % request_id
    headers = [(b"content-type", b"application/json"), (b"content-length", str(len(body)).encode())]
    await send({"type": "http.response.start", "status": 421, "headers": headers})
    await send({"type": "http.response.body", "body": body})


async def _refuse_websocket(receive: Receive, send: Send) -> None:
    await receive()
    await send({"type": "websocket.close", "code": 1008})
