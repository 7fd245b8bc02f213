"""Behind TLS: cookies never go over plain HTTP, browsers stay, and sockets come from pages that had it."""

from __future__ import annotations

from typing import Any

import pytest
from starlette.types import Message, Receive, Scope, Send

from api.edge import Edge


async def page(scope: Scope, receive: Receive, send: Send) -> None:
    if scope["type"] == "websocket":
        await send({"type": "websocket.accept"})
        return
    headers = [(b"set-cookie", b"a=1; HttpOnly"), (b"Set-Cookie", b"b=2; Secure"), (b"x-other", b"1")]
    await send({"type": "http.response.start", "status": 200, "headers": headers})
    await send({"type": "http.response.body", "body": b""})


async def through(edge: Edge, scope: dict[str, Any]) -> list[Message]:
    sent: list[Message] = []

    async def send(message: Message) -> None:
        sent.append(message)

    async def receive() -> Message:
        return {"type": "websocket.connect"}

    await edge({"path": "/", "method": "GET", "query_string": b"", **scope}, receive, send)
    return sent


HTTP = {"type": "http", "headers": [(b"host", b"tilt.example")]}


async def test_cookies_are_secure_and_browsers_are_told_to_stay() -> None:
    headers = (await through(Edge(page, hosts={"tilt.example"}, secure=True), HTTP))[0]["headers"]
    cookies = [value for name, value in headers if name.lower() == b"set-cookie"]
    assert cookies == [b"a=1; HttpOnly; Secure", b"b=2; Secure"]
    assert dict(headers)[b"strict-transport-security"].startswith(b"max-age=")


async def test_on_plain_loopback_cookies_still_work() -> None:
    headers = (await through(Edge(page, hosts={"tilt.example"}), HTTP))[0]["headers"]
    assert (b"set-cookie", b"a=1; HttpOnly") in headers
    assert b"strict-transport-security" not in dict(headers)


@pytest.mark.parametrize(
    ("origin", "accepted"),
    [
        (b"https://tilt.example", True),
        (b"http://tilt.example", False),
        (b"https://evil.example", False),
        (b"https://tilt.example.evil.example", False),
        (b"null", False),
    ],
)
async def test_a_socket_opens_for_pages_of_this_host_over_tls_alone(origin: bytes, accepted: bool) -> None:
    scope = {"type": "websocket", "headers": [(b"host", b"tilt.example"), (b"origin", origin)]}
    sent = await through(Edge(page, hosts={"tilt.example"}, secure=True), scope)
    assert (sent[0]["type"] == "websocket.accept") is accepted
