"""Who votes unlike the others, and how: for one side, for one model, or against what the rest say. Pure.

Each voter is held against a fit of everybody else's votes. Three sums are looked at, each with what the
fit expects of it and how much it may vary (chance, and how little is known of the others): votes for the
left, votes for each set-up, and how likely the voter's choices are as a whole. A voter is named only where
a sum leaves the any-look boundary (`ratings_intervals.radius`), shared among all voters and sums, and
where tastes in this team differ anyway (the sums of most voters are wide), by as much more. "The rest" are
the two thirds who stand out least, so that a stuffed ballot box makes no honest voter look odd. Nobody's
votes are left out of a rating by this: people decide that.

The public arenas test each voter against the rest too (Chiang et al., *Chatbot Arena*, arXiv 2403.04132,
section 5).
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Literal

from battles.ratings_fit import LEFT, RIGHT, STATED, Floats, Prior, expected, fit
from battles.ratings_intervals import FEW_CLUSTERS, radius
from battles.ratings_votes import Ballots, Setup, tallied
from telemetry.numpy_later import np

ENOUGH_OF_ONE = 12  # votes, before anything is said of a voter
ENOUGH_OF_OTHERS = 30  # votes by others, before "unlike the others" means anything
_ALPHA = 0.05  # at most one team in twenty ever sees an honest voter named
_NO_VARIANCE = 1e-9
_MEDIAN_CHI_SQUARE = 0.4549  # of one degree of freedom

Finding = Literal["left side", "right side", "favours", "against", "unlike"]


@dataclass(frozen=True, slots=True)
class Odd:
    """One voter. `share` of the `votes` went to that side or set-up (a tie is half), where the others' votes
    let `expected` be expected; for "unlike" both are the share of votes as the others would choose."""

    voter: str
    finding: Finding
    setup: Setup | None
    votes: int
    share: float
    expected: float
    strength: float  # how far beyond the boundary: 1 is on it


def odd_voters(ballots: Ballots, prior: Prior = STATED) -> list[Odd]:
    """The oddest first; one finding, the strongest, for each voter."""
    enough = [int(voter) for voter in np.flatnonzero(np.bincount(ballots.voter) >= ENOUGH_OF_ONE)]
    if not enough:
        return []
    everybody = _sums_of(ballots, enough, ballots, prior)
    tests = sum(len(sums) for sums in everybody.values())
    strongest = {voter: max(map(_strength, sums)) for voter, sums in everybody.items()}
    by_oddness = sorted(enough, key=lambda voter: -strongest[voter])
    suspects = by_oddness[: max(1, len(enough) // 3)]
    rest = ballots.only(~np.isin(ballots.voter, suspects))
    ordinary = _sums_of(rest, by_oddness[len(suspects) :], rest, prior)
    suspected = _sums_of(ballots, suspects, rest, prior)
    wide = _tastes(ordinary)
    found = []
    for voter, sums in (suspected | ordinary).items():
        odd = [told for each in sums if (told := _odd(each, ballots.voters[voter], wide, _ALPHA / tests))]
        found += sorted(odd, key=lambda each: -each.strength)[:1]
    return sorted(found, key=lambda each: -each.strength)


@dataclass(frozen=True, slots=True)
class _Sum:
    finding: Finding
    setup: Setup | None
    votes: int
    observed: float
    expected: float
    variance: float

    @property
    def square(self) -> float:
        return (self.observed - self.expected) ** 2 / max(self.variance, _NO_VARIANCE)


def _sums_of(ballots: Ballots, voters: list[int], rest: Ballots, prior: Prior) -> dict[int, list[_Sum]]:
    """Each of the `voters` against a fit of what all others of the `rest` voted."""
    if not voters:
        return {}
    gathered = tallied(rest)
    others = np.stack([(rest.voter != voter).astype(float) for voter in voters])
    fits = fit(
        gathered.pairs, gathered.counts(others), len(ballots.names), prior=prior, covariance=True, steps=25
    )
    assert fits.covariance is not None
    return {
        voter: list(
            _sums(
                ballots.only(ballots.voter == voter),
                fits.parameters[row],
                fits.covariance[row],
                int(others[row].sum()) >= ENOUGH_OF_OTHERS,
            )
        )
        for row, voter in enumerate(voters)
    }


def _sums(its: Ballots, parameters: Floats, covariance: Floats, others: bool) -> Iterator[_Sum]:
    models = len(its.names)
    difference = parameters[its.left] - parameters[its.right] + parameters[models]
    wins, ties, losses = expected(difference, float(parameters[models + 1]))
    mean, spread = wins - losses, wins + losses - (wins - losses) ** 2
    y = (its.outcome == LEFT) * 1.0 - (its.outcome == RIGHT) * 1.0
    everywhere = np.ones(len(its))
    variance = _variance(its, everywhere, spread, mean * ties, covariance)
    yield _Sum("left side", None, len(its), float(y.sum()), float(mean.sum()), variance)
    if not others:
        return
    for index in np.unique(np.concatenate([its.left, its.right])):
        sign = (its.left == index) * 1.0 - (its.right == index) * 1.0
        seen = int(np.abs(sign).sum())
        variance = _variance(its, sign, spread, mean * ties, covariance)
        setup = its.names[int(index)]
        yield _Sum("favours", setup, seen, float(sign @ y), float(sign @ mean), variance)
    yield _likelihood(its, (wins, ties, losses))


def _variance(its: Ballots, sign: Floats, spread: Floats, mean_ties: Floats, covariance: Floats) -> float:
    """Of the sum of `sign` times the outcome: chance, and what is not known of the others' strengths."""
    models = len(its.names)
    slope = np.zeros(models + 2)
    pull = sign * spread / 2
    np.add.at(slope, its.left, pull)
    np.subtract.at(slope, its.right, pull)
    slope[models] = pull.sum()
    slope[models + 1] = -(sign * mean_ties).sum()
    return float(sign**2 @ spread + slope @ covariance @ slope)


