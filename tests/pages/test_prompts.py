"""The page of prompts, and the way from it into the playground and back."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest
from streamlit.testing.v1 import AppTest

from battles.models import Settings
from battles.prompt_figures import UsedRun, figures_of
from battles.prompt_values import VersionWish
from components import opened_words, prompt_words as say, words
from gateway.messages import CompletionRequest, Message, Sampling
from gateway.runs import Figures
from identity.principal import TeamRole
from tests.pages import fakes, reading
from tests.pages.conftest import OpenPage
from tests.pages.fakes import World
from tests.pages.test_team import as_role

Build = Callable[..., World]
CITY = Settings(
    system="You find cities.",
    template="The city of: {{sentence}}",
    sampling=Sampling(max_output_tokens=40, temperature=0.5, stop=("END",)),
)


@pytest.fixture
def here(build: Build) -> World:
    world = as_role(build, "owner")
    world.services.prompts.create(fakes.PRINCIPAL, "city", VersionWish(CITY, fakes.STEADY, None, "first"))
    return world


def field(page: AppTest, label: str) -> Any:
    return next(found for found in (*page.text_area, *page.text_input) if found.label == label)


def press(page: AppTest, label: str) -> AppTest:
    return next(button for button in page.button if button.label == label).click().run()


def test_without_prompts_the_page_says_where_they_come_from(build: Build, open_page: OpenPage) -> None:
    as_role(build, "owner")
    assert say.NONE in reading.texts(open_page("prompts.py"))


def test_a_prompt_is_edited_into_its_next_version(here: World, open_page: OpenPage) -> None:
    page = open_page("prompts.py", prompt="city")
    assert field(page, say.TEMPLATE).value == CITY.template
    field(page, say.TEMPLATE).input("City of {{sentence}}, as JSON")
    page = press(page, say.SAVE)
    newest = here.services.prompts.served(fakes.PRINCIPAL, "city")
    assert newest.no == 2
    assert newest.settings == replace(CITY, template="City of {{sentence}}, as JSON")
    assert newest.model == fakes.STEADY
    page = press(page, say.SAVE)
    assert say.UNCHANGED in reading.texts(page)


def test_somebody_elses_newer_version_is_not_lost(here: World, open_page: OpenPage) -> None:
    page = open_page("prompts.py", prompt="city")
    here.services.prompts.save(fakes.PRINCIPAL, "city", VersionWish(Settings(template="theirs")))
    field(page, say.TEMPLATE).input("mine")
    press(page, say.SAVE)
    assert here.services.prompts.served(fakes.PRINCIPAL, "city").settings.template == "theirs"


def test_two_versions_are_compared_and_one_is_labelled(here: World, open_page: OpenPage) -> None:
    changed = replace(CITY, template="The town of: {{sentence}}", sampling=Sampling(temperature=0.1))
    here.services.prompts.save(fakes.PRINCIPAL, "city", VersionWish(changed, fakes.STEADY))
    page = open_page("prompts.py", prompt="city")
    drawn = reading.texts(page)
    assert "<del>" in drawn and "city</del>" in drawn and "town</ins>" in drawn
    assert "max_output_tokens" in drawn and "temperature" in drawn
    press(page, say.MOVE_LABEL)
    assert here.services.prompts.served(fakes.PRINCIPAL, "city", label="production").no == 2


def test_a_version_opens_in_the_playground_and_is_counted_while_unchanged(
    here: World, open_page: OpenPage
) -> None:
    here.services.prompts.put_rows(fakes.PRINCIPAL, "city", [{"sentence": "Anna lives in Bremen."}])
    version = here.services.prompts.served(fakes.PRINCIPAL, "city")
    page = press(open_page("prompts.py", prompt="city"), say.TO_PLAYGROUND)
    assert opened_words.opened_plainly("city 1") in reading.texts(page)
    press(page, words.SEND)
    asked = here.gateway.asked[-1]
    assert [message.text for message in asked.messages] == [
        "You find cities.",
        "The city of: Anna lives in Bremen.",
    ]
    assert (asked.model, asked.sampling) == (fakes.STEADY, CITY.sampling)
    assert asked.prompt_version_id == version.id


def test_two_versions_are_set_against_each_other(here: World, open_page: OpenPage) -> None:
    here.services.prompts.save(fakes.PRINCIPAL, "city", VersionWish(replace(CITY, template="{{sentence}}?")))
    here.services.prompts.put_rows(fakes.PRINCIPAL, "city", [{"sentence": "Anna lives in Bremen."}])
    page = press(open_page("prompts.py", prompt="city"), say.TO_BATTLE)
    picked = [box.value for box in page.selectbox if str(box.key).endswith("-version")]
    assert picked == [("city", 2), ("city", 1)]
    assert "Anna lives in Bremen." in [area.value for area in page.text_area]


def test_what_was_asked_becomes_a_version(build: Build, open_page: OpenPage) -> None:
    world = as_role(build, "member")
    page = open_page()
    page.text_area(key="playground-draft").set_value("Why is the sky blue?")
    page = press(page, words.SEND)
    field(page, say.NAME).input("sky")
    press(page, say.SAVE)
    assert world.services.prompts.served(fakes.PRINCIPAL, "sky").settings.template == "Why is the sky blue?"


@pytest.mark.parametrize("role", ["viewer", "member"])
def test_a_viewer_reads_and_saves_nothing(build: Build, open_page: OpenPage, role: TeamRole) -> None:
    world = as_role(build, role)
    world.services.prompts.create(fakes.PRINCIPAL, "city", VersionWish(CITY))
    labels = {button.label for button in open_page("prompts.py", prompt="city").button}
    assert (say.SAVE in labels) is (say.MOVE_LABEL in labels) is (role == "member")


def test_an_unknown_prompt_is_told_and_not_made(here: World, open_page: OpenPage) -> None:
    assert say.UNKNOWN in reading.texts(open_page("prompts.py", prompt="<b>"))


def test_figures_say_how_many_samples_they_have() -> None:
    def run(state: str, ms: float, cost: int | None, *, shares_cpu: bool = False) -> UsedRun:
        return UsedRun(state, Figures(first_answer_ms=ms, total_ms=2 * ms, cost_nano_usd=cost), shares_cpu)

    found = figures_of(
        [
            run("done", 10, 100),
            run("done", 30, 300),
            run("done", 5, None, shares_cpu=True),
            run("failed", 1, 0),
            run("stopped", 2, 2),
        ],
        [1.0, 0.5, 0.0, 0.0],
    )
    assert (found.runs, found.success, found.ended) == (5, 0.75, 4)
    assert (found.cost_nano_usd, found.costed) == (100, 4)  # (100 + 300 + 0 + 2) / 4
    assert (found.first_answer_p50_ms, found.first_answer_p95_ms, found.timed) == (10, 30, 2)
    assert (found.win_rate, found.votes) == (0.375, 4)
    assert figures_of([]).success is None


def test_what_the_page_has_no_field_for_comes_along() -> None:
    from components.asking import Settings as Page
    from components.opened import Opened

    asked = CompletionRequest(
        "lab/fast",
        (
            Message.of("system", "s"),
            Message.of("user", "a"),
            Message.of("assistant", "b"),
            Message.of("user", "c"),
        ),
        Sampling(temperature=0.5, top_k=4),
        prompt_version_id="prv_" + "0" * 32,
    )
    opened = Opened("x", asked)
    same = opened.with_page(Page("lab/fast", "s", Sampling(temperature=0.5)), "c")
    assert same == asked
    assert opened.with_page(Page("lab/fast", "s", Sampling(temperature=0.5)), "d").prompt_version_id is None
    assert opened.with_page(Page("lab/fast", "s", Sampling()), "c").sampling == Sampling(top_k=4)
    assert opened.comes_along() == ("2 earlier messages",)
