"""Which two should battle next: the pair whose vote tells the most for its dollar. Pure.

One vote on a pair is expected to tell log(1 + I V) / 2 nats, where V is how unsure the fit still is of
their difference and I what a vote says of it (information gain of an approximately normal posterior:
Lindley, Ann. Math. Stat. 27, 1956, 986-1005; active pair choice as in Chiang et al., arXiv 2403.04132,
section 5). It costs two answers and the time of whoever votes. Pairs are *drawn* in proportion to gain per
dollar rather than the best always taken, and half of the draws go to set-ups with fewer than half the
average number of votes while there are any: so a cheap model does not take all the votes, and a new one is
not forgotten. Intervals stay right under such sampling (`ratings_intervals`).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from battles.ratings import Rated
from battles.ratings_fit import STATED, Floats, information
from battles.ratings_votes import Setup
from telemetry.numpy_later import np

READING_NANO_USD = 10_000_000  # a vote's worth of somebody's time, so that free models are not infinite
_LN2 = 0.6931471805599453


@dataclass(frozen=True, slots=True)
class Suggestion:
    """`gain_bits` is what one vote is expected to tell, `cost_nano_usd` what two answers cost (None where
    unknown), `chance` the share of draws that this pair gets, `votes` what the pair had so far."""

    one: Setup
    other: Setup
    chance: float
    gain_bits: float
    cost_nano_usd: float | None
    votes: int


def suggestions(
    rated: Rated | None, candidates: Sequence[Setup], cost_nano_usd: Mapping[Setup, float]
) -> list[Suggestion]:
    """All pairs of `candidates`, the most telling for its dollar first; those never voted on included."""
    setups = sorted(set(candidates))
    if len(setups) < 2:
        return []
    variances, differences, tie, votes = _known(rated, setups)
    first, second = np.triu_indices(len(setups), 1)
    gain = np.log1p(information(differences[first, second], tie) * variances[first, second]) / 2
    dearest = max(cost_nano_usd.values(), default=0.0)
    costs = np.array([cost_nano_usd.get(setup, dearest) for setup in setups])
    chances = shares(
        gain / (costs[first] + costs[second] + READING_NANO_USD), first, second, votes.sum(axis=1)
    )
    found = [
        Suggestion(
            setups[a],
            setups[b],
            float(chances[pair]),
            float(gain[pair]) / _LN2,
            cost_nano_usd[setups[a]] + cost_nano_usd[setups[b]]
            if setups[a] in cost_nano_usd and setups[b] in cost_nano_usd
            else None,
            int(votes[a, b]),
        )
        for pair, (a, b) in enumerate(zip(first.tolist(), second.tolist(), strict=True))
    ]
    return sorted(found, key=lambda each: -each.chance)


def shares(
    worth: Floats,
    first: np.ndarray[tuple[int], np.dtype[np.intp]],
    second: np.ndarray[tuple[int], np.dtype[np.intp]],
    votes: Floats,
) -> Floats:
    """The chance of each pair (first, second): in proportion to `worth`, half of it kept for set-ups with
    fewer than half of the average `votes`."""
    chances = worth / worth.sum()
    behind = votes < votes.mean() / 2
    owed = (behind[first] | behind[second]) * worth
    if owed.sum() > 0:
        chances = (chances + owed / owed.sum()) / 2
    return np.asarray(chances)


def _known(rated: Rated | None, setups: Sequence[Setup]) -> tuple[Floats, Floats, float, Floats]:
    """Variances and values of all differences, the tie term, and votes so far; a set-up without votes is
    what the prior says."""
    size = len(setups)
    spread, strengths = np.eye(size) * STATED.strength_sd**2, np.zeros(size)
    votes, tie = np.zeros((size, size)), STATED.tie_mean
    if rated is not None:
        names = {name: index for index, name in enumerate(rated.ballots.names)}
        here = [index for index, setup in enumerate(setups) if setup in names]
        there = [names[setups[index]] for index in here]
        strengths[here] = rated.parameters[there]
        spread[np.ix_(here, here)] = rated.spread.posterior[np.ix_(there, there)]
        tie = float(rated.parameters[-1])
        counted = np.zeros((len(names), len(names)))
        np.add.at(counted, (rated.ballots.left, rated.ballots.right), 1.0)
        votes[np.ix_(here, here)] = (counted + counted.T)[np.ix_(there, there)]
    own = np.diagonal(spread)
    return own[:, None] + own[None, :] - 2 * spread, strengths[:, None] - strengths[None, :], tie, votes