def _likelihood(its: Ballots, chances: tuple[Floats, Floats, Floats]) -> _Sum:
    """How likely the choices are: low where someone chooses at random or turns every vote around."""
    each = np.stack(chances, axis=1)
    logs = np.log(each)
    mean = (each * logs).sum(axis=1)
    variance = float(((each * logs**2).sum(axis=1) - mean**2).sum())
    chosen = logs[np.arange(len(its)), its.outcome]
    return _Sum("unlike", None, len(its), float(chosen.sum()), float(mean.sum()), variance)


def _tastes(sums: dict[int, list[_Sum]]) -> float:
    """How much wider the sums of most voters are than chance alone makes them; 1 where they are not."""
    if len(sums) < FEW_CLUSTERS:
        return 1.0
    squares = [each.square for of_one in sums.values() for each in of_one]
    return max(1.0, float(np.median(squares)) / _MEDIAN_CHI_SQUARE)


def _strength(each: _Sum, wide: float = 1.0, alpha: float = _ALPHA) -> float:
    """How far beyond the boundary; 0 where it cannot be said."""
    away = each.observed - each.expected
    if each.votes < ENOUGH_OF_ONE or each.variance < _NO_VARIANCE or (each.finding == "unlike" and away > 0):
        return 0.0
    return (abs(away) / each.variance) / (math.sqrt(wide) * radius(1 / each.variance, alpha))


def _odd(each: _Sum, voter: str, wide: float, alpha: float) -> Odd | None:
    strength = _strength(each, wide, alpha)
    if strength < 1:
        return None
    away, finding = each.observed - each.expected, each.finding
    if finding == "left side" and away < 0:
        finding = "right side"
    elif finding == "favours" and away < 0:
        finding = "against"
    observed, foreseen = each.observed / each.votes, each.expected / each.votes
    if finding == "unlike":
        return Odd(voter, finding, None, each.votes, math.exp(observed), math.exp(foreseen), strength)
    share, likely = (1 + observed) / 2, (1 + foreseen) / 2
    if finding == "right side":
        share, likely = 1 - share, 1 - likely
    return Odd(voter, finding, each.setup, each.votes, share, likely, strength)
