import time

from gateway.messages import CompletionRequest
from gateway.runs import KEEP_FINISHED_S, Run, RunHub


def a_run(name: str) -> Run:
    return Run(
        id=name, team_id=1, user_id=1, surface="page", model_id="m", model_name="M", provider="p",
        series="paid", request=CompletionRequest("m", ()), created_ms=0, out_cap=1,
    )  # fmt: skip


def test_another_teams_run_is_as_unknown_as_none() -> None:
    hub = RunHub()
    hub.add(a_run("run_1"))
    assert hub.get("run_1", team_id=1) is not None
    assert hub.get("run_1", team_id=2) is None
    assert hub.get("run_2", team_id=1) is None


def test_running_ones_stay_and_the_longest_ended_go_first() -> None:
    hub = RunHub(most_ended=2)
    for name in ("old", "newer", "newest", "running"):
        run = a_run(name)
        hub.add(run)
        if name != "running":
            run.end("done")
    hub.forget_old()
    assert [run.id for run in hub] == ["newer", "newest", "running"]


def test_after_a_while_a_finished_run_is_forgotten() -> None:
    hub = RunHub()
    run = a_run("run_1")
    hub.add(run)
    run.end("done")
    run.ended_at_s = time.monotonic() - KEEP_FINISHED_S - 1
    hub.forget_old()
    assert list(hub) == []


def test_whoever_watches_is_told_of_every_change_until_they_leave() -> None:
    run = a_run("run_1")
    told: list[str] = []
    leave = run.watch(lambda: told.append(run.text))
    for piece in ("a", "b"):
        run.append_text(piece)
        run.changed()
    leave()
    run.append_text("c")
    run.changed()
    assert told == ["a", "ab"]
    assert run.text == "abc"


def test_a_long_answer_keeps_its_text_in_few_pieces() -> None:
    run = a_run("run_1")
    for _ in range(10_000):
        run.append_text("x")
    assert run.text == "x" * 10_000
    assert len(run._text) < 100
