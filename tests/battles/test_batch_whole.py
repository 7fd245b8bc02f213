"""Whole batches on a real server and its jobs process: one paused twice and resumed, one with a judge."""

from __future__ import annotations

import json
import time
from typing import Any

import pytest

from tests.battles.batch_server import ENDED, has_the_jobs, opened, over, shown, until
from tests.battles.fast_upstream import JUDGE, MODELS, FastUpstream
from tests.conftest import StartServer
from tests.server import Server, nano_usd

pytestmark = [pytest.mark.slow, pytest.mark.timeout(240)]

_AT_ONCE = 4
_LANES = [{"model": model} for model in MODELS]


def ask(server: Server, batch_id: str, move: str, status: int = 200) -> dict[str, Any]:
    with server.client() as client:
        told = client.post(f"/v1/batches/{batch_id}/{move}")
    assert told.status_code == status, told.text
    body: dict[str, Any] = told.json()
    return body


def quiet(upstream: FastUpstream, server: Server) -> int:
    """How many answers were asked for, once none is under way and no credit is set aside."""
    limit_s = time.monotonic() + 60
    while upstream.at_once or server.credits()["held"]:
        assert time.monotonic() < limit_s, server.log
        time.sleep(0.05)
    return upstream.asked.total()


def results(server: Server, batch_id: str) -> list[dict[str, Any]]:
    return [json.loads(line) for line in server.get(f"/v1/batches/{batch_id}/results").text.splitlines()]


def test_a_paused_batch_begins_nothing_also_after_a_restart_and_resumed_it_asks_nothing_twice(
    start_tiltyard: StartServer,
) -> None:
    rows = 60
    items = rows * len(MODELS)
    with FastUpstream(answer_s=0.1) as upstream:
        server = start_tiltyard({"TILTYARD_EMBEDDED": "false"}, upstream.config)
        batch_id = opened(server, rows, lanes=_LANES, at_once=_AT_ONCE)
        until(server, batch_id, lambda told: over(told) >= items // 4, 60)
        assert has_the_jobs(server)
        told = ask(server, batch_id, "pause")
        assert (told["state"], told["why"]) == ("paused", "by a person")
        asked_by_then = upstream.asked.total()
        asked = quiet(upstream, server)
        assert asked - asked_by_then <= _AT_ONCE and asked < items - _AT_ONCE  # most of it was yet to come
        # What was under way ended whole: each is an answer that is paid for.
        told = until(server, batch_id, lambda told: over(told) == asked, 10)
        assert told["progress"]["done"] == asked and told["progress"]["left"] == items - asked
        assert nano_usd(told["paid_usd"]) == server.credits()["total_used"]
        ask(server, batch_id, "pause", 409)

        server.end()
        server.start()
        other = opened(server, 2, first=1_000)  # for this the jobs process runs; the paused one it leaves
        until(server, other, lambda told: told["state"] == "done", 60)
        assert shown(server, batch_id)["state"] == "paused" and upstream.asked.total() == asked + 2

        assert ask(server, batch_id, "resume")["state"] == "running"
        until(server, batch_id, lambda told: over(told) > asked, 60)
        ask(server, batch_id, "pause")
        assert ask(server, batch_id, "resume")["state"] == "running"  # at once, with answers under way
        told = until(server, batch_id, lambda told: told["state"] in ENDED, 60)
        credits = server.credits()
        ask(server, batch_id, "resume", 409)  # it is over
        each = results(server, batch_id)
    assert told["state"] == "done" and told["progress"]["done"] == items and not told["progress"]["cut"]
    expected = {(model, str(no)) for model in MODELS for no in range(rows)}
    assert upstream.asked == dict.fromkeys(expected | {(MODELS[0], "1000"), (MODELS[0], "1001")}, 1)
    assert sorted((one["lane"], one["row"]) for one in each) == [
        (lane, row) for lane in range(1, len(MODELS) + 1) for row in range(1, rows + 1)
    ]
    # 10 tokens in at $1 a million and 3 out at $4, each once.
    assert credits["total_used"] == (items + 2) * 22_000 and credits["held"] == 0


def test_a_judge_compares_each_row_in_both_orders_and_what_it_says_is_counted_and_paid(
    start_tiltyard: StartServer,
) -> None:
    rows = 20
    with FastUpstream(two_errs=True) as upstream:
        upstream.takes_the_first = lambda number: number % 5 == 0
        server = start_tiltyard({"TILTYARD_EMBEDDED": "false"}, upstream.config)
        batch_id = opened(server, rows, lanes=_LANES, judge={"model": JUDGE, "criteria": "The number alone."})
        told = until(server, batch_id, lambda told: told["state"] in ENDED, 60)
        credits = server.credits()
    progress = told["progress"]
    assert (told["state"], progress["done"]) == ("done", rows * 2)
    assert (progress["judged"], progress["to_judge"]) == (rows * 2, rows * 2)
    judged = {row: count for (model, row), count in upstream.asked.items() if model == JUDGE}
    assert judged == {str(row): 2 for row in range(rows)}  # lane 1 first, then lane 2 first
    # Odd rows are wrong on lane 2: ten, of which two fall where the judge takes whatever stands first.
    (said,) = told["report"]["judge"]
    assert said == {"lanes": [1, 2], "preferred": [8, 0], "ties": 12, "disagreed_with_itself": 4}
    # The checks decide the winner; a judge's word does not.
    assert [lane["pass_rate"]["value"] for lane in told["report"]["lanes"]] == [1.0, 0.5]
    assert nano_usd(told["paid_usd"]) == credits["total_used"] == rows * 4 * 22_000
    assert credits["held"] == 0
