"""What a battle is made of: frozen values, and nothing that decides.

A battle has two to six *lanes*; a *turn* is one prompt put to all of them, and may go on from an earlier
turn (a battle is a tree: two turns with one parent are a fork). A lane answers a turn with a run of the
gateway; each retry is another run, and the last one counts.

Lanes are numbered as they are shown, from 0 on the left. In a blind battle that order was drawn by lot
when the battle was opened; `asked_no` says where each stood in what was asked for.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Final, Literal

from battles.comparisons import Choice, VoterKind, VoteStage
from gateway.messages import Sampling, Tool

_AS_THE_MODEL_DOES: Final = Sampling()

LEAST_LANES: Final = 2
MOST_LANES: Final = 6

Category = Literal[
    "reasoning", "coding", "multilingual", "creative", "factual", "healthcare", "legal", "government"
]
CATEGORIES: Final[tuple[Category, ...]] = (
    "reasoning", "coding", "multilingual", "creative", "factual", "healthcare", "legal", "government",
)  # fmt: skip

Kind = Literal["battle", "first", "drill", "batch"]
"""`first` is the one that an empty installation offers, `drill` shows faults with simulated models and is
never voted on, `batch` is a row of a batch that people judge."""

Order = Literal["auto", "at_once", "in_sequence"]
"""How the lanes start. `auto`: all at once, but those on one local server one after another."""

LaneState = Literal["waiting", "running", "done", "stopped", "failed"]

Reason = Literal[
    "correct", "complete", "clear", "concise", "follows_instructions", "well_formatted", "good_tone",
    "wrong", "made_up", "too_long", "too_short", "refused",
]  # fmt: skip
REASONS: Final[tuple[Reason, ...]] = (
    "correct", "complete", "clear", "concise", "follows_instructions", "well_formatted", "good_tone",
    "wrong", "made_up", "too_long", "too_short", "refused",
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class Example:
    """An exchange that stands before the prompt, to show the model how to answer."""

    asked: str
    answered: str


@dataclass(frozen=True, slots=True)
class Settings:
    """How a lane puts its prompt. `template` is a prompt version's text: `{{name}}` in it stands for a
    variable of the turn, `{{prompt}}` for the prompt itself; None sends the prompt as it is."""

    system: str | None = None
    examples: tuple[Example, ...] = ()
    template: str | None = None
    sampling: Sampling = _AS_THE_MODEL_DOES
    response_format: Mapping[str, object] | None = None
    tools: tuple[Tool, ...] = ()


AS_IT_IS: Final = Settings()


@dataclass(frozen=True, slots=True)
class LaneWish:
    """A lane as somebody asks for it: `settings` whole, `own` the names of those that this lane does not
    share with the others. Without a `provider` the gateway's routing chooses; with one nobody else is
    asked."""

    model: str
    provider: str | None = None
    prompt_version_id: str | None = None
    settings: Settings = AS_IT_IS
    own: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Lane:
    """`model` is an id of the catalog, and `snapshot` the pinned version that was asked for, if one was.
    `shares_cpu`: it ran beside another lane on one local server, and its times say nothing."""

    no: int
    asked_no: int
    model: str
    snapshot: str | None
    provider: str | None
    prompt_version_id: str | None
    settings: Settings
    own: tuple[str, ...]
    shares_cpu: bool = False

    @property
    def asked_model(self) -> str:
        """As the gateway is asked for it."""
        return self.snapshot or self.model


@dataclass(frozen=True, slots=True)
class BattleWish:
    """What a battle is opened with. `personal`: its author alone sees it; else the whole team does."""

    lanes: tuple[LaneWish, ...]
    blind: bool = False
    personal: bool = False
    category: Category | None = None
    tags: tuple[str, ...] = ()
    order: Order = "auto"
    cost_cap_nano_usd: int | None = None
    shared: Settings = AS_IT_IS
    kind: Kind = "battle"
    batch_id: str | None = None
    keep: bool = True


@dataclass(frozen=True, slots=True)
class Battle:
    """`shared` are the settings that lanes follow where they have none of their own. `keeps_text` False:
    prompts and answers are gone 15 minutes after they were written."""

    id: str
    team_id: int
    user_id: int | None
    kind: Kind
    surface: Literal["page", "api"]
    personal: bool
    blind: bool
    category: Category | None
    tags: tuple[str, ...]
    order: Order
    cost_cap_nano_usd: int | None
    shared: Settings
    lanes: tuple[Lane, ...]
    keeps_text: bool
    created_ms: int
    batch_id: str | None = None


@dataclass(frozen=True, slots=True)
class Prompt:
    """What a turn asks: `images` are `data:` URLs or https addresses, `variables` fill lanes' templates."""

    text: str
    images: tuple[str, ...] = ()
    variables: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Turn:
    """`prompt` is None where its text is no longer kept. `no` counts a battle's turns from 1;
    `language` is an ISO 639-1 code, None where it cannot be told."""

    id: str
    battle_id: str
    parent_turn_id: str | None
    no: int
    user_id: int | None
    prompt: Prompt | None
    prompt_sha256: str
    language: str | None
    created_ms: int


@dataclass(frozen=True, slots=True)
class LaneRun:
    """One try of a lane at a turn, from 1. `run_id` is chosen before the gateway is asked, so that no
    crash can lose it; there is such a run only where `admitted`. `failure` is (kind, message) of a try that
    came to nothing without a run: refused by the gateway or the ledger, or cut by the process's end."""

    turn_id: str
    lane: int
    no: int
    run_id: str
    state: Literal["waiting", "admitted", "stopped", "refused"]
    created_ms: int
    failure: tuple[str, str] | None = None
    shares_cpu: bool = False


@dataclass(frozen=True, slots=True)
class Pair:
    """What a vote says of two lanes: `left` is the one further left on the screen."""

    left: int
    right: int
    outcome: Choice


@dataclass(frozen=True, slots=True)
class Vote:
    """One ballot. `voter` is `user:7` or `judge:creator/model`; `pairs` are what it says of lanes, two by
    two. `seen` is what the voter had been shown."""

    id: str
    battle_id: str
    turn_id: str
    team_id: int
    voter: str
    voter_kind: VoterKind
    voter_user_id: int | None
    stage: VoteStage
    pairs: tuple[Pair, ...]
    reasons: tuple[Reason, ...]
    created_ms: int
