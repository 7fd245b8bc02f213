"""What a process needs for batches: the use case and the vote queue in every one, and in those that do not
belong to another the door of the jobs process and whoever keeps it. Composes, and holds no logic.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine
from contextlib import AsyncExitStack
from dataclasses import dataclass
from typing import Any, Final

from battles.batch_door import BatchDoor
from battles.batch_jobs import BatchJobs
from battles.batch_work import BatchWork
from battles.batches import Batches
from battles.sandbox import PythonTests, Sandbox
from battles.vote_queue import VoteQueue
from gateway.catalog import Catalog
from gateway.completion import Gateway
from gateway.quote import Quotes
from identity.changes import Changes
from identity.standing import Standing
from stores import Stores

_SANDBOXES: Final = 2  # the second starts only where checks wait for the first


@dataclass(frozen=True, slots=True)
class Batching:
    batches: Batches
    votes: VoteQueue


async def open_batching(
    stores: Stores,
    gateway: Gateway,
    catalog: Catalog,
    quotes: Quotes,
    changes: Changes,
    opened: AsyncExitStack,
    keep: Callable[[AsyncExitStack, Coroutine[Any, Any, None]], None],
    *,
    python_tests: PythonTests,
    jobs_at: str | None,
) -> Batching:
    """`jobs_at` is where dbos keeps what it remembers; None in a process that belongs to another."""
    database = stores.databases.app
    sandbox = Sandbox(python_tests, children=_SANDBOXES)
    opened.push_async_callback(sandbox.close)
    if jobs_at is not None:
        standing, loop = Standing(database), asyncio.get_running_loop()
        changes.listen(lambda: loop.call_soon_threadsafe(standing.forget))
        work = BatchWork(gateway, database, stores.statements, standing, sandbox)
        door = BatchDoor(database, work, jobs_at)
        await door.open()
        jobs = BatchJobs(database, stores.leases, door)
        opened.push_async_callback(jobs.close)
        keep(opened, jobs.keep())
    return Batching(
        Batches(database, catalog, sandbox, stores.ledger.set_cap, quotes.quote), VoteQueue(database)
    )
