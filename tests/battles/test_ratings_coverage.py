"""The intervals against a known truth, looked at after every vote while the pairs are chosen by what was
learned. The whole sweep, 20 models and 5,000 votes, is slow: `python -m tests.battles.coverage` says more."""

from __future__ import annotations

import math
from collections.abc import Callable

import numpy as np
import pytest

from battles.ratings import rate
from battles.ratings_intervals import radius, student_975
from battles.ratings_votes import ballots_of
from tests.battles.coverage import clustered, watched
from tests.battles.voting import Crowd, people

Say = Callable[[str], None]


def test_intervals_hold_the_truth_under_adaptive_sampling_with_a_look_after_every_vote(
    record_figure: Say,
) -> None:
    seen = watched(30, 6, 400, seed=3)
    record_figure(f"ratings: {seen}")
    assert 0.92 <= seen.at_the_end <= 0.98
    assert 0.92 <= seen.at_any_time <= 0.98
    assert seen.always >= 0.95, "the any-look interval may be safe; it must not be false"
    assert seen.one_look_always < 0.92, "a look after every vote is what the any-look interval is for"
    assert seen.rank_correlation > 0.85
    assert seen.fewest_votes > 2 * 400 / 6 / 4, "nobody is forgotten"


@pytest.mark.slow
@pytest.mark.timeout(600)
def test_twenty_models_and_five_thousand_votes(record_figure: Say) -> None:
    seen = watched(20, 20, 5_000, seed=7)
    record_figure(f"ratings: {seen}")
    assert 0.92 <= seen.at_the_end <= 0.98
    assert 0.92 <= seen.at_any_time <= 0.98
    assert 0.92 <= seen.always <= 0.98
    assert seen.one_look_always < 0.9
    assert seen.rank_correlation > 0.95


@pytest.mark.slow
@pytest.mark.timeout(600)
def test_voters_with_tastes_and_prompts_with_luck_make_the_shown_interval_wider(record_figure: Say) -> None:
    shown, posterior = clustered(12, 20, 5_000, seed=9, voters=40, prompts=300)
    record_figure(
        f"ratings: 12 boards, 20 models, 5,000 votes of 40 voters on 300 prompts that differ: the "
        f"clustered interval holds the truth in {shown:.1%}, one that takes votes for independent "
        f"in {posterior:.1%}"
    )
    assert 0.92 <= shown <= 0.98
    assert posterior < shown


def test_ten_votes_of_one_person_are_not_ten_votes_of_ten_people() -> None:
    truth = {"lab/a": 0.0, "lab/b": 0.3, "lab/c": -0.3}
    told = {}
    for prompts in (6, None):
        crowd = Crowd(truth, seed=5, luck=1.5)
        rated = rate(ballots_of(crowd.votes(300, voters=people(8), prompts=prompts), "model"))
        assert rated is not None
        told[prompts] = rated.ratings[0].interval.high - rated.ratings[0].interval.low
    assert told[6] > 2 * told[None]


def test_the_any_look_boundary_is_robbins_mixture() -> None:
    """At variance 1/100, mixture 1 and level 0.0725: sqrt(0.01 * 1.01 * (ln 101 - 2 ln 0.0725))."""
    assert radius(0.01) == pytest.approx(0.3157, abs=0.0001)


def test_a_brownian_motion_leaves_the_any_look_boundary_in_one_of_twenty_from_30_votes_to_30_000(
    record_figure: Say,
) -> None:
    """A vote tells at most 1/4 of a log-odds, less with ties: 30 of them about 6, 30,000 about 6,000."""
    rng = np.random.default_rng(0)
    times = 6 * 1.005 ** np.arange(int(math.log(1_000) / math.log(1.005)) + 1)
    at, before = np.zeros(20_000), 0.0
    left = np.zeros(20_000, dtype=bool)
    for now in times:
        at += rng.normal(0, math.sqrt(now - before), len(at))
        before = now
        left |= np.abs(at / now) > radius(1 / now)
    record_figure(
        f"ratings: the any-look boundary is left by {left.mean():.1%} of Brownian motions (at most 5 %)"
    )
    assert 0.04 < left.mean() <= 0.05


@pytest.mark.parametrize(("freedom", "point"), [(4, 2.7764), (9, 2.2622), (30, 2.0423), (math.inf, 1.9600)])
def test_students_t_is_the_one_of_the_tables(freedom: float, point: float) -> None:
    assert student_975(freedom) == pytest.approx(point, rel=0.003)
