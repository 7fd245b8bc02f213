"""What the team has, what is held, and each entry opened."""

from __future__ import annotations

import re
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from streamlit.testing.v1 import AppTest

import runtime
from billing import audit_export
from billing.accounts import EntryKind
from billing.budgets import CapView
from billing.commands import Line, SetCap
from billing.errors import LedgerUnavailable
from billing.export import as_csv, as_json
from billing.statements import OpenHold, Statements
from billing.usage import Usage
from components import figure, paging, session, words
from tests.billing.seeded import seed
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
    said = reading.html(at)
    assert "SmolLM2 135M" in said and "$0.000089200" in said
    assert "run_1" in said and "12:01:00 (UTC)" in said  # whose it is, and when it expires


def test_a_link_from_the_request_log_opens_the_entry_of_its_run(world: World, open_page: OpenPage) -> None:
    world.statements.journal = examples.journal(NOON_MS)
    run_id = next(entry.run_id for entry in world.statements.journal if entry.run_id)
    at = open_page("credits.py", run=run_id)
    assert words.HASH in reading.texts(at)
    at.button[0].click().run()
    assert words.HASH not in reading.texts(at)
    assert words.NO_ENTRY_OF_RUN in reading.texts(open_page("credits.py", run="run_nobody"))


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


def test_spending_stands_by_day_in_a_chart_a_sentence_and_a_table(world: World, open_page: OpenPage) -> None:
    world.statements.journal = examples.journal(time.time_ns() // 1_000_000)
    at = open_page("credits.py")
    said = reading.texts(at)
    assert re.search(
        r"In the last 30 days: \$0\.0\d+ on paid models, \$0\.00\d+ in demonstration, by 12 runs\.", said
    )
    traces = drawn(at)
    assert [trace["name"] for trace in traces] == ["GPT-4.1", "SmolLM2 135M (demonstration)"]
    assert ["pattern" in trace["marker"] for trace in traces] == [False, True]
    charged = -sum(
        entry.amount_nano_usd for entry in world.statements.journal if entry.model == "openai/gpt-4.1"
    )
    assert sum(traces[0]["y"]) == pytest.approx(charged / 1_000_000_000)
    assert figure.exact_money(charged) in reading.html(at)


def test_the_chart_can_be_stacked_by_member_and_by_key(world: World, open_page: OpenPage) -> None:
    now_ms = time.time_ns() // 1_000_000
    entries = [
        examples.run_entry(seq, now_ms - seq, 0, model="openai/gpt-4.1", series="paid") for seq in (3, 2, 1)
    ]
    entries[0] = replace(entries[0], user_id=2, key_id=5)
    world.statements.journal = tuple(entries)
    at = open_page("credits.py")
    for by, names in (("member", ["You", "Member 2"]), ("key", ["In the pages", "Key 5"])):
        switch: Any = at.get("button_group")[0]
        switch.set_value(by).run()
        assert [trace["name"] for trace in drawn(at)] == names


def test_how_long_credit_lasts_is_not_guessed_from_a_few_runs(world: World, open_page: OpenPage) -> None:
    world.statements.journal = examples.journal(time.time_ns() // 1_000_000)
    said = reading.texts(open_page("credits.py"))
    assert "12 runs were billed in the last 30 days: too few" in said
    assert "At this pace" not in said


def test_how_long_credit_lasts_names_the_day_and_the_runs_it_was_reckoned_from(
    world: World, open_page: OpenPage
) -> None:
    now_ms = time.time_ns() // 1_000_000
    lines = (Line("output", 1, 50_000_000_000_000 // 1_000),)  # 5 cents
    world.statements.journal = tuple(
        examples.run_entry(seq, now_ms - seq, 0, lines) for seq in range(70, 0, -1)
    )
    world.statements.money = replace(world.statements.money, next_allowance_at_ms=None, ends_allowance=True)
    said = reading.texts(open_page("credits.py"))
    assert re.search(r"At this pace: 10 days, empty on \d+ \w+", said)
    assert "$3.50 by 70 runs in the last 7 days." in said


def test_entries_can_be_narrowed_to_a_model_and_begin_at_the_newest_again(
    world: World, open_page: OpenPage
) -> None:
    world.statements.journal = examples.journal(time.time_ns() // 1_000_000)
    at = open_page("credits.py")
    (model,) = (each for each in at.selectbox if each.key == session.ENTRIES_MODEL)
    model.set_value("openai/gpt-4.1").run()
    assert set(at.dataframe[0].value["what"]) == {"GPT-4.1"}
    (kind,) = (each for each in at.selectbox if each.key == session.ENTRIES_KIND)
    kind.set_value(EntryKind.GRANT).run()
    assert words.NONE_SUCH in reading.texts(at) and not at.dataframe


def test_what_no_entry_says_yet_is_said_above_them(world: World, open_page: OpenPage) -> None:
    world.statements.journal = examples.journal(time.time_ns() // 1_000_000)
    world.statements.money = replace(
        world.statements.money, allowance_due_nano_usd=5_000_000_000, ended_nano_usd=1_250_000_000
    )
    said = reading.texts(open_page("credits.py"))
    assert "$5.00 of allowance comes with the next request, and $1.25 that has ended goes with it." in said


def test_the_page_offers_both_exports_and_the_proof_and_says_which_head_to_keep(
    world: World, open_page: OpenPage
) -> None:
    world.statements.journal = examples.journal(time.time_ns() // 1_000_000)
    at = open_page("credits.py")
    assert [each.proto.label for each in at.get("download_button")] == [words.CSV, words.JSON, words.PROVE]
    assert f"1:14:{world.statements.journal[0].hash}" in reading.texts(at)


def test_a_real_ledger_is_shown_and_its_exports_sum_to_what_the_page_shows(
    world: World, open_page: OpenPage, tmp_path: Path
) -> None:
    seed(tmp_path / "ledger.db", 120)
    statements = Statements(tmp_path / "ledger.db")
    usage = Usage(tmp_path / "ledger.db", statements)
    runtime.install(replace(world.services, statements=statements, usage=usage))
    at = open_page("credits.py")
    assert len(at.dataframe[0].value) == paging.PAGE
    now_ms = time.time_ns() // 1_000_000
    for exporter in (as_csv, as_json):
        (tmp_path / "file").write_bytes(b"".join(exporter(statements, 1, now_ms)))
        export = audit_export.read(tmp_path / "file")
        assert list(audit_export.check(export)) == []
        assert len(export.entries) == 120
        assert reading.metrics(at)[0] == figure.money(sum(entry.amount_nano_usd for entry in export.entries))
        assert str(export.head) in reading.texts(at)


def drawn(at: AppTest) -> list[dict[str, Any]]:
    (chart,) = reading.views(at, "still_chart")
    data: list[dict[str, Any]] = chart["figure"]["data"]
    return data


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


# --- spending caps ----------------------------------------------------------------------------------

MONTHLY = CapView(
    no=1, scope="key", subject="5", window="month", days=0, zone="Europe/Berlin",
    limit_nano_usd=10_000_000_000, spent_nano_usd=8_020_000_000, held_nano_usd=500_000,
    remaining_nano_usd=1_979_500_000, window_starts_ms=NOON_MS - 86_400_000, window_ends_ms=NOON_MS,
    alert_at=(50, 80, 100), told=(50, 80), change_no=1,
)  # fmt: skip


def test_a_cap_stands_with_its_use_and_a_full_one_is_told_on_every_page(
    world: World, open_page: OpenPage
) -> None:
    world.budgets.views = (
        MONTHLY,
        replace(MONTHLY, no=2, scope="team", window="rolling", days=7, window_ends_ms=None, told=(50,)),
    )
    at = open_page("credits.py")
    alarm = "Spending cap of Key 5 (a month): 80 % reached, $8.02 of $10.00 spent."
    assert reading.texts(at).count(alarm) == 2  # on the page, and at the foot of the navigation
    said = reading.html(at)
    for words_ in (
        "Key 5",
        "a month",
        "$10.00",
        "80.2 %",
        "21 Nov, 13:00 (Berlin)",
        "last 7 days",
        "bit by bit",
    ):
        assert words_ in said
    assert alarm in reading.texts(open_page())


def test_an_owner_sets_changes_and_removes_a_cap_and_the_change_is_listed(
    world: World, open_page: OpenPage
) -> None:
    at = open_page("credits.py")
    assert words.NO_CAPS in reading.texts(at)
    at.selectbox(key=session.CAP_SCOPE).set_value("key")
    at.text_input(key=session.CAP_SUBJECT).set_value("5")
    at.text_input(key=session.CAP_LIMIT).set_value("$2.50")
    at.selectbox(key=session.CAP_WINDOW).set_value("7d")
    next(each for each in at.button if each.label == words.SET_IT).click().run()
    world.budgets.views = (MONTHLY,)
    at = open_page("credits.py")
    assert "Key 5, last 7 days" in reading.html(at)
    at.button(key="cap-remove").click().run()
    assert world.budgets.asked == [
        SetCap(1, "key", "5", 2_500_000_000, "rolling", 7, "UTC", (50, 80, 100), 1),
        SetCap(1, "key", "5", None, "month", 0, "Europe/Berlin", (50, 80, 100), 1),
    ]


@pytest.mark.parametrize(
    ("fields", "why"),
    [
        ({session.CAP_LIMIT: "much"}, "much"),
        ({session.CAP_LIMIT: "-1"}, words.LIMIT_BELOW_ZERO),
        ({session.CAP_LIMIT: "1", session.CAP_ALERTS: "50, 200"}, "percents"),
    ],
)
def test_a_cap_that_makes_no_sense_is_refused_in_words(
    world: World, open_page: OpenPage, fields: dict[str, str], why: str
) -> None:
    at = open_page("credits.py")
    for key, text in fields.items():
        at.text_input(key=key).set_value(text)
    next(each for each in at.button if each.label == words.SET_IT).click().run()
    assert why in at.error[0].value.replace("\\", "")
    assert world.budgets.asked == []


def test_who_is_no_owner_sees_caps_and_sets_none(build: Callable[..., World], open_page: OpenPage) -> None:
    build(role="member").budgets.views = (MONTHLY,)
    at = open_page("credits.py")
    assert "Key 5" in reading.html(at)
    assert not [each for each in at.button if each.label in (words.SET_IT, words.REMOVE_IT)]
