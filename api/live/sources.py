"""Where a view's answer comes from: this process's memory, what was kept of it, or a battle's lane."""

from __future__ import annotations

import asyncio
import logging
import re
from collections.abc import Awaitable, Callable
from typing import Final, Protocol

from gateway.errors import RunNotFound
from gateway.glimpse import Glimpse, Source, of_record, of_run
from gateway.records import RunRecord
from gateway.runs import Run, RunState
from identity.principal import Principal
from identity.tickets import CHARTS

_log = logging.getLogger(__name__)

_POLL_S = 1.0

LANE = "lane_"  # how the names of lanes begin, which say nothing of the runs behind them

RUN = "run_"
_OF_A_LANE: Final = re.compile(rf"{LANE}([0-9a-f]{{1,40}})_")


def subject(name: str) -> str:
    """What a ticket must be about to open what a page calls so: a run, a lane's turn, else the charts."""
    if name.startswith(RUN):
        return name
    lane = _OF_A_LANE.match(name)
    return f"trn_{lane[1]}" if lane else CHARTS


Record = Callable[[Principal, str], Awaitable[RunRecord]]


class Lanes(Protocol):
    """The lanes of battles, each as its reader may see it now."""

    async def source(self, principal: Principal, lane_id: str) -> Source:
        """Raises `RunNotFound`."""

    async def stop(self, principal: Principal, lane_id: str) -> None:
        """Raises `GatewayError`."""


class RunSource:
    def __init__(self, run: Run) -> None:
        self._run = run

    @property
    def state(self) -> RunState:
        return self._run.state

    def look(self) -> Glimpse:
        return of_run(self._run)

    def follow(self, changed: Callable[[], None]) -> Callable[[], None]:
        return self._run.watch(changed)


class RecordSource:
    """A run that is not in memory. If another process runs it, its checkpoints are read each second."""

    def __init__(self, principal: Principal, record: RunRecord, read: Record) -> None:
        self._principal = principal
        self._record = record
        self._read = read

    @property
    def state(self) -> RunState:
        return self._record.state

    def look(self) -> Glimpse:
        return of_record(self._record)

    def follow(self, changed: Callable[[], None]) -> Callable[[], None]:
        task = asyncio.create_task(self._poll(changed), name=f"follow {self._record.id}")

        def leave() -> None:
            task.cancel()

        return leave

    async def _poll(self, changed: Callable[[], None]) -> None:
        while self._record.state == "running":
            try:
                self._record = await self._read(self._principal, self._record.id)
            except RunNotFound:
                return
            except Exception:
                _log.warning("run %s could not be read", self._record.id, exc_info=True)
            changed()
            await asyncio.sleep(_POLL_S)
