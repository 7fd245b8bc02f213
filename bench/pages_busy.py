"""People at the pages: `python -m bench.pages_busy URL SESSIONS` opens sessions that rerun once a second.

Each is what a browser's tab is to the server: a WebSocket to Streamlit, on which the page is asked for
again and again, and whatever comes is read and thrown away. Ends when standard input closes.
"""

from __future__ import annotations

import asyncio
import sys

import aiohttp
from streamlit.proto.BackMsg_pb2 import BackMsg

_EVERY_S = 1.0


async def session(http: aiohttp.ClientSession, url: str, number: int) -> None:
    address = url.replace("http", "ws", 1) + "/_stcore/stream"
    async with http.ws_connect(address, protocols=("streamlit",), origin=url, max_msg_size=0) as socket:
        reading = asyncio.create_task(_read(socket))
        await asyncio.sleep(number / 20 * _EVERY_S)
        while not socket.closed:
            again = BackMsg()
            again.rerun_script.query_string = ""
            await socket.send_bytes(again.SerializeToString())
            await asyncio.sleep(_EVERY_S)
        await reading


async def _read(socket: aiohttp.ClientWebSocketResponse) -> None:
    async for _ in socket:
        pass


async def main(url: str, sessions: int) -> None:
    async with aiohttp.ClientSession(trust_env=False) as http:
        tasks = [asyncio.create_task(session(http, url, number)) for number in range(sessions)]
        print("ready", flush=True)
        await asyncio.get_running_loop().run_in_executor(None, sys.stdin.read)
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


if __name__ == "__main__":
    asyncio.run(main(sys.argv[1], int(sys.argv[2])))
