"""Text goes when its team said so; what it cost stays."""

from __future__ import annotations

from pathlib import Path

import pytest
from sqlalchemy import select
from sqlmodel import col

from gateway.retention import Retention
from gateway.tables import RunRow
from identity.local import LocalIdentity
from identity.policy import Policy, encoded
from identity.tables import TeamRow
from tests.gateway.desk import LOCAL, Desk, asking, desk, ended

DAY_MS = 24 * 60 * 60 * 1000


async def a_run(at: Desk) -> tuple[str, int]:
    run = await ended(await at.gateway.admit(LOCAL, asking("simulated/steady"), surface="page"))
    await at.gateway._kept.flush()
    return run.id, run.created_ms


def texts(at: Desk, run_id: str) -> tuple[str | None, str | None, str]:
    with at.databases.app.session() as session:
        row = session.scalars(select(RunRow).where(col(RunRow.id) == run_id)).one()
        return row.messages_json, row.text, row.figures_json


def set_policy(at: Desk, policy: Policy, *, deleted_ms: int | None = None) -> None:
    with at.databases.app.session() as session:
        team = session.get_one(TeamRow, 1)
        team.policy, team.deleted_ms = encoded(policy), deleted_ms


async def test_text_older_than_the_team_keeps_it_goes_and_its_figures_stay(tmp_path: Path) -> None:
    async with desk(tmp_path) as at:
        LocalIdentity.open(at.databases.app, make_key=False)
        run_id, created_ms = await a_run(at)
        retention = Retention(at.databases.app)
        assert await retention.forget_old(created_ms + 4000 * DAY_MS) == 0  # kept for good by default
        set_policy(at, Policy(text_days=30))
        assert await retention.forget_old(created_ms + 30 * DAY_MS) == 0
        assert texts(at, run_id)[1]
        assert await retention.forget_old(created_ms + 30 * DAY_MS + 1) == 1
        messages, text, figures = texts(at, run_id)
        assert (messages, text) == (None, None) and "cost_nano_usd" in figures
        assert at.statements.entry_of_run(1, run_id) is not None


@pytest.mark.parametrize(
    ("policy", "deleted_ms"),
    [(Policy(zero_retention=True), None), (Policy(text_days=0), None), (Policy(), 1)],
)
async def test_nothing_stays_of_a_team_that_keeps_nothing_or_is_gone(
    tmp_path: Path, policy: Policy, deleted_ms: int | None
) -> None:
    async with desk(tmp_path) as at:
        LocalIdentity.open(at.databases.app, make_key=False)
        run_id, created_ms = await a_run(at)
        set_policy(at, policy, deleted_ms=deleted_ms)
        assert await Retention(at.databases.app).forget_old(created_ms + 1) == 1
        assert texts(at, run_id)[:2] == (None, None)
