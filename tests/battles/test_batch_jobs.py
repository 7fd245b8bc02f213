"""Who keeps the jobs process, when, and what may be asked at its door."""

from __future__ import annotations

import asyncio
import os
import stat
from collections.abc import Mapping
from pathlib import Path

import msgspec
import pytest

from battles.batch_door import BatchDoor
from battles.batch_jobs import BatchJobs, jobs_database
from battles.batch_wire import Ask, Finish, Piece, Refused, Wanted
from jobs.door import Door
from store.leases import JOBS, Leases
from tests.battles.batch_desk import BatchDesk, batch_desk, says
from tests.gateway.desk import LOCAL


class FakeChild:
    """A process that is ready at once."""

    def __init__(self, settings: Mapping[str, object]) -> None:
        self.settings = settings
        self.running = False

    @property
    def ready(self) -> bool:
        return self.running

    async def start(self) -> None:
        self.running = True

    async def stop(self) -> None:
        self.running = False


def keeper(desk: BatchDesk, holder: str) -> tuple[BatchJobs, list[FakeChild]]:
    database, children = desk.batches.database, list[FakeChild]()

    def make(settings: Mapping[str, object]) -> FakeChild:
        children.append(FakeChild(settings))
        return children[-1]

    door = BatchDoor(database, desk.work, "sqlite:///nowhere")
    return BatchJobs(database, Leases(database, holder), door, child=make), children


async def test_one_process_of_an_installation_keeps_it_and_only_while_a_batch_is_to_run(
    tmp_path: Path,
) -> None:
    async with batch_desk(tmp_path, says("x")) as desk:
        (one, ones), (other, others) = keeper(desk, "one"), keeper(desk, "other")
        await one.look()
        assert one.state == "idle" and not ones  # no batch: nothing is started
        batch = await desk.open(1)
        await one.look()
        await other.look()
        assert (one.state, other.state) == ("ready", "elsewhere") and not others
        await Leases(desk.batches.database, "one").release(JOBS)  # as if it had died
        await other.look()
        await one.look()
        assert (other.state, one.state) == ("ready", "elsewhere")
        assert others[0].running and not ones[0].running
        desk.batches.stop(LOCAL, batch.id)
        await other.look()
        assert others[0].running  # for a while: the next batch need not wait for it
        for each in (one, other):
            await each.close()
        assert not others[0].running


async def test_the_door_is_ours_alone_and_opens_with_its_token(tmp_path: Path) -> None:
    async with batch_desk(tmp_path, says("x")) as desk:
        door = BatchDoor(desk.batches.database, desk.work, "sqlite:///nowhere")
        await door.open()
        batch = await desk.open(3)
        where = Path(door.handed.socket)
        assert stat.S_IMODE(where.stat().st_mode) == 0o600
        assert stat.S_IMODE(where.parent.stat().st_mode) == 0o700 and where.stat().st_uid == os.getuid()
        asking = Door(door.handed)
        assert await asking.wanted() == Wanted(((batch.id, 1),))
        piece = await asking.piece(batch.id, 1, 0, judging=False)
        assert piece == Piece(False, 8, ((0, 0, -1), (1, 0, -1), (2, 0, -1)), None)
        assert (await asking.piece(batch.id, 9, 0, judging=False)).over  # of another epoch
        for row in range(3):
            assert (await asking.do(batch.id, 1, (row, 0, -1), judging=False)).outcome == "done"
        assert await asking.finish(batch.id, 1) == Finish("over")
        assert desk.now(batch).state == "done" and (await asking.wanted()).batches == ()

        reader, writer = await asyncio.open_unix_connection(door.handed.socket)
        for line in (msgspec.json.encode(Ask("guessed", "wanted")), b"{}", b"\xff"):
            writer.write(line + b"\n")
            refused = msgspec.json.decode(await reader.readline(), type=Refused)
            assert refused.error in ("not the token", "not a question")
        writer.close()
        await door.close()
        assert not where.exists()


@pytest.mark.parametrize(
    ("url", "kept_at"),
    [
        (None, "sqlite:////data/jobs.db"),
        ("postgresql://u:p@h/d", "postgresql://u:p@h/d"),
        ("postgres://u:p@h/d", "postgresql://u:p@h/d"),
    ],
)
def test_dbos_keeps_its_own_beside_ours(url: str | None, kept_at: str) -> None:
    assert jobs_database("/data", url) == kept_at
