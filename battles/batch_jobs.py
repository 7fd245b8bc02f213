"""Keeps the jobs process: one an installation, by lease, and only while a batch is to run.

It is `python -m jobs` (`jobs/`), a child that the supervisor restarts; its import of dbos takes a second and
64 MB, which an installation without batches does not pay. Whoever has the lease has the process and does
its work; a holder that dies is followed by another, whose jobs process takes up where the last one was.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Mapping
from typing import Final, Literal, Protocol

import msgspec

from battles import batch_storage as storage
from battles.batch_door import BatchDoor
from children.supervisor import Child, ChildFailed
from store.databases import Database
from store.leases import JOBS, Leases

_log = logging.getLogger(__name__)

State = Literal["idle", "elsewhere", "starting", "ready"]

LOOK_EVERY_S: Final = 1.0
_IDLE_S: Final = 120.0
_READY_WITHIN_S: Final = 60.0  # dbos makes its tables at the first start


class Process(Protocol):
    """`children.supervisor.Child`"""

    @property
    def ready(self) -> bool: ...
    async def start(self) -> None: ...
    async def stop(self) -> None: ...


def _child(settings: Mapping[str, object]) -> Process:
    return Child("the jobs process", "jobs", settings, ready_within_s=_READY_WITHIN_S)


class BatchJobs:
    """On the loop. `keep` until cancelled; `close` afterwards."""

    def __init__(
        self,
        database: Database,
        leases: Leases,
        door: BatchDoor,
        *,
        child: Callable[[Mapping[str, object]], Process] = _child,
    ) -> None:
        self._database = database
        self._leases = leases
        self._door = door
        self._make = child
        self._child: Process | None = None
        self._idle_since_s: float | None = None
        self.state: State = "idle"

    async def keep(self) -> None:
        while True:
            try:
                await self.look()
            except ChildFailed as error:
                _log.error("%s", error)
                await self._stop()
            except Exception:
                _log.exception("the jobs process could not be looked after; tried again")
            await asyncio.sleep(LOOK_EVERY_S)

    async def look(self) -> None:
        """Start the process where it is ours to have and there is something to do; stop it where not."""
        wanted = await self._database.read(storage.any_wanted)
        if self._child is None and not wanted:
            self.state = "idle"
            return
        if not await self._leases.take(JOBS):
            await self._stop()
            self.state = "elsewhere"
            return
        if wanted:
            self._idle_since_s = None
            if self._child is None:
                await self._start()
            assert self._child is not None
            self.state = "ready" if self._child.ready else "starting"
            return
        now_s = asyncio.get_running_loop().time()
        self._idle_since_s = self._idle_since_s or now_s
        if now_s - self._idle_since_s > _IDLE_S:
            await self._stop()
            await self._leases.release(JOBS)
            self.state = "idle"

    async def _start(self) -> None:
        self.state = "starting"
        child = self._make(msgspec.to_builtins(self._door.handed))
        await child.start()
        self._child = child

    async def _stop(self) -> None:
        child, self._child, self._idle_since_s = self._child, None, None
        if child is not None:
            await child.stop()

    async def close(self) -> None:
        await self._stop()
        await self._door.close()


def jobs_database(data_dir: str, database_url: str | None) -> str:
    """Where dbos keeps what it remembers: a file of its own, or its own schema of our PostgreSQL. It can be
    lost: a batch that is to run is begun again, and what it has paid for is known to the ledger."""
    if database_url is None:
        return f"sqlite:///{data_dir}/jobs.db"
    return database_url.replace("postgres://", "postgresql://", 1)
