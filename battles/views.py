"""A battle as one reader may see it now: the same value for the page and the API.

Where a battle is *hidden* from its reader (it is blind, and they have not voted), a view says nothing of
who a lane is: no model, provider, prompt version, settings, run, figures, cost or failure of its own, no
reasoning, and names in its text are replaced. Text is there once all lanes of the turn have ended; until
then the live channel releases it at one pace (`live_id`, see `battles/live.py`). Pure.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Final, Literal

from battles.models import Battle, Category, Kind, LaneRun, LaneState, Order, Prompt, Settings, Turn, Vote
from gateway.messages import ToolCall
from gateway.records import RunRecord
from gateway.runs import Failure, Figures

LETTERS: Final = "ABCDEF"
NO_ANSWER: Final = Failure("LaneFailed", "This lane gave no whole answer. Why is told after the vote.")
LANE: Final = "lane_"
_STARTS_WITHIN_MS: Final = 10_000

Mask = Callable[[str], str]


@dataclass(frozen=True, slots=True)
class LaneHead:
    """A lane above its answers. All but `no` and `label` are None or empty while it is hidden."""

    no: int
    label: str
    asked_no: int | None = None
    model: str | None = None
    snapshot: str | None = None
    provider: str | None = None
    prompt_version_id: str | None = None
    settings: Settings | None = None
    own: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class LaneView:
    """A lane's answer to a turn: that of its last try. `live_id` is what the live channel knows it by; it
    changes with each try and when the names are shown. `cost_nano_usd` is of all tries together, None
    while one of them is not settled; `run_id` of the last. `text_kept` False: it was let go."""

    no: int
    label: str
    live_id: str
    state: LaneState
    tries: int
    text: str = ""
    text_kept: bool = True
    reasoning: str = ""
    tool_calls: tuple[ToolCall, ...] = ()
    finish_reason: str | None = None
    failure: Failure | None = None
    figures: Figures | None = None
    cost_nano_usd: int | None = None
    run_id: str | None = None
    answered_by: tuple[str, str] | None = None  # model and provider, as the last run settled it
    notes: tuple[str, ...] = ()
    shares_cpu: bool = False


@dataclass(frozen=True, slots=True)
class TurnView:
    """`running`: some lane has not ended."""

    id: str
    no: int
    parent_turn_id: str | None
    user_id: int | None
    prompt: Prompt | None
    language: str | None
    created_ms: int
    lanes: tuple[LaneView, ...]

    @property
    def running(self) -> bool:
        return any(lane.state in ("waiting", "running") for lane in self.lanes)


@dataclass(frozen=True, slots=True)
class BattleView:
    """`hidden`: its reader does not know the names yet. `may_vote` is the stage of the vote that they may
    cast now; where that is None `why_no_vote` says why. `cost_nano_usd` is what all of it cost so far."""

    id: str
    kind: Kind
    blind: bool
    hidden: bool
    personal: bool
    category: Category | None
    tags: tuple[str, ...]
    order: Order
    cost_cap_nano_usd: int | None
    user_id: int | None
    keeps_text: bool
    created_ms: int
    lanes: tuple[LaneHead, ...]
    turns: tuple[TurnView, ...]
    shared: Settings | None
    votes: tuple[Vote, ...] = ()
    may_vote: Literal["first", "final"] | None = None
    why_no_vote: str = ""
    cost_nano_usd: int | None = None
    batch_id: str | None = None
    may_steer: bool = False  # start turns, stop, retry

    @property
    def running(self) -> bool:
        return any(turn.running for turn in self.turns)


@dataclass(frozen=True, slots=True)
class Known:
    """What was found out about a battle: its turns, all tries of its lanes, the records of those that ran,
    and what the ledger charged for runs whose record does not say."""

    turns: tuple[Turn, ...]
    runs: tuple[LaneRun, ...]
    records: Mapping[str, RunRecord]
    charged: Mapping[str, int | None]
    now_ms: int


def live_id(run: LaneRun, *, hidden: bool) -> str:
    """`lane_<turn>_<lane>_<try>`, with an `o` at its end where names are shown."""
    return f"{LANE}{run.turn_id.removeprefix('trn_')}_{run.lane}_{run.no}{'' if hidden else 'o'}"


def heads(battle: Battle, *, hidden: bool) -> tuple[LaneHead, ...]:
    if hidden:
        return tuple(LaneHead(lane.no, LETTERS[lane.no]) for lane in battle.lanes)
    return tuple(
        LaneHead(
            lane.no, LETTERS[lane.no], lane.asked_no, lane.model, lane.snapshot, lane.provider,
            lane.prompt_version_id, lane.settings, lane.own,
        )
        for lane in battle.lanes
    )  # fmt: skip


def turn_views(battle: Battle, known: Known, *, hidden: bool, mask: Mask) -> tuple[TurnView, ...]:
    tries: dict[tuple[str, int], list[LaneRun]] = {}
    for run in known.runs:
        tries.setdefault((run.turn_id, run.lane), []).append(run)
    views = []
    for turn in known.turns:
        lanes = tuple(
            _lane_view(tries[turn.id, lane.no], known) for lane in battle.lanes if (turn.id, lane.no) in tries
        )
        if hidden:
            lanes = _hidden(lanes, [tries[turn.id, lane.no][-1] for lane in lanes], mask)
        views.append(
            TurnView(
                turn.id, turn.no, turn.parent_turn_id, turn.user_id, turn.prompt, turn.language,
                turn.created_ms, lanes,
            )
        )  # fmt: skip
    return tuple(views)


def state_of(run: LaneRun, record: RunRecord | None, now_ms: int) -> LaneState:
    """Where a try stands. One that was admitted and left no trace was cut by the process's end; another
    process's is written down within a second."""
    if run.state == "waiting":
        return "waiting"
    if run.state == "stopped":
        return "stopped"
    if run.state == "refused":
        return "failed"
    if record is None:
        return "running" if now_ms - run.created_ms < _STARTS_WITHIN_MS else "failed"
    return record.state


