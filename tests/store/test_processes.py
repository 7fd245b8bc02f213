import asyncio
import time
from collections.abc import Callable

from sqlalchemy import select, update
from sqlalchemy.orm import Session
from sqlmodel import col

from store.clock import now_ms
from store.databases import Database
from store.leases import TERM_MS, Leases
from store.processes import DEAD_AFTER_MS, Processes, living_ids
from store.tables import LeaseRow, ProcessRow
from tests.databases import Home


def silent_for(database: Database, process_id: str, ms: int) -> None:
    with database.session() as session:
        session.execute(
            update(ProcessRow).where(col(ProcessRow.id) == process_id).values(heartbeat_ms=now_ms() - ms)
        )


async def ids(processes: Processes) -> list[str]:
    return [one.id for one in await processes.living()]


async def test_processes_know_each_other_until_they_leave(home: Home) -> None:
    first, second = Processes(home.open().app), Processes(home.open().app, "api")
    await first.open()
    await second.open()
    living = await first.living()
    assert [(one.id, one.role) for one in living] == [(first.id, "app"), (second.id, "api")]
    assert all(one.host and one.started_ms <= one.heartbeat_ms for one in living)
    await first.close()
    assert await ids(second) == [second.id]
    await second.close()
    assert await ids(second) == []


async def test_a_heart_that_beats_keeps_a_process_alive_and_its_start_as_it_was(home: Home) -> None:
    database = home.open().app
    process = Processes(database, beat_s=0.02)
    await process.open()
    (before,) = await process.living()
    silent_for(database, process.id, DEAD_AFTER_MS + 1_000)
    async with asyncio.timeout(5):
        while await ids(process) != [process.id]:
            await asyncio.sleep(0.01)
    (after,) = await process.living()
    assert after.started_ms == before.started_ms
    await process.close()


async def test_a_process_that_was_silent_for_long_is_dead_to_the_others(home: Home) -> None:
    database = home.open().app
    quick, slow = Processes(database), Processes(database)
    await quick.beat()
    await slow.beat()
    silent_for(database, slow.id, DEAD_AFTER_MS - 5_000)
    assert len(await quick.living()) == 2
    silent_for(database, slow.id, DEAD_AFTER_MS + 1)
    assert await ids(quick) == [quick.id]
    with database.session() as session:
        assert session.scalars(living_ids()).all() == [quick.id]
    await slow.beat()
    assert len(await quick.living()) == 2


async def test_what_died_a_day_ago_is_forgotten(home: Home) -> None:
    database = home.open().app
    old, new = Processes(database), Processes(database)
    await old.beat()
    silent_for(database, old.id, 25 * 60 * 60 * 1000)
    await new.beat()
    with database.session() as session:
        assert session.scalars(select(col(ProcessRow.id))).all() == [new.id]


async def test_the_clock_is_the_databases_and_in_utc_milliseconds(home: Home) -> None:
    def read(session: Session) -> int:
        return session.execute(select(now_ms())).scalar_one()

    before_ms = time.time_ns() // 1_000_000
    told_ms = await home.open().app.read(read)
    assert before_ms - 5 <= told_ms <= time.time_ns() // 1_000_000 + 5


# --- leases ----------------------------------------------------------------------------------


async def test_of_many_who_ask_at_once_one_gets_the_lease(home: Home) -> None:
    databases = [home.open().app for _ in range(5)]
    asking = [Leases(database, f"proc_{number}").take("sweeper") for number, database in enumerate(databases)]
    assert sorted(await asyncio.gather(*asking)) == [False] * 4 + [True]


async def test_whoever_holds_a_lease_keeps_it_and_others_are_refused(home: Home) -> None:
    database = home.open().app
    mine, theirs = Leases(database, "proc_a"), Leases(database, "proc_b")
    assert await mine.take("alerts")
    assert await mine.take("alerts")
    assert await mine.renew("alerts")
    assert not await theirs.take("alerts")
    assert not await theirs.renew("alerts")
    assert await theirs.take("jobs"), "each name is a lease of its own"


async def test_a_released_lease_is_free_at_once_and_only_its_holder_releases(home: Home) -> None:
    database = home.open().app
    mine, theirs = Leases(database, "proc_a"), Leases(database, "proc_b")
    await mine.take("jobs")
    await theirs.release("jobs")
    assert not await theirs.take("jobs")
    await mine.release("jobs")
    assert await theirs.take("jobs")


async def test_the_lease_of_a_dead_holder_is_taken_over_when_it_ends_and_not_before(home: Home) -> None:
    database = home.open().app
    dead, heir = Leases(database, "proc_dead"), Leases(database, "proc_heir")
    await dead.take("sweeper")
    pass_time(database, "sweeper", TERM_MS - 5_000)
    assert not await heir.take("sweeper")
    pass_time(database, "sweeper", 5_001)
    assert await heir.take("sweeper")
    assert not await dead.renew("sweeper"), "whoever wakes up late learns that it is no longer theirs"
    assert not await dead.take("sweeper")


async def test_a_lease_that_ended_is_not_renewed_even_by_its_holder(home: Home) -> None:
    database = home.open().app
    mine = Leases(database, "proc_a")
    await mine.take("alerts")
    pass_time(database, "alerts", TERM_MS + 1)
    assert not await mine.renew("alerts")
    assert await mine.take("alerts")


async def test_kept_work_is_done_by_one_and_handed_over_at_its_end(home: Home) -> None:
    done: list[str] = []

    def worker(name: str) -> asyncio.Task[None]:
        async def work() -> None:
            done.append(name)
            if len(done) == 2:
                raise RuntimeError("a turn that fails is not the last")

        return asyncio.create_task(Leases(home.open().app, name).keep("sweeper", 0.01, work))

    first = worker("first")
    await reach(lambda: len(done) >= 1)
    second = worker("second")
    await reach(lambda: len(done) >= 6)
    assert set(done) == {"first"}
    first.cancel()
    await reach(lambda: "second" in done)
    second.cancel()
    await asyncio.gather(first, second, return_exceptions=True)
    assert done == sorted(done), "never both"


def pass_time(database: Database, name: str, ms: int) -> None:
    with database.session() as session:
        session.execute(
            update(LeaseRow)
            .where(col(LeaseRow.name) == name)
            .values(expires_ms=col(LeaseRow.expires_ms) - ms)
        )


async def reach(true: Callable[[], bool]) -> None:
    async with asyncio.timeout(5):
        while not true():
            await asyncio.sleep(0.005)
