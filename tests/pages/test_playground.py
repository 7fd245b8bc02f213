"""The start page: what is offered, what is sent, what is said when nothing can be."""

from __future__ import annotations

import re
import time
from collections.abc import Callable
from dataclasses import replace

import pytest
from streamlit.testing.v1 import AppTest

from billing.errors import CapReached, InsufficientCredits, LedgerUnavailable
from components import battle_session, session, starters, words
from gateway.catalog import CatalogOverrides
from gateway.errors import Draining, GatewayError, TooManyRequests
from gateway.messages import Message
from gateway.runs import Failure
from telemetry.rows import AttemptRow
from tests.pages import examples, fakes, reading
from tests.pages.conftest import OpenPage
from tests.pages.fakes import World

Build = Callable[..., World]
RETIRED = "openai/codex-mini"


def send(at: AppTest, prompt: str) -> AppTest:
    at.text_area(key=session.DRAFT).set_value(prompt)
    next(each for each in at.button if each.label == words.SEND).click()
    return at.run()


def asked(at: AppTest) -> list[str]:
    """The runs whose answers are on the page."""
    return [view["run"] for view in reading.views(at, "run_view")]


def test_an_empty_page_offers_three_prompts_on_the_embedded_model(world: World, open_page: OpenPage) -> None:
    at = open_page()
    assert at.selectbox(key=session.MODEL).value == fakes.EMBEDDED
    offered = {each.label for each in at.button}
    assert {starter.label for starter in starters.STARTERS} <= {words_unescaped(each) for each in offered}
    assert words.DEMONSTRATION in reading.badges(at)
    assert asked(at) == []


def words_unescaped(label: str) -> str:
    return label.replace("\\", "")


def test_a_starter_is_sent_at_once_with_its_examples(world: World, open_page: OpenPage) -> None:
    at = open_page()
    at.button(key="starter-extract").click().run()
    (request,) = world.gateway.asked
    assert [message.role for message in request.messages] == [
        "user",
        "assistant",
        "user",
        "assistant",
        "user",
    ]
    assert at.query_params["run"] == asked(at)[0]
    assert [each.label for each in at.expander] == ["2 example turns before this prompt"]


def test_a_prompt_that_was_taken_leaves_the_box_and_its_run_is_in_the_address(
    world: World, open_page: OpenPage
) -> None:
    at = send(open_page(), "What is a joust?")
    assert at.text_area(key=session.DRAFT).value == ""
    assert at.query_params["run"] == asked(at)[0]
    assert "What is a joust?" in reading.texts(at)


def test_the_next_prompt_carries_the_conversation(world: World, open_page: OpenPage) -> None:
    at = send(send(open_page(), "Why is the sky blue?"), "And at night?")
    first, second = (run for run in world.gateway.runs)
    assert second.parent_run_id == first.id
    assert second.messages == (
        Message.of("user", "Why is the sky blue?"),
        Message.of("assistant", world.gateway.answer),
        Message.of("user", "And at night?"),
    )
    assert asked(at) == [first.id, second.id]


def test_a_turn_that_failed_without_text_is_not_sent_again(world: World, open_page: OpenPage) -> None:
    world.gateway.waits = True
    at = send(open_page(), "First")
    (run,) = world.gateway.runs
    world.gateway.end(run, "failed", Failure("ProviderTimeout", "The provider sent no token within 120 s."))
    send(at, "Second")
    assert world.gateway.asked[-1].messages == (Message.of("user", "Second"),)


def test_while_an_answer_is_written_the_next_prompt_stays_in_the_box(
    world: World, open_page: OpenPage
) -> None:
    world.gateway.waits = True
    at = send(send(open_page(), "First"), "Second")
    assert words.STILL_ANSWERING in reading.texts(at)
    assert at.text_area(key=session.DRAFT).value == "Second"
    assert len(world.gateway.asked) == 1


def test_nothing_is_sent_without_a_prompt(world: World, open_page: OpenPage) -> None:
    at = send(open_page(), "   ")
    assert words.TYPE_FIRST in reading.texts(at)
    assert world.gateway.asked == []


