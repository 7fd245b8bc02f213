"""People who watch battles: a process of its own, so that what it costs is nobody's latency.

`python -m bench.battle_readers` reads one order a line on standard input, as JSON, and answers each with
one line. A session is what a browser's tab is to the server: a WebSocket to Streamlit on which the page is
asked for, and, for our own page, the one to `/live` on which four lanes are watched. Each token carries the
instant at which the provider wrote it; late is the time until the message that first shows it was read.
"""

from __future__ import annotations

import asyncio
import re
import sys
import time
from collections.abc import AsyncIterator
from typing import Any

import aiohttp
import msgspec
import uvloop
from streamlit.proto.BackMsg_pb2 import BackMsg

from api.live.sources import subject
from identity.principal import Principal
from identity.tickets import Tickets

_TOKEN = re.compile(r"w\d+@(\d+)(?=[ <\n])")  # in HTML, where a paragraph ends without a blank
_BYTES = re.compile(rb"w(\d+)@(\d+) ")
_NEWEST = 2_400  # bytes at the end of a message in which a new token of `st.write_stream` stands
_RAMP_S = 4.0
_LANES = 4
_PERSON = Principal(team_id=1, team_name="Local", user_id=1, role="owner", operator=True)


class Order(msgspec.Struct):
    """With a `secret` that signs tickets the sessions watch battles, else a page that streams by itself.
    `count` tokens come in each lane, `rate` a second."""

    url: str
    sessions: int
    count: int
    rate: int
    key: str = ""
    secret: str = ""


class Told(msgspec.Struct):
    """Milliseconds of each token that was written while all sessions ran, how many were due in all lanes
    together, and how many came."""

    ms: list[float]
    due: int
    came: int
    failed: str | None = None


class Watch:
    """The delays of one session's tokens, each counted when it is first seen."""

    def __init__(self) -> None:
        self.seen: dict[int, float] = {}

    def take(self, written_ns: int) -> None:
        if written_ns not in self.seen:
            self.seen[written_ns] = (time.monotonic_ns() - written_ns) / 1e6


async def battle(http: aiohttp.ClientSession, order: Order, watch: Watch) -> None:
    prompt = f"paced {order.rate} {order.count} in paragraphs"
    body = {"lanes": [{"model": "bench/mirror"}] * _LANES, "prompt": prompt, "order": "at_once",
            "request": {"max_tokens": order.count + 64}}  # fmt: skip
    headers = {"Authorization": f"Bearer {order.key}"}
    async with http.post(f"{order.url}/v1/battles", json=body, headers=headers) as answer:
        if answer.status not in (200, 201, 202):
            raise RuntimeError(f"{answer.status}: {(await answer.text())[:300]}")
        told = await answer.json()
    turn = told["turns"][-1]
    page = asyncio.create_task(_page(http, order.url, f"battle={told['id']}", "battle"))
    try:
        await _lanes(
            http, order, [f"lane_{turn['id'].removeprefix('trn_')}_{no}_1o" for no in range(_LANES)], watch
        )
    finally:
        page.cancel()


async def _lanes(http: aiohttp.ClientSession, order: Order, lanes: list[str], watch: Watch) -> None:
    """The tab's one socket, until all lanes have ended."""
    tails, open_ = dict.fromkeys(lanes, ""), set(lanes)
    address = order.url.replace("http", "ws", 1) + "/live"
    async with http.ws_connect(address, origin=order.url, max_msg_size=0) as socket:
        ticket = Tickets(order.secret.encode()).issue(_PERSON, subject(lanes[0]))
        await socket.send_json({"sub": {lane: {"ticket": ticket} for lane in lanes}})
        async for message in socket:
            told: dict[str, Any] = msgspec.json.decode(message.data)
            if told.get("refused"):
                raise RuntimeError(str(told["refused"]))
            for lane, frame in told.get("runs", {}).items():
                _frame(frame, lane, tails, watch)
                if "end" in frame:
                    open_.discard(lane)
            if not open_:
                return


def _frame(frame: dict[str, Any], lane: str, tails: dict[str, str], watch: Watch) -> None:
    for block in frame.get("blocks", ()):
        for token in _TOKEN.finditer(block):
            watch.take(int(token[1]))
    if "tail" in frame:
        kept = tails[lane][: frame["keep"]]
        tails[lane] = kept + frame["tail"]
        for token in _TOKEN.finditer(tails[lane][max(len(kept) - 40, 0) :]):
            watch.take(int(token[1]))


async def _page(http: aiohttp.ClientSession, url: str, query: str, page: str) -> None:
    async for _ in _messages(http, url, query, page):
        pass


async def write_stream(http: aiohttp.ClientSession, order: Order, watch: Watch) -> None:
    """A session of the page that streams by itself, until the last token of each lane came. Each message is
    a lane's whole text so far: only its end is looked at."""
    last: set[int] = set()
    async for data in _messages(http, order.url, "", ""):
        for token in _BYTES.finditer(data, max(len(data) - _NEWEST, 0)):
            watch.take(int(token[2]))
            if int(token[1]) == order.count - 1:
                last.add(int(token[2]))
        if len(last) == _LANES:
            return


async def _messages(http: aiohttp.ClientSession, url: str, query: str, page: str) -> AsyncIterator[bytes]:
    address = url.replace("http", "ws", 1) + "/_stcore/stream"
    async with http.ws_connect(address, protocols=("streamlit",), origin=url, max_msg_size=0) as socket:
        first = BackMsg()
        first.rerun_script.query_string = query
        first.rerun_script.page_name = page
        await socket.send_bytes(first.SerializeToString())
        async for message in socket:
            yield message.data


async def carry_out(order: Order) -> Told:
    watches = [Watch() for _ in range(order.sessions)]
    ways = battle if order.secret else write_stream
    whole_s = order.count / order.rate
    async with aiohttp.ClientSession(trust_env=False, connector=aiohttp.TCPConnector(limit=0)) as http:

        async def session(no: int, watch: Watch) -> None:
            await asyncio.sleep(no / order.sessions * _RAMP_S)
            async with asyncio.timeout(whole_s * 3 + 20):
                await ways(http, order, watch)

        began_ns = time.monotonic_ns()
        ended = await asyncio.gather(
            *(session(no, watch) for no, watch in enumerate(watches)), return_exceptions=True
        )
    failed = next((repr(error) for error in ended if isinstance(error, Exception)), None)
    steady_ns = began_ns + int((_RAMP_S + 1) * 1e9)
    until_ns = began_ns + int(whole_s * 1e9)  # the first sessions end then
    delays = [
        ms for watch in watches for written, ms in watch.seen.items() if steady_ns <= written <= until_ns
    ]
    came = sum(len(watch.seen) for watch in watches)
    return Told(delays, order.sessions * _LANES * order.count, came, failed)


async def serve() -> None:
    loop = asyncio.get_running_loop()
    while line := await loop.run_in_executor(None, sys.stdin.buffer.readline):
        told = await carry_out(msgspec.json.decode(line, type=Order))
        sys.stdout.buffer.write(msgspec.json.encode(told) + b"\n")
        sys.stdout.buffer.flush()


if __name__ == "__main__":
    uvloop.run(serve())
