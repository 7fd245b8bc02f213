"""The tab under uvloop, which the server runs on."""

from __future__ import annotations

import asyncio
from typing import Any, cast

import uvloop

from api.live.tab import Desk, Tab


def test_a_frame_that_is_due_at_once_does_not_end_the_sender() -> None:
    """uvloop gives a plain handle for what is due now; asking it for its time silenced the tab for good."""

    async def due_now_and_again() -> bool:
        tab = Tab(cast(Desk, None), cast(Any, None))
        loop = asyncio.get_running_loop()
        for delay_s in (0.0, 0.0, -1.0, 0.01, 0.0):
            tab._wake_at(loop.time() + delay_s)
        async with asyncio.timeout(20):
            await tab._wake.wait()
        return True

    assert uvloop.run(due_now_and_again())
