"""What a board says, and what it does not say yet."""

from __future__ import annotations

import math
from dataclasses import replace

import pytest

from battles.comparisons import Comparison, board_of
from battles.ratings import Rated, rate, win_share
from battles.ratings_slices import Slice, facets
from battles.ratings_stability import stability
from battles.ratings_tally import front, tally
from battles.ratings_votes import Setup, ballots_of
from tests.battles.voting import Crowd, lane, model, vote

FOUR = {"lab/a": 0.9, "lab/b": 0.3, "lab/c": -0.3, "lab/d": -0.9}


def rated_on(votes: list[Comparison]) -> Rated:
    rated = rate(ballots_of(votes, "model"))
    assert rated is not None
    return rated


def test_no_vote_is_no_rating() -> None:
    assert rate(ballots_of([], "model")) is None


def test_the_better_model_stands_first_and_the_average_is_a_thousand() -> None:
    rated = rated_on(Crowd(FOUR, seed=1).votes(600))
    assert [rating.setup.model for rating in rated.ratings] == ["lab/a", "lab/b", "lab/c", "lab/d"]
    assert sum(rating.interval.value for rating in rated.ratings) / 4 == pytest.approx(1000)
    first, last = rated.ratings[0], rated.ratings[-1]
    assert (first.best_rank, last.worst_rank) == (1, 4)
    assert (first.worst_rank or 9) < (last.best_rank or 0)
    assert not any(rating.provisional for rating in rated.ratings)
    assert rated.tie_share == pytest.approx(0.2, abs=0.06)


def test_a_model_with_one_vote_is_provisional_and_moves_nobody() -> None:
    votes = Crowd(FOUR, seed=2).votes(400)
    before = rated_on(votes)
    after = rated_on([*votes, vote("lab/new", "lab/a", "left", no=9_000)])
    new = after.of(model("lab/new"))
    assert new is not None and new.early == ("few votes", "one opponent") and new.votes == 1
    assert new.interval.value < after.ratings[0].interval.value + 200, "one win is not the top of the world"
    assert new.interval.high - new.interval.low > 400
    assert (new.best_rank, new.worst_rank) == (None, None) and after.ratings[-1] is new
    for rating in before.ratings:
        now = after.of(rating.setup)
        assert now is not None and now.interval.value == pytest.approx(rating.interval.value, abs=6)
        assert now.interval.high - now.interval.low == pytest.approx(
            rating.interval.high - rating.interval.low, rel=0.1
        )


def test_models_that_no_vote_links_are_said_to_stand_apart() -> None:
    votes = Crowd({"lab/a": 0.5, "lab/b": 0.0, "lab/c": -0.5}, seed=3).votes(200)
    island = Crowd({"far/x": 0.5, "far/y": -0.5, "far/z": 0.0}, seed=4).votes(120)
    rated = rated_on([*votes, *(replace(each, vote_id=f"far{each.vote_id}") for each in island)])
    apart = {rating.setup.model for rating in rated.ratings if "apart" in rating.early}
    assert apart in ({"far/x", "far/y", "far/z"}, {"lab/a", "lab/b", "lab/c"})


def test_a_team_that_leans_to_the_left_is_told_so_and_its_ratings_are_right_all_the_same() -> None:
    rated = rated_on(Crowd(FOUR, seed=5, side=1.0).votes(500))
    assert rated.side.any_low > 0
    assert rated.side.low < 1.0 * 400 / math.log(10) < rated.side.high
    assert rated.ratings[0].setup.model == "lab/a"
    fair = rated_on(Crowd(FOUR, seed=6).votes(500))
    assert fair.side.any_low < 0 < fair.side.any_high


@pytest.mark.parametrize("log_odds", [-2_000.0, -1.0, 0.0, 1.0, 2_000.0, math.inf, -math.inf])
def test_a_share_is_a_number_however_far_an_interval_reaches_after_one_vote(log_odds: float) -> None:
    assert 0 <= win_share(log_odds) <= 1
    assert win_share(log_odds) == pytest.approx(1 - win_share(-log_odds))


def test_the_votes_of_people_and_of_a_judge_are_never_in_one_board() -> None:
    people_say = [vote("lab/a", "lab/b", "left", no=number) for number in range(40)]
    judge_says = [
        vote("lab/a", "lab/b", "right", no=100 + number, voter="judge:lab/c", kind="judge")
        for number in range(60)
    ]
    both = people_say + judge_says
    assert facets(both).judges == 60
    for kind, first in (("person", "lab/a"), ("judge", "lab/b")):
        its = Slice(voter_kind=kind).of(both)  # type: ignore[arg-type]  # the two kinds there are
        assert {each.voter_kind for each in its} == {kind}
        assert rated_on(its).ratings[0].setup.model == first


