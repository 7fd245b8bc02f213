"""The leaderboard page says what the votes say, and what they do not."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import pytest
from streamlit.testing.v1 import AppTest

from battles.comparisons import Comparison
from components import leaderboard_words as say
from tests.battles.voting import lane, vote
from tests.pages import reading, voted
from tests.pages.conftest import OpenPage
from tests.pages.fakes import World

Build = Callable[..., World]


@pytest.fixture
def shown(build: Build, open_page: OpenPage) -> Callable[..., AppTest]:
    def show(votes: Sequence[Comparison], **facts: object) -> AppTest:
        build(**facts).votes.votes += votes
        return open_page("leaderboard.py")

    return show


def test_without_votes_it_says_where_they_come_from(shown: Callable[..., AppTest]) -> None:
    said = reading.texts(shown([]))
    assert say.NONE in said and say.NONE_ADVICE in said


def test_ratings_stand_with_interval_rank_wins_usage_price_and_speed_and_how_many_are_behind_each(
    shown: Callable[..., AppTest],
) -> None:
    said = reading.texts(shown(voted.by_a_team()))
    assert "GPT-4.1 leads with" in said and "the votes leave rank" in said
    assert "600 votes by 8 voters on" in said
    for head in (say.RATING, say.ANY_LOOK, say.RANK, say.WIN_SHARE, say.USAGE_SHARE, say.COST, say.TOOK):
        assert head in said
    assert "25.0 %" in said, "50 of 200 requests asked GPT-4.1 mini"


def test_a_rigged_voter_one_who_leans_left_and_a_model_with_one_vote_are_said_to_be_so(
    shown: Callable[..., AppTest],
) -> None:
    page = shown(voted.troubled())
    warnings = " ".join(each.value for each in page.warning)
    said = reading.texts(page)
    assert "Member 66 votes for Ministral 3 8B unlike all others" in warnings
    assert "Member 77 takes the left answer" in warnings
    assert (
        "Gemini 3.1 Flash Lite is provisional with 1 vote: fewer than 30 votes, met one other only." in said
    )


def test_who_may_not_manage_members_is_not_told_who_votes_oddly(shown: Callable[..., AppTest]) -> None:
    warnings = " ".join(each.value for each in shown(voted.troubled(), role="viewer").warning)
    assert "One voter votes for Ministral 3 8B" in warnings and "Member 66" not in warnings


def test_leaving_odd_voters_out_is_the_readers_choice(shown: Callable[..., AppTest]) -> None:
    page = shown(voted.troubled())
    (toggle,) = [each for each in page.toggle if each.label == say.WITHOUT_ODD]
    toggle.set_value(True).run()
    warnings = " ".join(each.value for each in page.warning)
    assert "Member 66" not in warnings and "601 votes by 8 voters" in reading.texts(page)


def test_a_team_that_leans_to_the_left_is_told_so(shown: Callable[..., AppTest]) -> None:
    leaning = [
        vote("openai/gpt-4.1", "openai/gpt-4.1-mini", "left" if number % 8 else "right", no=number)
        if number % 2
        else vote("openai/gpt-4.1-mini", "openai/gpt-4.1", "left" if number % 7 else "right", no=number)
        for number in range(120)
    ]
    assert "This team leans to the left" in " ".join(each.value for each in shown(leaning).warning)


def test_the_cheapest_that_is_not_worse_follows_the_margin_and_the_reference(
    shown: Callable[..., AppTest],
) -> None:
    page = shown(voted.by_a_team(2_400, voters=12))
    said = reading.texts(page)
    assert "GPT-4.1 mini" in said and say.VERDICT in said and say.STILL in said
    page.selectbox(key="leaderboard-reference").set_value(
        page.selectbox(key="leaderboard-reference").options[1]
    )
    page.number_input(key="leaderboard-margin").set_value(20).run()
    assert not page.exception


def test_slices_are_offered_with_their_votes_and_narrow_the_board(shown: Callable[..., AppTest]) -> None:
    page = shown(voted.by_a_team())
    category = page.selectbox(key="leaderboard-category")
    (coding,) = [each for each in category.options if each.startswith("coding")]
    category.set_value("coding").run()
    votes = coding.removeprefix("coding (").removesuffix(")")
    assert f"{votes} votes by" in reading.texts(page)


def test_what_speed_changes_after_the_reveal_is_told_with_its_interval(shown: Callable[..., AppTest]) -> None:
    said = reading.texts(shown(voted.by_a_team()))
    assert "600 votes cast twice" in said and say.MOVED in said and "of 100" in said


def test_controlled_conditions_show_the_noise_and_the_provider_that_differs(
    shown: Callable[..., AppTest],
) -> None:
    said = reading.texts(shown(voted.controlled()))
    assert "Noise floor" in said and "azure against openai" in said and say.DIFFERS in said


def test_set_ups_of_prompts_have_their_own_board_with_the_settings_in_words(
    shown: Callable[..., AppTest],
) -> None:
    model = "openai/gpt-4.1"
    cold = lane(model, settings="t0", settings_words="temperature 0")
    votes = [vote(cold, lane(model), "left", no=number) for number in range(12)]
    page = shown(votes)
    assert say.NONE_SUCH in reading.texts(page)
    page.segmented_control(key="leaderboard-board").set_value("prompt").run()
    assert "temperature 0" in reading.texts(page)


@pytest.mark.parametrize(("choice", "votes"), [(1, "3 votes by"), (0, "8 votes by"), (2, "5 votes by")])
def test_an_operator_reads_another_teams_votes_or_all(
    build: Build, open_page: OpenPage, choice: int, votes: str
) -> None:
    world = build()
    people, operator = world.services.people, world.services.identity.principal()
    own, other = (people.teams.create(operator, name).id for name in ("Local", "Support"))
    assert (own, other) == (operator.team_id, 2)
    world.votes.votes += [vote("openai/gpt-4.1", "openai/gpt-4.1-mini", "left", no=no) for no in range(3)]
    world.votes.votes += [
        vote("openai/gpt-4.1", "openai/gpt-4.1-mini", "right", no=no, team_id=other) for no in range(10, 15)
    ]
    page = open_page("leaderboard.py")
    assert [*page.selectbox(key="leaderboard-teams").options] == ["Local", say.ALL_TEAMS, "Support"]
    page.selectbox(key="leaderboard-teams").set_value(choice).run()
    assert votes in reading.texts(page)
