"""Do the intervals hold what they promise? Boards whose truth is known, looked at after every vote.

`python -m tests.battles.coverage` prints the whole table (some minutes). Many boards are simulated at
once: the fit, the sampling and the intervals are the product's own, only the crowd is made up. Two settings:

- *watched*: the next pair is drawn by what was learned so far, and both intervals are looked at after every
  vote (independent votes, where the posterior's variance is the one that counts);
- *clustered*: voters have tastes and prompts have luck, votes come in no order, and the whole rating with
  its bootstraps is made once at the end.
"""

from __future__ import annotations

import sys
import time
from dataclasses import dataclass

import numpy as np

from battles.ratings import ENOUGH_VOTES, POINTS, rate
from battles.ratings_fit import STATED, Floats, Prior, expected, fit, information
from battles.ratings_intervals import any_look
from battles.ratings_votes import ballots_of
from battles.sampling import READING_NANO_USD, shares
from tests.battles.voting import Crowd, people

_ONE_LOOK = 1.959964
_SIDE, _TIE = 0.15, -0.3  # of the crowd: neither is what the prior expects


@dataclass(frozen=True)
class Coverage:
    """Shares of intervals that held the truth. `at_the_end`: one look, at the last vote; `at_any_time`: one
    look, averaged over all of them; `always`: any look, held at every single one; `one_look_always`: what
    becomes of the narrow interval when it is looked at after every vote. `rank_correlation`: Spearman's."""

    boards: int
    models: int
    votes: int
    at_the_end: float
    at_any_time: float
    always: float
    one_look_always: float
    rank_correlation: float
    fewest_votes: int
    most_votes: int

    def __str__(self) -> str:
        return (
            f"{self.boards} boards, {self.models} models, {self.votes:,} votes, adaptive, a look after every "
            f"vote: one look {self.at_the_end:.1%} at the end, {self.at_any_time:.1%} on average; any look "
            f"{self.always:.1%} at every vote (one look's there: {self.one_look_always:.1%}); "
            f"rank correlation {self.rank_correlation:.3f}; "
            f"votes a model {self.fewest_votes} to {self.most_votes}"
        )


class _Boards:
    """R boards that are voted on side by side."""

    def __init__(self, boards: int, models: int, seed: int) -> None:
        self.rng = np.random.default_rng(seed)
        self.size, self.rows = models, np.arange(boards)
        self.truth = self.rng.normal(0, 0.8, (boards, models))
        self.pairs = np.array([(a, b) for a in range(models) for b in range(models) if a != b])
        self.counts = np.zeros((boards, len(self.pairs), 3))
        self.votes = np.zeros((boards, models))
        self.parameters = np.zeros((boards, models + 2))
        self.parameters[:, -1] = STATED.tie_mean
        self.covariance = np.repeat(np.diag(STATED.variances(models))[None], boards, axis=0)
        costs = np.exp(self.rng.normal(15, 1, (boards, models)))  # nano-dollars an answer: about $0.003
        self.costs = costs[:, self.pairs[:, 0]] + costs[:, self.pairs[:, 1]] + READING_NANO_USD

    def vote(self, adaptive: bool) -> None:
        chosen = self._drawn() if adaptive else self.rng.integers(len(self.pairs), size=len(self.rows))
        left, right = self.pairs[chosen].T
        difference = self.truth[self.rows, left] - self.truth[self.rows, right] + _SIDE
        wins, ties, _ = expected(difference, _TIE)
        luck = self.rng.random(len(self.rows))
        self.counts[self.rows, chosen, np.where(luck < wins, 0, np.where(luck < wins + ties, 1, 2))] += 1
        self.votes[self.rows, left] += 1
        self.votes[self.rows, right] += 1

    def refit(self, first: bool) -> None:
        fitted = fit(
            self.pairs,
            self.counts,
            self.size,
            start=self.parameters,
            steps=6 if first else 2,
            covariance=True,
        )
        assert fitted.covariance is not None
        self.parameters, self.covariance = fitted.parameters, fitted.covariance

    def _drawn(self) -> np.ndarray[tuple[int], np.dtype[np.intp]]:
        first, second = self.pairs.T
        own = np.diagonal(self.covariance, axis1=1, axis2=2)
        spread = own[:, first] + own[:, second] - 2 * self.covariance[:, first, second]
        difference = self.parameters[:, first] - self.parameters[:, second]
        picked = [
            self.rng.choice(
                len(self.pairs),
                p=shares(
                    np.log1p(information(difference[row], self.parameters[row, -1]) * spread[row])
                    / self.costs[row],
                    first,
                    second,
                    self.votes[row],
                ),
            )
            for row in self.rows
        ]
        return np.array(picked)

    def against_the_reference(self) -> tuple[Floats, Floats, Floats, Floats]:
        """Value, truth, variance and prior variance of each model's contrast, as `ratings` makes it."""
        enough = (self.votes >= ENOUGH_VOTES).astype(float)
        enough[enough.sum(axis=1) < 2] = 1.0
        weights = enough / enough.sum(axis=1, keepdims=True)
        strengths, covariance = self.parameters[:, : self.size], self.covariance[:, : self.size, : self.size]
        across = np.einsum("rij,rj->ri", covariance, weights)
        variance = np.diagonal(covariance, axis1=1, axis2=2) - 2 * across
        variance = variance + np.einsum("ri,ri->r", across, weights)[:, None]
        before = 1 - 2 * weights + (weights**2).sum(axis=1, keepdims=True)
        middle, true_middle = (strengths * weights).sum(axis=1), (self.truth * weights).sum(axis=1)
        before = STATED.strength_sd**2 * before
        return strengths - middle[:, None], self.truth - true_middle[:, None], variance, before


