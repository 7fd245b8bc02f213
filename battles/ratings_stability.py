"""How few votes hold the first place: would it change hands if k of them had not been given? Pure.

Two of 57,477 votes were enough on a public board (Huang, Shen, Wei and Broderick, *Dropping just a handful
of preferences can change top large language model rankings*, arXiv 2508.11847). As there: each vote's
influence on the gap is taken from the curvature of the fit (Broderick, Giordano and Meager,
arXiv 2011.14999), the most helpful votes are dropped first, and the fit made again without them. What is
told was therefore seen to happen; another choice of votes might do it with fewer.
"""

from __future__ import annotations

from dataclasses import dataclass

from battles.ratings import Rated
from battles.ratings_fit import LEFT, RIGHT, STATED, TIE, Floats, Ints, Prior, expected, fit
from battles.ratings_intervals import against
from battles.ratings_votes import Ballots, Setup, tallied
from telemetry.numpy_later import np

_RIVALS = 4
_AT_MOST_SHARE = 0.2  # of all votes: who needs more to fall stands firmly


@dataclass(frozen=True, slots=True)
class Stability:
    """Without `dropped` of `votes` votes `then` would be first; None: not even without a fifth of them."""

    first: Setup
    votes: int
    dropped: int | None
    then: Setup | None


def stability(rated: Rated, prior: Prior = STATED) -> Stability | None:
    """Of the first place among ratings that are not provisional; None where fewer than two are."""
    settled = [rating.setup for rating in rated.ratings if not rating.provisional]
    if len(settled) < 2:
        return None
    ballots, names = rated.ballots, rated.ballots.names
    settled_at = [names.index(setup) for setup in settled]
    votes = int(ballots.vote.max()) + 1
    fewest: tuple[int, int] | None = None
    for rival in settled_at[1 : 1 + _RIVALS]:
        order = _most_helpful(rated, settled_at[0], rival)
        at_most = fewest[0] - 1 if fewest else int(_AT_MOST_SHARE * votes)
        found = _fewest(ballots, order[:at_most], settled_at, prior)
        fewest = found or fewest
    if fewest is None:
        return Stability(settled[0], votes, None, None)
    return Stability(settled[0], votes, fewest[0], names[fewest[1]])


def first_without(
    ballots: Ballots, kept: np.ndarray[tuple[int], np.dtype[np.bool_]], among: list[int]
) -> int:
    """Who is first of `among` on the votes that `kept` says."""
    return _first(ballots.only(kept), among, STATED)


def _most_helpful(rated: Rated, first: int, rival: int) -> Ints:
    """Vote numbers that widen the gap between the two, the most helpful first."""
    assert rated.whole.covariance is not None
    ballots, models = rated.ballots, len(rated.ballots.names)
    direction = rated.whole.covariance[0] @ against(models, first, rival)
    influence = _pulls(ballots, rated.parameters, direction)
    by_vote = np.bincount(ballots.vote, weights=influence)
    order = np.argsort(-by_vote, kind="stable")
    return np.asarray(order[by_vote[order] > 0])


def _pulls(ballots: Ballots, parameters: Floats, direction: Floats) -> Floats:
    """How far each comparison pulls along `direction`: its slope of the log-likelihood, times that."""
    models = len(ballots.names)
    left, right = ballots.left, ballots.right
    difference = parameters[left] - parameters[right] + parameters[models]
    wins, ties, losses = expected(difference, float(parameters[models + 1]))
    surprise = (ballots.outcome == LEFT) * 1.0 - (ballots.outcome == RIGHT) * 1.0 - (wins - losses)
    along = (direction[left] - direction[right] + direction[models]) / 2
    return np.asarray(surprise * along + ((ballots.outcome == TIE) - ties) * direction[models + 1])


def _fewest(ballots: Ballots, order: Ints, among: list[int], prior: Prior) -> tuple[int, int] | None:
    """The smallest number of the `order`ed votes without which somebody else is first, and who."""

    def without(dropped: int) -> int:
        return _first(ballots.only(~np.isin(ballots.vote, order[:dropped])), among, prior)

    low, high = 0, 1  # `low` are known to be too few
    while high < len(order) and without(high) == among[0]:
        low, high = high, high * 2
    high = min(high, len(order))
    if not high or without(high) == among[0]:
        return None
    while high - low > 1:
        middle = (low + high) // 2
        if without(middle) == among[0]:
            low = middle
        else:
            high = middle
    return high, without(high)


def _first(ballots: Ballots, among: list[int], prior: Prior) -> int:
    gathered = tallied(ballots)
    strengths = fit(gathered.pairs, gathered.counts(), len(ballots.names), prior=prior).strengths[0]
    return max(among, key=lambda index: float(strengths[index]))