@pytest.mark.parametrize(
    ("refusal", "said"),
    [
        (Draining(), words.DRAINING),
        (TooManyRequests("This team has 100 requests running, which is its limit.", 2), "in 2 seconds"),
        (LedgerUnavailable("down"), words.LEDGER_DOWN),
        (CapReached("member", "1", 2_000_000, 1_000_000, None), "The spending cap of this member"),
        (TimeoutError(), words.NO_ANSWER_IN_TIME),
        (GatewayError("something new"), words.BROKEN),
    ],
)
def test_a_refusal_says_what_to_do_and_loses_nothing(
    world: World, open_page: OpenPage, refusal: Exception, said: str
) -> None:
    world.gateway.refuses = refusal
    at = send(open_page(), "Keep this")
    assert said in reading.texts(at)
    assert at.text_area(key=session.DRAFT).value == "Keep this"
    assert "run" not in at.query_params
    world.gateway.refuses = None
    assert said not in reading.texts(send(at, "Keep this"))


def test_without_credit_the_page_says_when_more_comes_and_how_to_add_it(
    world: World, open_page: OpenPage
) -> None:
    world.gateway.refuses = InsufficientCredits(410_000, 12, 1_797_854_400_000)
    at = send(open_page(), "Anything")
    said = reading.texts(at)
    assert "This needs $0.00041 and < $0.000001 can be spent." in said
    assert "21 Dec" in said and words.GRANT_COMMAND in said


def test_without_enough_credit_a_model_that_it_is_enough_for_is_one_press_away(
    build: Build, open_page: OpenPage
) -> None:
    world = build(absent={})
    at = open_page(model="openai/gpt-4.1")
    world.gateway.refuses = InsufficientCredits(30_000_000, 900_000, None)
    at = send(at, "Anything")
    cheapest = "mistral/ministral-8b"
    at.button(key=f"take-{cheapest}").click().run()
    assert at.selectbox(key=session.MODEL).value == cheapest
    assert at.text_area(key=session.DRAFT).value == "Anything"


def test_an_address_opens_its_conversation(world: World, open_page: OpenPage) -> None:
    first = asked(send(open_page(), "What is a joust?"))[0]
    at = open_page(run=first)
    assert asked(at) == [first]
    assert "What is a joust?" in reading.texts(at)


def test_an_address_of_nobodys_run_says_so_and_offers_a_start(world: World, open_page: OpenPage) -> None:
    at = open_page(run="run_of_another_team")
    assert words.RUN_NOT_FOUND in reading.texts(at)
    assert not at.button(key="starter-sky").disabled


def test_a_new_conversation_leaves_the_address(world: World, open_page: OpenPage) -> None:
    at = send(open_page(), "What is a joust?")
    at.button(key="new").click().run()
    assert "run" not in at.query_params
    assert asked(at) == []


def test_a_link_in_the_navigation_does_not_lose_the_conversation(world: World, open_page: OpenPage) -> None:
    at = send(open_page(), "What is a joust?")
    run_id = asked(at)[0]
    at.switch_page("credits.py").run()
    del at.query_params["run"]  # as the browser does
    at.switch_page("playground.py").run()
    assert asked(at) == [run_id]
    assert at.query_params["run"] == run_id


def test_retry_asks_the_same_beside_the_answer_that_was_there(world: World, open_page: OpenPage) -> None:
    at = send(send(open_page(), "First"), "Second")
    at.button(key="retry").click().run()
    first, second, again = (run for run in world.gateway.runs)
    assert (again.messages, again.parent_run_id) == (second.messages, first.id)
    assert asked(at) == [first.id, again.id]


def test_settings_go_with_the_request_and_what_a_model_does_not_take_is_named(
    build: Build, open_page: OpenPage
) -> None:
    world = build(absent={})
    at = open_page()
    at.number_input(key=session.sampling_key("temperature")).set_value(0.7)
    at.text_area(key=session.SYSTEM).set_value("Answer in one word.")
    at.run()
    send(at, "Colour of the sky?")
    sent = world.gateway.asked[-1]
    assert sent.sampling.temperature == 0.7
    assert sent.messages[0] == Message.of("system", "Answer in one word.")
    at.selectbox(key=session.MODEL).set_value("openai/gpt-5.4-mini").run()
    assert "temperature was left out: GPT-5.4 mini does not take it." in words_unescaped(reading.badges(at))