def watched(boards: int, models: int, votes: int, *, seed: int, adaptive: bool = True) -> Coverage:
    """An interval is looked at once its model has votes enough to be shown as one."""
    arena = _Boards(boards, models, seed)
    left_out, narrow_left_out = np.zeros((boards, models), bool), np.zeros((boards, models), bool)
    held: list[float] = []
    at_the_end = 0.0
    for number in range(votes):
        arena.vote(adaptive)
        arena.refit(first=number < 20)
        value, truth, variance, before = arena.against_the_reference()
        shown = arena.votes >= ENOUGH_VOTES
        narrow = np.abs(value - truth) <= _ONE_LOOK * np.sqrt(variance)
        narrow_left_out |= shown & ~narrow
        if shown.any():
            held.append(float(narrow[shown].mean()))
        for row, column in np.argwhere(shown & ~left_out):
            where = row, column
            centre, half = any_look(value[where], variance[where], variance[where], before[where])
            left_out[where] = abs(centre - truth[where]) > half
        at_the_end = float(narrow.mean())
    value, truth, _, _ = arena.against_the_reference()
    ranks = [np.corrcoef(_ranks(value[row]), _ranks(truth[row]))[0, 1] for row in range(boards)]
    return Coverage(
        boards,
        models,
        votes,
        at_the_end,
        float(np.mean(held)),
        1 - float(left_out.mean()),
        1 - float(narrow_left_out.mean()),
        float(np.mean(ranks)),
        int(arena.votes.min()),
        int(arena.votes.max()),
    )


def clustered(
    boards: int, models: int, votes: int, *, seed: int, voters: int, prompts: int
) -> tuple[float, float]:
    """Coverage of the one-look interval as the page shows it, and of the posterior's alone."""
    rng = np.random.default_rng(seed)
    held: list[bool] = []
    posterior_held: list[bool] = []
    for board in range(boards):
        strengths = rng.normal(0, 0.8, models)
        names = [f"lab/m{number:02d}" for number in range(models)]
        crowd = Crowd(
            dict(zip(names, strengths.tolist(), strict=True)), seed=seed + board, taste=0.4, luck=0.4
        )
        rated = rate(ballots_of(crowd.votes(votes, voters=people(voters), prompts=prompts), "model"))
        assert rated is not None
        truth = _as_all_people_see_it(strengths)
        for rating in rated.ratings:
            true = 1000 + POINTS * (truth[names.index(rating.setup.model)] - truth.mean())
            held.append(rating.interval.low <= true <= rating.interval.high)
            contrast = (
                np.eye(models + 2)[names.index(rating.setup.model)] - np.r_[np.ones(models) / models, 0, 0]
            )
            half = POINTS * _ONE_LOOK * float(contrast @ rated.spread.posterior @ contrast) ** 0.5
            posterior_held.append(abs(rating.interval.value - true) <= half)
    return float(np.mean(held)), float(np.mean(posterior_held))


def _as_all_people_see_it(strengths: Floats) -> Floats:
    """The strengths that fit the average of all people and prompts: a mixture of curves is a flatter
    curve. Each pair's chances are averaged over tastes and luck, and the board is fitted to them."""
    models = len(strengths)
    deviations = np.random.default_rng(0).normal(0, (2 * (0.4**2 + 0.4**2)) ** 0.5, 4_001)
    pairs = np.array([(a, b) for a in range(models) for b in range(models) if a != b])
    chances = [
        [float(each.mean()) for each in expected(strengths[a] - strengths[b] + deviations, Prior().tie_mean)]
        for a, b in pairs
    ]
    return np.asarray(fit(pairs, np.array([chances]) * 1e6, models, prior=None, side=False).strengths[0])


def _ranks(values: Floats) -> Floats:
    return np.argsort(np.argsort(values)).astype(float)


def main() -> None:
    started = time.monotonic()
    sys.stdout.write(f"{watched(40, 20, 5_000, seed=7)}\n")
    sys.stdout.write(f"{watched(40, 20, 5_000, seed=8, adaptive=False)} (not adaptive)\n")
    shown, posterior = clustered(30, 20, 5_000, seed=9, voters=40, prompts=300)
    sys.stdout.write(
        f"30 boards, 20 models, 5,000 votes of 40 voters on 300 prompts: {shown:.1%} clustered, "
        f"{posterior:.1%} without\n{time.monotonic() - started:.0f} s\n"
    )


if __name__ == "__main__":
    main()
