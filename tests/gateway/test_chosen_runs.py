"""Runs whose id their asker chose: charged once, counted by the asker's own caps, timed where it counts."""

from __future__ import annotations

from pathlib import Path

import pytest

from billing.commands import SetCap
from billing.errors import CapReached, HoldGone
from gateway.runs import RunHub
from tests.gateway.desk import LOCAL, asking, desk, ended


async def test_a_run_that_was_asked_for_again_is_not_charged_again(tmp_path: Path) -> None:
    async with desk(tmp_path) as at:
        run = await ended(
            await at.gateway.admit(LOCAL, asking("simulated/steady"), surface="page", run_id="run_chosen")
        )
        assert run.id == "run_chosen"
        charged = at.balance().total_used_nano_usd
        assert charged > 0
        with pytest.raises(HoldGone):
            await at.gateway.admit(LOCAL, asking("simulated/steady"), surface="page", run_id="run_chosen")
        assert at.balance().total_used_nano_usd == charged


async def test_a_scope_of_the_askers_own_is_capped(tmp_path: Path) -> None:
    async with desk(tmp_path) as at:
        await at.ledger.set_cap(SetCap(1, "battle", "btl_1", 1))
        mine = (("battle", "btl_1"),)
        with pytest.raises(CapReached) as refused:
            await at.gateway.admit(LOCAL, asking("simulated/steady"), surface="page", scopes=mine)
        assert (refused.value.scope, refused.value.subject) == ("battle", "btl_1")
        other = await at.gateway.admit(
            LOCAL, asking("simulated/steady"), surface="page", scopes=(("battle", "btl_2"),)
        )
        assert (await ended(other)).state == "done"


async def test_times_that_say_nothing_stay_out_of_the_log(tmp_path: Path) -> None:
    async with desk(tmp_path) as at:
        run = await at.gateway.admit(LOCAL, asking("simulated/steady"), surface="page", timed=False)
        await ended(run)
        (row,) = at.rows
        clocks = (row.total_ms, row.gateway_ms, row.attempts[0].first_answer_ms, row.attempts[0].last_ms)
        assert clocks == (None, None, None, None)
        assert row.output_tokens and row.outcome == "ok"
        assert run.figures.total_ms is not None


async def test_several_records_are_read_at_once_and_no_other_teams(tmp_path: Path) -> None:
    async with desk(tmp_path) as at:
        first = await ended(await at.gateway.admit(LOCAL, asking("simulated/steady"), surface="page"))
        await at.gateway.close()  # which writes it down
        at.gateway.runs = RunHub()  # as after a restart
        second = await ended(await at.gateway.admit(LOCAL, asking("simulated/steady"), surface="page"))
        found = await at.gateway.records(1, [first.id, second.id, "run_\0", "run_none"])
        assert {run_id: record.text for run_id, record in found.items()} == {
            first.id: second.text,
            second.id: second.text,
        }
        assert await at.gateway.records(2, [first.id, second.id]) == {}