def test_what_the_gateway_changed_stands_under_the_prompt(build: Build, open_page: OpenPage) -> None:
    build(absent={})
    at = open_page()
    at.number_input(key=session.sampling_key("temperature")).set_value(0.7).run()
    at.selectbox(key=session.MODEL).set_value("openai/gpt-5.4-mini").run()
    assert "Temperature was left out: GPT-5.4 mini does not take it." in reading.texts(send(at, "Hello"))


def test_a_retired_model_can_be_looked_at_and_names_its_successor(world: World, open_page: OpenPage) -> None:
    at = open_page(model=RETIRED)
    said = reading.texts(at)
    assert "openai/codex-mini was retired on 2026-02-12." in said
    assert "Its successor is" in said
    assert words.RETIRED in reading.badges(at)
    assert all(each.disabled for each in at.button if each.label == words.SEND)


def test_a_stand_in_answers_for_a_retired_model_and_is_named(build: Build, open_page: OpenPage) -> None:
    world = build(overrides=CatalogOverrides(stand_ins={RETIRED: fakes.EMBEDDED}))
    at = open_page(model=RETIRED)
    assert "SmolLM2 135M answers in its place" in reading.texts(at)
    send(at, "Hello")
    assert [run.model_id for run in world.gateway.runs] == [fakes.EMBEDDED]


def test_a_model_without_its_key_says_which_key(world: World, open_page: OpenPage) -> None:
    at = open_page(model="openai/gpt-4.1")
    assert "Set OPENAI_API_KEY and start again." in reading.texts(at)
    assert all(each.disabled for each in at.button if each.label == words.SEND)


def test_the_list_can_be_searched_by_maker_and_says_what_answers(world: World, open_page: OpenPage) -> None:
    labels = open_page().selectbox(key=session.MODEL).options
    assert labels[0] == "SmolLM2 135M · Hugging Face · demonstration · $0.10 / $0.40 · 2K"
    assert "GPT-4.1 · OpenAI · not available here · $2.00 / $8.00 · 1.05M" in labels
    assert "Codex Mini · OpenAI · retired · 200K" in labels
    assert "Steady · Simulated · $0.10 / $0.40 · 32K" in labels


def test_without_the_embedded_model_the_page_says_why_and_starts_with_another(
    build: Build, open_page: OpenPage
) -> None:
    build(demonstration_note="no wheel of its engine exists for this platform")
    at = open_page()
    assert "No wheel of its engine exists for this platform." in reading.texts(at)
    assert at.selectbox(key=session.MODEL).value != fakes.EMBEDDED
    assert words.SIMULATED in reading.badges(at)


def test_the_speed_of_a_model_is_shown_once_it_is_known(world: World, open_page: OpenPage) -> None:
    world.log(examples.answered(fakes.EMBEDDED, first_ms=118.0))
    at = open_page()
    assert "ms to first token" in reading.texts(at)
    at.selectbox(key=session.MODEL).set_value(fakes.STEADY).run()
    assert words.NO_SPEED in reading.texts(at)


def test_the_code_is_that_of_the_prompt_on_the_page(world: World, open_page: OpenPage) -> None:
    at = send(open_page(), "What is a joust?")
    for snippet in at.code[:3]:
        assert "What is a joust?" in snippet.value
        assert fakes.EMBEDDED in snippet.value
        assert "http://localhost:8501/v1" in snippet.value
        assert "TILTYARD_API_KEY" in snippet.value


def test_an_auditor_may_not_send_prompts(build: Build, open_page: OpenPage) -> None:
    build(role="auditor")
    at = open_page(run="run_1")
    assert words.NOT_PERMITTED in reading.texts(at)
    assert not at.text_area


def test_what_was_typed_is_never_read_as_markup(world: World, open_page: OpenPage) -> None:
    prompt = '<img src=x onerror="alert(1)"> **bold** [link](http://example.com)'
    at = send(open_page(), prompt)
    drawn = reading.html(at)
    assert "<img" not in drawn
    assert "&lt;img src=x onerror=&quot;alert(1)&quot;&gt; **bold** [link](http://example.com)" in drawn


# --- several providers ------------------------------------------------------------------------------

_TWO = CatalogOverrides(
    providers={"lab": {"base_url": "https://lab.invalid/v1"}, "backup": {"base_url": "https://b.invalid/v1"}},
    models=[
        {
            "id": "lab/pair",
            "context_tokens": 32_768,
            "max_output_tokens": 4_096,
            "input_usd_per_million": "1",
            "output_usd_per_million": "2",
            "providers": [{"id": "lab", "model": "a"}, {"id": "backup", "model": "b"}],
        }
    ],
)