def test_a_vote_feeds_the_model_board_only_where_the_lanes_differ_in_the_model_alone() -> None:
    plain = lane("lab/a")
    assert board_of(plain, lane("lab/b")) == "model"
    assert board_of(plain, lane("lab/b", settings="t0")) == "prompt"
    assert board_of(plain, lane("lab/a", prompt_version_id="v2")) == "prompt"
    assert board_of(plain, lane("lab/a", provider="other")) == "provider"
    assert board_of(plain, plain) == "provider"
    assert board_of(plain, lane("lab/b", output_chars=0)) == "none"


def test_on_the_prompt_board_the_whole_set_up_competes() -> None:
    old, new = lane("lab/a", prompt_version_id="v1"), lane("lab/a", prompt_version_id="v2")
    rated = rate(ballots_of([vote(new, old, "left", no=number) for number in range(20)], "prompt"))
    assert rated is not None
    assert [rating.setup for rating in rated.ratings] == [Setup("lab/a", "v2"), Setup("lab/a", "v1")]
    assert rate(ballots_of([vote(new, old, "left", no=1)], "model")) is None


def test_slices_hold_what_they_say() -> None:
    votes = [
        vote("lab/a", "lab/b", "left", no=1, category="coding", tags=("sql", "short")),
        vote("lab/a", "lab/b", "right", no=2, language="de", team_id=2),
        vote("lab/a", "lab/b", "right", no=3, stage="final", category="coding"),
    ]
    asked = facets(votes)
    assert (asked.categories, asked.tags) == ([("coding", 1)], [("sql", 1), ("short", 1)])
    assert (asked.languages, asked.teams) == ([("en", 1), ("de", 1)], [(1, 1), (2, 1)])
    assert [each.vote_id for each in Slice(category="coding").of(votes)] == ["vote_1"]
    assert [each.vote_id for each in Slice(tag="sql").of(votes)] == ["vote_1"]
    assert [each.vote_id for each in Slice(language="de").of(votes)] == ["vote_2"]
    assert [each.vote_id for each in Slice(team_id=2).of(votes)] == ["vote_2"]
    assert [each.vote_id for each in Slice(stage="final").of(votes)] == ["vote_3"]
    assert Slice(without=frozenset({"user:1"})).of(votes) == []


def test_the_first_place_that_hangs_on_few_votes_is_told_with_the_votes_it_hangs_on() -> None:
    close = Crowd({"lab/a": 0.1, "lab/b": 0.0, "lab/c": -1.0}, seed=8).votes(300)
    shaky = stability(rated_on(close))
    assert shaky is not None and shaky.dropped is not None and shaky.dropped <= 20
    assert shaky.then is not None and rated_on(close).ratings[0].setup == shaky.first
    wins = [each for each in close if _won_by(each, shaky.first.model, shaky.then.model)]
    gone = {each.vote_id for each in wins[: shaky.dropped]}
    assert rated_on([each for each in close if each.vote_id not in gone]).ratings[0].setup == shaky.then
    firm = stability(rated_on(Crowd({"lab/a": 2.5, "lab/b": -1.0, "lab/c": -1.5}, seed=9).votes(300)))
    assert firm is not None and firm.dropped is None


def _won_by(each: Comparison, one: str, other: str) -> bool:
    sides = each.left.model, each.right.model
    return (sides, each.outcome) in (((one, other), "left"), ((other, one), "right"))


def test_the_matrix_counts_each_outcome_and_the_prices_each_answer_once() -> None:
    cheap = lane("lab/a", cost_nano_usd=1_000, first_answer_ms=100.0, total_ms=900.0)
    dear = lane("lab/b", cost_nano_usd=9_000, first_answer_ms=None, total_ms=400.0)
    shared = "f" * 64
    votes = [
        vote(cheap, dear, "left", no=1, prompt=shared),
        replace(vote(dear, cheap, "left", no=2, voter="user:2", prompt=shared), battle_id="btl_1"),
        replace(vote(cheap, dear, "both_bad", no=3, voter="user:3", prompt=shared), battle_id="btl_1"),
        vote(cheap, dear, "tie", no=4),
    ]
    told = tally(votes, "model")
    a, b = model("lab/a"), model("lab/b")
    of_a = told.matrix[a, b]
    assert (of_a.wins, of_a.losses, of_a.ties, of_a.both_bad, of_a.votes) == (1, 1, 1, 1, 4)
    assert told.matrix[b, a].share == 0.5
    measured = told.measured[a]
    assert (measured.cost_n, measured.cost_nano_usd) == (2, 1_000)
    assert measured.cost_of_a_win_nano_usd == 4_000, "one vote in four won, at 1,000 an answer"
    assert told.measured[b].first_answer_ms is None and told.measured[b].first_answer_n == 0


def test_the_pareto_front_is_whoever_nobody_beats_at_their_price() -> None:
    points = {
        Setup("cheap"): (900.0, 1.0),
        Setup("good"): (1_100.0, 9.0),
        Setup("beaten"): (890.0, 2.0),
        Setup("twin"): (1_100.0, 9.0),
    }
    assert front(points) == {Setup("cheap"), Setup("good"), Setup("twin")}
