"""The team page and the operator's page, as each role sees them; sign-in itself is the browser tests'."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import replace

import pytest

from components import team_words as say, words
from identity.local import LocalIdentity
from identity.permissions import role_may
from identity.principal import TeamRole
from identity.tables import UserRow
from tests.identity.house import ROLES
from tests.pages import fakes, reading
from tests.pages.conftest import OpenPage
from tests.pages.fakes import World

Build = Callable[..., World]


def as_role(build: Build, role: TeamRole, *, operator: bool = False) -> World:
    world = build(role=role, connecting=True)
    LocalIdentity.open(world.services.people.teams._database, make_key=False)
    world.services.identity._principal = replace(fakes.PRINCIPAL, role=role, operator=operator)
    return world


@pytest.mark.parametrize("role", ROLES)
def test_what_a_role_may_not_do_is_absent_or_says_why(
    build: Build, open_page: OpenPage, role: TeamRole
) -> None:
    as_role(build, role)
    page = open_page("team.py")
    labels = {button.label for button in page.button}
    assert (say.INVITE in labels) is role_may(role, "manage_members")
    assert (say.MAKE_KEY in labels) is role_may(role, "make_keys")
    assert (say.TRUST in labels) is role_may(role, "manage_issuers")
    assert (say.EXPORT_PREPARE in labels) is role_may(role, "export_team")
    said = reading.texts(page)
    if not role_may(role, "manage_policy"):
        assert say.RULES_NEED_OWNER in said
        assert all(field.disabled for field in page.checkbox if field.label == say.RULE_ZERO)
    if not role_may(role, "make_keys"):
        assert say.KEYS_NOT_YOURS in said


@pytest.mark.parametrize("role", [role for role in ROLES if role_may(role, "make_keys")])
def test_a_key_is_shown_once(build: Build, open_page: OpenPage, role: TeamRole) -> None:
    as_role(build, role)
    page = open_page("team.py")
    next(field for field in page.text_input if field.label == say.KEY_NAME).input("laptop")
    next(button for button in page.button if button.label == say.MAKE_KEY).click().run()
    shown = [block.value for block in page.code if block.value.startswith("ty_")]
    assert len(shown) == 1 and len(shown[0]) == 52
    page.run()
    assert [block.value for block in page.code if block.value.startswith("ty_")] == []
    assert shown[0] not in reading.texts(page)


def test_rules_that_make_no_sense_are_refused_where_they_were_typed(
    build: Build, open_page: OpenPage
) -> None:
    world = as_role(build, "owner")
    page = open_page("team.py")
    next(field for field in page.text_input if field.label == say.RULE_MODELS).input("openai/*")
    next(field for field in page.text_input if field.label == say.RULE_DEFAULT).input("lab/other")
    next(button for button in page.button if button.label == say.SAVE_RULES).click().run()
    assert [error.value.replace("\\", "") for error in page.error] == [
        "default_model must be one of the allowed models."
    ]
    next(field for field in page.text_input if field.label == say.RULE_DEFAULT).input("openai/gpt-5")
    next(button for button in page.button if button.label == say.SAVE_RULES).click().run()
    principal = world.services.identity.principal()
    assert world.services.people.teams.show(principal, 1).policy.default_model == "openai/gpt-5"


def test_only_an_operator_sees_the_operators_page(build: Build, open_page: OpenPage) -> None:
    as_role(build, "owner", operator=True)
    page = open_page("operator_desk.py")
    assert [metric.value for metric in page.metric] == ["$5.00 of $1,000.00"]
    assert say.GRANT in {button.label for button in page.button}
    assert any(say.LOG_WHOLE in caption.value for caption in page.caption)


def test_a_viewer_is_told_why_the_playground_is_not_theirs(build: Build, open_page: OpenPage) -> None:
    as_role(build, "viewer")
    said = reading.texts(open_page(run="run_1"))
    assert words.NOT_PERMITTED in said
    assert say.not_yours("viewer", "Local", "Send prompts, start battles", ("owner", "member")) in said


def test_the_audit_log_names_people_and_not_their_numbers(build: Build, open_page: OpenPage) -> None:
    world = as_role(build, "owner")
    people, principal = world.services.people, world.services.identity.principal()
    made = people.teams.invite(principal, 1, "auditor")
    with people.teams._database.session() as session:
        session.add(UserRow(id=55, name="Grace", created_ms=1))
    people.teams.accept(55, made.secret)
    said = reading.texts(open_page("team.py"))
    assert re.search(r"member joined</td><td[^>]*>Grace<", said)
    assert f">invitation {made.invitation.id}, auditor<" in said
