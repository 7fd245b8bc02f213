import asyncio
import sqlite3
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

from sqlalchemy import Engine, NullPool, create_engine, event

from store.databases import open_engine
from telemetry import stored
from telemetry.request_log import RequestLog
from telemetry.rows import RequestRow
from telemetry.tables import ROLLUPS
from tests.telemetry.example_rows import NOON_MS, attempt, request


@asynccontextmanager
async def opened(engine: Engine, **settings: Any) -> AsyncIterator[RequestLog]:
    log = RequestLog(engine, **{"flush_s": 0.01} | settings)
    await log.open()
    yield log
    await log.close(within_s=30)  # on a machine that does much else


async def until(true: Callable[[], bool], within_s: float = 5.0) -> None:
    async with asyncio.timeout(within_s):
        while not true():  # a batch that a thread stored sets no event
            await asyncio.sleep(0.005)


def kept(engine: Engine) -> list[RequestRow]:
    with engine.connect() as connection:
        return list(stored.read(connection, 0, 2 * NOON_MS))


def requests_rolled_up(engine: Engine) -> int:
    """Over the minutes of the installation."""
    table = ROLLUPS[60_000]
    with engine.connect() as connection:
        rows = connection.execute(table.select().where(table.c.team_id == 0)).mappings()
        return sum(row["requests_ok"] for row in rows)


