"""The page of requests: rows, what is empty, and one opened with its attempts in time."""

from __future__ import annotations

import functools
import time

import pytest
from streamlit.testing.v1 import AppTest

from components import request_list, request_words as say
from telemetry.requests import Requests
from telemetry.rows import AttemptRow
from tests.pages import reading
from tests.pages.conftest import OpenPage
from tests.pages.fakes import World
from tests.telemetry.test_requests import row


def listed(at: AppTest | str) -> int:
    """How many requests stand in the list."""
    return (at if isinstance(at, str) else reading.html(at)).count("data-pick")


def now_ms() -> int:
    return time.time_ns() // 1_000_000


def test_with_no_request_the_page_says_where_they_come_from(world: World, open_page: OpenPage) -> None:
    assert say.NONE in reading.texts(open_page("requests.py"))


def test_a_request_has_a_row_and_another_teams_has_none(world: World, open_page: OpenPage) -> None:
    world.rows.record(row(now_ms() - 5_000, total_ms=1_500.0, input_tokens=36, output_tokens=214))
    world.rows.record(row(now_ms() - 4_000, team_id=2))
    drawn = reading.html(open_page("requests.py"))
    assert "1.50 s" in drawn and say.OUTCOMES["ok"] in drawn and listed(drawn) == 1


def test_a_filter_that_leaves_nothing_says_so(world: World, open_page: OpenPage) -> None:
    world.rows.record(row(now_ms() - 5_000))
    at = open_page("requests.py")
    at.text_input(key=f"requests-{say.SLOWER}").set_value("90000").run()
    assert say.NONE_SUCH in reading.texts(at)


def test_what_is_rare_is_looked_for_further_back_on_demand(
    world: World, open_page: OpenPage, monkeypatch: pytest.MonkeyPatch
) -> None:
    look = functools.partialmethod(Requests.look, most=10)
    monkeypatch.setattr(Requests, "look", lambda self, *asked: look.__get__(self)(*asked))
    rows = [row(now_ms() - 5_000 - no) for no in range(25)]
    world.log(*rows, row(now_ms() - 6_000, tags=("rare",)))
    at = open_page("requests.py")
    at.text_input(key=f"requests-{say.TAG}").set_value("rare").run()
    for _ in range(2):
        assert not listed(at) and "Looked through" in reading.texts(at)
        next(each for each in at.button if each.label == say.FURTHER).click().run()
    assert listed(at) == 1
    next(each for each in at.button if each.label == say.NEWER).click().run()
    assert not listed(at)


def test_the_trail_of_attempts_is_drawn_to_scale_and_told_in_words() -> None:
    failed = AttemptRow(1, "lab", "fast-1", "provider_fault", sent_ms=0.0, status=500)
    answered = AttemptRow(
        2, "<b>", "m", "ok", sent_ms=250.0, first_reasoning_ms=500.0, first_answer_ms=750.0, last_ms=1_000.0
    )
    drawn = request_list.waterfall(row(attempts=(failed, answered), total_ms=1_000.0))
    assert 'class="ty-failed" style="left:0.00%;width:100.00%"' in drawn
    for name, left in (("waiting", 25), ("thinking", 50), ("answering", 75)):
        assert f'class="ty-{name}" style="left:{left}.00%;width:25.00%"' in drawn
    assert "1. lab: provider&#x27;s fault" in drawn and "<b>" not in drawn


def test_a_link_sets_the_filters_and_opens_its_request(world: World, open_page: OpenPage) -> None:
    at_ms = now_ms() - 30 * 60_000
    slow = row(at_ms, total_ms=9_000.0, model="lab/slow")
    world.log(slow, row(at_ms + 1_000), row(at_ms - 7_200_000, model="lab/slow"))
    link = {"since": str(at_ms - 60_000), "until": str(at_ms + 60_000), "model": "lab/slow"}
    at = open_page("requests.py", **link, request=slow.request_id)
    assert listed(at) == 1
    assert (slow.run_id or slow.request_id) in reading.texts(at)
    at.selectbox(key=f"requests-{say.MODEL}").set_value(None).run()
    assert listed(at) == 2, "the filters are the reader's from then on"
    at.button_group(key="requests-window").set_value("24 h").run()
    assert listed(at) == 3
    odd = open_page("requests.py", since="x", until="10", outcome="vibes", key="-1", model="no/such")
    assert say.NONE_SUCH in reading.texts(odd)
