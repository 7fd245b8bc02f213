"""A batch as a durable workflow: piece after piece, each written down when it is done.

dbos keeps what each step returned. A process that dies in a piece begins that piece again, and the app
answers what it has already done at once; nothing here needs to know what a row costs or says.

The words that steps return are JSON values, because they are kept; a workflow reads nothing else, so that it
goes the same way when it is run again.
"""

from __future__ import annotations

import asyncio
from typing import Any, Final

from dbos import DBOS

from jobs.door import Door

_door: Door | None = None
_BETWEEN_PASSES_S: Final = 2.0
_LONGEST_WAIT_S: Final = 60.0

Item = tuple[int, int, int]


def use(door: Door) -> None:
    global _door
    _door = door


def _the_door() -> Door:
    assert _door is not None, "jobs/__main__.py says which door before dbos is launched"
    return _door


@DBOS.step()
async def piece_of(batch: str, epoch: int, row: int, judging: bool) -> dict[str, Any]:
    piece = await _the_door().piece(batch, epoch, row, judging=judging)
    return {
        "over": piece.over,
        "at_once": piece.at_once,
        "items": [list(item) for item in piece.items],
        "next_row": piece.next_row,
    }


@DBOS.step()
async def do_piece(
    batch: str, epoch: int, items: list[list[int]], at_once: int, judging: bool
) -> dict[str, Any]:
    """Do them all, `at_once` at a time. One that has to wait holds up those that have not begun: what it
    waits for is the batch's."""
    door, room = _the_door(), asyncio.Semaphore(at_once)
    left: list[list[int]] = []
    over = False
    wait_s = 0.0

    async def one(item: list[int]) -> None:
        nonlocal over, wait_s
        async with room:
            while not over:
                told = await door.do(batch, epoch, (item[0], item[1], item[2]), judging=judging)
                if told.outcome == "again":
                    await asyncio.sleep(min(told.wait_s, _LONGEST_WAIT_S))
                    continue
                over = over or told.outcome == "over"
                if told.outcome == "later":
                    left.append(item)
                    wait_s = max(wait_s, told.wait_s)
                return

    await asyncio.gather(*(one(item) for item in items))
    return {"over": over, "left": sorted(left), "wait_s": min(wait_s, _LONGEST_WAIT_S)}


@DBOS.step()
async def finish(batch: str, epoch: int) -> str:
    return (await _the_door().finish(batch, epoch)).next


@DBOS.workflow()
async def batch_work(batch: str, epoch: int) -> str:
    """Answers first, then what a judge says of them; again until nothing is left."""
    judging = False
    while True:
        if not await _one_pass(batch, epoch, judging):
            return "over"
        what = await finish(batch, epoch)
        if what == "over":
            return "over"
        judging = what == "judging"


async def _one_pass(batch: str, epoch: int, judging: bool) -> bool:
    """Once through the rows, then through what had to wait; whether the batch still runs."""
    row: int | None = 0
    later: list[list[int]] = []
    wait_s, at_once = 0.0, 1
    while row is not None:
        piece = await piece_of(batch, epoch, row, judging)
        if piece["over"]:
            return False
        at_once = piece["at_once"]
        if piece["items"]:
            done = await do_piece(batch, epoch, piece["items"], at_once, judging)
            if done["over"]:
                return False
            later += done["left"]
            wait_s = max(wait_s, done["wait_s"])
        row = piece["next_row"]
    if later:
        await DBOS.sleep_async(max(wait_s, _BETWEEN_PASSES_S))
        done = await do_piece(batch, epoch, later, at_once, judging)
        return not done["over"]
    return True