def failure_of(run: LaneRun, record: RunRecord | None, state: LaneState) -> Failure | None:
    if run.failure is not None:
        return Failure(*run.failure)
    if record is not None:
        return record.failure
    if state == "failed":
        return Failure("Interrupted", "The server ended before this lane answered.")
    return None


def _lane_view(tries: Sequence[LaneRun], known: Known) -> LaneView:
    run = tries[-1]
    record = known.records.get(run.run_id)
    state = state_of(run, record, known.now_ms)
    view = LaneView(
        no=run.lane,
        label=LETTERS[run.lane],
        live_id=live_id(run, hidden=False),
        state=state,
        tries=len(tries),
        failure=failure_of(run, record, state),
        cost_nano_usd=_cost_of(tries, known),
        shares_cpu=run.shares_cpu,
    )
    if record is None:
        return view
    return _with_record(view, record, known)


def _with_record(view: LaneView, record: RunRecord, known: Known) -> LaneView:
    return LaneView(
        no=view.no,
        label=view.label,
        live_id=view.live_id,
        state=view.state,
        tries=view.tries,
        text=record.text,
        text_kept=record.keeps_text or bool(record.text) or not record.figures.output_tokens,
        reasoning=record.reasoning,
        tool_calls=record.tool_calls,
        finish_reason=record.finish_reason,
        failure=view.failure,
        figures=record.figures,
        cost_nano_usd=view.cost_nano_usd,
        run_id=record.id,
        answered_by=(record.model_id, record.provider),
        notes=record.notes,
        shares_cpu=view.shares_cpu,
    )


def _cost_of(tries: Sequence[LaneRun], known: Known) -> int | None:
    """What all tries of a lane cost; None while one of them is not settled."""
    total = 0
    for run in tries:
        if run.state != "admitted":
            continue
        record = known.records.get(run.run_id)
        cost = record.figures.cost_nano_usd if record is not None else None
        if cost is None:
            cost = known.charged.get(run.run_id)
        if cost is None:
            return None
        total += cost
    return total


def _hidden(lanes: Sequence[LaneView], runs: Sequence[LaneRun], mask: Mask) -> tuple[LaneView, ...]:
    """What a voter may see: all lanes are running until the last has ended."""
    running = any(lane.state in ("waiting", "running") for lane in lanes)
    return tuple(
        LaneView(
            no=lane.no,
            label=lane.label,
            live_id=live_id(run, hidden=True),
            state="running" if running else ("done" if lane.text else "failed"),
            tries=lane.tries,
            text="" if running else mask(lane.text),
            text_kept=lane.text_kept,
            failure=None if running or (lane.text and lane.state == "done") else NO_ANSWER,
        )
        for lane, run in zip(lanes, runs, strict=True)
    )
