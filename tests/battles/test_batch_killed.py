"""A batch whose process is killed with `kill -9`, again and again: no row is paid twice, and none is lost."""

from __future__ import annotations

import random
import signal
import sqlite3
import subprocess
import sys
import time
from collections.abc import Callable

import pytest

from tests.battles.batch_server import ENDED, has_the_jobs, opened, over, shown, until
from tests.battles.fast_upstream import FastUpstream
from tests.conftest import StartServer
from tests.server import ROOT, nano_usd

pytestmark = pytest.mark.slow

_KILLS = 3


@pytest.mark.timeout(600)
def test_five_thousand_rows_killed_and_resumed_are_each_paid_once(
    start_tiltyard: StartServer, record_figure: Callable[[str], None]
) -> None:
    rows = 5_000
    began_s = time.monotonic()
    with FastUpstream() as upstream:
        server = start_tiltyard({"TILTYARD_EMBEDDED": "false"}, upstream.config)
        batch_id = opened(server, rows)
        for kill in range(1, _KILLS + 1):
            enough = kill * rows // (_KILLS + 2)
            until(server, batch_id, lambda told, enough=enough: over(told) >= enough, 180)  # type: ignore[misc]  # a default binds it
            time.sleep(random.random() / 10)
            server.signal(signal.SIGKILL)
            server.wait_ended(10)
            server.start()
        told = until(server, batch_id, lambda told: told["state"] in ENDED, 400)
        credits = server.credits()
        server.end()

    progress = told["progress"]
    assert told["state"] == "done" and over(told) == rows and progress["failed"] == 0
    assert progress["cut"] <= 16 * _KILLS  # what was under way at a kill and had been billed
    with (
        sqlite3.connect(server.data_dir / "app.db") as app,
        sqlite3.connect(server.data_dir / "ledger.db") as ledger,
    ):
        answers = app.execute(
            "SELECT row_no, run_id, state, cost_nano_usd, text, passed FROM batch_answer WHERE batch_id = ?",
            (batch_id,),
        ).fetchall()
        settled = ledger.execute(
            "SELECT hold.run_id, -sum(posting.amount_nano_usd) FROM ledger_usage AS used"
            " JOIN ledger_entry AS entry ON entry.team_id = used.team_id AND entry.seq = used.seq"
            " JOIN ledger_hold AS hold ON hold.team_id = entry.team_id AND hold.no = entry.hold_no"
            " JOIN ledger_posting AS posting ON posting.team_id = entry.team_id AND posting.seq = entry.seq"
            " WHERE posting.account_no > 0 GROUP BY hold.run_id"
        ).fetchall()
    assert sorted(row for row, *_ in answers) == list(range(rows))
    by_run = dict(settled)
    # Whatever the ledger charged belongs to one row each, for what the row says; nothing else was charged.
    assert {run: cost for _, run, _, cost, _, _ in answers if cost} == by_run
    paid_twice = len(settled) - len({run for run, _ in settled})
    assert paid_twice == 0 and sum(by_run.values()) == credits["total_used"] and credits["held"] == 0
    assert all(
        text == f"number {row}" and passed for row, _, state, _, text, passed in answers if state == "done"
    )
    audit = subprocess.run(
        [sys.executable, "-m", "billing.audit", str(server.data_dir / "ledger.db")],
        cwd=ROOT, capture_output=True, text=True, timeout=120, check=False,
    )  # fmt: skip
    assert audit.returncode == 0, audit.stdout + audit.stderr
    twice_upstream = sum(count - 1 for count in upstream.asked.values())
    record_figure(
        f"batch of {rows:,} rows, {_KILLS} x kill -9: paid twice {paid_twice}, done {progress['done']:,}, "
        f"cut {progress['cut']}, asked upstream again (not billed) {twice_upstream}, ledger clean, "
        f"{time.monotonic() - began_s:.0f} s"
    )


@pytest.mark.postgresql
@pytest.mark.timeout(300)
def test_another_host_takes_up_the_batch_of_one_that_was_killed(
    start_tiltyard: StartServer, postgresql_url: str, record_figure: Callable[[str], None]
) -> None:
    rows = 300
    settings = {
        "TILTYARD_DATABASE_URL": postgresql_url,
        "TILTYARD_SECRET_KEY": "s" * 32,
        "TILTYARD_EMBEDDED": "false",
    }
    with FastUpstream(answer_s=0.5) as upstream:
        hosts = [start_tiltyard(settings, upstream.config) for _ in range(2)]
        batch_id = opened(hosts[0], rows, at_once=8)
        until(hosts[0], batch_id, lambda told: over(told) >= rows // 8, 120)
        first, second = sorted(hosts, key=lambda host: not has_the_jobs(host))
        first.signal(signal.SIGKILL)
        first.wait_ended(10)
        killed_s = time.monotonic()
        before = over(shown(second, batch_id))
        until(second, batch_id, lambda told: over(told) > before, 120)
        taken_up_s = time.monotonic() - killed_s
        told = until(second, batch_id, lambda told: told["state"] in ENDED, 150)
        # What the dead host still held ends with its lease.
        limit_s = time.monotonic() + 60
        while (credits := second.credits())["held"]:
            assert time.monotonic() < limit_s
            time.sleep(0.5)
    assert told["state"] == "done" and over(told) == rows and told["progress"]["failed"] == 0
    assert nano_usd(told["paid_usd"]) == credits["total_used"]
    record_figure(
        f"batch of {rows} rows, its host killed: another took it up after {taken_up_s:.0f} s, "
        f"cut {told['progress']['cut']}, paid what the ledger says"
    )
