import asyncio
import time
from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack
from dataclasses import dataclass, field

import pytest
from sqlalchemy import Engine, event
from sqlalchemy.exc import OperationalError

from telemetry.elsewhere import LOOK_BACK_MS, Elsewhere
from telemetry.request_log import RequestLog
from telemetry.rows import RequestRow
from tests.databases import Home
from tests.telemetry.example_rows import attempt, request


@dataclass
class Process:
    """One process's log, and what a subscriber of it was told."""

    engine: Engine
    log: RequestLog
    elsewhere: Elsewhere
    told: list[RequestRow] = field(default_factory=list)

    @property
    def ids(self) -> list[str]:
        return [row.request_id for row in self.told]


@pytest.fixture
async def two(home: Home) -> AsyncIterator[tuple[Process, Process]]:
    async with AsyncExitStack() as stack:
        processes = []
        for _ in range(2):
            engine = home.engine("log")
            log = RequestLog(engine, flush_s=0.01)
            await log.open()
            stack.push_async_callback(log.close)
            elsewhere = Elsewhere(engine, log, every_s=0.03)
            stack.push_async_callback(elsewhere.close)
            processes.append(Process(engine, log, elsewhere))
        yield processes[0], processes[1]


def now_ms() -> int:
    return time.time_ns() // 1_000_000


async def stored(log: RequestLog, *rows: RequestRow) -> None:
    before = log.health.stored
    for row in rows:
        log.record(row)
    await until(lambda: log.health.stored == before + len(rows))


async def turns(number: int = 4) -> None:
    """Time for more to be told, where nothing more should be."""
    await asyncio.sleep(0.03 * number + 0.05)


async def until(true: Callable[[], object]) -> None:
    async with asyncio.timeout(5):
        while not true():
            await asyncio.sleep(0.005)


async def test_a_request_of_another_process_is_told_once_and_ones_own_at_once(
    two: tuple[Process, Process],
) -> None:
    here, there = two
    here.elsewhere.subscribe(here.told.append)
    mine = request(ended_at_ms=now_ms())
    here.log.record(mine)
    assert here.told == [mine]
    theirs = request(ended_at_ms=now_ms(), tags=("nightly",))
    await stored(there.log, theirs)
    await until(lambda: len(here.told) == 2)
    await turns()
    assert here.told == [mine, theirs]


async def test_two_processes_at_work_each_hear_of_everything_once(two: tuple[Process, Process]) -> None:
    for process in two:
        process.elsewhere.subscribe(process.told.append)
    recorded: list[str] = []
    for number in range(120):
        row = request(ended_at_ms=now_ms())
        recorded.append(row.request_id)
        two[number % 2].log.record(row)
        await asyncio.sleep(0.002)
    await until(lambda: min(len(process.told) for process in two) >= len(recorded))
    await turns()
    for process in two:
        assert sorted(process.ids) == sorted(recorded)


async def test_nothing_is_read_while_nobody_watches(two: tuple[Process, Process]) -> None:
    here, there = two
    statements: list[str] = []

    @event.listens_for(here.engine, "before_cursor_execute")
    def note(_c: object, _k: object, statement: str, *_: object) -> None:
        statements.append(statement)

    await turns()
    assert statements == []
    leave = here.elsewhere.subscribe(here.told.append)
    await until(lambda: statements)
    leave()
    await turns(1)  # what was on its way
    statements.clear()
    await stored(there.log, request(ended_at_ms=now_ms()))
    await turns()
    assert (statements, here.told) == ([], [])


async def test_several_watchers_share_one_reading_and_leave_one_by_one(two: tuple[Process, Process]) -> None:
    here, there = two
    other: list[str] = []
    leave_first = here.elsewhere.subscribe(here.told.append)
    leave_second = here.elsewhere.subscribe(lambda row: other.append(row.request_id))
    await stored(there.log, first := request(ended_at_ms=now_ms()))
    await until(lambda: here.told and other)
    leave_first()
    leave_first()
    await stored(there.log, second := request(ended_at_ms=now_ms()))
    await until(lambda: len(other) == 2)
    assert here.ids == [first.request_id]
    assert other == [first.request_id, second.request_id]
    leave_second()
    leave_again = here.elsewhere.subscribe(lambda row: other.append(row.request_id))
    await turns()
    assert len(other) == 2, "whoever comes back is not told again"
    leave_again()


async def test_what_is_older_than_the_look_back_is_history(two: tuple[Process, Process]) -> None:
    here, there = two
    recent, old = now_ms(), now_ms() - LOOK_BACK_MS - 1_000
    await stored(there.log, request(ended_at_ms=old), just_before := request(ended_at_ms=recent))
    here.elsewhere.subscribe(here.told.append)
    await until(lambda: here.told)
    assert here.ids == [just_before.request_id]


async def test_a_request_that_fell_back_comes_with_the_attempt_that_answered(
    two: tuple[Process, Process],
) -> None:
    here, there = two
    here.elsewhere.subscribe(here.told.append)
    attempts = (attempt(outcome="provider_fault", first_answer_ms=None), attempt(no=2, provider="other"))
    await stored(there.log, request(ended_at_ms=now_ms(), attempts=attempts))
    await until(lambda: here.told)
    (row,) = here.told
    assert row.attempts == attempts[1:]


async def test_a_watcher_that_fails_harms_nobody_and_a_database_that_is_away_is_waited_for(
    two: tuple[Process, Process],
) -> None:
    here, there = two

    def broken(row: RequestRow) -> None:
        raise RuntimeError("a socket that is gone")

    away = [True]

    @event.listens_for(here.engine, "before_cursor_execute")
    def execute(*_: object) -> None:
        if away[0]:
            raise _away()

    here.elsewhere.subscribe(broken)
    here.elsewhere.subscribe(here.told.append)
    await stored(there.log, row := request(ended_at_ms=now_ms()))
    await turns()
    assert here.told == []
    away[0] = False
    await until(lambda: here.told)
    assert here.ids == [row.request_id]


def _away() -> Exception:
    return OperationalError("SELECT", {}, Exception("server closed the connection"))
