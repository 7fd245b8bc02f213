"""The page that connects models, on real connections and a real server on loopback."""

from __future__ import annotations

from collections.abc import Callable

from streamlit.testing.v1 import AppTest

from components import connect_words as say, session
from tests.model_server import ModelServer
from tests.pages import reading
from tests.pages.conftest import OpenPage
from tests.pages.fakes import World

Build = Callable[..., World]


def press(at: AppTest, label: str) -> AppTest:
    next(each for each in at.button if each.label == label).click()
    return at.run()


def listed(at: AppTest, upstream: ModelServer) -> AppTest:
    """The page after its reader gave an address and asked for its models."""
    at.segmented_control(key=session.CONNECT_WAY).set_value(say.A_SERVER).run()
    at.text_input(key=session.CONNECT_NAME).set_value("Attic")
    at.text_input(key=session.CONNECT_ADDRESS).set_value(upstream.base_url)
    at.checkbox(key=session.CONNECT_PRIVATE).check().run()
    return press(at, say.LIST_MODELS)


def test_a_server_is_connected_after_one_of_its_models_answered(build: Build, open_page: OpenPage) -> None:
    with ModelServer() as upstream:
        world = build(connecting=True)
        at = listed(open_page("connect.py"), upstream)
        at.multiselect(key="connect-attic-models").set_value(["tiny:3b"])
        at.toggle(key="connect-attic-free").set_value(True).run()
        press(at, say.CHECK_AND_CONNECT)
    assert "Attic answers: \u201chello from tiny:3b\u201d. 1 model can be used now." in reading.texts(at)
    model = world.services.catalog.get("attic/tiny:3b")
    assert (model.context_tokens, model.prices[0].base.output) == (4096, 0)
    (kept,) = world.services.connections.all()
    press(at, say.DISCONNECT)
    assert kept.name == "Attic" and world.services.connections.all() == ()


def test_a_server_that_lists_but_cannot_answer_is_not_connected(build: Build, open_page: OpenPage) -> None:
    with ModelServer() as upstream:
        upstream.answers = False
        world = build(connecting=True)
        at = listed(open_page("connect.py"), upstream)
        at.multiselect(key="connect-attic-models").set_value(["tiny:3b"])
        at.text_input(key="connect-attic-input").set_value("0.50")
        at.text_input(key="connect-attic-answer").set_value("2")
        at.run()
        press(at, say.CHECK_AND_CONNECT)
    assert "The provider failed" in reading.texts(at)
    assert world.services.connections.all() == ()


def test_an_address_that_is_none_is_said_and_what_was_typed_stays(build: Build, open_page: OpenPage) -> None:
    build(connecting=True)
    at = open_page("connect.py")
    at.segmented_control(key=session.CONNECT_WAY).set_value(say.A_SERVER).run()
    at.text_input(key=session.CONNECT_NAME).set_value("Attic")
    at.text_input(key=session.CONNECT_ADDRESS).set_value("attic").run()
    press(at, say.LIST_MODELS)
    assert "not a web address" in reading.texts(at)
    assert at.text_input(key=session.CONNECT_ADDRESS).value == "attic"


def test_nothing_is_looked_for_before_somebody_asks(build: Build, open_page: OpenPage) -> None:
    build(connecting=True)
    at = open_page("connect.py")
    at.segmented_control(key=session.CONNECT_WAY).set_value(say.THIS_MACHINE).run()
    assert say.NONE_FOUND not in reading.texts(at)
    assert say.FIND in {each.label for each in at.button}


def test_a_teams_own_key_is_shown_by_its_end_alone(build: Build, open_page: OpenPage) -> None:
    world = build(connecting=True)
    at = open_page("connect.py")
    key = next(each for each in at.text_input if not each.key)
    key.set_value("sk-own-key-0123456789-wxyz")
    at.checkbox[0].check()
    press(at, say.USE_OWN_KEY)
    said = reading.texts(at)
    assert "...wxyz" in said and say.FALLS_BACK_NOTE in said and "0123456789" not in said
    press(at, say.REMOVE)
    assert world.services.provider_keys._kept == {}


def test_who_may_not_change_keys_is_told_so(build: Build, open_page: OpenPage) -> None:
    build(role="viewer", connecting=True)
    at = open_page("connect.py")
    assert not at.button or say.CHECK_AND_CONNECT not in {each.label for each in at.button}
