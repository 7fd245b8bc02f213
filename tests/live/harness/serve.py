"""A page with live answers and charts over a real server, fed by a typist.

    python -m tests.live.harness.serve PORT

Headers are the real server's. A test speaks to the typist over `/_test`: start a run, add a point, cut
every socket, put a run away as if the process had restarted since.
"""

from __future__ import annotations

import asyncio
import os
import sys
from pathlib import Path
from typing import Any

import msgspec
import streamlit as st
from starlette.middleware import Middleware
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Mount, Route, WebSocketRoute

from api.assets import assets_app
from api.edge import Edge, local_hosts
from api.live import live_app
from components.bundle import BUNDLE
from gateway.records import record_of
from gateway.runs import Failure
from identity.tickets import Tickets
from tests.live.harness.lanes import TypistLanes
from tests.live.harness.typist import STRANGER, TEAM, Script, Typist

typist = Typist()
KEY = b"k" * 32
tickets = Tickets(KEY)
lanes = TypistLanes(typist)
live = live_app(
    typist.hub,
    tickets,
    typist.record,
    typist.stop,
    {"ttft": typist.chart},
    subscribe=typist.subscribe,
    lanes=lanes,
)
os.environ["HARNESS_KEY"] = KEY.hex()


async def control(request: Request) -> Response:
    asked: dict[str, Any] = await request.json()
    match asked.pop("do"):
        case "start":
            if failure := asked.pop("failure", None):
                asked["failure"] = Failure(**failure)
            team_id = (STRANGER if asked.pop("strange", False) else TEAM).team_id
            return JSONResponse({"run": typist.start(Script(**asked), team_id=team_id).id})
        case "point":
            typist.add_point(asked["value"])
        case "clear":
            typist.points.clear()
        case "cut":
            for tab in tuple(live._tabs):
                asyncio.get_running_loop().create_task(tab.close(1012))
        case "keep":  # as if the process had restarted since, without or with its text
            run = typist.hub._runs.pop(asked["run"])
            record = record_of(run)
            gone = msgspec.structs.replace(record, text="", reasoning="", keeps_text=False)
            typist.kept[run.id] = record if asked["text"] else gone
        case "hide":
            lanes.hide(asked["run"])
        case "reveal":
            lanes.reveal()
        case "tabs":
            return JSONResponse({"tabs": live.tabs})
    return JSONResponse({})


def build() -> st.App:
    return st.App(
        Path(__file__).parent / "pages" / "live.py",
        routes=[
            WebSocketRoute("/live", live),
            Mount("/ui", assets_app(BUNDLE)),
            Route("/_test", control, methods=["POST"]),
        ],
        middleware=[Middleware(Edge, hosts=local_hosts())],
    )


if __name__ == "__main__":
    live.warm()
    build().run(
        config={"server.address": "127.0.0.1", "server.port": int(sys.argv[1]), "server.headless": True}
    )