def test_who_is_asked_in_which_order_stands_above_the_box_where_several_can(
    build: Build, open_page: OpenPage
) -> None:
    build(overrides=_TWO)
    at = open_page()
    assert "Asked in this order" not in reading.texts(at)
    at.selectbox(key=session.MODEL).set_value("lab/pair").run()
    order = "Asked in this order: Lab then Backup at $1.00 in, $2.00 out a million tokens"
    assert order in reading.texts(at)


def test_an_answer_that_took_two_providers_lists_both(world: World, open_page: OpenPage) -> None:
    world.gateway.trail = (
        AttemptRow(1, "lab", "a", "provider_fault", last_ms=12.0, status=500, error="ProviderRefused"),
        AttemptRow(2, "backup", "b", "ok", sent_ms=13.0, first_answer_ms=230.0),
    )
    at = send(open_page(), "Why is the sky blue?")
    at.run()
    [trail] = [each for each in at.expander if each.label == "2 providers were asked"]
    assert [words_unescaped(each.value) for each in trail.caption] == [
        "1. lab did not answer (ProviderRefused, status 500), after 12 ms.",
        "2. backup answered, first token after 230 ms.",
    ]


# --- what it would cost -----------------------------------------------------------------------------


def typed(open_page: OpenPage, draft: str) -> str:
    """What the page says while this stands in the box, before anything is sent."""
    at = open_page()
    at.session_state[session.DRAFT] = draft
    return reading.texts(at.run())


def test_what_a_prompt_would_cost_stands_there_before_it_is_sent(world: World, open_page: OpenPage) -> None:
    assert words.QUOTE_EMPTY in typed(open_page, "")
    said = typed(open_page, "Why is the sky blue?")
    assert "About $0.000026" in said and "at most likely $0.0001" in said
    assert re.search(r"Holds \$0\.00041\d*, leaves \$4\.9999\d+: 34 days at this pace\.", said)
    assert world.gateway.asked == []
    (quoted, *_) = world.services.quotes.asked  # type: ignore[attr-defined]  # of the fake
    assert [message.text for message in quoted.messages] == ["Why is the sky blue?"]


def test_a_prompt_that_cannot_be_sent_says_so_before_it_is_sent_and_how_to_add_credit(
    world: World, open_page: OpenPage
) -> None:
    world.gateway.refuses = InsufficientCredits(410_000, 12, None)
    said = typed(open_page, "Why is the sky blue?")
    assert "This needs $0.00041 and < $0.000001 can be spent." in said
    assert words.GRANT_COMMAND in said and words.ADD_CREDIT_HELP in said


def test_the_cost_of_nothing_is_not_asked_and_a_cut_hold_is_said(world: World, open_page: OpenPage) -> None:
    typed(open_page, "   ")
    assert world.services.quotes.asked == []  # type: ignore[attr-defined]  # of the fake
    world.statements.money = replace(
        world.statements.money, balance_nano_usd=300_000, available_nano_usd=300_000
    )
    at = open_page()
    at.session_state[session.DRAFT] = "Hello"
    (line,) = (each for each in at.run().caption if "Holds" in each.value)
    assert "cut short" in line.help


def glance(at: AppTest) -> list[str]:
    """What the empty page says at a glance: each line leads somewhere."""
    return [each.proto.label for each in at.get("page_link")]


def test_the_empty_page_says_what_is_left_what_answers_and_that_nothing_is_broken(
    world: World, open_page: OpenPage
) -> None:
    told = glance(open_page())
    for part in (words.ALL_WELL, "5.00 can be spent", "models answer"):
        assert any(part in each for each in told), (part, told)
    now_ms = time.time_ns() // 1_000_000
    world.log(*(examples.failed(fakes.EMBEDDED, now_ms - no) for no in range(10)))
    told = glance(open_page())
    assert any("SmolLM2 135M" in each for each in told)
    assert not any(words.ALL_WELL in each for each in told)


def test_the_ready_battle_waits_with_two_models_and_the_first_prompt(
    world: World, open_page: OpenPage
) -> None:
    at = open_page()
    at.button(key="starter-battle").click().run()
    assert at.session_state[battle_session.DRAFT] == starters.STARTERS[0].prompt
