"""What the votes decide: what speed and price change, which cheaper model will do, what to vote on next."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import numpy as np
import pytest

from battles.comparisons import Choice, Comparison
from battles.ratings import Rated, rate
from battles.ratings_choice import Passes, Recommendation, recommend
from battles.ratings_effects import effects
from battles.ratings_votes import ballots_of
from battles.sampling import READING_NANO_USD, suggestions
from tests.battles.voting import Crowd, lane, model, people, vote

QUICK = lane("lab/quick", total_ms=500.0, cost_nano_usd=2_000)
SLOW = lane("lab/slow", total_ms=2_000.0, cost_nano_usd=2_000)
COSTS = {model("lab/x"): 9_000.0, model("lab/small"): 1_000.0, model("lab/bad"): 500.0}


def rated_on(votes: list[Comparison]) -> Rated:
    rated = rate(ballots_of(votes, "model"))
    assert rated is not None
    return rated


def twice(number: int, first: Choice, final: Choice, voter: str) -> list[Comparison]:
    before = vote(QUICK, SLOW, first, no=number, voter=voter)
    return [before, replace(before, stage="final", outcome=final)]


def test_votes_that_go_over_to_the_faster_answer_after_the_reveal_are_the_speed_effect() -> None:
    votes: list[Comparison] = []
    for number in range(60):
        first: Choice = "right" if number % 2 else "left"
        moves = number % 3 == 1 and first == "right"
        votes += twice(number, first, "left" if moves else first, f"user:{number % 6}")
    told = effects(votes)
    assert (told.votes, told.changed) == (60, 10)
    assert (told.speed.to_better, told.speed.to_worse) == (10, 0)
    assert told.speed.moved.value == pytest.approx(10 / 60)
    assert told.speed.moved.low is not None and told.speed.moved.high is not None
    assert told.speed.moved.low < 10 / 60 < told.speed.moved.high
    assert told.price.moved.value is None and told.price.moved.n == 0, "the prices were the same"


def test_speed_and_price_are_told_apart_where_votes_move_for_price_alone() -> None:
    rng = np.random.default_rng(1)
    votes: list[Comparison] = []
    for number in range(400):
        cheap, fast = rng.random() < 0.5, rng.random() < 0.5
        left = lane("lab/a", total_ms=500.0 if fast else 1_000.0, cost_nano_usd=1_000 if cheap else 4_000)
        right = lane("lab/b", total_ms=1_000.0 if fast else 500.0, cost_nano_usd=4_000 if cheap else 1_000)
        first: Choice = "left" if rng.random() < 0.5 else "right"
        to_cheaper: Choice = "left" if cheap else "right"
        final = to_cheaper if rng.random() < 0.4 else first
        before = vote(left, right, first, no=number, voter=f"user:{number % 10}")
        votes += [before, replace(before, stage="final", outcome=final)]
    told = effects(votes)
    assert told.price.doubling.low is not None and told.price.doubling.low > 0.05
    assert told.speed.doubling.low is not None and told.speed.doubling.high is not None
    assert told.speed.doubling.low < 0 < told.speed.doubling.high


def test_votes_without_a_second_look_say_nothing_of_effects() -> None:
    told = effects([vote(QUICK, SLOW, "left", no=1)])
    assert (told.votes, told.speed.moved.value, told.price.doubling.value) == (0, None, None)


def advice(votes: list[Comparison], passes: tuple[Passes, Passes] | None = None) -> Recommendation:
    """`passes` of lab/small, and of lab/x on the same rows."""
    pairs = {(model("lab/small"), model("lab/x")): passes} if passes else {}
    found = recommend(rated_on(votes), model("lab/x"), COSTS, pairs)
    assert found is not None
    return found


def test_a_cheaper_model_that_is_as_good_is_recommended_once_the_votes_are_enough() -> None:
    crowd = Crowd({"lab/x": 0.0, "lab/small": 0.15, "lab/bad": -1.5}, seed=1)
    few = advice(crowd.votes(40))
    assert few.firm is None and few.candidates[1].verdict == "open"
    assert few.candidates[1].votes_needed is not None and few.candidates[1].votes_needed > 0
    many = advice(crowd.votes(2_500, voters=people(12)))
    assert many.firm is not None and many.firm.setup == model("lab/small")
    assert many.firm.confidence > 0.99 and many.firm.votes_needed is None
    assert [each.setup.model for each in many.candidates] == ["lab/bad", "lab/small"], "the cheapest first"
    assert many.candidates[0].verdict == "worse"
    assert many.firm.win_share[1] < 0.5375 < many.firm.win_share[2], "0.15 in log-odds"


def test_pass_rates_of_checks_count_too() -> None:
    votes = Crowd({"lab/x": 0.0, "lab/small": 0.4, "lab/bad": -1.5}, seed=2).votes(2_000, voters=people(12))
    assert advice(votes).firm is not None
    failing = advice(votes, (Passes(120, 200), Passes(190, 200)))
    assert failing.firm is None and failing.candidates[1].verdict == "worse"
    passing = advice(votes, (Passes(196, 200), Passes(190, 200)))
    assert passing.firm is not None and passing.firm.pass_confidence is not None
    unknown = advice(votes, (Passes(1, 10), Passes(9, 10)))
    assert unknown.firm is not None and unknown.firm.passes is None, "ten rows decide nothing"


@pytest.mark.slow
def test_a_model_that_is_just_too_bad_is_hardly_ever_called_not_worse_though_one_looks_again_and_again(
    record_figure: Callable[[str], None],
) -> None:
    """Truly at the margin (0.2 in log-odds below), which is where a false word is likeliest."""
    wrong = by_posterior = 0
    for seed in range(40):
        crowd = Crowd({"lab/x": 0.2007, "lab/small": 0.0}, seed=seed)
        votes: list[Comparison] = []
        said = probable = False
        for _ in range(12):
            votes += crowd.votes(40)
            (candidate,) = advice(votes).candidates
            said |= candidate.verdict == "not worse"
            probable |= candidate.confidence >= 0.95
        wrong += said
        by_posterior += probable
    record_figure(
        f"ratings: a model at the margin, looked at 12 times: called not worse in {wrong} of 40 boards "
        f"(95 % of the posterior alone: {by_posterior})"
    )
    assert wrong <= 3 < by_posterior


def test_no_advice_without_a_price_or_a_vote_of_the_model_that_is_to_be_replaced() -> None:
    rated = rated_on([vote("lab/a", "lab/b", "left", no=1)])
    assert recommend(rated, model("lab/a"), {}) is None
    assert recommend(rated, model("lab/x"), COSTS) is None


def test_the_next_battle_is_between_those_of_whom_the_least_is_known_for_the_money() -> None:
    models = {"lab/a": 0.0, "lab/b": 0.1, "lab/c": -0.1}
    rated = rated_on(Crowd(models, seed=3).votes(300))
    cheap = {model(name): 1_000_000.0 for name in (*models, "lab/new")}
    found = suggestions(rated, [*cheap], cheap)
    assert sum(each.chance for each in found) == pytest.approx(1)
    assert "lab/new" in (found[0].one.model, found[0].other.model) and found[0].votes == 0
    assert found[0].gain_bits > 5 * min(each.gain_bits for each in found)
    dear = suggestions(rated, [*cheap], cheap | {model("lab/new"): 100.0 * READING_NANO_USD})
    of_new = [each for each in found if model("lab/new") in (each.one, each.other)]
    of_dear_new = [each for each in dear if model("lab/new") in (each.one, each.other)]
    assert sum(each.chance for each in of_dear_new) < sum(each.chance for each in of_new)
    assert sum(each.chance for each in of_dear_new) > 0.5, (
        "the one with no votes is not forgotten for its price"
    )


def test_before_the_first_vote_every_pair_is_as_good() -> None:
    found = suggestions(None, [model("lab/a"), model("lab/b"), model("lab/c")], {})
    assert [round(each.chance, 3) for each in found] == [0.333, 0.333, 0.333]
    assert suggestions(None, [model("lab/a")], {}) == []
