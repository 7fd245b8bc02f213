"""Runs that nobody bills: a script types an answer into a real hub, as a provider would."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from gateway.errors import RunNotFound
from gateway.messages import CompletionRequest, Message, ToolCall
from gateway.records import RunRecord, record_of
from gateway.runs import Failure, Figures, Run, RunHub
from identity.principal import Principal

TEAM = Principal(team_id=1, team_name="Local", user_id=1, role="owner")
STRANGER = Principal(team_id=2, team_name="Other", user_id=2, role="owner")


@dataclass(slots=True)
class Script:
    """What is typed: `text` in pieces of `piece` characters, `per_s` pieces a second."""

    text: str
    piece: int = 4
    per_s: float = 50.0
    reasoning: str = ""
    failure: Failure | None = None
    tool_calls: tuple[ToolCall, ...] = ()
    first_token_s: float = 0.05


@dataclass(slots=True)
class Typist:
    hub: RunHub = field(default_factory=RunHub)
    kept: dict[str, RunRecord] = field(default_factory=dict)
    finished: list[Callable[[Any], None]] = field(default_factory=list)
    points: list[list[object]] = field(default_factory=list)
    _tasks: set[asyncio.Task[None]] = field(default_factory=set)
    _no: int = 0

    def start(self, script: Script, *, team_id: int = TEAM.team_id) -> Run:
        self._no += 1
        run = Run(
            id=f"run_{self._no:04d}",
            team_id=team_id,
            user_id=1,
            surface="page",
            model_id="test/typist",
            model_name="Typist",
            provider="test",
            series="demonstration",
            request=CompletionRequest("test/typist", (Message.of("user", "Type."),)),
            created_ms=time.time_ns() // 1_000_000,
            out_cap=10_000,
        )
        self.hub.add(run)
        task = asyncio.create_task(self._type(run, script))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        return run

    async def record(self, principal: Principal, run_id: str) -> RunRecord:
        run = self.hub.get(run_id, principal.team_id)
        if run is not None:
            return record_of(run)
        if run_id in self.kept and principal == TEAM:
            return self.kept[run_id]
        raise RunNotFound(run_id)

    async def stop(self, principal: Principal, run_id: str) -> None:
        run = self.hub.get(run_id, principal.team_id)
        if run is None:
            raise RunNotFound(run_id)
        run.stop("user")

    def subscribe(self, watcher: Callable[[Any], None]) -> Callable[[], None]:
        self.finished.append(watcher)
        return lambda: self.finished.remove(watcher)

    def add_point(self, value: float, run_id: str | None = None) -> None:
        self.points.append([time.time_ns() // 1_000_000, value, run_id])
        for watcher in tuple(self.finished):
            watcher(None)

    async def chart(self, principal: Principal, params: Any) -> dict[str, Any]:
        if params.get("figure", "ttft_ms") != "ttft_ms":
            raise ValueError("There is no such figure.")
        series = [
            {"name": "Typist", "key": "test/typist", "points": list(self.points[::2])},
            {"name": "Scribe", "key": "test/scribe", "points": list(self.points[1::2])},
        ]
        said = f"Time to first token of {len(self.points)} answers." if self.points else "No answers yet."
        return {
            "figure": "ttft_ms", "unit": "ms", "n": len(self.points), "sentence": said,
            "series": [one for one in series if one["points"]],
        }  # fmt: skip

    async def _type(self, run: Run, script: Script) -> None:
        stopping = asyncio.Event()
        run.on_stop = stopping.set
        began_s = time.monotonic()
        await asyncio.sleep(script.first_token_s)
        first_ms = (time.monotonic() - began_s) * 1000
        for text, add in ((script.reasoning, run.append_reasoning), (script.text, run.append_text)):
            for at in range(0, len(text), script.piece):
                add(text[at : at + script.piece])
                tokens = (len(run.text) + len(run.reasoning)) // 4
                run.figures = Figures(first_token_ms=first_ms, output_tokens=tokens, estimated=True)
                run.changed()
                if await _set_within(stopping, 1 / script.per_s):
                    return self._end(run, script, first_ms)
        self._end(run, script, first_ms)

    def _end(self, run: Run, script: Script, first_ms: float) -> None:
        tokens = (len(run.text) + len(run.reasoning)) // 4
        run.tool_calls = script.tool_calls
        run.failure = script.failure
        cost = tokens * 400
        run.figures = Figures(
            first_token_ms=first_ms,
            first_answer_ms=first_ms,
            total_ms=first_ms + 1000,
            tokens_per_s=script.per_s,
            input_tokens=36,
            output_tokens=tokens,
            cost_nano_usd=cost,
            available_after_nano_usd=4_998_237_000 - cost,
            estimated=run.stop_reason is not None,
        )
        self.add_point(first_ms, run.id)
        run.end("failed" if script.failure else "stopped" if run.stop_reason else "done")


async def _set_within(event: asyncio.Event, pause_s: float) -> bool:
    try:
        async with asyncio.timeout(pause_s):
            await event.wait()
    except TimeoutError:
        return False
    return True
