"""When a batch names a winner, and when it says *not yet*."""

from __future__ import annotations

import pytest

from battles.decision import Ballot, LaneSum, Share, decide, percentile, sign_test, wilson


def rows(passed: int, of: int) -> dict[int, bool]:
    return {row: row < passed for row in range(of)}


def test_a_lane_that_passes_clearly_more_rows_wins() -> None:
    card = decide(2, {0: rows(90, 100), 1: rows(60, 100)}, [], whole=True)
    assert (card.winner, card.by) == (0, ("checks",))


def test_a_small_lead_is_not_yet_a_win() -> None:
    card = decide(2, {0: rows(62, 100), 1: rows(60, 100)}, [], whole=True)
    assert card.winner is None and "p = 0.50" in card.why


def test_no_winner_before_the_last_row() -> None:
    card = decide(2, {0: rows(90, 100), 1: rows(60, 100)}, [], whole=False)
    assert card.winner is None and "still to be answered" in card.why


def test_checks_and_people_who_disagree_decide_nothing() -> None:
    ballots: list[Ballot] = [(0, 1, "other")] * 20
    card = decide(2, {0: rows(90, 100), 1: rows(60, 100)}, ballots, whole=True)
    assert card.winner is None and "disagree" in card.why
    agreeing: list[Ballot] = [(1, 0, "other")] * 20
    agreed = decide(2, {0: rows(90, 100), 1: rows(60, 100)}, agreeing, whole=True)
    assert (agreed.winner, agreed.by) == (0, ("checks", "votes"))


def test_ties_and_both_bad_speak_for_nobody() -> None:
    ballots: list[Ballot] = [(0, 1, "tie"), (0, 1, "both_bad")] * 50
    assert "Nothing has spoken" in decide(2, {}, ballots, whole=True).why


def test_of_three_lanes_the_best_must_beat_both_others() -> None:
    passed = {0: rows(90, 100), 1: rows(89, 100), 2: rows(10, 100)}
    assert decide(3, passed, [], whole=True).winner is None
    passed[1] = rows(70, 100)
    assert decide(3, passed, [], whole=True).winner == 0


def test_the_sign_test_is_exact() -> None:
    assert sign_test(6, 0) == pytest.approx(0.03125)
    assert sign_test(5, 0) == pytest.approx(0.0625)
    assert sign_test(4, 4) == 1.0 and sign_test(0, 0) == 1.0
    assert sign_test(9, 1) == pytest.approx(2 * 11 / 1024)


def test_wilsons_interval_as_in_print() -> None:
    low, high = wilson(8, 10)
    assert low == pytest.approx(0.4902, abs=1e-4) and high == pytest.approx(0.9433, abs=1e-4)
    assert wilson(0, 0) == (0.0, 1.0)
    assert wilson(10, 10)[1] == pytest.approx(1.0)


def test_cost_of_a_thousand_is_what_answers_cost_rounded_up() -> None:
    lane = LaneSum(0, Share(1, 3), Share(0, 0), answered=3, failed=0, cost_nano_usd=1_000, p95_ms=None)
    assert lane.cost_per_1000_nano_usd == 333_334
    assert lane.passed.faint and lane.wins.value is None


def test_a_percentile_is_a_value_that_was_seen() -> None:
    assert percentile([float(n) for n in range(1, 101)], 0.95) == 95.0
    assert percentile([7.0], 0.95) == 7.0
    assert percentile([], 0.95) is None
