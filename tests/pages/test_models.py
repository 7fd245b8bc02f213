"""The list of models and a model's page: every fact of the catalog has its place, and nothing is guessed."""

from __future__ import annotations

import re
from collections.abc import Callable

import pytest
from streamlit.testing.v1 import AppTest

from components import model_facts as facts, model_words as say, session
from gateway.catalog import Catalog, Model
from tests.pages import fakes, reading, voted
from tests.pages.conftest import OpenPage
from tests.pages.fakes import World

Build = Callable[..., World]
NOW_MS = 1_795_000_000_000  # November 2026
CATALOG = Catalog.load()


@pytest.mark.parametrize("model", ["openai/codex-mini", "openai/gpt-5.1-codex-mini", fakes.EMBEDDED])
def test_a_models_page_has_every_section(world: World, open_page: OpenPage, model: str) -> None:
    said = reading.texts(open_page("models.py", model=model))
    known = CATALOG.get(model)
    for part in (
        known.name, known.summary, say.ABOUT, say.USE, say.PROVIDERS, say.PRICE, say.CAPABILITIES, say.LIMITS,
        say.DATA, say.QUESTIONS, say.REVIEW, say.SOURCES, say.MORE_BY, *known.best_for,
        *known.consider_others_for, *(fact.source for fact in known.facts.values()),
        *(conflict.value for conflict in known.conflicts),
    ):  # fmt: skip
        assert part in said, part


def test_a_retired_model_says_so_and_what_follows_and_cannot_be_tried(
    world: World, open_page: OpenPage
) -> None:
    said = reading.texts(open_page("models.py", model="codex-mini"))
    assert "Retired on 2026-02-12. Its successor is openai/gpt-5-codex-mini." in said
    assert say.TRY not in said


def test_a_prompt_on_the_page_is_answered_on_the_page(world: World, open_page: OpenPage) -> None:
    at = open_page("models.py", model=fakes.EMBEDDED)
    at.text_area(key=session.MODELS_PROMPT).set_value("Say hello")
    next(each for each in at.button if each.label == say.ASK).click()
    at.run()
    (request,) = world.gateway.asked
    assert (request.model, request.messages[-1].text) == (fakes.EMBEDDED, "Say hello")
    assert len(reading.views(at, "run_view")) == 1


def listed(at: AppTest) -> list[str]:
    """The models of the list, by their ids."""
    return re.findall(r'data-pick="([^"]+)"', reading.html(at))


def test_the_list_finds_by_word_maker_and_ability(world: World, open_page: OpenPage) -> None:
    at = open_page("models.py")
    assert len(listed(at)) == len(CATALOG.models())
    at.text_input(key=session.MODELS_SEARCH).set_value("codex pull request").run()
    assert listed(at) == ["openai/codex-mini", "openai/gpt-5.1-codex-mini"]
    at.text_input(key=session.MODELS_SEARCH).set_value("no model says this").run()
    assert say.NONE_SUCH in reading.texts(at)


def test_the_list_sorts_by_what_a_won_vote_costs_here(world: World, open_page: OpenPage) -> None:
    assert f"{say.WON_VOTE}<" not in reading.html(open_page("models.py")), "nobody has voted"
    world.votes.votes += voted.by_a_team()
    at = open_page("models.py")
    at.selectbox(key=session.MODELS_SORT).set_value(say.BY_WON_VOTE).run()
    costs = [
        float(each) for each in re.findall(rf'data-head="{say.WON_VOTE}">\$([0-9.]+)<', reading.html(at))
    ]
    assert len(costs) == len(voted.MODELS) and costs == sorted(costs)
    assert listed(at)[0] == fakes.EMBEDDED


def test_an_unknown_model_in_the_address_names_the_nearest(world: World, open_page: OpenPage) -> None:
    said = reading.texts(open_page("models.py", model="openai/codex-mimi"))
    assert "openai/codex-mini" in said


@pytest.mark.parametrize("model", CATALOG.models(), ids=lambda model: model.id)
def test_what_is_said_of_a_model_follows_from_its_facts(model: Model) -> None:
    endpoints = {name: (maker, here) for name, maker, here in facts.endpoints(model)}
    if model.answers:
        for name in facts.TRANSLATED:
            assert endpoints[facts.named(name)][1] in (say.YES, say.TRANSLATED)
    assert endpoints["Realtime"][1] == say.NO
    assert all(each.answered for each in facts.questions(model, CATALOG, NOW_MS))
    assert model not in facts.rivals(model, CATALOG, NOW_MS)


def test_the_worked_example_costs_what_the_price_says() -> None:
    """8,000 in at $1.50 and 2,000 out at $6.00 a million."""
    assert facts.one_request_nano_usd(CATALOG.get("openai/codex-mini"), NOW_MS) == 24_000_000


def test_the_next_days_of_a_model_are_counted_down() -> None:
    model = CATALOG.get("openai/gpt-5.1-codex-mini")
    before = facts.standing(model, facts.today_of(1_784_000_000_000))
    assert before is not None and before.startswith("Retires on 2026-07-23, in 9 days.")
