"""Whatever a provider does wrong stays the provider's: through the real server, on each wire."""

from __future__ import annotations

import pytest

from tests.faults.doors import MOST_TOKENS, OTHER_DOORS
from tests.faults.faulty import EMBEDDING_FAULTS, FAULTS, LEAVING, UPSTREAMS, WHOLE
from tests.faults.matrix import PAGE, Played, Seen, cases, cases_by_door, play, table, written
from tests.gateway.providers.scripts import HALF, SECRET

NAMES = [fault.name for fault in (*FAULTS, *LEAVING)]
ERRORS = ("provider_broke", "provider_timeout", "provider_refused", "provider_rate_limited")
ESTIMATED_NANO_USD = {HALF: 22_000, WHOLE: 34_000}  # 10 tokens of prompt, then 3 or 6 of answer


@pytest.fixture(scope="module")
def played(tmp_path_factory: pytest.TempPathFactory) -> Played:
    return play(tmp_path_factory.mktemp("faulty"), cases())


@pytest.fixture(scope="module")
def by_door(tmp_path_factory: pytest.TempPathFactory) -> Played:
    return play(tmp_path_factory.mktemp("doors"), cases_by_door())


def of(played: Played, name: str) -> list[Seen]:
    return [seen for seen in played.seen if seen.case.fault.name == name and seen.case.wire is not None]


@pytest.mark.parametrize("name", NAMES)
def test_the_caller_gets_an_answer_or_is_told_why_not(played: Played, name: str) -> None:
    _is_told(of(played, name))


def _is_told(several: list[Seen]) -> None:
    for seen in several:
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
    _is_billed(of(played, name))


def _is_billed(several: list[Seen]) -> None:
    for seen in several:
        match seen.case.fault.bill:
            case "nothing":
                assert (seen.lines, seen.billed_nano_usd) == ({}, 0)
            case "as reported":
                output = 2 if seen.case.fault.name == "trailing garbage" else 7
                assert (seen.lines, seen.estimated) == ({"input": 9, "output": output}, False)
            case "by our count":
                came = WHOLE if seen.case.fault.answered or "before usage" in seen.case.fault.name else HALF
                assert (seen.billed_nano_usd, seen.estimated) == (ESTIMATED_NANO_USD[came], True)
            case "bounded":
                assert seen.estimated
                assert seen.lines["input"] == 9
                assert 0 < seen.lines["output"] <= MOST_TOKENS
        assert seen.told_nano_usd == (None if seen.case.leaves else seen.billed_nano_usd)


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
    answers = len(FAULTS) * len(UPSTREAMS) * 2 + len(LEAVING) * len(UPSTREAMS)
    assert len(played.seen) == answers + len(EMBEDDING_FAULTS)
    _left_nothing(played)


def _left_nothing(played: Played) -> None:
    assert played.asked == len(played.seen)
    assert (played.held_nano_usd, played.findings) == (0, 0)
    assert played.spent_nano_usd == sum(seen.billed_nano_usd for seen in played.seen)


def test_no_caller_is_told_what_a_provider_wrote_in_prose(played: Played) -> None:
    _tells_no_secret(played)


def _tells_no_secret(played: Played) -> None:
    for seen in played.seen:
        for secret in (SECRET, "10.0.0.7", "127.0.0.1", "<html>"):
            assert secret not in seen.raw, seen.case


def test_the_documentations_table_is_what_happens(played: Played) -> None:
    page = PAGE.read_text()
    assert written(page, table(played)) == page, "run: python -m tests.faults.matrix"


@pytest.mark.slow
@pytest.mark.parametrize("name", NAMES)
def test_by_every_other_door_it_is_the_same(by_door: Played, name: str) -> None:
    several = of(by_door, name)
    assert len(several) == len(OTHER_DOORS) * (1 if several[0].case.leaves else 2)
    _is_told(several)
    _is_billed(several)


@pytest.mark.slow
def test_by_every_other_door_nothing_is_left_or_told_and_the_table_holds(by_door: Played) -> None:
    _left_nothing(by_door)
    _tells_no_secret(by_door)
    page = PAGE.read_text()
    made = table(by_door, by_door=True)
    assert written(page, made, "doors") == page, "run: python -m tests.faults.matrix"
