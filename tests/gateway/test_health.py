from __future__ import annotations

from gateway.health import RouteHealth

KEY = ("lab", "two/fast")


class Clock:
    def __init__(self) -> None:
        self.now_s = 1_000.0

    def __call__(self) -> float:
        return self.now_s


def after_failures(count: int) -> tuple[RouteHealth, Clock]:
    clock = Clock()
    health = RouteHealth(clock)
    for _ in range(count):
        health.failed(KEY, "it broke")
    return health, clock


def test_three_failures_in_a_row_put_a_route_to_rest_and_two_do_not() -> None:
    assert after_failures(2)[0].standing(KEY) == "well"
    assert after_failures(3)[0].standing(KEY) == "resting"


def test_a_success_between_failures_starts_the_row_again() -> None:
    health, _ = after_failures(2)
    health.succeeded(KEY)
    health.failed(KEY, "it broke")
    assert health.standing(KEY) == "well"


def test_half_of_the_recent_outcomes_failing_is_enough_and_outcomes_fade() -> None:
    health, clock = after_failures(0)
    for at in range(8):
        (health.failed(KEY, "it broke") if at % 2 else health.succeeded(KEY))
    assert health.standing(KEY) == "resting"
    fading, clock = after_failures(2)
    fading.succeeded(KEY)
    clock.now_s += 600
    assert fading.look(KEY).n < 0.01


def test_after_its_rest_one_probe_at_a_time_is_let_through() -> None:
    health, clock = after_failures(3)
    clock.now_s += 5.0
    assert health.standing(KEY) == "probe"
    health.begins(KEY)
    assert health.standing(KEY) == "resting"  # for everybody else
    health.left(KEY)  # the probe was stopped: it found nothing out
    assert health.standing(KEY) == "probe"
    health.begins(KEY)
    health.succeeded(KEY)
    assert health.standing(KEY) == "well"
    assert health.look(KEY).success == 1.0


def test_each_failed_probe_doubles_the_rest_up_to_two_minutes() -> None:
    health, clock = after_failures(3)
    for rest_s in (5, 10, 20, 40, 80, 120, 120):
        assert health.look(KEY).rests_for_s == rest_s
        clock.now_s += rest_s
        health.begins(KEY)
        health.failed(KEY, "still broken")


def test_failures_of_attempts_that_were_under_way_prolong_no_rest() -> None:
    health, clock = after_failures(3)
    clock.now_s += 4.0
    for _ in range(50):
        health.failed(KEY, "it broke")
    assert health.look(KEY).rests_for_s == 1.0


def test_retry_after_is_a_rest_of_that_length_and_of_five_minutes_at_most() -> None:
    health, clock = after_failures(0)
    health.failed(KEY, "over its rate limit", retry_after_s=30.0)
    assert health.look(KEY).rests_for_s == 30.0
    clock.now_s += 30.0
    assert health.standing(KEY) == "probe"
    health.failed(KEY, "over its rate limit", retry_after_s=86_400.0)
    assert health.look(KEY).rests_for_s == 300.0


def test_routes_are_judged_apart_and_what_was_quiet_longest_is_forgotten() -> None:
    health, _ = after_failures(3)
    assert health.standing(("lab", "another/model")) == "well"
    for at in range(2_000):
        health.failed(("lab", f"model/{at}"), "it broke")
    assert health.look(KEY).n == 0
