"""Who loses the right to ask gets no more of what runs; what came is billed, and nobody else's run ends."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from pathlib import Path

import pytest

from gateway.leaving import Leaving
from gateway.providers.simulated import Pace
from gateway.runs import Run
from identity.api_keys import KeyWish
from identity.changes import wall_ms
from identity.principal import Principal
from identity.standing import Standing
from tests.gateway.desk import asking, desk, ended, first_words
from tests.identity.house import House, house

SLOW = Pace(first_token_s=0, tokens_per_s=20)


def removed(here: House, key_id: int) -> None:
    here.teams.remove(here.people["owner"], 1, 12)


def left(here: House, key_id: int) -> None:
    here.teams.remove(here.people["member"], 1, 12)


def key_revoked(here: House, key_id: int) -> None:
    here.keys.revoke(here.people["owner"], 1, key_id)


@pytest.mark.parametrize("deed", [removed, left, key_revoked])
async def test_who_loses_the_right_to_ask_gets_no_more_of_what_runs(
    tmp_path: Path, deed: Callable[[House, int], None]
) -> None:
    async with desk(tmp_path, pace=SLOW) as at:
        here = house(at.databases.app, wall_ms)
        made = here.keys.make(here.people["member"], 1, KeyWish("mine"))
        theirs = await here.api_keys.principal_of(made.secret)
        leaving, loop = Leaving(at.gateway.runs, Standing(at.databases.app)), asyncio.get_running_loop()
        here.changes.listen(lambda: loop.call_soon_threadsafe(leaving.changed))
        keeping = asyncio.create_task(leaving.keep())

        async def run(principal: Principal) -> Run:
            started = await at.gateway.admit(principal, asking("simulated/steady"), surface="api")
            await first_words(started)
            return started

        going, staying = await run(theirs), await run(here.people["owner"])
        await asyncio.to_thread(deed, here, made.key.id)
        await ended(going)
        assert (going.state, going.stop_reason, going.user_id) == ("stopped", "no_access", 12)
        assert going.receipt is not None and going.receipt.cost_nano_usd > 0
        assert staying.state == "running"
        keeping.cancel()
        staying.stop("user")
        await ended(staying)
        await here.api_keys.close()
