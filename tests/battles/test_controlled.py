"""The noise floor, and whether two providers serve the same model."""

from __future__ import annotations

import itertools
from collections.abc import Callable
from dataclasses import replace

import numpy as np
import pytest

from battles.comparisons import Comparison, Contender
from battles.controlled import holm, noise_floor, permutation_p, provider_tests
from tests.battles.voting import CHOICES, lane, vote


def served(provider: str, **facts: object) -> Contender:
    return lane("lab/m", provider=provider, **facts)


def between(rng: np.random.Generator, number: int, **of_b: object) -> Comparison:
    """One battle of provider a against b: as alike as two answers are, but for what is said `of_b`."""
    first = served("a", output_chars=int(rng.normal(800, 200)), refused=False, valid_json=True)
    second = served(
        "b", **({"output_chars": int(rng.normal(800, 200)), "refused": False, "valid_json": True} | of_b)
    )
    sides = (first, second) if rng.random() < 0.5 else (second, first)
    return vote(*sides, CHOICES[int(rng.integers(3))], no=number)


def test_two_answers_of_the_same_thing_give_the_noise_floor() -> None:
    same = served("a")
    votes = [vote(same, same, CHOICES[number % 3], no=number) for number in range(60)]
    votes.append(vote(same, served("b"), "left", no=100))
    floor = noise_floor(votes)
    assert floor is not None and floor.votes == 60
    assert floor.decided[0] == pytest.approx(40 / 60) and floor.left is not None
    assert floor.decided[1] < 40 / 60 < floor.decided[2]
    assert floor.left[0] == pytest.approx(0.5)
    assert noise_floor([votes[-1]]) is None


def test_a_provider_that_refuses_more_and_breaks_json_is_told_from_one_that_does_not() -> None:
    rng = np.random.default_rng(1)
    votes = [between(rng, n, refused=n % 3 == 0, valid_json=n % 4 != 0) for n in range(60)]
    (test,) = provider_tests(votes)
    told = {each.question: each for each in test.answers}
    assert test.differs and test.battles == 60 and (test.one, test.other) == ("a", "b")
    assert told["refusals"].p_corrected < 0.01 and told["refusals"].other == pytest.approx(1 / 3)
    assert told["json"].p_corrected < 0.01
    assert told["votes"].p_corrected > 0.05 and told["length"].p_corrected > 0.05


def test_a_provider_whose_answers_are_shorter_is_found_by_their_length() -> None:
    rng = np.random.default_rng(2)
    (test,) = provider_tests([between(rng, n, output_chars=int(rng.normal(600, 150))) for n in range(40)])
    assert {each.question for each in test.answers if each.p_corrected < 0.05} == {"length"}


def test_providers_that_are_the_same_are_called_different_once_in_twenty_at_most(
    record_figure: Callable[[str], None],
) -> None:
    rng = np.random.default_rng(3)
    called = sum(provider_tests([between(rng, n) for n in range(10)])[0].differs for _ in range(100))
    record_figure(f"controlled: the same provider under two names, called different in {called} of 100 tests")
    assert called <= 9


def test_several_votes_on_one_battle_are_swapped_together() -> None:
    one = vote(served("a"), served("b"), "left", no=1)
    votes = [replace(one, vote_id=f"vote_{n}", voter=f"user:{n}") for n in range(50)]
    (test,) = provider_tests(votes)
    assert test.battles == 1 and not test.differs, "fifty people agree on one battle: that is one battle"


def test_p_is_the_share_of_all_ways_to_swap_that_go_as_far() -> None:
    differences = np.array([3.0, -1.0, 2.0, 0.5])
    ways = [
        sum(sign * d for sign, d in zip(signs, differences, strict=True))
        for signs in itertools.product((1, -1), repeat=4)
    ]
    as_far = sum(abs(way) >= 4.5 - 1e-9 for way in ways)
    assert permutation_p(differences) == as_far / 16
    assert permutation_p(np.full(30, 1.0)) == pytest.approx(1 / 10_000), "never zero"


def test_holm_corrects_in_order_and_never_makes_a_larger_p_smaller() -> None:
    assert holm([0.01, 0.04, 0.03]) == pytest.approx([0.03, 0.06, 0.06])
    assert holm([0.6, 0.5]) == pytest.approx([1.0, 1.0])
    assert holm([]) == []
