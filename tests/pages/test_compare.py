"""Models beside each other: what is shown of each, what is best, what is not known, and the address."""

from __future__ import annotations

import time

from battles.leaderboard import Wish
from components import compare_words as say, model_words, session
from tests.pages import fakes, reading, voted
from tests.pages.conftest import OpenPage
from tests.pages.fakes import World
from tests.telemetry.example_rows import attempt, request

_MODELS = "openai/gpt-4.1,openai/gpt-4.1-mini"


def test_nothing_is_compared_before_two_are_picked(world: World, open_page: OpenPage) -> None:
    at = open_page("compare.py")
    assert say.PICK in reading.texts(at)
    at.multiselect(key=session.COMPARED).set_value(["openai/gpt-4.1", fakes.EMBEDDED]).run()
    said = reading.texts(at)
    assert say.PRICE in said and say.SPEED in said and model_words.STAYS_HERE in said


def test_the_address_names_the_models_and_keeps_up_with_the_reader(world: World, open_page: OpenPage) -> None:
    at = open_page("compare.py", models=f"{_MODELS},nobody/nothing")
    assert at.multiselect(key=session.COMPARED).value == _MODELS.split(",")
    at.multiselect(key=session.COMPARED).set_value(["openai/gpt-4.1-mini", fakes.EMBEDDED]).run()
    assert at.query_params["models"] == f"openai/gpt-4.1-mini,{fakes.EMBEDDED}"


def test_the_cheapest_of_a_row_is_told_in_a_word(world: World, open_page: OpenPage) -> None:
    said = reading.texts(open_page("compare.py", models=_MODELS))
    # 8,000 in and 2,000 out: $2 and $8 a million, $0.40 and $1.60 a million.
    assert "$0.032" in said and f"$0.0064 <small>{say.LOWEST}</small>" in said


def test_speed_stands_there_with_its_n_and_few_samples_win_nothing(world: World, open_page: OpenPage) -> None:
    now_ms = time.time_ns() // 1_000_000
    slow = [request(model="openai/gpt-4.1", ended_at_ms=now_ms - no) for no in range(30)]
    quick = [
        request(
            model="openai/gpt-4.1-mini", ended_at_ms=now_ms - no, attempts=(attempt(first_answer_ms=52.0),)
        )
        for no in range(5)
    ]
    world.log(*slow, *quick)
    said = reading.texts(open_page("compare.py", models=_MODELS))
    assert "30</small>" in said and "5</small>" in said
    assert say.FASTEST not in said  # of one with enough samples there is no fastest


def test_votes_of_the_team_stand_there_with_their_interval_and_n(world: World, open_page: OpenPage) -> None:
    assert say.NO_VOTES in reading.texts(open_page("compare.py", models=_MODELS))
    world.votes.votes += voted.troubled()
    rated = [row.rating.setup.model for row in world.services.leaderboard.view(fakes.PRINCIPAL, Wish()).rows]
    said = reading.texts(open_page("compare.py", models=",".join(rated[:2])))
    assert say.RATING in said and say.WIN_COST in said and say.NO_VOTES not in said
