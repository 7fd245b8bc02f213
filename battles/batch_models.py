"""What a batch is made of: frozen values, and what they must look like.

A batch puts one prompt template to two or more lanes (one is fine too, for checks alone), filled with each
of its rows. Its *items* are rows times lanes; each has at most one run at a time.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final, Literal

import msgspec

from battles.batch_rows import Upload, Values
from battles.checks import Check, Verdict
from battles.models import MOST_LANES, Category, LaneWish

MOST_AT_ONCE: Final = 32
AT_ONCE: Final = 8
LONGEST_TEMPLATE: Final = 200_000
LONGEST_NAME: Final = 120
MOST_BATCH_LANES: Final = MOST_LANES

State = Literal["running", "paused", "stopped", "done"]
AnswerState = Literal["waiting", "answered", "done", "failed", "cut"]
"""`waiting`: asked, and came to nothing for nothing; it is asked again. `answered`: the answer is here,
what it cost is not known yet. `failed`: no answer, and no further try by itself. `cut`: it was paid for,
and the server ended before the answer was whole."""
FINAL: Final[frozenset[AnswerState]] = frozenset({"done", "failed", "cut"})
Said = Literal["first", "second", "tie"]


@dataclass(frozen=True, slots=True)
class Judge:
    """A model that compares the answers of each two lanes, in both orders. `criteria` are the asker's."""

    model: str
    criteria: str = ""


@dataclass(frozen=True, slots=True)
class BatchSpec:
    """`template` is what each row asks, with `{{column}}` in it; a lane's own template takes its place.
    `at_once` is how many items are under way at a time."""

    template: str
    lanes: tuple[LaneWish, ...]
    checks: tuple[Check, ...] = ()
    judge: Judge | None = None
    at_once: int = AT_ONCE
    cost_cap_nano_usd: int | None = None
    category: Category | None = None
    tags: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class BatchWish:
    name: str
    spec: BatchSpec
    upload: Upload


@dataclass(frozen=True, slots=True)
class Batch:
    """`why` says what a batch waits for that did not pause by somebody's hand, or ended early."""

    id: str
    team_id: int
    user_id: int | None
    key_id: int | None
    name: str
    surface: Literal["page", "api"]
    state: State
    why: str
    epoch: int
    rows: int
    columns: tuple[str, ...]
    spec: BatchSpec
    keeps_text: bool
    votes_open: bool
    created_ms: int
    updated_ms: int
    ended_ms: int | None


@dataclass(frozen=True, slots=True)
class Item:
    row_no: int
    lane: int


@dataclass(frozen=True, slots=True)
class Answer:
    """`total_ms` and `first_answer_ms` are as the gateway measured them; `cost_nano_usd` is this round's."""

    row_no: int
    lane: int
    state: AnswerState
    round: int
    tries: int
    run_id: str | None
    text: str | None
    finish_reason: str | None
    failure_kind: str | None
    failure_message: str | None
    model_id: str | None
    provider: str | None
    cost_nano_usd: int
    earlier_nano_usd: int
    input_tokens: int | None
    output_tokens: int | None
    first_answer_ms: float | None
    total_ms: float | None
    passed: bool | None
    verdicts: tuple[Verdict, ...]


@dataclass(frozen=True, slots=True)
class Progress:
    """Items by what became of them. `paid_nano_usd` is what they cost so far, the judge included."""

    items: int
    done: int
    failed: int
    cut: int
    waiting: int
    paid_nano_usd: int
    judged: int = 0
    to_judge: int = 0

    @property
    def over(self) -> int:
        return self.done + self.failed + self.cut

    @property
    def left(self) -> int:
        return self.items - self.over


def encoded(spec: BatchSpec) -> str:
    """As JSON that both engines store."""
    return msgspec.json.encode(spec).decode().replace("\\u0000", "\\ufffd")


def decoded(text: str) -> BatchSpec:
    return msgspec.json.decode(text, type=BatchSpec)


def key_of(batch_id: str, item: Item, round_: int) -> str:
    """The idempotency key of an item: the same whoever asks, and whenever."""
    return f"{batch_id}:{item.row_no}:{item.lane}:{round_}"


def judge_key_of(batch_id: str, row_no: int, first: int, second: int) -> str:
    return f"{batch_id}:{row_no}:judge:{first}:{second}"


def values_json(values: Values) -> str:
    return msgspec.json.encode(dict(values)).decode()
