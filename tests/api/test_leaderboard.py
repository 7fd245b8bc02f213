"""/v1/leaderboard as a program reads it."""

from __future__ import annotations

import pytest

from tests.api.conftest import World
from tests.battles.voting import vote
from tests.pages import voted


async def test_ratings_come_with_intervals_and_what_to_know_before_relying_on_them(world: World) -> None:
    world.ballots.votes += voted.troubled()
    told = (await world.get("/v1/leaderboard")).json
    assert told["object"] == "leaderboard" and told["votes"] == 881
    first, last = told["data"][0], told["data"][-1]
    assert first["rank"]["best"] == 1 and not first["provisional"]
    low, high = first["rating"]["one_look"]
    wide_low, wide_high = first["rating"]["any_look"]
    assert wide_low < low < first["rating"]["points"] < high < wide_high
    assert (last["model"], last["rank"]) == (voted.NEWCOMER, None)
    assert last["provisional_because"] == ["few votes", "one opponent"]
    odd = {each["finding"]: each["of"] for each in told["odd_voters"]}
    assert odd["left side"] is None and odd["favours"]["model"] == voted.FAVOURED
    assert told["stability"]["votes"] == 881
    assert told["recommendation"]["reference"]["model"] == first["model"]
    assert (
        sum(each["wins"] + each["losses"] + each["ties"] + each["both_bad"] for each in told["wins"]) == 881
    )


async def test_slices_margin_and_reference_are_asked_for_in_the_address(world: World) -> None:
    world.ballots.votes += voted.by_a_team()
    coding = (await world.get("/v1/leaderboard?category=coding&language=de")).json
    assert 0 < coding["votes"] < 100 and coding["slice"]["category"] == "coding"
    held = (await world.get("/v1/leaderboard?reference=openai/gpt-4.1-mini&margin=0.2")).json
    assert held["recommendation"]["reference"]["model"] == "openai/gpt-4.1-mini"
    assert held["recommendation"]["margin"] == 0.2
    assert (await world.get("/v1/leaderboard?stage=final")).json["votes"] == 600
    assert (await world.get("/v1/leaderboard?voters=judges")).json["data"] == []


async def test_odd_voters_are_left_out_where_that_is_asked(world: World) -> None:
    world.ballots.votes += voted.troubled()
    told = (await world.get("/v1/leaderboard?leave_out_odd=true")).json
    assert (told["votes"], told["slice"]["voters_left_out"], told["odd_voters"]) == (601, 2, [])


@pytest.mark.parametrize(
    ("query", "param"),
    [
        ("board=nobody", "board"),
        ("stage=third", "stage"),
        ("voters=cats", "voters"),
        ("category=cooking", "category"),
        ("margin=nan", "margin"),
        ("margin=0.5", "margin"),
        ("margin=ten", "margin"),
        ("leave_out_odd=perhaps", "leave_out_odd"),
        ("board=prompt&reference=a/b", "reference"),
        (f"tag={'x' * 201}", "tag"),
    ],
)
async def test_what_cannot_be_asked_is_refused_by_name(world: World, query: str, param: str) -> None:
    answered = await world.get(f"/v1/leaderboard?{query}")
    assert (answered.status, answered.error["param"]) == (400, param)


async def test_another_teams_votes_are_not_in_it(world: World) -> None:
    world.ballots.votes += [
        vote("lab/a", "lab/b", "left", no=1),
        vote("lab/a", "lab/b", "left", no=2, team_id=2),
    ]
    assert (await world.get("/v1/leaderboard")).json["votes"] == 1
