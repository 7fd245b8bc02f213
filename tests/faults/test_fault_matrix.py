"""Whatever a provider does wrong stays the provider's: through the real server, on each wire."""

from __future__ import annotations

import pytest

from tests.faults.faulty import EMBEDDING_FAULTS, FAULTS, LEAVING, WHOLE
from tests.faults.matrix import MOST_TOKENS, PAGE, Played, Seen, play, table, written
from tests.gateway.providers.scripts import HALF, SECRET, WIRES

NAMES = [fault.name for fault in (*FAULTS, *LEAVING)]
ERRORS = ("provider_broke", "provider_timeout", "provider_refused", "provider_rate_limited")
ESTIMATED_NANO_USD = {HALF: 22_000, WHOLE: 34_000}  # 10 tokens of prompt, then 3 or 6 of answer


@pytest.fixture(scope="module")
def played(tmp_path_factory: pytest.TempPathFactory) -> Played:
    return play(tmp_path_factory.mktemp("faulty"))


def of(played: Played, name: str) -> list[Seen]:
    return [seen for seen in played.seen if seen.case.fault.name == name and seen.case.wire is not None]


@pytest.mark.parametrize("name", NAMES)
def test_the_caller_gets_an_answer_or_is_told_why_not(played: Played, name: str) -> None:
    for seen in of(played, name):
        case = seen.case
        if case.leaves:
            assert seen.state in ("stopped", "left")
        elif case.fault.answered:
            assert (seen.status, seen.text, seen.finish, seen.error) == (200, WHOLE, "stop", None)
            assert seen.state == "done"
        else:
            began = case.streamed and case.fault.bill != "nothing"
            assert (seen.status == 200) is began
            assert seen.text == (HALF if began else "")
            assert seen.error in ERRORS
            assert seen.finish is None


@pytest.mark.parametrize("name", NAMES)
def test_what_is_billed_is_what_came(played: Played, name: str) -> None:
    for seen in of(played, name):
        match seen.case.fault.bill:
            case "nothing":
                assert (seen.lines, seen.billed_nano_usd) == ({}, 0)
            case "as reported":
                output = 2 if name == "trailing garbage" else 7
                assert (seen.lines, seen.estimated) == ({"input": 9, "output": output}, False)
            case "by our count":
                came = WHOLE if seen.case.fault.answered or "before usage" in name else HALF
                assert (seen.billed_nano_usd, seen.estimated) == (ESTIMATED_NANO_USD[came], True)
            case "bounded":
                assert seen.estimated
                assert seen.lines["input"] == 9
                assert 0 < seen.lines["output"] <= MOST_TOKENS
        if seen.told_nano_usd is not None:
            assert seen.told_nano_usd == seen.billed_nano_usd


@pytest.mark.parametrize("name", NAMES)
def test_every_wire_ends_the_same_way(played: Played, name: str) -> None:
    for streamed in (True, False):
        ends = {
            (seen.status, seen.text, seen.error, seen.retry_after, seen.billed_nano_usd)
            for seen in of(played, name)
            if seen.case.streamed is streamed
        }
        assert len(ends) <= 1, ends


@pytest.mark.parametrize("name", [fault.name for fault in EMBEDDING_FAULTS])
def test_vectors_are_whole_and_billed_or_refused_and_free(played: Played, name: str) -> None:
    (seen,) = [one for one in played.seen if one.case.fault.name == name and one.case.wire is None]
    if not seen.case.fault.answered:
        assert (seen.lines, seen.billed_nano_usd) == ({}, 0)
        assert seen.status in (429, 502, 504)
        assert seen.error in ERRORS
        return
    assert (seen.status, seen.text) == (200, "2 vectors")
    assert seen.estimated is (seen.case.fault.bill != "as reported")
    assert set(seen.lines) == {"input"}
    assert seen.lines["input"] <= 40  # the bound of the hold
    assert seen.lines["input"] == 4 or seen.case.fault.bill != "as reported"


def test_each_request_went_upstream_once_and_left_nothing_held(played: Played) -> None:
    answers = len(FAULTS) * len(WIRES) * 2 + len(LEAVING) * len(WIRES)
    assert len(played.seen) == answers + len(EMBEDDING_FAULTS)
    assert played.asked == len(played.seen)
    assert (played.held_nano_usd, played.findings) == (0, 0)
    assert played.spent_nano_usd == sum(seen.billed_nano_usd for seen in played.seen)


def test_no_caller_is_told_what_a_provider_wrote_in_prose(played: Played) -> None:
    for seen in played.seen:
        for secret in (SECRET, "10.0.0.7", "127.0.0.1", "<html>"):
            assert secret not in seen.raw, seen.case


def test_the_documentations_table_is_what_happens(played: Played) -> None:
    page = PAGE.read_text()
    assert written(page, table(played)) == page, "run: python -m tests.faults.matrix"