class Disk:
    """SQLite connections whose disk does as it is told."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.refuse = 0  # so many connections from now on
        self.lose_answer = 0  # so many commits from now on are made, and then reported as failed
        self.attempts = 0
        self.engine = create_engine("sqlite://", creator=self._connect, poolclass=NullPool)

    def _connect(self) -> sqlite3.Connection:
        self.attempts += 1
        if self.refuse > 0:
            self.refuse -= 1
            raise sqlite3.OperationalError("disk I/O error")
        disk = self

        class Connection(sqlite3.Connection):
            def commit(self) -> None:
                super().commit()
                if disk.lose_answer > 0:
                    disk.lose_answer -= 1
                    raise sqlite3.OperationalError("disk I/O error")

        return sqlite3.connect(self.path, factory=Connection, check_same_thread=False)


async def test_what_is_recorded_is_stored_whole_within_a_second(engine: Engine) -> None:
    fell_back = request(
        attempts=(attempt(outcome="provider_fault", error="ProviderTimeout", status=504), attempt(no=2)),
        tags=("team:search", "nightly"),
    )
    refused = request(
        run_id=None, team_id=None, model=None, provider=None, outcome="client_fault", status=404,
        output_tokens=None, total_ms=0.4, gateway_ms=None, attempts=(),
    )  # fmt: skip
    log = RequestLog(engine)
    await log.open()
    log.record(fell_back)
    log.record(refused)
    assert log.health.waiting == 2
    await until(lambda: log.health.stored == 2, within_s=1.0)
    assert sorted(kept(engine), key=lambda row: row.request_id) == [fell_back, refused]
    await log.close()


async def test_closing_stores_what_waits(engine: Engine) -> None:
    async with opened(engine, flush_s=60) as log:
        for _ in range(2_500):
            log.record(request())
    assert log.health.stored == 2_500
    assert len(kept(engine)) == requests_rolled_up(engine) == 2_500


async def test_subscribers_are_told_at_once_until_they_leave(engine: Engine) -> None:
    async with opened(engine) as log:
        seen: list[str] = []
        leave = log.subscribe(lambda row: seen.append(row.request_id))
        first, second = request(), request()
        log.record(first)
        assert seen == [first.request_id]
        leave()
        leave()
        log.record(second)
        assert seen == [first.request_id]


async def test_a_subscriber_that_fails_harms_nobody_else(engine: Engine) -> None:
    async with opened(engine) as log:
        seen: list[RequestRow] = []

        def broken(row: RequestRow) -> None:
            raise RuntimeError("a socket that is gone")

        log.subscribe(broken)
        log.subscribe(seen.append)
        row = request()
        log.record(row)
        assert seen == [row]
    assert kept(engine) == [row]


async def test_a_flush_that_fails_twice_is_stored_the_third_time(log_path: Path) -> None:
    disk = Disk(log_path)
    disk.refuse = 2
    async with opened(disk.engine) as log:
        log.record(request())
        await until(lambda: log.health.fault is not None)
        assert "disk I/O error" in (log.health.fault or "")
        await until(lambda: log.health.stored == 1)
        assert disk.attempts == 3
        assert log.health.fault is None
        assert log.health.lost == 0
    assert len(kept(disk.engine)) == 1


async def test_a_commit_whose_answer_was_lost_counts_once(log_path: Path) -> None:
    disk = Disk(log_path)
    async with opened(disk.engine) as log:
        disk.lose_answer = 1
        for _ in range(3):
            log.record(request())
        await until(lambda: log.health.stored == 3)
    assert len(kept(disk.engine)) == requests_rolled_up(disk.engine) == 3


async def test_a_full_disk_stops_no_request_and_loses_the_oldest_rows_visibly(log_path: Path) -> None:
    disk = Disk(log_path)
    disk.refuse = 1_000_000
    async with opened(disk.engine, capacity=100) as log:
        rows = [request(ended_at_ms=NOON_MS + number) for number in range(130)]
        slowest_s = 0.0
        for row in rows:
            before_s = time.perf_counter()
            log.record(row)
            slowest_s = max(slowest_s, time.perf_counter() - before_s)
        assert slowest_s < 0.02
        assert log.health.waiting == 100
        assert log.health.lost == 30
        disk.refuse = 0
        await until(lambda: log.health.waiting == 0)
    assert kept(disk.engine) == rows[30:]


async def test_a_disk_that_is_really_full_is_waited_for(log_path: Path) -> None:
    engine = open_engine(log_path)
    room = [1]  # pages of the database file; one is never enough

    @event.listens_for(engine, "checkout")
    def limit(connection: sqlite3.Connection, record: object, proxy: object) -> None:
        connection.execute(f"PRAGMA max_page_count = {room[0]}")

    async with opened(engine) as log:
        for _ in range(500):
            log.record(request(tags=("x" * 200,) * 20))
        await until(lambda: "database or disk is full" in (log.health.fault or ""))
        room[0] = 1_000_000
        await until(lambda: log.health.stored == 500)
    assert log.health.lost == 0
    engine.dispose()


async def test_a_row_that_no_database_takes_costs_only_itself(engine: Engine) -> None:
    async with opened(engine) as log:
        good = [request(), request()]
        log.record(good[0])
        log.record(request(output_tokens=2**70))
        log.record(good[1])
        await until(lambda: log.health.lost == 1)
    assert kept(engine) == good
    assert requests_rolled_up(engine) == 2


async def test_hostile_text_is_stored_cut_and_clean(engine: Engine) -> None:
    async with opened(engine) as log:
        log.record(request(model_asked="a\0b\ud800" + "x" * 100_000, tags=("\0tag",)))
    (row,) = kept(engine)
    assert row.model_asked.startswith("ab?xxx")
    assert len(row.model_asked) < 250
    assert row.tags == ("tag",)


async def test_an_end_with_a_dead_disk_is_bounded_and_says_what_was_lost(log_path: Path) -> None:
    disk = Disk(log_path)
    disk.refuse = 1_000_000
    log = RequestLog(disk.engine, flush_s=0.01)
    await log.open()
    for _ in range(7):
        log.record(request())
    before_s = time.perf_counter()
    await log.close(within_s=0.2)
    assert time.perf_counter() - before_s < 1.0
    assert log.health.lost == 7
    log.record(request())
    assert log.health.lost == 8


async def test_rows_on_their_way_can_be_read_before_they_are_stored(engine: Engine) -> None:
    async with opened(engine, flush_s=60) as log:
        rows = [request(), request()]
        for row in rows:
            log.record(row)
        assert log.unstored() == tuple(rows)
    assert log.unstored() == ()
