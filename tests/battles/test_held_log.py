"""Rows of blind runs wait for a reveal, and no longer than they may."""

from __future__ import annotations

import asyncio

from battles.held_log import HeldLog
from telemetry.rows import RequestRow
from tests.telemetry.example_rows import request


def row(run_id: str) -> RequestRow:
    return request(run_id=run_id)


async def test_a_held_row_waits_for_its_reveal_and_others_pass() -> None:
    told: list[RequestRow] = []
    log = HeldLog(told.append)
    log.hold(["run_a"])
    log(row("run_a"))
    log(row("run_b"))
    assert [each.run_id for each in told] == ["run_b"]
    log.release(["run_a"])
    assert [each.run_id for each in told] == ["run_b", "run_a"]


async def test_a_battle_that_nobody_reveals_is_in_the_log_in_the_end_though_no_other_begins() -> None:
    told: list[RequestRow] = []
    log = HeldLog(told.append, longest_s=0.01)
    log.hold(["run_a", "run_b"])
    log(row("run_a"))
    async with asyncio.timeout(5):
        while not told:
            await asyncio.sleep(0.005)
    log(row("run_b"))  # it ended later, and waits for nothing any more
    assert [each.run_id for each in told] == ["run_a", "run_b"]
