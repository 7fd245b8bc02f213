"""Every page as every role, from the list of pages: a new one cannot be forgotten."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path
from typing import cast

import pytest
from streamlit.testing.v1 import AppTest

from components import (
    batch_words,
    battle_words,
    leaderboard_words,
    model_words,
    prompt_words,
    request_words,
    team_words,
    words,
)
from identity.permissions import Permission, may
from identity.principal import TeamRole
from tests.identity.house import ROLES
from tests.pages import examples, fakes, reading
from tests.pages.conftest import NAVIGATION, OpenPage
from tests.pages.fakes import World
from tests.pages.test_team import as_role

Build = Callable[..., World]
# What on a page is for whoever may send prompts: absent, where a role may only look.
FOR_SENDERS = {
    "battle.py": battle_words.START,
    "batches.py": batch_words.NEW,
    "models.py": model_words.ASK,
    "leaderboard.py": leaderboard_words.START,
    "prompts.py": prompt_words.NEW,
}
PAGES = tuple(sorted(set(NAVIGATION.parent.glob("*.py")) - {NAVIGATION, NAVIGATION.parent / "__init__.py"}))


def needed(page: Path) -> Permission:
    (permission,) = re.findall(r'guard\.enter\("(\w+)"\)', page.read_text(encoding="utf-8"))
    return cast(Permission, permission)


@pytest.mark.parametrize(("role", "operator"), [*((role, False) for role in ROLES), ("auditor", True)])
def test_each_page_opens_for_whom_the_table_says_tells_the_others_why_and_leads_where_one_may(
    build: Build, open_page: OpenPage, role: TeamRole, operator: bool
) -> None:
    world = as_role(build, role, operator=operator)
    principal = world.services.identity.principal()
    world.log(*(examples.answered(fakes.EMBEDDED, first_ms=200.0) for _ in range(3)))
    asked_by = {page.stem.replace("operator_desk", "operator"): needed(page) for page in PAGES}
    for page in PAGES:
        at = open_page(page.name, run="run_1", model=fakes.EMBEDDED)  # a link in hand leads nowhere else
        said, allowed = reading.texts(at), may(principal, needed(page))
        assert (words.NOT_PERMITTED in said) is not allowed, page.name
        if not allowed:
            assert "owners" in said or team_words.FOR_OPERATORS in said, page.name
            assert not at.button and not at.text_area, page.name
        elif page.name in FOR_SENDERS:
            assert (FOR_SENDERS[page.name] in labels(at)) is may(principal, "run_models"), page.name
        for link in at.get("page_link"):  # leads to nothing that is closed
            assert may(principal, asked_by[link.proto.page or "playground"]), (page.name, link.proto.label)


def labels(at: AppTest) -> set[str]:
    """Of everything that is pressed."""
    pressed = {each.proto.label for kind in ("button", "page_link") for each in at.get(kind)}
    return pressed | {each.proto.popover.label for each in at.get("popover")}


def test_the_list_of_pages_asks_what_the_pages_ask() -> None:
    listed = re.findall(r'\("(\w+\.py)", .*, "(\w+)"\),', NAVIGATION.read_text(encoding="utf-8"))
    assert dict(listed) == {page.name: needed(page) for page in PAGES if page.name != "shared.py"}


@pytest.mark.parametrize(("role", "starts"), [("viewer", request_words.REQUESTS), ("auditor", words.CREDITS)])
def test_who_may_not_send_prompts_starts_where_they_may_look(
    build: Build, open_page: OpenPage, role: TeamRole, starts: str
) -> None:
    as_role(build, role)
    at = open_page()
    assert [title.value for title in at.title] == [starts]
