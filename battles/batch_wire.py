"""What the jobs process and the app say to each other: one line of JSON each, on a socket that only we may
open, with a token made for each start.

The jobs process asks, the app does. Numbers and ids alone go over it: rows, prompts, answers and the rights
to send them stay with the app, so that the one request path needs no second credential and no second copy
of anything.
"""

from __future__ import annotations

from typing import Literal

import msgspec


class Handed(msgspec.Struct, frozen=True):
    """What the child is told on standard input. `database` is dbos's own: an SQLAlchemy URL."""

    socket: str
    token: str
    database: str


class Ask(msgspec.Struct, frozen=True):
    """`wanted`: which batches are to run. `piece`: what comes next from `row` on, of answers or, with
    `judging`, of judgements. `do`: one of it. `finish`: whether anything is left."""

    token: str
    ask: Literal["wanted", "piece", "do", "finish"]
    batch: str = ""
    epoch: int = 0
    row: int = 0
    one: int = 0  # the lane; of a judgement, the one shown first
    other: int = -1  # of a judgement, the one shown second
    judging: bool = False


class Wanted(msgspec.Struct, frozen=True):
    """(id, epoch)"""

    batches: tuple[tuple[str, int], ...]


class Piece(msgspec.Struct, frozen=True):
    """`items` as (row, one, other); `next_row` is None after the last. `over`: the batch is not to run."""

    over: bool
    at_once: int = 1
    items: tuple[tuple[int, int, int], ...] = ()
    next_row: int | None = None


class Finish(msgspec.Struct, frozen=True):
    """What is to be done next, from the first row on."""

    next: Literal["answers", "judging", "over"]


class Refused(msgspec.Struct, frozen=True):
    error: str
