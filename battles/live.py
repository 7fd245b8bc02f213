"""Lanes for the pages' live channel: each as its reader may see it now.

Where names are shown a lane is its run, as it streams. Where they are hidden all lanes of a turn are
released by one pacer (`pacing.py`), masked (`masking.py`), without figures, reasoning or any word of how a
lane ended before all have. A pacer moves while somebody watches; what nobody watched when it ended is
there at once.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import re
from collections import OrderedDict
from collections.abc import Awaitable, Callable, Sequence
from typing import Final

from battles import pacing
from battles.asking import last_runs
from battles.battle import Battles
from battles.errors import BattleError
from battles.looking import is_hidden
from battles.masking import Growing, Mask
from battles.models import LaneRun
from battles.views import NO_ANSWER, Known, failure_of, state_of
from gateway.errors import Forbidden, RunNotFound
from gateway.glimpse import Glimpse, Source, of_record, of_run
from gateway.runs import Figures, Run, RunHub, RunState
from identity.principal import Principal

_log = logging.getLogger(__name__)

FRAME_S: Final = 1 / 16
_LOOKS_S: Final = 0.05  # for a run of this process that is about to begin
_READS_S: Final = 1.0  # for one of another process
_MOST_TURNS: Final = 500
_NAME: Final = re.compile(r"lane_([0-9a-f]{1,40})_([0-5])_(\d{1,3})(o?)")
_NO_FIGURES: Final = Figures()

Read = Callable[[], Awaitable[Glimpse]]


class Try:
    """One try of a lane, wherever it runs: in this process's memory, elsewhere, or not yet."""

    def __init__(self, run_id: str, team_id: int, hub: RunHub, read: Read, first: Glimpse) -> None:
        self._run_id = run_id
        self._team_id = team_id
        self._hub = hub
        self._read = read
        self._newest = first
        self._run: Run | None = hub.get(run_id, team_id)

    @property
    def state(self) -> RunState:
        return self._run.state if self._run is not None else self._newest.state

    def look(self) -> Glimpse:
        return of_run(self._run) if self._run is not None else self._newest

    def follow(self, changed: Callable[[], None]) -> Callable[[], None]:
        if self._run is not None:
            return self._run.watch(changed)
        leaving = contextlib.ExitStack()
        task = asyncio.create_task(self._wait(changed, leaving), name=f"follow {self._run_id}")

        def leave() -> None:
            task.cancel()
            leaving.close()

        return leave

    async def _wait(self, changed: Callable[[], None], leaving: contextlib.ExitStack) -> None:
        reads_in_s = 0.0
        while self.state == "running":
            self._run = self._hub.get(self._run_id, self._team_id)
            if self._run is not None:
                leaving.callback(self._run.watch(changed))
                changed()
                return
            if reads_in_s <= 0:
                reads_in_s = _READS_S
                try:
                    self._newest = await self._read()
                except Exception:
                    _log.warning("run %s could not be read", self._run_id, exc_info=True)
                changed()
            await asyncio.sleep(_LOOKS_S)
            reads_in_s -= _LOOKS_S
        changed()


