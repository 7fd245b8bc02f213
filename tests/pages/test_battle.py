"""The Battle page as Streamlit draws it: set-up, start, votes, history, and who may do what."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

from streamlit.testing.v1 import AppTest

from components import battle_words as say, words
from gateway.runs import Run
from tests.pages import reading
from tests.pages.conftest import OpenPage
from tests.pages.fakes import EMBEDDED, World

STEADY = "simulated/steady"
Build = Callable[..., World]


def opened(open_page: OpenPage, **query: str) -> AppTest:
    at = open_page("battle.py", **query)
    assert not at.exception
    return at


def press(at: AppTest, key: str) -> AppTest:
    at.button(key=key).click().run()
    assert not at.exception, at.exception[0].message
    return at


def start(at: AppTest, prompt: str = "Why is the sky blue?") -> AppTest:
    at.text_area(key="battle-draft").set_value(prompt)
    return press(at, "start-battle")


def address(at: AppTest) -> str:
    """The battle that the address names."""
    found = at.query_params["battle"]
    return found if isinstance(found, str) else str(found[0])


def heads(at: AppTest) -> list[dict[str, Any]]:
    """The lanes of the last turn on the page."""
    lanes: list[dict[str, Any]] = reading.views(at, "battle_view")[-1]["lanes"]
    return lanes


def blind(at: AppTest) -> AppTest:
    return at.toggle(key="battle-blind").set_value(True).run()


def test_two_lanes_stand_ready_and_a_battle_has_an_address_from_its_first_token(
    world: World, open_page: OpenPage
) -> None:
    at = start(opened(open_page))
    assert address(at).startswith("btl_")
    assert [lane["letter"] for lane in heads(at)] == ["A", "B"]
    assert all(lane["id"].startswith("lane_") and lane["name"] for lane in heads(at))
    assert at.text_area(key="battle-draft").value == ""


def test_an_address_names_lanes_and_a_prompt(world: World, open_page: OpenPage) -> None:
    at = opened(open_page, models=f"{EMBEDDED},{EMBEDDED},{EMBEDDED}", prompt="Say hello.")
    assert at.text_area(key="battle-draft").value == "Say hello."
    assert [box.value for box in at.selectbox if (box.key or "").endswith("-model")] == [EMBEDDED] * 3


def test_lanes_are_added_up_to_six_and_removed_down_to_two(world: World, open_page: OpenPage) -> None:
    at = opened(open_page)
    for _ in range(4):
        press(at, "add-lane")
    assert at.button(key="add-lane").disabled
    for slot in range(4):
        press(at, f"remove-lane-{slot}")
    assert at.button(key="remove-lane-4").disabled


def test_simulated_models_are_offered_in_a_fault_drill_alone_which_is_never_blind(
    world: World, open_page: OpenPage
) -> None:
    at = opened(open_page)
    assert STEADY not in at.selectbox(key="battle-lane-0-model").options
    at.toggle(key="battle-drill").set_value(True).run()
    assert any("Steady" in option for option in at.selectbox(key="battle-lane-0-model").options)
    assert at.toggle(key="battle-blind").disabled


def test_a_pinned_setting_is_the_lanes_own_and_the_rest_follows_all_lanes(
    world: World, open_page: OpenPage
) -> None:
    at = opened(open_page)
    at.number_input(key="battle-shared-temperature").set_value(0.7)
    at.button_group(key="battle-lane-1-own").set_value(["temperature"]).run()
    at.number_input(key="battle-lane-1-temperature").set_value(0.1).run()
    assert "Temperature 0.7" in reading.badges(at)
    assert "push_pin: Temperature 0.1" in reading.badges(at)
    start(at)
    assert [request.sampling.temperature for request in world.gateway.asked] == [0.7, 0.1]


def links(at: AppTest) -> list[str]:
    return [each.proto.label for each in at.get("page_link")]


def test_a_blind_battle_shows_no_name_until_the_vote_and_both_votes_are_kept(
    world: World, open_page: OpenPage
) -> None:
    at = start(blind(opened(open_page)))
    assert [(lane["name"], lane["about"], lane["colour"]) for lane in heads(at)] == [("", "", None)] * 2
    assert reading.views(at, "battle_view")[-1]["hidden"]
    assert say.request_of("A") not in links(at)
    at.button_group(key=next(group.key or "" for group in at.button_group)).set_value(["clear"])
    press(at, "vote-0")
    assert all(lane["name"] for lane in heads(at))
    assert {say.request_of("A"), say.request_of("B")} <= set(links(at))
    assert say.your_vote(say.better("A"), None) in reading.texts(at)
    assert at.button(key="vote-0").label == say.keep(say.better("A"))
    press(at, "vote-tie")
    assert say.your_vote(say.better("A"), say.TIE) in reading.texts(at)
    assert "vote-0" not in [button.key for button in at.button], "both votes are cast"


def test_of_three_lanes_one_press_names_the_best(world: World, open_page: OpenPage) -> None:
    at = press(opened(open_page), "add-lane")
    start(blind(at))
    press(at, "vote-1")
    assert say.your_vote("B is best", None) in reading.texts(at)


def test_a_follow_up_goes_on_and_an_earlier_turn_is_forked(world: World, open_page: OpenPage) -> None:
    at = start(opened(open_page))
    start(at, "And at night?")
    assert len(reading.views(at, "battle_view")) == 2
    fork = next(button.key or "" for button in at.button if (button.key or "").startswith("fork-"))
    press(at, fork)
    assert say.FORKING.format(no=1) in reading.texts(at)
    start(at, "And at dawn?")
    assert "And at dawn?" in reading.html(at)
    assert "And at night?" not in reading.html(at), "it stands beside"
    said = [[message.text for message in request.messages] for request in world.gateway.asked[-2:]]
    assert all(each[0] == "Why is the sky blue?" and each[-1] == "And at dawn?" for each in said)


def test_what_the_battle_costs_is_said_before_it_starts(world: World, open_page: OpenPage) -> None:
    at = opened(open_page, prompt="Say hello.")
    assert "for 2 lanes" in reading.texts(at)


def test_an_empty_prompt_starts_nothing(world: World, open_page: OpenPage) -> None:
    at = start(opened(open_page), " ")
    assert say.TYPE_FIRST in reading.texts(at)
    assert not world.gateway.asked


def test_the_history_finds_a_battle_by_its_prompt_and_opens_it(world: World, open_page: OpenPage) -> None:
    at = start(opened(open_page), "A very particular question")
    battle_id = address(at)
    press(at, "new-battle")
    at.text_input(key="battle-search").set_value("no such words").run()
    assert say.NO_MATCH in reading.texts(at)
    at.text_input(key="battle-search").set_value("PARTICULAR").run()
    press(at, f"open-{battle_id}")
    assert address(at) == battle_id


def test_a_lane_that_failed_is_asked_again_and_the_other_is_not(world: World, open_page: OpenPage) -> None:
    world.gateway.waits = True
    at = opened(open_page)
    at.button_group(key="battle-order").set_value("at_once").run()
    start(at)
    first, second = ended(world, "done", "failed")
    assert (first.state, second.state) == ("done", "failed")
    world.services.battles.retry(world.services.identity.principal(), address(at), turn_of(at))
    assert len(world.gateway.asked) == 3
    assert "asked 2 times" in [lane["about"] for lane in heads(at.run())][second_lane(at)]


def ended(world: World, *states: str) -> list[Run]:
    runs = list(world.gateway.runs)

    async def end() -> None:
        for run, state in zip(runs, states, strict=True):
            world.gateway.end(run, state)  # type: ignore[arg-type]  # a literal in each call

    world.loop.run(end())
    return runs


def turn_of(at: AppTest) -> str:
    turn: str = reading.views(at, "battle_view")[-1]["turn"]
    return turn


def second_lane(at: AppTest) -> int:
    return next(no for no, lane in enumerate(heads(at)) if "asked" in lane["about"])


def test_the_first_battle_is_one_press_three_votes_and_ten_checked_rows(
    world: World, open_page: OpenPage
) -> None:
    world.gateway.answer = "Bremen"
    at = press(opened(open_page), "start-first")
    for _ in range(3):
        assert reading.views(at, "battle_view")[-1]["hidden"]
        press(at, "vote-tie")
        if "next-row" in [button.key for button in at.button]:
            press(at, "next-row")
    for _ in range(50):  # the rows that nobody votes on are answered meanwhile
        if (result := say.first_result({"bare": 1, "with examples": 1}, 10)) in reading.texts(at):
            break
        time.sleep(0.1)
        at.run()
    assert result in reading.texts(at)
    assert reading.html(at).count("Bremen") >= 10


def test_a_viewer_looks_and_starts_nothing(build: Build, open_page: OpenPage) -> None:
    build(role="viewer")
    at = opened(open_page)
    assert say.READ_ONLY in reading.texts(at)
    assert not {"start-battle", "add-lane"} & {button.key for button in at.button}
    assert not at.text_area


def test_an_unknown_battle_says_so_and_offers_a_new_one(world: World, open_page: OpenPage) -> None:
    at = opened(open_page, battle="btl_0000")
    assert say.NOT_HERE in reading.texts(at)
    assert at.button(key="start-battle").label == say.START


def test_the_playground_takes_its_last_prompt_to_a_battle(world: World, open_page: OpenPage) -> None:
    at = open_page()
    at.text_area(key="playground-draft").set_value("Why is the sky blue?")
    at.button(key="send").click().run()
    at.button(key="to-battle").click().run()
    assert at.text_area(key="battle-draft").value == "Why is the sky blue?"
    assert at.selectbox(key="battle-lane-0-model").value == EMBEDDED
    assert words.PLAYGROUND not in reading.texts(at)
