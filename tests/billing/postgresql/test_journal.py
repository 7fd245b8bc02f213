"""What the journal on PostgreSQL promises whoever writes through it beside others."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest

from billing.allowance import ALLOWANCE_NANO_USD, FreeMoney
from billing.commands import Reserve, Void
from billing.journal import Stale
from billing.journal_postgresql import Changed, PostgresJournal
from billing.ledger import Batch
from billing.state import Past, Team
from tests.billing.bank import START_MS
from tests.billing.postgresql.test_writer import asking, settling

pytestmark = pytest.mark.postgresql


@pytest.fixture
async def journal(ledger_url: str) -> AsyncIterator[PostgresJournal]:
    journal = await PostgresJournal.connect(ledger_url)
    yield journal
    await journal.close()


@pytest.fixture
async def other(ledger_url: str) -> AsyncIterator[PostgresJournal]:
    journal = await PostgresJournal.connect(ledger_url)
    yield journal
    await journal.close()


def batch_on(teams: dict[int, Team], past: Past | None = None) -> Batch:
    money = FreeMoney(100 * ALLOWANCE_NANO_USD, 0)
    return Batch(teams, past or Past(), now_ms=START_MS, free_money=money)


async def reserve(journal: PostgresJournal, command: Reserve) -> dict[int, Team]:
    teams = await journal.load([command.team_id], {})
    batch = batch_on(teams)
    batch.reserve(command)
    await journal.write(batch.changes)
    return teams


async def test_a_batch_on_teams_that_somebody_changed_is_refused_and_names_them(
    journal: PostgresJournal, other: PostgresJournal
) -> None:
    for team in (1, 2, 3):
        await reserve(journal, asking("run_1", team=team))
    teams = await journal.load([1, 2, 3], {})
    await reserve(other, asking("run_2", team=2))
    batch = batch_on(teams)
    for team in (1, 2, 3):
        batch.reserve(asking("run_3", team=team))
    with pytest.raises(Changed) as changed:
        await journal.write(batch.changes)
    assert list(changed.value.team_ids) == [2]
    assert set((await journal.load([1], {}))[1].holds) == {"run_1"}


async def test_teams_that_were_only_looked_at_must_be_as_they_were_seen(
    journal: PostgresJournal, other: PostgresJournal
) -> None:
    await reserve(journal, asking("run_1", team=1))
    seen = await journal.load([1], {})
    await reserve(other, asking("run_2", team=1))
    teams = await journal.load([2], {})
    batch = batch_on(teams)
    batch.reserve(asking("run_1", team=2))
    with pytest.raises(Changed):
        await journal.write(batch.changes, seen=list(seen.values()))
    assert (await journal.load([2], {}))[2].is_new


async def test_a_run_that_is_known_is_not_reserved_again(
    journal: PostgresJournal, other: PostgresJournal
) -> None:
    teams = await reserve(journal, asking("run_1"))
    teams[1].holds.clear()  # as if it were forgotten
    batch = batch_on(teams)
    batch.reserve(asking("run_1"))
    with pytest.raises(Stale):
        await journal.write(batch.changes)


async def test_what_is_locked_is_read_as_it_is_and_waits_for_nobody(
    journal: PostgresJournal, other: PostgresJournal
) -> None:
    before = await reserve(journal, asking("run_1"))
    await reserve(other, asking("run_2"))
    async with journal.locked():
        teams = await journal.load([1], before, lock=True)
        assert set(teams[1].holds) == {"run_1", "run_2"}
        batch = batch_on(teams)
        batch.reserve(asking("run_3"))
        await journal.write(batch.changes)
    known = await journal.load([1], teams)
    assert known[1] is teams[1], "a team of the version that is known is not read again"


async def test_only_a_batch_that_is_to_be_synced_waits_for_the_disk(journal: PostgresJournal) -> None:
    await reserve(journal, asking("run_0"))  # which gives the allowance, an entry
    teams = await journal.load([1], {})
    setting = "SHOW synchronous_commit"
    async with journal.locked():
        batch = batch_on(teams)
        hold = batch.reserve(asking("run_1"))
        await journal.write(batch.changes)
        assert await journal._db.fetchval(setting) == "off"
    assert await journal._db.fetchval(setting) == "on"
    async with journal.locked():
        batch = batch_on(teams)
        batch.settle(settling(hold, "0.10"))
        await journal.write(batch.changes, synced=True)
        assert await journal._db.fetchval(setting) == "on"


async def test_a_hold_that_ends_in_the_batch_that_opened_it_is_written_whole(
    journal: PostgresJournal,
) -> None:
    teams = await journal.load([1], {})
    batch = batch_on(teams)
    settled = batch.reserve(asking("run_1", "1"))
    batch.settle(settling(settled, "0.50"))
    batch.void(Void(1, batch.reserve(asking("run_2", "1")).run_id))
    batch.reserve(asking("run_3", "1"))
    await journal.write(batch.changes)
    (team,) = (await journal.load([1], {})).values()
    assert set(team.holds) == {"run_3"}
    assert team.used_nano_usd == 500_000_000
