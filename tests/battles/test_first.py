"""The first battle, on the real embedded model: the gap is there to be seen."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from battles.ballots import Ballot
from battles.errors import BadBattle, BattleNotFound
from battles.first import ROWS, SIDES, VOTED, FirstBattle
from battles.looking import view
from gateway.providers.embedded import Embedded
from tests.battles.ring import MEMBER, ring
from tests.gateway.desk import LOCAL


@pytest.mark.slow
@pytest.mark.embedded
async def test_two_examples_carry_the_embedded_model_where_a_bare_prompt_does_not(
    tmp_path: Path, record_figure: Callable[[str], None]
) -> None:
    embedded = Embedded()
    async with ring(tmp_path, providers={"embedded": embedded}) as at:
        first = FirstBattle(at.battles)
        try:
            await embedded.start()
            first_id = await first.start(LOCAL)
            async with asyncio.timeout(90):
                while (seen := await first.view(LOCAL, first_id)).running:
                    assert seen.passed is None
                    await asyncio.sleep(0.3)
            assert [row.answers for row in seen.rows] == [None] * len(ROWS)
            for _ in range(VOTED):
                seen = await first.view(LOCAL, first_id)
                assert seen.vote_next is not None
                assert (await view(at.battles, LOCAL, seen.vote_next)).hidden
                await at.votes.cast(LOCAL, seen.vote_next, Ballot(outcome="tie"))
            seen = await first.view(LOCAL, first_id)
            assert seen.over and seen.vote_next is None
            assert seen.passed is not None
            bare, examples = (seen.passed[side] for side in SIDES)
            record_figure(f"first battle: bare {bare} of 10, with two examples {examples} of 10")
            assert examples - bare >= 5
            assert seen.cost_nano_usd == at.desk.balance().total_used_nano_usd > 0
            boards = {one.board for one in at.votes.comparisons(1)}
            assert boards == {"prompt"}
            assert await first.newest(LOCAL) == first_id
            with pytest.raises(BattleNotFound):
                await first.view(MEMBER, first_id)
            await first.go_on(LOCAL, first_id)  # nothing is missing
            assert len((await first.view(LOCAL, first_id)).rows) == len(ROWS)
        finally:
            await embedded.close()


async def test_without_the_embedded_model_it_says_so(tmp_path: Path) -> None:
    async with ring(tmp_path) as at:
        first = FirstBattle(at.battles)
        with pytest.raises(BadBattle, match="embedded"):
            await first.start(LOCAL)
        with pytest.raises(BadBattle, match="votes"):
            await first.start(replace(LOCAL, user_id=None))
        assert await first.newest(LOCAL) is None
