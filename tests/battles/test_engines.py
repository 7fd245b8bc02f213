"""A whole battle on both engines: tabs that do the same at once, and a process that is gone."""

from __future__ import annotations

import asyncio
from pathlib import Path

from battles.ballots import Ballot
from battles.battle import Battles
from battles.errors import AlreadyVoted
from battles.looking import view
from battles.models import BattleWish, LaneWish, Prompt
from tests.battles.ring import Gated, ring
from tests.databases import Home
from tests.gateway.desk import LOCAL

TWO = (LaneWish("north/alpha"), LaneWish("south/beta"))


async def test_two_tabs_that_do_the_same_at_once_do_it_one_after_the_other(
    home: Home, tmp_path: Path
) -> None:
    async with ring(tmp_path / "ledger", databases=home.open()) as at:
        battle, first = await at.fought(wish=BattleWish(TWO, blind=True))
        turns = await asyncio.gather(
            *(at.battles.start_turn(LOCAL, battle.id, Prompt(f"{no}"), first.id) for no in range(3))
        )
        assert sorted(turn.no for turn in turns) == [2, 3, 4]
        await at.ended(battle)
        votes = await asyncio.gather(
            *(at.votes.cast(LOCAL, battle.id, Ballot(outcome="left"), stage="first") for _ in range(3)),
            return_exceptions=True,
        )
        assert sum(isinstance(vote, AlreadyVoted) for vote in votes) == 2
        (kept,) = await at.votes.of(battle.id)
        assert kept.stage == "first"
        assert len(at.votes.comparisons(1)) == 1
        keys = [
            at.battles.create(LOCAL, BattleWish(TWO), surface="api", idempotency_key="one") for _ in range(3)
        ]
        opened = await asyncio.gather(*keys)
        assert len({battle.id for battle in opened}) == 1
        asked = len(at.lab.calls)
        begun = [
            at.battles.start_turn(LOCAL, battle.id, Prompt("once"), unless_begun=True) for battle in opened
        ]
        assert len({turn.id for turn in await asyncio.gather(*begun)}) == 1
        await at.ended(opened[0])
        assert len(at.lab.calls) == asked + 2


async def test_what_waited_in_a_process_that_is_gone_was_never_asked(home: Home, tmp_path: Path) -> None:
    async with ring(tmp_path / "ledger", databases=home.open(), process_id="proc_gone") as at:
        slow = Gated("words")
        at.lab.plays_of(alpha=slow)
        battle, _ = await at.fought(wish=BattleWish(TWO, order="in_sequence"), wait=False)
        await at.battles._conductor.close()  # as when the process dies: nobody goes on
        other = Battles(at.means)  # of another process
        await other.end_interrupted()
        slow.end()
        await asyncio.sleep(0)
        async with asyncio.timeout(10):
            while (seen := await view(other, LOCAL, battle.id)).running:
                await asyncio.sleep(0.01)
        first, second = seen.turns[0].lanes
        assert (first.state, second.state) == ("done", "failed")
        assert second.failure is not None
        assert (second.failure.kind, second.cost_nano_usd) == ("Interrupted", 0)
        assert await other.retry(LOCAL, battle.id, seen.turns[0].id) == (1,)
        await other.until_ended(battle)
        assert (await view(other, LOCAL, battle.id)).turns[0].lanes[1].text == "beta was asked"