class HiddenTurn:
    """The lanes of a turn whose names its readers do not know: one position for all of them."""

    def __init__(self, tries: Sequence[Source], mask: Mask) -> None:
        self._tries = tries
        self._texts = [Growing(mask) for _ in tries]
        self._position = 0.0
        self._watchers: set[Callable[[], None]] = set()
        self._leaving: list[Callable[[], None]] = []
        self._timer: asyncio.TimerHandle | None = None
        self._moved_s = 0.0
        ready = self._ready()
        if all(lane.ended for lane in ready):
            self._position = pacing.furthest(ready)
        self.over = pacing.is_over(self._position, ready)

    @property
    def watched(self) -> bool:
        return bool(self._watchers)

    def shown(self, lane: int) -> str:
        return self._texts[lane].text[: int(self._position)]

    def follow(self, changed: Callable[[], None]) -> Callable[[], None]:
        self._watchers.add(changed)
        if not self.over and not self._leaving:
            self._leaving = [one.follow(lambda: None) for one in self._tries]
            self._moved_s = asyncio.get_running_loop().time()
            self._tick()
        return lambda: self._leave(changed)

    def _leave(self, changed: Callable[[], None]) -> None:
        self._watchers.discard(changed)
        if not self._watchers:
            self._rest()

    def _rest(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        for leave in self._leaving:
            leave()
        self._leaving = []

    def _tick(self) -> None:
        loop = asyncio.get_running_loop()
        before, ready = int(self._position), self._ready()
        now_s = loop.time()
        self._position = pacing.moved(self._position, ready, now_s - self._moved_s)
        self._moved_s = now_s
        self.over = pacing.is_over(self._position, ready)
        if self.over:
            self._rest()
        else:
            self._timer = loop.call_later(FRAME_S, self._tick)
        if self.over or int(self._position) != before:
            for watcher in tuple(self._watchers):
                watcher()

    def _ready(self) -> list[pacing.Ready]:
        ready = []
        for one, text in zip(self._tries, self._texts, strict=True):
            glimpse = one.look()
            ended = glimpse.state != "running"
            text.advance(glimpse.text, ended=ended)
            ready.append(pacing.Ready(text.length, ended))
        return ready


class HiddenLane:
    """One lane of such a turn, as a source."""

    def __init__(self, turn: HiddenTurn, place: int) -> None:
        self._turn = turn
        self._place = place

    @property
    def state(self) -> RunState:
        if not self._turn.over:
            return "running"
        return "done" if self._turn.shown(self._place) else "failed"

    def look(self) -> Glimpse:
        text, state = self._turn.shown(self._place), self.state
        return Glimpse(
            state=state,
            text=text,
            reasoning="",
            figures=_NO_FIGURES,
            failure=NO_ANSWER if state == "failed" else None,
            finish_reason=None,
            tool_calls=(),
            keeps_text=True,
            ended_ago_s=None,
            settled=self._turn.over,
        )

    def follow(self, changed: Callable[[], None]) -> Callable[[], None]:
        return self._turn.follow(changed)


class LiveLanes:
    """What the live channel asks (`api/live/sources.py`). On the loop only."""

    def __init__(self, battles: Battles, hub: RunHub) -> None:
        self._battles = battles
        self._hub = hub
        self._turns: OrderedDict[tuple[str, ...], HiddenTurn] = OrderedDict()

    async def source(self, principal: Principal, lane_id: str) -> Source:
        """Raises `RunNotFound`: for a lane whose names this reader must not know, where it was asked for by
        the name that it has when they are shown."""
        turn_id, lane, no, shown = _read_name(lane_id)
        try:
            battle, known = await self._battles.around(principal, turn_id)
        except BattleError as error:
            raise RunNotFound(str(error)) from None
        last = last_runs(known.runs)
        if (turn_id, lane) not in last:
            raise RunNotFound(lane_id)
        if not shown:
            places = sorted(lane for _, lane in last)
            return HiddenLane(self._hidden_turn(battle.team_id, known, last), places.index(lane))
        if await is_hidden(self._battles, principal, battle):
            raise RunNotFound(lane_id)
        run = next((run for run in known.runs if (run.lane, run.no) == (lane, no)), None)
        if run is None:
            raise RunNotFound(lane_id)
        return self._try(battle.team_id, known, run)

    async def stop(self, principal: Principal, lane_id: str) -> None:
        """Raises `RunNotFound` and `Forbidden`."""
        turn_id, lane, _, _ = _read_name(lane_id)
        try:
            battle, _ = await self._battles.around(principal, turn_id)
        except BattleError as error:
            raise RunNotFound(str(error)) from None
        try:
            await self._battles.stop(principal, battle.id, lane, turn_id)
        except BattleError as error:
            raise Forbidden(str(error)) from None

    def _hidden_turn(self, team_id: int, known: Known, last: dict[tuple[str, int], LaneRun]) -> HiddenTurn:
        """One for all who watch these tries."""
        runs = [last[place] for place in sorted(last)]
        key = tuple(run.run_id for run in runs)
        if key not in self._turns:
            tries = [self._try(team_id, known, run) for run in runs]
            self._turns[key] = HiddenTurn(tries, self._battles.mask())
            for old in [old for old, turn in self._turns.items() if not turn.watched and old != key]:
                if len(self._turns) <= _MOST_TURNS:
                    break
                del self._turns[old]
        self._turns.move_to_end(key)
        return self._turns[key]

    def _try(self, team_id: int, known: Known, run: LaneRun) -> Try:
        async def read() -> Glimpse:
            newer = await self._battles.again(team_id, run)
            found = next(each for each in newer.runs if each.run_id == run.run_id)
            return _glimpse(found, newer)

        return Try(run.run_id, team_id, self._hub, read, _glimpse(run, known))


def _read_name(lane_id: str) -> tuple[str, int, int, bool]:
    """Turn id, lane, try, and whether it is the name that goes with names shown. Raises `RunNotFound`."""
    found = _NAME.fullmatch(lane_id)
    if found is None:
        raise RunNotFound(lane_id[:80])
    turn, lane, no, shown = found.groups()
    return f"trn_{turn}", int(lane), int(no), bool(shown)


def _glimpse(run: LaneRun, known: Known) -> Glimpse:
    record = known.records.get(run.run_id)
    if record is not None:
        return of_record(record)
    state = state_of(run, None, known.now_ms)
    return Glimpse(
        state="running" if state == "waiting" else state,
        text="",
        reasoning="",
        figures=_NO_FIGURES,
        failure=failure_of(run, None, state),
        finish_reason=None,
        tool_calls=(),
        keeps_text=True,
        ended_ago_s=None,
        settled=state not in ("waiting", "running"),
    )
