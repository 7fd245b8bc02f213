"""The fit against independent ones, made from the same votes."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import choix
import numpy as np
import pytest
from hypothesis import given, settings, strategies as st
from scipy.optimize import minimize

from battles.comparisons import Comparison
from battles.ratings_fit import LEFT, RIGHT, TIE, Floats, Prior, expected, fit, information
from battles.ratings_votes import Ballots, ballots_of, tallied
from tests.battles.voting import Crowd

TRUTH = {f"lab/m{number}": strength for number, strength in enumerate((-1.1, -0.4, 0.0, 0.2, 0.9, 1.3))}


def decided(votes: Sequence[Comparison]) -> Ballots:
    return ballots_of([each for each in votes if each.outcome in ("left", "right")], "model")


def winners_and_losers(ballots: Ballots) -> list[tuple[int, int]]:
    sides = zip(ballots.left.tolist(), ballots.right.tolist(), ballots.outcome.tolist(), strict=True)
    return [(left, right) if outcome == LEFT else (right, left) for left, right, outcome in sides]


def test_without_ties_it_is_the_fit_that_choix_makes(record_figure: Callable[[str], None]) -> None:
    ballots = decided(Crowd(TRUTH, seed=1).votes(3_000))
    gathered = tallied(ballots)
    ours = fit(gathered.pairs, gathered.counts(), len(TRUTH), prior=None, ties=False, side=False).strengths[0]
    pairs = winners_and_losers(ballots)
    apart = {
        "ilsr_pairwise": np.abs(ours - choix.ilsr_pairwise(len(TRUTH), pairs)).max(),
        "mm_pairwise": np.abs(ours - choix.mm_pairwise(len(TRUTH), pairs)).max(),
    }
    assert all(each < 1e-6 for each in apart.values()), apart
    told = ", ".join(f"{name} {each:.1e}" for name, each in apart.items())
    record_figure(
        f"ratings: Bradley-Terry on {len(ballots):,} decided votes, largest difference from choix: {told}"
    )


def test_the_prior_is_the_one_that_choix_calls_alpha() -> None:
    ballots = decided(Crowd(TRUTH, seed=2).votes(80))
    gathered = tallied(ballots)
    ours = fit(
        gathered.pairs, gathered.counts(), len(TRUTH), prior=Prior(strength_sd=1.0), ties=False, side=False
    )
    theirs = choix.opt_pairwise(len(TRUTH), winners_and_losers(ballots), alpha=0.5, tol=1e-12)
    assert np.abs(ours.strengths[0] - theirs).max() < 1e-6


def test_ties_and_the_side_are_where_a_plain_search_for_the_maximum_finds_them() -> None:
    ballots = ballots_of(Crowd(TRUTH, seed=3, side=0.4).votes(800), "model")
    gathered = tallied(ballots)
    ours = fit(gathered.pairs, gathered.counts(), len(TRUTH)).parameters[0]
    prior = Prior()

    def unlikely(at: Floats) -> float:
        """Davidson and Beaver's likelihood, vote by vote, as their papers write it."""
        worth, nu = np.exp(at[:-2]), np.exp(at[-1])
        left, right = worth[ballots.left] * np.exp(at[-2]), worth[ballots.right]
        tied = nu * np.sqrt(left * right)
        chance = np.select([ballots.outcome == LEFT, ballots.outcome == TIE], [left, tied], right)
        away = (at - np.r_[np.zeros(len(at) - 1), prior.tie_mean]) ** 2 / prior.variances(len(TRUTH))
        return float(-np.log(chance / (left + right + tied)).sum() + away.sum() / 2)

    found = minimize(unlikely, np.zeros(len(TRUTH) + 2), method="BFGS", options={"gtol": 1e-8})
    assert np.abs(ours - found.x).max() < 1e-5
    assert ours[-2] == pytest.approx(0.4, abs=0.2)


def test_many_fits_at_once_are_each_the_fit_alone() -> None:
    ballots = ballots_of(Crowd(TRUTH, seed=4).votes(200), "model")
    gathered = tallied(ballots)
    weights = np.random.default_rng(0).integers(0, 4, (5, len(ballots))).astype(float)
    together = fit(gathered.pairs, gathered.counts(weights), len(TRUTH), covariance=True)
    for row in range(5):
        alone = fit(gathered.pairs, gathered.counts(weights[row : row + 1]), len(TRUTH), covariance=True)
        np.testing.assert_allclose(together.parameters[row], alone.parameters[0], atol=1e-9)
        assert together.covariance is not None and alone.covariance is not None
        np.testing.assert_allclose(together.covariance[row], alone.covariance[0], atol=1e-9)


def test_a_model_that_won_every_vote_is_rated_and_not_infinitely() -> None:
    pairs, counts = np.array([[0, 1]]), np.zeros((1, 1, 3))
    counts[0, 0, LEFT] = 1_000
    strengths = fit(pairs, counts, 2).strengths[0]
    assert 1 < strengths[0] < 5 and strengths[1] == pytest.approx(-strengths[0])


@settings(max_examples=50, deadline=None)
@given(st.floats(-6, 6), st.floats(-3, 1))
def test_the_information_of_a_vote_is_the_curvature_of_its_likelihood(difference: float, tie: float) -> None:
    step = 1e-4
    around = np.array([difference - step, difference, difference + step])
    logs = np.log(np.stack(expected(around, tie)))
    chances = np.exp(logs[:, 1])
    curvature = -float(chances @ (logs[:, 0] - 2 * logs[:, 1] + logs[:, 2])) / step**2
    assert float(information(np.array([difference]), tie)[0]) == pytest.approx(curvature, abs=1e-5)


@settings(max_examples=30, deadline=None)
@given(st.lists(st.tuples(st.integers(0, 3), st.integers(0, 3), st.integers(0, 2)), min_size=1, max_size=40))
def test_turning_every_vote_around_turns_the_strengths_around(cast: list[tuple[int, int, int]]) -> None:
    votes = [(left, right, outcome) for left, right, outcome in cast if left != right]
    if not votes:
        return
    pairs = np.array(sorted({(left, right) for left, right, _ in votes}))
    counts, turned = np.zeros((1, len(pairs), 3)), np.zeros((1, len(pairs), 3))
    for left, right, outcome in votes:
        row = pairs.tolist().index([left, right])
        counts[0, row, outcome] += 1
        turned[0, row, {LEFT: RIGHT, TIE: TIE, RIGHT: LEFT}[outcome]] += 1
    one, other = fit(pairs, counts, 4).parameters[0], fit(pairs, turned, 4).parameters[0]
    np.testing.assert_allclose(one[:-1], -other[:-1], atol=1e-7)
    assert one[-1] == pytest.approx(other[-1], abs=1e-7)
