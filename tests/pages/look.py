"""The pages on fake services, to be looked at: `python -m tests.pages.look [port] [state]`.

Runs type themselves and move money; nothing is asked of a model. `state` is one of `STATES`.
"""

from __future__ import annotations

import asyncio
import random
import sys
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import replace
from pathlib import Path
from typing import Final

import streamlit as st
from msgspec import structs
from starlette.middleware import Middleware
from starlette.types import ASGIApp, Receive, Scope, Send

import runtime
from api.assets import Assets
from api.live import live_app
from api.routes import ASSETS, LIVE
from billing.errors import InsufficientCredits
from billing.statements import OpenHold
from components.bundle import BUNDLE
from gateway.runs import Run
from live_charts import live_charts
from telemetry.marks import Marks
from tests.pages import examples, fakes, voted
from tests.pages.fakes import World

PAGES: Final = Path(__file__).resolve().parents[2] / "pages" / "navigation.py"

ANSWER: Final = """Here is a function that checks it:

```python
def is_palindrome(text: str) -> bool:
    letters = [c.lower() for c in text if c.isalnum()]
    return letters == letters[::-1]
```

1. **Letters only.** Spaces and punctuation are left out, so `A man, a plan` works.
2. **One pass.** Reversing a list of *n* letters is linear.

| input | result |
|---|---|
| `Noon` | True |
| `Model` | False |
"""


def _empty(world: World) -> None:
    pass


def _used(world: World) -> None:
    now_ms = time.time_ns() // 1_000_000
    world.statements.journal = examples.journal(now_ms)
    money = world.statements.money
    world.statements.money = replace(
        money,
        balance_nano_usd=4_998_237_123,
        available_nano_usd=4_998_237_123,
        allowance_remaining_nano_usd=4_998_237_123,
        total_used_nano_usd=1_762_877,
    )
    world.statements.hold(
        OpenHold("run_1", fakes.EMBEDDED, 410_000, 89_200, now_ms - 4_000, now_ms + 60_000),
        OpenHold("run_2", "openai/gpt-4.1", 1_200_000, 0, now_ms - 1_000, now_ms + 60_000),
    )
    world.log(*examples.requests(now_ms, random.Random(3)))


def _no_credit(world: World) -> None:
    world.statements.money = replace(
        world.statements.money, balance_nano_usd=12, available_nano_usd=12, allowance_remaining_nano_usd=12
    )
    world.gateway.refuses = InsufficientCredits(410_000, 12, world.statements.money.next_allowance_at_ms)


def _voted(world: World) -> None:
    world.votes.votes += voted.troubled() + voted.controlled()


def _slow(world: World) -> None:
    """A day of one model that became three times as slow half an hour ago."""
    now_ms, chance = time.time_ns() // 1_000_000, random.Random(5)
    _used(world)
    rows = []
    for _ in range(2_500):
        at_ms = now_ms - chance.randrange(26 * 3_600_000)
        first_ms = chance.lognormvariate(6, 0.4) * (3 if at_ms > now_ms - 40 * 60_000 else 1)
        rows.append(
            structs.replace(
                examples.request("openai/gpt-4.1", "paid", at_ms, chance), total_ms=first_ms + 900
            )
        )
        clocks = structs.replace(rows[-1].attempts[0], first_answer_ms=2 + first_ms, last_ms=first_ms + 899)
        rows[-1] = structs.replace(rows[-1], attempts=(clocks,))
    world.log(*rows)


STATES: Final[dict[str, Callable[[World], None]]] = {
    "empty": _empty,
    "used": _used,
    "slow": _slow,
    "no-credit": _no_credit,
    "voted": _voted,
}


def _settle(world: World, run: Run) -> None:
    """What a run's end does to the team's money and to the log."""
    money, cost = world.statements.money, run.figures.cost_nano_usd or 0
    world.statements.money = replace(
        money,
        balance_nano_usd=money.balance_nano_usd - cost,
        available_nano_usd=money.available_nano_usd - cost,
        total_used_nano_usd=money.total_used_nano_usd + cost,
    )
    world.rows.record(
        examples.request(run.model_id, run.series, time.time_ns() // 1_000_000, random.Random())
    )


def build(port: int, state: str) -> st.App:
    parts: dict[str, ASGIApp] = {}

    @asynccontextmanager
    async def lifespan(_: st.App) -> AsyncIterator[None]:
        world = await asyncio.to_thread(
            fakes.world, base_url=f"http://127.0.0.1:{port}", running=asyncio.get_running_loop()
        )
        world.gateway.answer, world.gateway.pace_s = ANSWER, 0.06
        world.gateway.on_end = lambda run: _settle(world, run)
        await asyncio.to_thread(STATES[state], world)
        parts["live"] = live_app(
            world.gateway.runs,
            world.services.tickets,
            world.gateway.record,
            world.gateway.stop,
            live_charts(world.services.views, Marks(world.log_engine), world.services.catalog),
            subscribe=world.rows.subscribe,
        )
        runtime.install(world.services)
        yield
        runtime.install(None)
        await world.rows.close()

    return st.App(PAGES, lifespan=lifespan, middleware=[Middleware(_Views, parts=parts)])


class _Views:
    """The views' scripts and their channel, in front of the pages."""

    def __init__(self, app: ASGIApp, parts: dict[str, ASGIApp]) -> None:
        self._app, self._parts, self._assets = app, parts, Assets(BUNDLE)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        path = scope.get("path", "")
        if path.startswith(ASSETS):
            await self._assets(scope, receive, send)
        else:
            await (self._parts["live"] if path == LIVE else self._app)(scope, receive, send)


if __name__ == "__main__":
    asked_port = int(sys.argv[1]) if len(sys.argv) > 1 else 8599
    app = build(asked_port, sys.argv[2] if len(sys.argv) > 2 else "used")
    app.run(config={"server.address": "127.0.0.1", "server.port": asked_port, "server.headless": True})
