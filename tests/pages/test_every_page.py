"""Every page as every role, from the list of pages: a new one cannot be forgotten."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path
from typing import cast

import pytest

from components import words
from identity.permissions import Permission, may
from identity.principal import TeamRole
from tests.identity.house import ROLES
from tests.pages import reading
from tests.pages.conftest import NAVIGATION, OpenPage
from tests.pages.fakes import World
from tests.pages.test_team import as_role

Build = Callable[..., World]
PAGES = tuple(sorted(set(NAVIGATION.parent.glob("*.py")) - {NAVIGATION, NAVIGATION.parent / "__init__.py"}))


def needed(page: Path) -> Permission:
    (permission,) = re.findall(r'guard\.enter\("(\w+)"\)', page.read_text(encoding="utf-8"))
    return cast(Permission, permission)


@pytest.mark.parametrize("operator", [False, True], ids=["", "operator"])
@pytest.mark.parametrize("role", ROLES)
def test_each_page_opens_for_whom_the_table_says_and_tells_the_others_why(
    build: Build, open_page: OpenPage, role: TeamRole, operator: bool
) -> None:
    world = as_role(build, role, operator=operator)
    principal = world.services.identity.principal()
    for page in PAGES:
        said, allowed = opened(open_page, page), may(principal, needed(page))
        assert (said is None or words.NOT_PERMITTED in said) is not allowed, page.name


def opened(open_page: OpenPage, page: Path) -> str | None:
    """What the page says; None where the navigation does not have it."""
    try:
        return reading.texts(open_page(page.name))
    except ValueError as error:
        if "Could not find a navigation page" in str(error):
            return None
        raise
