"""One vote, seen as what it says of two lanes: the only thing that ratings know of battles. Pure.

A vote on two lanes is one comparison; a vote on more (pairwise, or best and worst) is several, which
share their vote. Each vote is kept twice, *first* (on the text alone) and *final* (after names, speed
and price were shown): two comparisons with the same vote, lanes and sides.

A comparison feeds one **board**, or none:
- `model`: the lanes differ in the model alone (prompt version and settings are the same; a provider
  belongs to its model);
- `prompt`: they differ in prompt version or settings. What competes there is the whole *set-up*: prompt
  version, settings and model, so that a better model is never taken for a better prompt;
- `provider`: nothing differs but the provider, or nothing at all (A against A: the noise);
- `none`: a lane without an answer, which can be neither better nor worse.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

Board = Literal["model", "prompt", "provider", "none"]
Choice = Literal["left", "right", "tie", "both_bad"]
VoteStage = Literal["first", "final"]
VoterKind = Literal["person", "judge"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Contender:
    """A lane as it was when it was voted on. `first_answer_ms` and `total_ms` are None where unknown, or
    where lanes shared one processor and their times say nothing; `cost_nano_usd` is what the lane's last
    run cost. `settings` is a fingerprint: equal where everything but model, provider and prompt version
    was equal; `settings_words` is how a person reads them ("" for the defaults). `refused` and
    `valid_json` are None where nobody looked."""

    model: str
    snapshot: str | None = None
    provider: str | None = None
    prompt_version_id: str | None = None
    settings: str = ""
    settings_words: str = ""
    cost_nano_usd: int | None = None
    first_answer_ms: float | None = None
    total_ms: float | None = None
    output_chars: int = 0
    refused: bool | None = None
    valid_json: bool | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Comparison:
    """`left` and `right` are the sides on the voter's screen. `voter` is `user:7` or `judge:creator/model`.
    `prompt_sha256` names the prompt that both answered (hexadecimal), `prompt_language` is an ISO 639-1
    code or None, `category` one of the eight or None, `tags` the battle's own, `reasons` those that the
    voter gave."""

    battle_id: str
    vote_id: str
    voter: str
    voter_user_id: int | None
    voter_kind: VoterKind
    team_id: int
    prompt_sha256: str
    prompt_language: str | None
    category: str | None
    tags: tuple[str, ...]
    reasons: tuple[str, ...] = ()
    left: Contender
    right: Contender
    outcome: Choice
    stage: VoteStage
    board: Board
    created_ms: int


def board_of(left: Contender, right: Contender) -> Board:
    """Which board a vote on these two feeds."""
    if not left.output_chars or not right.output_chars:
        return "none"
    if (left.prompt_version_id, left.settings) != (right.prompt_version_id, right.settings):
        return "prompt"
    return "model" if left.model != right.model else "provider"
