"""The runs of this process: who asks for one by id gets it, whoever watches one is told.

A run belongs to the server's event loop, never to a tab or a script thread; its pump
(`gateway/completion.py`) is the only writer. Reading from another thread is safe: every field is
replaced, never edited in place. A finished run stays here for 15 minutes (fewer under heavy traffic),
so that a page can be reloaded even where the team keeps no text; what is kept longer is in
`gateway/tables.py`.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Literal

import msgspec
from msgspec.structs import replace

from billing.commands import Receipt
from gateway.marks import Mark, Marking
from gateway.messages import CompletionRequest, FinishReason, Message, ToolCall, Usage
from telemetry.rows import AttemptRow

RunState = Literal["running", "done", "stopped", "failed"]
StopReason = Literal["user", "caller_left", "draining", "operator", "no_access"]
Surface = Literal["page", "api"]

KEEP_FINISHED_S = 15 * 60
_JOIN_ABOVE = 64  # pieces cost 75 bytes each: join now and then


class Figures(msgspec.Struct, frozen=True):
    """What one answer measured; definitions in `telemetry/metrics.py`. `None` is unknown, never 0."""

    first_token_ms: float | None = None
    first_answer_ms: float | None = None
    total_ms: float | None = None
    tokens_per_s: float | None = None
    input_tokens: int | None = None
    output_tokens: int | None = None
    reasoning_tokens: int | None = None
    cost_nano_usd: int | None = None
    available_after_nano_usd: int | None = None
    estimated: bool = False
    shadow_cost_nano_usd: int | None = None  # over a team's own key: what it would have cost here


@dataclass(frozen=True, slots=True)
class Failure:
    """Why a run failed. `kind` is the error's class name; `message` is safe to show.

    `provider_status` and `retry_after_s` are the provider's own, known while the run is in memory.
    """

    kind: str
    message: str
    provider_status: int | None = None
    retry_after_s: float | None = None


class Run(msgspec.Struct, eq=False):
    """One admitted request, while it runs and for a while after.

    `model_id`, `model_name`, `provider`, `series` and `out_cap` are those of the attempt under way, in
    the end of the one that answered; `request` is what the caller asked.
    """

    id: str
    team_id: int
    user_id: int | None
    surface: Surface
    model_id: str
    model_name: str
    provider: str
    series: str
    request: CompletionRequest
    created_ms: int
    out_cap: int
    parent_run_id: str | None = None
    keeps_text: bool = False
    key_id: int | None = None  # the key that it was asked with
    notes: tuple[str, ...] = ()  # what the gateway changed, in words: "temperature was left out: ..."

    state: RunState = "running"
    finish_reason: FinishReason | None = None
    usage: Usage | None = None
    receipt: Receipt | None = None
    figures: Figures = Figures()
    failure: Failure | None = None
    tool_calls: tuple[ToolCall, ...] = ()
    marks: tuple[Mark, ...] = ()
    attempts: tuple[AttemptRow, ...] = ()  # those that have ended; the last one answered
    stop_reason: StopReason | None = None
    ended_at_s: float | None = None

    version: int = 0
    _text: list[str] = msgspec.field(default_factory=list)
    _reasoning: list[str] = msgspec.field(default_factory=list)
    _watchers: set[Callable[[], None]] = msgspec.field(default_factory=set)
    ended: asyncio.Event = msgspec.field(default_factory=asyncio.Event)
    on_stop: Callable[[], None] | None = None  # the pump's; None once it can no longer be stopped

    @property
    def text(self) -> str:
        return "".join(self._text)

    @property
    def reasoning(self) -> str:
        return "".join(self._reasoning)

    @property
    def messages(self) -> tuple[Message, ...]:
        return self.request.messages

    def append_text(self, piece: str) -> None:
        """`changed` is to be called once all pieces that came together are in."""
        self._text.append(piece)
        if len(self._text) > _JOIN_ABOVE:
            self._text = ["".join(self._text)]

    def append_reasoning(self, piece: str) -> None:
        self._reasoning.append(piece)
        if len(self._reasoning) > _JOIN_ABOVE:
            self._reasoning = ["".join(self._reasoning)]

    def append_mark(self, event: Marking, calls: int) -> None:
        reasoning_chars, text_chars = sum(map(len, self._reasoning)), sum(map(len, self._text))
        self.marks += (Mark(event, reasoning_chars, text_chars, calls),)

    def forget_text(self) -> None:
        """Let go of what was asked and answered. On the loop only."""
        self.keeps_text = False
        self.request = replace(self.request, messages=())
        self._text, self._reasoning, self.tool_calls, self.marks = [], [], (), ()
        self.changed()

    def changed(self) -> None:
        """Tell whoever watches. On the loop only."""
        self.version += 1
        for watcher in tuple(self._watchers):
            watcher()

    def watch(self, watcher: Callable[[], None]) -> Callable[[], None]:
        """Call `watcher` after every change, on the loop; it must be quick. Returns how to leave."""
        self._watchers.add(watcher)
        return lambda: self._watchers.discard(watcher)

    def stop(self, reason: StopReason) -> None:
        """Ask the pump to end now and bill what came. On the loop only; asking twice is fine."""
        if self.state == "running" and self.stop_reason is None and self.on_stop is not None:
            self.stop_reason = reason
            self.on_stop()

    def end(self, state: RunState) -> None:
        self.state = state
        self.ended_at_s = time.monotonic()
        self.changed()
        self.ended.set()


class RunHub:
    """Runs by id: all that run, and of those that ended the newest `most_ended`, for a while."""

    def __init__(self, most_ended: int = 5_000) -> None:
        self._most_ended = most_ended
        self._runs: dict[str, Run] = {}

    def __iter__(self) -> Iterator[Run]:
        return iter(tuple(self._runs.values()))

    def add(self, run: Run) -> None:
        self._runs[run.id] = run

    def get(self, run_id: str, team_id: int) -> Run | None:
        """The run, if this team owns it: another team's is as unknown as none."""
        run = self._runs.get(run_id)
        return run if run is not None and run.team_id == team_id else None

    def running(self) -> list[Run]:
        return [run for run in self if run.state == "running"]

    def forget_old(self) -> None:
        """Let go of what ended long ago, or of the longest ended where there are too many. Each second."""
        ended = [(run.ended_at_s, run.id) for run in self._runs.values() if run.ended_at_s is not None]
        before_s = time.monotonic() - KEEP_FINISHED_S
        surplus = len(ended) - self._most_ended
        for at, (ended_at_s, run_id) in enumerate(sorted(ended)):
            if at >= surplus and ended_at_s >= before_s:
                break
            del self._runs[run_id]
