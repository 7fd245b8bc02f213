"""Lanes over the typist's runs: `lane_1_0001` is `run_0001`, less its figures while it is hidden."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

from gateway.errors import RunNotFound
from gateway.glimpse import Glimpse, Source, of_run
from gateway.runs import Figures, Run, RunState
from identity.principal import Principal
from tests.live.harness.typist import Typist


class TypistLanes:
    def __init__(self, typist: Typist) -> None:
        self._typist = typist
        self._hidden: set[str] = set()

    def hide(self, run_id: str) -> None:
        self._hidden.add(run_id)

    def reveal(self) -> None:
        hidden, self._hidden = self._hidden, set()
        for run in self._typist.hub:
            if run.id in hidden:
                run.changed()

    def hides(self, run: Run) -> bool:
        return run.id in self._hidden

    async def source(self, principal: Principal, lane_id: str) -> Source:
        run = self._typist.hub.get(_run_id(lane_id), principal.team_id)
        if run is None:
            raise RunNotFound(lane_id)
        return _Lane(run, self.hides)

    async def stop(self, principal: Principal, lane_id: str) -> None:
        await self._typist.stop(principal, _run_id(lane_id))


class _Lane:
    def __init__(self, run: Run, hides: Callable[[Run], bool]) -> None:
        self._run = run
        self._hides = hides

    @property
    def state(self) -> RunState:
        return self._run.state

    def look(self) -> Glimpse:
        seen = of_run(self._run)
        return replace(seen, figures=Figures(), settled=False) if self._hides(self._run) else seen

    def follow(self, changed: Callable[[], None]) -> Callable[[], None]:
        return self._run.watch(changed)


def _run_id(lane_id: str) -> str:
    return lane_id.replace("lane_1_", "run_", 1)
