"""Voters unlike the others are named, with how; honest ones are not."""

from __future__ import annotations

from battles.ratings_voters import odd_voters
from battles.ratings_votes import ballots_of
from tests.battles.voting import Crowd, model, people

SIX = {f"lab/m{number}": strength for number, strength in enumerate((-0.6, -0.3, -0.1, 0.1, 0.3, 0.6))}


def test_a_voter_who_stuffs_the_box_for_one_model_is_named_with_it() -> None:
    crowd = Crowd(SIX, seed=1, taste=0.2)
    votes = crowd.votes(480, voters=people(8)) + crowd.stuffed(90, "lab/m0", "user:66")
    (odd,) = odd_voters(ballots_of(votes, "model"))
    assert (odd.voter, odd.finding, odd.setup) == ("user:66", "favours", model("lab/m0"))
    assert odd.share == 1.0 and odd.expected < 0.55 and odd.strength > 1


def test_a_voter_who_takes_the_left_one_is_named_with_the_side() -> None:
    crowd = Crowd(SIX, seed=2, taste=0.2)
    votes = crowd.votes(480, voters=people(8)) + crowd.votes(60, voters=["user:77"], leans=4.0)
    (odd,) = odd_voters(ballots_of(votes, "model"))
    assert (odd.voter, odd.finding, odd.setup) == ("user:77", "left side", None)
    assert odd.share > 0.8 and 0.4 < odd.expected < 0.6


def test_a_voter_who_turns_every_vote_around_is_named() -> None:
    truth = {"lab/a": 2.0, "lab/b": 0.0, "lab/c": -2.0}
    honest = Crowd(truth, seed=3).votes(300, voters=people(5))
    contrary = Crowd({name: -strength for name, strength in truth.items()}, seed=4)
    contrary.no = 5_000
    odd = odd_voters(ballots_of(honest + contrary.votes(60, voters=["user:88"]), "model"))
    assert [each.voter for each in odd] == ["user:88"]


def test_a_stuffed_box_larger_than_all_honest_ones_makes_no_honest_voter_look_odd() -> None:
    crowd = Crowd(SIX, seed=5)
    votes = crowd.votes(480, voters=people(8)) + crowd.stuffed(400, "lab/m0", "user:66")
    assert [each.voter for each in odd_voters(ballots_of(votes, "model"))] == ["user:66"]


def test_honest_voters_with_tastes_of_their_own_are_left_alone() -> None:
    named = 0
    for seed in range(10):
        crowd = Crowd(SIX, seed=100 + seed, taste=0.4)
        named += bool(odd_voters(ballots_of(crowd.votes(300, voters=people(8)), "model")))
    assert named <= 1


def test_of_a_voter_with_few_votes_nothing_is_said() -> None:
    crowd = Crowd(SIX, seed=6)
    votes = crowd.votes(200, voters=people(4)) + crowd.stuffed(8, "lab/m0", "user:66")
    assert odd_voters(ballots_of(votes, "model")) == []
    assert odd_voters(ballots_of([], "model")) == []
