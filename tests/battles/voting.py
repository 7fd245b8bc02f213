"""Votes to rate: given one by one, or by a crowd whose true opinions are known."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence

import numpy as np

from battles.comparisons import Choice, Comparison, Contender, VoterKind, VoteStage, board_of
from battles.ratings_fit import Floats, Prior, expected
from battles.ratings_votes import Setup

CHOICES: tuple[Choice, ...] = ("left", "tie", "right")
PEOPLE: tuple[VoterKind, ...] = ("person",)
A_DAY_MS = 1_800_000_000_000


def lane(model: str, **facts: object) -> Contender:
    known: dict[str, object] = {"provider": model.partition("/")[0], "output_chars": 400}
    return Contender(model=model, **(known | facts))  # type: ignore[arg-type]  # whatever a test says of it


def vote(
    left: Contender | str,
    right: Contender | str,
    outcome: Choice,
    *,
    no: int,
    voter: str = "user:1",
    prompt: str | None = None,
    kind: VoterKind = "person",
    stage: VoteStage = "first",
    category: str | None = None,
    tags: tuple[str, ...] = (),
    language: str | None = "en",
    team_id: int = 1,
) -> Comparison:
    """Vote `no` of a test, on a prompt of its own unless `prompt` says otherwise."""
    left = lane(left) if isinstance(left, str) else left
    right = lane(right) if isinstance(right, str) else right
    return Comparison(
        battle_id=f"btl_{no}",
        vote_id=f"vote_{no}",
        voter=voter,
        voter_user_id=int(voter.removeprefix("user:")) if kind == "person" else None,
        voter_kind=kind,
        team_id=team_id,
        prompt_sha256=prompt or f"{no:064x}",
        prompt_language=language,
        category=category,
        tags=tags,
        left=left,
        right=right,
        outcome=outcome,
        stage=stage,
        board=board_of(left, right),
        created_ms=A_DAY_MS + no * 60_000,
    )


class Box:
    """Where votes lie, of all teams; remembers what was asked of it."""

    def __init__(self, votes: Sequence[Comparison] = ()) -> None:
        self.votes = list(votes)
        self.since: list[int] = []

    def comparisons(
        self, team_id: int, since_ms: int = 0, kinds: Collection[VoterKind] = PEOPLE
    ) -> Sequence[Comparison]:
        self.since.append(since_ms)
        return [
            each
            for each in self.votes
            if each.team_id == team_id and each.created_ms >= since_ms and each.voter_kind in kinds
        ]


class Crowd:
    """People whose average opinion of each model is `truth` (log-odds). `side` is how far all of them lean
    to the left, `tie` the tie term; `taste` and `luck` are how far one person, and one prompt, deviate from
    the average (standard deviations)."""

    def __init__(
        self,
        truth: Mapping[str, float],
        *,
        seed: int,
        side: float = 0.0,
        tie: float = Prior().tie_mean,
        taste: float = 0.0,
        luck: float = 0.0,
    ) -> None:
        self.models = list(truth)
        self.truth = np.array([truth[model] for model in self.models])
        self.rng = np.random.default_rng(seed)
        self.side, self.tie, self.taste, self.luck = side, tie, taste, luck
        self.no = 0
        self._tastes: dict[str, Floats] = {}
        self._lucks: dict[str, Floats] = {}

    def votes(
        self, n: int, *, voters: Sequence[str] = ("user:1",), prompts: int | None = None, leans: float = 0.0
    ) -> list[Comparison]:
        """`n` votes on pairs drawn at random; each voter `leans` to the left more than the others."""
        found = []
        for _ in range(n):
            one, other = self.rng.choice(len(self.models), 2, replace=False)
            voter = voters[int(self.rng.integers(len(voters)))]
            self.no += 1
            prompt = f"{int(self.rng.integers(prompts)) if prompts else self.no:064x}"
            felt = (
                self.truth
                + self._own(self._tastes, voter, self.taste)
                + self._own(self._lucks, prompt, self.luck)
            )
            difference = np.array(felt[one] - felt[other] + self.side + leans)
            chances = np.array([float(p) for p in expected(difference, self.tie)])
            outcome = CHOICES[int(self.rng.choice(3, p=chances / chances.sum()))]
            found.append(
                vote(self.models[one], self.models[other], outcome, no=self.no, voter=voter, prompt=prompt)
            )
        return found

    def stuffed(self, n: int, favourite: str, voter: str) -> list[Comparison]:
        """`n` votes of somebody who always votes for `favourite`, and at random where it is not there."""
        found = []
        for each in self.votes(n, voters=[voter]):
            outcome = each.outcome
            if favourite in (each.left.model, each.right.model):
                outcome = "left" if each.left.model == favourite else "right"
            found.append(vote(each.left, each.right, outcome, no=int(each.vote_id[5:]), voter=voter))
        return found

    def _own(self, known: dict[str, Floats], name: str, spread: float) -> Floats:
        if name not in known:
            known[name] = self.rng.normal(0, spread, len(self.models))
        return known[name]


def people(n: int) -> list[str]:
    return [f"user:{number}" for number in range(1, n + 1)]


def model(name: str) -> Setup:
    return Setup(name)
