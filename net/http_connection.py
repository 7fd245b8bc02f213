"""One HTTP/1.1 connection, of which a request at a time is asked: what comes is parsed in C (httptools) and
waits here, as bytes, for whoever reads it.

A library that does more made a fifth of the function calls of a request, which is why this exists. It
follows no redirect, keeps no cookie, unpacks no compression and sends no body in chunks. An answer ends with
its last chunk, its announced length or, where it has neither, with the connection; what ends before that was
cut. A reader that stands still makes the connection stop reading.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping
from typing import Final

import httptools

_MOST_SILENT_BYTES: Final = 64 * 1024  # of a head, or of what stands between two pieces of a body
_MOST_UNREAD_BYTES: Final = 32 * 1024
_NO_BODY: Final = (204, 304)


class HttpFailed(Exception):
    """A request that was not answered, or not wholly."""


class Cut(HttpFailed):
    """The connection ended before the answer did."""


class NotHttp(HttpFailed):
    """What came is no answer in HTTP/1."""


class HttpConnection(asyncio.Protocol):
    """`send`, then `head`, then `read` until it gives nothing. `reusable` says whether another request may
    follow; else `close`, which may be called at any time. On the loop only."""

    def __init__(self) -> None:
        self.transport: asyncio.Transport | None = None
        self.lost = False
        self.idle_since_s = 0.0
        self._lost_by: Exception | None = None
        self._waiter: asyncio.Future[None] | None = None
        self._asked = False
        self._reset()

    def _reset(self) -> None:
        self.status = 0
        self.headers: Mapping[str, str] = {}
        self._headers: dict[str, str] = {}
        self._pieces: list[bytes] = []
        self.on_body = self._pieces.append  # the parser's, once a piece: without a function of ours between
        self._unread = 0
        self._silent_bytes = 0
        self._paused = False
        self._complete = False
        self._keeps = False
        self._bad = False
        self._on_sent: Callable[[], None] | None = None

    # --- asking ---------------------------------------------------------------------------------

    def send(self, head: bytes, body: bytes, on_sent: Callable[[], None]) -> None:
        """Write a request; `on_sent` is called when its last byte left for the kernel. Raises `Cut` where
        the connection is gone."""
        transport = self.transport
        if transport is None or self.lost or transport.is_closing():
            raise Cut("the connection is closed")
        self._reset()
        self._asked = True
        self._parser = httptools.HttpResponseParser(self)
        self._parser.set_dangerous_leniencies(
            lenient_headers=True,
            lenient_optional_cr_before_lf=True,
            lenient_optional_lf_after_cr=True,
            lenient_spaces_after_chunk_size=True,
        )
        transport.write(head + body)
        if transport.get_write_buffer_size():
            self._on_sent = on_sent  # the kernel takes no more now
        else:
            on_sent()

    async def head(self) -> int:
        """Wait for the status; `headers` are there from then on, by names in lower case. Raises `Cut` and
        `NotHttp`."""
        while not self.headers_came:
            await self._wait()
        return self.status

    async def read(self) -> bytes:
        """What has come of the body since the last time; nothing at its end. Raises `Cut` and `NotHttp`,
        once everything that came before was read."""
        while not self._pieces:
            if self._complete:
                return b""
            await self._wait()
        pieces = self._pieces
        read = pieces[0] if len(pieces) == 1 else b"".join(pieces)
        pieces.clear()
        self._unread = 0
        if self._paused and self.transport is not None:
            self._paused = False
            self.transport.resume_reading()
        return read

    @property
    def headers_came(self) -> bool:
        return self.headers is self._headers

    @property
    def at_end(self) -> bool:
        """Whether the answer has come to its end, and all of it was read."""
        return self._complete and not self._pieces

    @property
    def reusable(self) -> bool:
        return self._complete and self._keeps and not self._bad and not self.lost and self._on_sent is None

    def rest(self) -> None:
        """Nothing is asked of it for now: whatever it says ends it."""
        self._asked = False
        self._pieces.clear()

    def close(self) -> None:
        """Drop the connection at once."""
        if self.transport is not None:
            self.transport.abort()

    async def _wait(self) -> None:
        """Until something has come. Raises where nothing can come any more."""
        if self._bad:
            raise NotHttp("what came is not HTTP")
        if self.lost:
            raise Cut("the connection ended in mid-answer") from self._lost_by
        self._waiter = asyncio.get_running_loop().create_future()
        try:
            await self._waiter
        finally:
            self._waiter = None

    def _wake(self) -> None:
        if self._waiter is not None and not self._waiter.done():
            self._waiter.set_result(None)

    # --- the transport's side -------------------------------------------------------------------

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = transport  # type: ignore[assignment]  # uvloop's is a Transport but in name
        assert self.transport is not None
        self.transport.set_write_buffer_limits(high=0)  # to be told when the last byte has left

    def data_received(self, data: bytes) -> None:
        if not self._asked or self._complete:
            self._bad = True  # it speaks unasked
            self.close()
            return
        pieces = len(self._pieces)
        try:
            self._parser.feed_data(data)
        except (httptools.HttpParserError, httptools.HttpParserUpgrade):
            self._bad = True
        if len(self._pieces) > pieces:
            self._unread += len(data)
            self._silent_bytes = 0
        else:
            self._silent_bytes += len(data)
            if self._silent_bytes > _MOST_SILENT_BYTES:
                self._bad = True
        if self._bad:
            self.close()
        elif self._unread > _MOST_UNREAD_BYTES and not self._paused and self.transport is not None:
            self._paused = True
            self.transport.pause_reading()
        self._wake()

    def eof_received(self) -> None:
        """What has no length of its own ends here; `connection_lost` follows."""
        if self.headers_came and not self._announces_its_end():
            self._complete = True

    def connection_lost(self, error: Exception | None) -> None:
        self.lost = True
        self._lost_by = error
        self._wake()

    def resume_writing(self) -> None:
        on_sent, self._on_sent = self._on_sent, None
        if on_sent is not None:
            on_sent()

    # --- the parser's side ----------------------------------------------------------------------

    def on_message_begin(self) -> None:
        if self._complete:
            self._keeps, self._bad = False, True  # it goes on after its end

    def on_header(self, name: bytes, value: bytes) -> None:
        self._headers.setdefault(name.decode("latin-1").lower(), value.decode("latin-1"))

    def on_headers_complete(self) -> None:
        self.status = self._parser.get_status_code()
        if self.status >= 200:
            self.headers = self._headers

    def on_message_complete(self) -> None:
        if self.status < 200:
            self._headers = {}  # news on the way, 100 or 103: the answer follows
            return
        self._complete = True
        self._keeps = self._parser.should_keep_alive()

    def _announces_its_end(self) -> bool:
        chunked = "chunked" in self._headers.get("transfer-encoding", "").lower()
        return chunked or "content-length" in self._headers or self.status in _NO_BODY
