"""`kill -9` of the whole app in mid-battle: everything comes back, and each lane is charged once."""

from __future__ import annotations

import signal
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from billing.audit import audit
from tests.server import Server, nano_usd
from tests.upstream import SlowUpstream

MODELS = ["lab/slow", "lab/slow"]


@pytest.mark.slow
@pytest.mark.timeout(300)
def test_a_battle_that_was_killed_in_the_middle_comes_back_and_charges_each_lane_once(
    tmp_path: Path, slow_upstream: SlowUpstream, record_figure: Callable[[str], None]
) -> None:
    server = Server(tmp_path, {}, slow_upstream.config)
    server.start()
    try:
        beside = _start(server, {"models": MODELS, "prompt": "Beside each other", "order": "at_once"})
        apart = _start(server, {"models": MODELS, "prompt": "In sequence", "order": "in_sequence"})
        blind = _start(server, {"models": MODELS, "prompt": "Blind", "order": "at_once", "blind": True})
        _until(lambda: all(len(lane["text"]) > 40 for lane in _lanes(server, beside)))
        time.sleep(1.5)  # what is kept of a run is at most a second old
        server.signal(signal.SIGKILL)
        server.wait_ended(20)
        server.start()
        for battle, states in ((beside, ["failed", "failed"]), (apart, ["failed", "failed"])):
            lanes = _lanes(server, battle)
            assert [lane["state"] for lane in lanes] == states
            assert {lane["failure"]["kind"] for lane in lanes} == {"Interrupted"}
        assert all(len(lane["text"]) > 20 for lane in _lanes(server, beside))
        told = server.get(f"/v1/battles/{blind}").json()
        assert told["hidden"] and "lab/slow" not in str(told)
        _until(lambda: server.credits()["held"] == 0, within_s=90)  # their leases end
        paid = [nano_usd(lane["cost"]) for lane in _lanes(server, beside)]
        assert all(paid)
        assert [nano_usd(lane["cost"]) > 0 for lane in _lanes(server, apart)] == [True, False]
        _try_again(server, beside)
        seen = server.get(f"/v1/battles/{beside}").json()
        lanes = seen["turns"][0]["lanes"]
        assert [lane["tries"] for lane in lanes] == [2, 2]
        assert all(nano_usd(lane["cost"]) > was for lane, was in zip(lanes, paid, strict=True))
        _show(server, blind)
        total = sum(
            nano_usd(server.get(f"/v1/battles/{one}").json()["cost"]) for one in (beside, apart, blind)
        )
        assert total == server.credits()["total_used"]
        record_figure(
            f"killed in mid-battle: 3 battles, 5 runs cut and 2 tried again, {total} nano-USD, once each"
        )
    finally:
        server.end()
    assert audit(server.data_dir / "ledger.db").findings == ()


def _start(server: Server, body: dict[str, object]) -> str:
    with server.client() as client:
        answered = client.post("/v1/battles", json=body)
    assert answered.status_code == 202, answered.text
    return str(answered.json()["id"])


def _lanes(server: Server, battle: str) -> list[dict[str, Any]]:
    lanes: list[dict[str, Any]] = server.get(f"/v1/battles/{battle}").json()["turns"][0]["lanes"]
    return lanes


def _try_again(server: Server, battle: str) -> None:
    turn = server.get(f"/v1/battles/{battle}").json()["turns"][0]["id"]
    with server.client() as client:
        assert client.post(f"/v1/battles/{battle}/retry", json={"turn_id": turn}).status_code == 202
        _until(lambda: all(lane["text"] for lane in _lanes(server, battle)))
        assert client.post(f"/v1/battles/{battle}/stop", json={}).status_code == 200
    _until(lambda: all(lane["state"] == "stopped" and lane["cost"] for lane in _lanes(server, battle)))


def _show(server: Server, battle: str) -> None:
    with server.client() as client:
        assert client.post(f"/v1/battles/{battle}/reveal").status_code == 200


def _until(holds: Callable[[], bool], within_s: float = 60.0) -> None:
    limit_s = time.monotonic() + within_s
    while not holds():
        assert time.monotonic() < limit_s, "it did not come to it in time"
        time.sleep(0.2)
