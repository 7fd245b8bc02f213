"""A connection before and after its request: how long its head may be, and how long anybody may take.

uvicorn's parser takes a head of any size, in any time, from anybody: a header a second would hold a
connection for ever, and one header of a gigabyte the memory. Here a head has `MOST_HEAD_BYTES` and
`HEAD_WITHIN_S`, from the connection or from its own first byte; more gets 431 and 408. A body that is still
coming when its answer is out has `REST_WITHIN_S`, then the connection ends. How long a body may be, and may
take, while somebody reads it is `exchange.py`'s. An answer's head goes out with the beginning of its body
(`joined_head.py`).
"""

from __future__ import annotations

import asyncio
from http import HTTPStatus
from typing import Any, Final

import uvicorn
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

from api.joined_head import JoinedHead

MOST_HEAD_BYTES: Final = 64 * 1024
HEAD_WITHIN_S: Final = 30.0
REST_WITHIN_S: Final = 5.0


class _HeadTooLarge(Exception):
    """Ends the parser's work on this connection."""


class BoundedHttp(HttpToolsProtocol):
    """Costs a request a few attributes and no timer: one is set only where a head comes in pieces."""

    head_within_s = HEAD_WITHIN_S
    rest_within_s = REST_WITHIN_S

    def __init__(self, *arguments: Any, **named: Any) -> None:
        super().__init__(*arguments, **named)
        self._in_head = False
        self._read_bytes = 0  # with this read
        self._head_bytes = 0  # since the read that the head begins in
        self._limit: asyncio.TimerHandle | None = None
        self._handed_on = False  # to a WebSocket, whose connection it is from then on

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]  # as uvicorn's
        super().connection_made(JoinedHead(transport))  # type: ignore[arg-type]  # a Transport but in name
        self._within(self.head_within_s)

    def connection_lost(self, exc: Exception | None) -> None:
        self._in_time()
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        self._read_bytes = len(data)
        self._head_bytes += self._read_bytes
        super().data_received(data)
        if self._handed_on:
            return
        if self._in_head and self._head_bytes > MOST_HEAD_BYTES:
            self._refuse(HTTPStatus.REQUEST_HEADER_FIELDS_TOO_LARGE)
        elif self._limit is None and (self._in_head or self._rests()):
            self._within(self.head_within_s)

    def handle_websocket_upgrade(self) -> None:
        super().handle_websocket_upgrade()
        self._handed_on = True
        self._in_time()

    def send_400_response(self, msg: str) -> None:
        if self._in_head and self._head_bytes > MOST_HEAD_BYTES:
            self._refuse(HTTPStatus.REQUEST_HEADER_FIELDS_TOO_LARGE)
        else:
            super().send_400_response(msg)

    # --- as the parser comes along ------------------------------------------------------------

    def on_message_begin(self) -> None:
        self._in_head, self._head_bytes = True, self._read_bytes
        super().on_message_begin()

    def on_headers_complete(self) -> None:
        # What was read with the head may be of the body: only then is the head itself measured.
        if self._head_bytes > MOST_HEAD_BYTES and self._measured() > MOST_HEAD_BYTES:
            raise _HeadTooLarge
        self._in_head = False
        self._in_time()
        super().on_headers_complete()

    def on_message_complete(self) -> None:
        self._in_time()
        super().on_message_complete()

    def on_response_complete(self) -> None:
        super().on_response_complete()
        if self.cycle.more_body:
            self._within(self.rest_within_s)

    # --- limits -------------------------------------------------------------------------------

    def _rests(self) -> bool:
        """Whether no request is being answered."""
        return self.cycle is None or self.cycle.response_complete

    def _measured(self) -> int:
        return len(self.url) + sum(len(name) + len(value) + 4 for name, value in self.headers)

    def _within(self, limit_s: float) -> None:
        self._in_time()
        self._limit = self.loop.call_later(limit_s, self._late)

    def _in_time(self) -> None:
        if self._limit is not None:
            self._limit.cancel()
            self._limit = None

    def _late(self) -> None:
        self._limit = None
        if self._in_head:
            self._refuse(HTTPStatus.REQUEST_TIMEOUT)
        else:
            self.transport.close()

    def _refuse(self, status: HTTPStatus) -> None:
        if self._rests() and not self.transport.is_closing():
            head = f"HTTP/1.1 {status.value} {status.phrase}"
            self.transport.write(f"{head}\r\ncontent-length: 0\r\nconnection: close\r\n\r\n".encode())
        self.transport.close()


def bound_connections(config: uvicorn.Config) -> None:
    """Every connection from here on; where uvicorn has another parser, it stays as it is."""
    if config.http_protocol_class is HttpToolsProtocol:
        config.http_protocol_class = BoundedHttp
