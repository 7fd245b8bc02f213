"""Votes for pages to show: a team that tried models side by side for a while."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from battles.comparisons import Choice, Comparison, Contender
from tests.battles.voting import CHOICES, Crowd, lane, people, vote

# What people here truly think of each (log-odds), what an answer costs (nano-dollars), how long it takes.
MODELS = {
    "openai/gpt-4.1": (0.9, 9_400_000, 4_100.0),
    "openai/gpt-4.1-mini": (0.75, 1_900_000, 2_300.0),
    "mistral/ministral-8b": (-0.2, 480_000, 1_100.0),
    "anthropic/claude-haiku-4.5": (0.5, 5_200_000, 2_000.0),
    "embedded/smollm2-135m": (-1.9, 21_000, 900.0),
}
FAVOURED = "mistral/ministral-8b"
NEWCOMER = "google/gemini-3.1-flash-lite"
RIGGED, LEANING = "user:66", "user:77"
_WORK = (("coding", "sql"), ("factual", "support"), (None, "mail"))


def by_a_team(n: int = 600, *, seed: int = 4, voters: int = 8, prompts: int = 240) -> list[Comparison]:
    """Votes in two stages: once names, speed and price are shown, some go over to the faster or cheaper."""
    crowd = Crowd({name: facts[0] for name, facts in MODELS.items()}, seed=seed, taste=0.2)
    rng = np.random.default_rng(seed)
    found: list[Comparison] = []
    for each in crowd.votes(n, voters=people(voters), prompts=prompts):
        category, tag = _WORK[int(rng.integers(3))]
        before = replace(
            each,
            left=_measured(each.left, rng),
            right=_measured(each.right, rng),
            category=category,
            tags=(tag,),
            prompt_language="de" if rng.random() < 0.2 else "en",
        )
        found += [before, replace(before, stage="final", outcome=_after(before, rng))]
    return found


def troubled() -> list[Comparison]:
    """The same team with a voter who stuffs the box, one who takes the left answer, and a newcomer."""
    votes = by_a_team()
    crowd = Crowd({name: facts[0] for name, facts in MODELS.items()}, seed=9)
    crowd.no = 20_000
    votes += crowd.stuffed(160, FAVOURED, RIGGED)
    votes += crowd.votes(120, voters=[LEANING], leans=4.0)
    votes.append(vote(NEWCOMER, "openai/gpt-4.1", "left", no=30_000))
    return votes


def controlled() -> list[Comparison]:
    """One model against itself, and against itself from another provider, whose answers are shorter."""
    rng = np.random.default_rng(2)
    found = []
    for number in range(40_000, 40_040):
        one = lane("openai/gpt-4.1", provider="openai", output_chars=int(rng.normal(800, 90)))
        other = replace(one, output_chars=int(rng.normal(790, 90)))
        found.append(vote(one, other, CHOICES[int(rng.integers(3))], no=number))
        short = replace(one, provider="azure", output_chars=int(rng.normal(600, 90)), refused=False)
        found.append(vote(replace(one, refused=False), short, CHOICES[int(rng.integers(3))], no=number + 100))
    return found


def _measured(side: Contender, rng: np.random.Generator) -> Contender:
    _, cost, total_ms = MODELS[side.model]
    return replace(
        side,
        cost_nano_usd=round(cost * float(rng.lognormal(0, 0.3))),
        total_ms=total_ms * float(rng.lognormal(0, 0.3)),
        first_answer_ms=total_ms / 6 * float(rng.lognormal(0, 0.3)),
    )


def _after(before: Comparison, rng: np.random.Generator) -> Choice:
    assert before.left.total_ms and before.right.total_ms
    if rng.random() < 0.12:
        return "left" if before.left.total_ms < before.right.total_ms else "right"
    return before.outcome
