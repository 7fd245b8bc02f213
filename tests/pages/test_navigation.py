"""What stands around every page: the list of pages, the tab, and the foot of the navigation."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import replace

from components import words
from tests.pages import examples, fakes, reading
from tests.pages.conftest import OpenPage
from tests.pages.fakes import World


def test_the_foot_says_whose_credit_how_much_and_when_more_comes(world: World, open_page: OpenPage) -> None:
    world.statements.money = replace(
        world.statements.money, available_nano_usd=4_998_237_123, next_allowance_at_ms=1_797_854_400_000
    )
    said = reading.texts(open_page())
    assert "**Local**" in said and "$4.998237 can be spent" in said and "Next $5.00 on 21 Dec" in said
    assert words.ALL_WELL in said


def test_the_foot_names_what_is_wrong(build: Callable[..., World], open_page: OpenPage) -> None:
    world = build(demonstration_note="it is switched off")
    world.gateway.draining = True
    now_ms = time.time_ns() // 1_000_000
    world.log(*(examples.failed(fakes.EMBEDDED, now_ms - 1_000) for _ in range(6)))
    said = reading.texts(open_page())
    assert words.NO_DEMONSTRATION in said and words.DRAINING in said
    assert "SmolLM2 135M: 0.0 % success" in said
    assert words.ALL_WELL not in said


def test_a_few_failures_are_no_alarm(world: World, open_page: OpenPage) -> None:
    now_ms = time.time_ns() // 1_000_000
    world.log(*(examples.failed(fakes.EMBEDDED, now_ms - 1_000) for _ in range(4)))
    assert words.ALL_WELL in reading.texts(open_page())


def test_a_balance_falls_on_the_page_when_a_run_has_ended(world: World, open_page: OpenPage) -> None:
    at = open_page()
    world.statements.money = replace(world.statements.money, available_nano_usd=4_999_910_800)
    assert "$4.99991 can be spent" in reading.texts(at.run())
