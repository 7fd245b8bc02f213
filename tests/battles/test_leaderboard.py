"""The leaderboard of a team: new votes move it, a rigged voter, a leaning team and a newcomer are in it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import pytest

from battles.comparisons import Comparison
from battles.leaderboard import Leaderboard, View, Wish, view_of, with_usage
from battles.ratings_choice import Passes
from battles.ratings_slices import Slice
from battles.ratings_votes import Setup
from identity.errors import NotPermitted
from identity.principal import Principal
from tests.battles.voting import Box, Crowd, lane, model, people, vote

SIX = {f"lab/m{number}": strength for number, strength in enumerate((-0.6, -0.3, -0.1, 0.1, 0.3, 0.6))}
VIEWER = Principal(team_id=1, team_name="Lab", user_id=9, role="viewer", operator=False)


def seen(votes: Sequence[Comparison], wish: Wish | None = None) -> View:
    return with_usage(view_of(votes, wish or Wish(), {}), {"lab/m5": 30, "lab/m0": 10})


def test_without_a_vote_there_is_a_view_that_says_so() -> None:
    view = Leaderboard(Box()).view(VIEWER, Wish())
    assert (view.votes, view.all_votes, view.rated, view.rows) == (0, 0, None, ())


def test_a_new_vote_moves_the_board_at_once_and_only_what_is_new_is_read_again() -> None:
    box = Box([vote("lab/a", "lab/b", "left", no=number) for number in range(9)])
    board = Leaderboard(box)
    first = board.view(VIEWER, Wish())
    assert board.view(VIEWER, Wish()) is first
    box.votes.append(vote("lab/a", "lab/b", "right", no=500))
    second = board.view(VIEWER, Wish())
    assert (first.votes, second.votes) == (9, 10)
    assert second.rows[0].rating.interval.value < first.rows[0].rating.interval.value
    assert box.since[0] == 0 and box.since[-1] > 0


def test_a_team_sees_its_own_votes_alone_and_only_who_may_read_runs() -> None:
    box = Box([vote("lab/a", "lab/b", "left", no=1), vote("lab/a", "lab/b", "left", no=2, team_id=2)])
    assert Leaderboard(box).view(VIEWER, Wish()).all_votes == 1
    with pytest.raises(NotPermitted):
        Leaderboard(box).view(replace(VIEWER, role="auditor"), Wish())


def test_other_teams_votes_are_an_operators_to_see() -> None:
    box = Box([vote("lab/a", "lab/b", "left", no=team, team_id=team) for team in (1, 2, 3)])
    operator = replace(VIEWER, operator=True)
    board = Leaderboard(box, lambda team_id: {"lab/a": 5})
    assert board.view(operator, Wish(teams=(2, 3))).votes == 2
    assert board.view(operator, Wish(teams=(2,))).rows[0].usage is None, "usage is the reader's own team's"
    assert board.view(operator, Wish()).votes == 1
    with pytest.raises(NotPermitted):
        board.view(VIEWER, Wish(teams=(2,)))


def test_a_rigged_voter_is_named_with_who_would_be_first_without() -> None:
    crowd = Crowd(SIX, seed=1, taste=0.2)
    honest = crowd.votes(480, voters=people(8))
    votes = honest + crowd.stuffed(700, "lab/m0", "user:66")
    view = seen(votes)
    (named,) = view.odd
    assert (named.odd.voter, named.odd.finding, named.odd.setup) == ("user:66", "favours", model("lab/m0"))
    assert view.rows[0].rating.setup == model("lab/m0") != named.first_without
    without = seen(votes, Wish(slice=Slice(without=frozenset({"user:66"}))))
    assert without.votes == 480 and without.odd == ()
    assert without.rows[0].rating.setup == named.first_without


def test_a_leaning_team_and_a_newcomer_with_one_vote_are_seen() -> None:
    votes = Crowd(SIX, seed=2, side=1.2).votes(400, voters=people(6))
    view = seen([*votes, vote("lab/new", "lab/m5", "left", no=9_000)])
    assert view.rated is not None and view.rated.side.any_low > 0
    new = view.row(model("lab/new"))
    assert new is not None and new.rating.provisional and new.rating.votes == 1
    assert not new.cheapest_as_good, "who is provisional decides nothing"


def test_usage_stands_beside_wins() -> None:
    view = seen(Crowd(SIX, seed=3).votes(200))
    best, worst = view.row(model("lab/m5")), view.row(model("lab/m0"))
    assert best is not None and worst is not None
    assert (best.usage, worst.usage, best.usage_n) == (0.75, 0.25, 40)
    assert best.measured.total.share > worst.measured.total.share


def test_what_a_won_battle_costs_is_told_by_model() -> None:
    cheap, dear = lane("lab/a", cost_nano_usd=1_000), lane("lab/b", cost_nano_usd=9_000)
    box = Box([vote(cheap, dear, "left" if number < 6 else "right", no=number) for number in range(8)])
    told = Leaderboard(box).cost_of_wins(VIEWER)
    assert (told["lab/a"].wins, told["lab/a"].votes, told["lab/a"].enough) == (6, 8, False)
    assert told["lab/a"].nano_usd == pytest.approx(1_000 / 0.75)
    assert told["lab/b"].nano_usd == pytest.approx(9_000 / 0.25)


def test_pass_rates_reach_the_advice() -> None:
    cheap, dear = lane("lab/a", cost_nano_usd=1_000), lane("lab/b", cost_nano_usd=9_000)
    votes = [vote(cheap, dear, "left" if number % 2 else "right", no=number) for number in range(60)]
    wish = Wish(reference=model("lab/b"))
    passes = {(model("lab/a"), model("lab/b")): (Passes(10, 40), Passes(39, 40))}
    advice = view_of(votes, wish, passes).recommendation
    assert advice is not None and advice.candidates[0].verdict == "worse"


def test_set_ups_of_prompts_have_a_board_of_their_own() -> None:
    old, new = lane("lab/a", prompt_version_id="v1"), lane("lab/a", prompt_version_id="v2")
    view = seen([vote(new, old, "left", no=number) for number in range(5)], Wish(board="prompt"))
    assert [row.rating.setup for row in view.rows] == [Setup("lab/a", "v2"), Setup("lab/a", "v1")]
    assert view.rows[0].usage is None, "requests are counted by model, not by set-up"
