import random
import time
from collections.abc import Callable

import pytest

from gateway.rate_windows import Windows


def test_a_limit_is_full_when_it_is_used_and_a_minute_later_it_fades() -> None:
    windows = Windows()
    assert [windows.take("a", 3, 1, 600.0) for _ in range(4)] == [True, True, True, False]
    assert windows.take("b", 3, 1, 600.0), "somebody else's is another one"
    assert not windows.take("a", 3, 1, 659.9)
    assert not windows.take("a", 3, 1, 660.0), "all three still count"
    assert windows.take("a", 3, 1, 680.0), "a third of the minute before has passed"
    assert not windows.take("a", 3, 1, 680.0)
    assert windows.take("a", 3, 3, 800.0), "nothing is left of what was long ago"


def test_what_is_refused_uses_nothing_and_what_is_given_back_can_be_taken_again() -> None:
    windows = Windows()
    assert windows.take("a", 100, 90, 0.0)
    assert not windows.take("a", 100, 20, 0.0)
    assert windows.take("a", 100, 10, 0.0)
    windows.add("a", -60, 1.0)
    assert windows.standing("a", 100, 1.0).remaining == 60
    windows.add("a", -500, 1.0)
    assert windows.standing("a", 100, 1.0).remaining == 100, "never more than there is"
    windows.add("a", 500, 1.0)
    assert windows.standing("a", 100, 1.0).remaining == 0


def test_it_tells_in_how_long_all_may_be_used_again() -> None:
    windows = Windows()
    assert windows.standing("a", 10, 30.0).reset_s == 0
    windows.take("a", 10, 4, 30.0)
    assert windows.standing("a", 10, 30.0).reset_s == pytest.approx(90)
    assert windows.standing("a", 10, 90.0).reset_s == pytest.approx(30)
    assert windows.standing("a", 10, 119.0).remaining == 9
    assert windows.standing("a", 10, 120.0) == windows.standing("new", 10, 120.0)


@pytest.mark.parametrize("seed", range(20))
def test_whoever_comes_back_after_the_time_that_it_was_told_is_let_in(seed: int) -> None:
    rng = random.Random(seed)
    windows, now_s = Windows(), 0.0
    refused = 0
    for _ in range(300):
        cost = rng.randint(1, 10)
        if not windows.take("a", 10, cost, now_s):
            refused += 1
            wait_s = windows.room_in_s("a", 10, cost, now_s)
            assert 0 < wait_s <= 120
            assert not windows.take("a", 10, cost, now_s + wait_s * 0.98 - 0.01)
            now_s += wait_s + 1e-6
            assert windows.take("a", 10, cost, now_s)
        now_s += rng.random() * 20
    assert refused


def test_names_that_nobody_uses_any_more_are_forgotten() -> None:
    windows = Windows()
    for name in range(5_000):
        windows.take(str(name), 10, 1, 60.0)
    windows.take("later", 10, 1, 200.0)
    assert len(windows._counts) == 1


def test_a_request_costs_microseconds(record_figure: Callable[[str], None]) -> None:
    windows, times = Windows(), 20_000
    began_ns = time.thread_time_ns()
    for _ in range(times):
        windows.take("team:1:requests", 1 << 40, 1, 100.0)
        windows.take("team:1:tokens", 1 << 40, 500, 100.0)
        windows.standing("team:1:requests", 1 << 40, 100.0)
        windows.standing("team:1:tokens", 1 << 40, 100.0)
        windows.add("team:1:tokens", -300, 100.0)
    took_us = (time.thread_time_ns() - began_ns) / times / 1e3
    record_figure(f"rate limits: {took_us:.1f} us a request, headers and correction included (bar 30)")
    assert took_us < 30
