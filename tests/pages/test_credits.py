"""What the team has, what is held, and each entry opened."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import replace

import pytest
from streamlit.testing.v1 import AppTest

import runtime
from billing.commands import Line
from billing.errors import LedgerUnavailable
from billing.statements import OpenHold
from components import paging, words
from tests.pages import examples, fakes, reading
from tests.pages.conftest import OpenPage
from tests.pages.fakes import World

NOON_MS = 1_795_262_400_000  # 2026-11-21 12:00 UTC


def test_before_the_first_prompt_the_allowance_is_there_and_nothing_has_moved(
    world: World, open_page: OpenPage
) -> None:
    world.statements.money = replace(world.statements.money, next_allowance_at_ms=None)
    at = open_page("credits.py")
    assert reading.metrics(at) == ["$5.00", "$0.00", "$5.00", "$0.00"]
    said = reading.texts(at)
    assert words.NO_ENTRIES in said and words.ALLOWANCE_WITH_FIRST in said and words.NO_HOLDS in said


def test_the_date_of_the_next_allowance_names_its_zone(world: World, open_page: OpenPage) -> None:
    world.statements.money = replace(world.statements.money, next_allowance_at_ms=NOON_MS)
    assert "Next $5.00 on 21 Nov, 12:00 (UTC)" in reading.texts(open_page("credits.py"))


def test_a_team_that_pays_is_told_that_no_allowance_comes(world: World, open_page: OpenPage) -> None:
    world.statements.money = replace(world.statements.money, next_allowance_at_ms=None, ends_allowance=True)
    assert words.ALLOWANCE_ENDED in reading.texts(open_page("credits.py"))


def test_what_runs_hold_is_shown_run_by_run(world: World, open_page: OpenPage) -> None:
    world.statements.hold(OpenHold("run_1", fakes.EMBEDDED, 410_000, 89_200, NOON_MS, NOON_MS + 60_000))
    at = open_page("credits.py")
    assert reading.metrics(at)[:2] == ["$4.99959", "$0.00041"]
    assert "by 1 run" in reading.texts(at)
    assert "SmolLM2 135M" in reading.html(at) and "$0.000089200" in reading.html(at)


def test_entries_stand_newest_first_with_amount_and_balance(world: World, open_page: OpenPage) -> None:
    world.statements.journal = examples.journal(NOON_MS)
    (table,) = open_page("credits.py").dataframe
    rows = table.value
    assert list(rows["what"])[:2] == ["Credit given", "SmolLM2 135M"]
    assert list(rows["amount"])[:2] == ["+$2.000000000", "\N{MINUS SIGN}$0.000089200"]
    assert list(rows["what"])[-1] == "Allowance"
    assert list(rows["balance"])[-1] == "$5.000000000"


def test_a_long_history_is_read_page_by_page(world: World, open_page: OpenPage) -> None:
    entries = [examples.run_entry(seq, NOON_MS + seq, 5_000_000_000 - seq) for seq in range(1, 71)]
    world.statements.journal = tuple(reversed(entries))
    at = open_page("credits.py")
    assert len(at.dataframe[0].value) == paging.PAGE
    next(each for each in at.button if each.label == words.OLDER).click().run()
    assert len(at.dataframe[0].value) == 70 - paging.PAGE
    assert all(each.disabled for each in at.button if each.label == words.OLDER)
    next(each for each in at.button if each.label == words.NEWER).click().run()
    assert len(at.dataframe[0].value) == paging.PAGE


def test_while_the_ledger_cannot_be_read_the_pages_say_so_and_stand(
    build: Callable[..., World], open_page: OpenPage, monkeypatch: pytest.MonkeyPatch
) -> None:
    world = build()

    def refuse(*_: object) -> None:
        raise LedgerUnavailable("The ledger cannot be read now.")

    monkeypatch.setattr(world.statements, "balance", refuse)
    assert words.LEDGER_UNREADABLE in reading.texts(open_page())
    assert words.LEDGER_DOWN in reading.texts(open_page("credits.py"))


def opened(world: World, seq: int) -> str:
    """One entry of the example journal, opened."""
    world.statements.journal = examples.journal(time.time_ns() // 1_000_000)
    runtime.install(world.services)

    def page(seq: int) -> None:
        import runtime
        from components import entries, model_names

        services = runtime.current()
        (entry,) = (each for each in services.statements.entries(1, 50) if each.seq == seq)
        entries.show_one(entry, model_names.of(services.catalog), "Europe/Berlin")

    return reading.texts(AppTest.from_function(page, args=(seq,)).run())


def test_an_opened_run_shows_its_bill_its_postings_and_its_hash(world: World) -> None:
    said = opened(world, 3)
    assert "36 \N{MULTIPLICATION SIGN} $0.10 / 1M" in said and "$0.0000036" in said
    assert "214 \N{MULTIPLICATION SIGN} $0.40 / 1M" in said and "$0.0000856" in said
    assert "$0.000089200" in said
    assert "Team: allowance" in said and "\N{MINUS SIGN}$0.000089200" in said
    assert "Spent on models" in said and "+$0.000089200" in said
    assert "$0.000000000" in said
    assert "Entry 3" in said and "demonstration series" in said and "price list 2026-11-21" in said
    (entry,) = (each for each in examples.journal(0) if each.seq == 3)
    assert entry.hash in said


def test_an_opened_gift_shows_why_it_was_given(world: World) -> None:
    said = opened(world, 14)
    assert "A gift for the demonstration" in said
    assert "Issued" in said and "+$2.000000000" in said


def test_an_estimated_bill_and_what_was_written_off_are_said(world: World) -> None:
    lines = (Line("input", 3, 333_333), Line("tool_call", 2, 10_000_000_000))
    entry = replace(examples.run_entry(1, NOON_MS, 0, lines), estimated=True, writeoff_nano_usd=7, key_id=3)

    def page(entry: object) -> None:
        from components import entries

        entries.show_one(entry, str, None)  # type: ignore[arg-type]

    said = reading.texts(AppTest.from_function(page, args=(entry,)).run())
    assert words.ESTIMATED in said
    assert "$0.000000007 of it was more than the hold" in said
    assert "2 \N{MULTIPLICATION SIGN} $0.01" in said
    assert "$0.020001000" in said  # 20,000,999,999 pico-dollars, rounded up to the nano-dollar
