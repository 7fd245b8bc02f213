"""The ratings of a board: who is better, how surely, and where it is too early to say. Pure.

A strength is told in *points*: 1000 is the average of the reference models, and whoever has 100 points
more than another wins 64 of 100 decided votes against it (400 points: ten to one, as in chess).
Reference models are those with `ENOUGH_VOTES`, so that a newcomer's one vote moves nobody else; all,
while fewer than two have them. A rating is *provisional* until it rests on enough; then it is shown grey,
and never decides anything. Votes of people and of judges are never in one board: whoever asks chooses
(`ratings_slices`). The method is in `ratings_fit` and `ratings_intervals`.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Literal

from battles.ratings_fit import STATED, Fit, Floats, Ints, Prior, fit
from battles.ratings_intervals import (
    Interval,
    Spread,
    against,
    against_average,
    interval,
    of_the_side,
    spread_of,
)
from battles.ratings_votes import Ballots, Setup, tallied
from telemetry.numpy_later import np

ENOUGH_VOTES = 30
POINTS = 400 / math.log(10)  # a natural log-odds, in points
AVERAGE = 1000.0

Early = Literal["few votes", "one opponent", "apart"]


@dataclass(frozen=True, slots=True)
class Rating:
    """`interval` in points. `best_rank` and `worst_rank` are the ranks among ratings that are not provisional
    which the votes leave open, however often one looks; None where it is provisional itself. `early` says why
    it is; empty where it is not. `apart`: no chain of votes links it to the reference models, so the two were
    never compared, not even through others."""

    setup: Setup
    interval: Interval
    votes: int
    voters: int
    prompts: int
    opponents: int
    best_rank: int | None
    worst_rank: int | None
    early: tuple[Early, ...]

    @property
    def provisional(self) -> bool:
        return bool(self.early)


@dataclass(frozen=True, slots=True)
class Rated:
    """`ratings`, best first, provisional ones after all others. `side` is how many points better an answer
    looks because it stands left; `tie_share` of votes between equals. `ballots`, `whole` and `spread` are for
    what is computed from them (`ratings_choice`, `sampling`, `ratings_stability`)."""

    ratings: tuple[Rating, ...]
    side: Interval
    tie_share: float
    ballots: Ballots
    whole: Fit
    spread: Spread
    reference: Ints

    @property
    def parameters(self) -> Floats:
        return np.asarray(self.whole.parameters[0])

    def of(self, setup: Setup) -> Rating | None:
        return next((rating for rating in self.ratings if rating.setup == setup), None)

    def between(self, one: Setup, other: Setup) -> Interval:
        """How much stronger `one` is, in log-odds."""
        names = self.ballots.names
        contrast = against(len(names), names.index(one), names.index(other))
        return interval(self.parameters, self.spread, contrast)


def rate(ballots: Ballots, prior: Prior = STATED) -> Rated | None:
    """None without a vote."""
    if not len(ballots):
        return None
    models = len(ballots.names)
    gathered = tallied(ballots)
    whole = fit(gathered.pairs, gathered.counts(), models, prior=prior, covariance=True)
    spread = spread_of(ballots, whole, prior)
    parameters = np.asarray(whole.parameters[0])
    votes = ballots.votes_each()
    reference = np.flatnonzero(votes >= ENOUGH_VOTES)
    if len(reference) < 2:
        reference = np.arange(models)
    groups = _linked(ballots)
    early = [_early(ballots, index, int(votes[index]), groups, reference) for index in range(models)]
    ranks = _ranks(parameters, spread, [index for index in range(models) if not early[index]])
    ratings = [
        Rating(
            name,
            in_points(
                interval(parameters, spread, against_average(models, index, reference), prior), AVERAGE
            ),
            int(votes[index]),
            *_breadth(ballots, index),
            best_rank=ranks[index][0] if index in ranks else None,
            worst_rank=ranks[index][1] if index in ranks else None,
            early=early[index],
        )
        for index, name in enumerate(ballots.names)
    ]
    ratings.sort(key=lambda rating: (rating.provisional, -rating.interval.value))
    side = in_points(interval(parameters, spread, of_the_side(models), prior))
    tied = math.exp(float(whole.tie[0]))
    return Rated(tuple(ratings), side, tied / (tied + 2), ballots, whole, spread, reference)


def in_points(told: Interval, middle: float = 0.0) -> Interval:
    return Interval(
        middle + POINTS * told.value,
        middle + POINTS * told.low,
        middle + POINTS * told.high,
        middle + POINTS * told.any_low,
        middle + POINTS * told.any_high,
        POINTS**2 * told.variance,
    )


def side_share(rated: Rated) -> tuple[float, float, float]:
    """Of decided votes on two answers as good as each other, how many go to the left one: the share, and
    its 95 % interval for any look where that says something, else for one."""
    side = rated.side
    low, high = (side.any_low, side.any_high) if math.isfinite(side.any_low) else (side.low, side.high)
    return win_share(side.value / POINTS), win_share(low / POINTS), win_share(high / POINTS)


def win_share(log_odds: float) -> float:
    """Of decided votes, by a difference of strengths. After a vote or two its interval reaches so far that
    e to that power is no number: tanh says the same and has no end."""
    return (1 + math.tanh(log_odds / 2)) / 2


def _ranks(parameters: Floats, spread: Spread, among: list[int]) -> dict[int, tuple[int, int]]:
    models = len(parameters) - 2
    best, worst = dict.fromkeys(among, 1), dict.fromkeys(among, len(among))
    for place, one in enumerate(among):
        for other in among[place + 1 :]:
            between = interval(parameters, spread, against(models, one, other))
            if between.any_low > 0:
                best[other] += 1
                worst[one] -= 1
            elif between.any_high < 0:
                best[one] += 1
                worst[other] -= 1
    return {index: (best[index], worst[index]) for index in among}


def _breadth(ballots: Ballots, index: int) -> tuple[int, int, int]:
    """By how many voters, on how many prompts, against how many others."""
    its = (ballots.left == index) | (ballots.right == index)
    others = np.union1d(ballots.left[its], ballots.right[its])
    return len(np.unique(ballots.voter[its])), len(np.unique(ballots.prompt[its])), len(others) - 1


def _early(ballots: Ballots, index: int, votes: int, groups: list[int], reference: Ints) -> tuple[Early, ...]:
    reasons: list[Early] = []
    if votes < ENOUGH_VOTES:
        reasons.append("few votes")
    if len(ballots.names) > 2 and _breadth(ballots, index)[2] < 2:
        reasons.append("one opponent")
    if groups[index] != groups[int(reference[0])]:
        reasons.append("apart")
    return tuple(reasons)


def _linked(ballots: Ballots) -> list[int]:
    """The number of the group that each set-up belongs to: linked by votes, in however many steps."""
    group = list(range(len(ballots.names)))
    for left, right in {(int(a), int(b)) for a, b in zip(ballots.left, ballots.right, strict=True)}:
        old, new = group[left], group[right]
        if old != new:
            group = [new if each == old else each for each in group]
    return group
