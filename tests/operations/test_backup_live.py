"""The whole product saved while it answers, and put back into a new one that goes on from there."""

from __future__ import annotations

import subprocess
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path

import httpx
import pytest

from billing.audit import audit
from tests.server import ROOT, Server

StartServer = Callable[..., Server]
_BODY = {"model": "simulated/steady", "max_tokens": 20, "messages": [{"role": "user", "content": "Hello"}]}


def _operate(data_dir: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    environment = {"PATH": "/usr/bin:/bin", "TILTYARD_DATA_DIR": str(data_dir)}
    command = [sys.executable, "-m", "operate", *arguments]
    return subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True, check=False)


def _until(met: Callable[[], bool], within_s: float = 60.0) -> None:
    limit_s = time.monotonic() + within_s
    while not met():
        assert time.monotonic() < limit_s
        time.sleep(0.05)


@pytest.mark.slow
def test_a_server_under_load_is_saved_and_comes_back_as_another(
    start_tiltyard: StartServer, tmp_path: Path
) -> None:
    server = start_tiltyard({"TILTYARD_EMBEDDED": "false"})
    done, answered, failed = threading.Event(), [0] * 6, list[str]()

    def ask(at: int) -> None:
        with server.client() as client:
            while not done.is_set():
                try:
                    answer = client.post("/v1/chat/completions", json=_BODY)
                    answer.raise_for_status()
                    answered[at] += 1
                except httpx.HTTPError as error:
                    failed.append(str(error))
                    return

    threads = [threading.Thread(target=ask, args=(at,)) for at in range(len(answered))]
    for thread in threads:
        thread.start()
    try:
        before = list[int]()
        for name in ("one", "two.tar.gz"):
            _until(lambda: sum(answered) >= 25 * (len(before) + 1))
            before.append(sum(answered))
            saved = _operate(server.data_dir, "backup", str(tmp_path / name))
            assert saved.returncode == 0, saved.stderr
        while_saving = sum(answered) - before[0]
    finally:
        done.set()
        for thread in threads:
            thread.join()
    assert failed == []
    assert while_saving > 0
    server.end()

    data_dir = tmp_path / "back"
    restored = _operate(data_dir, "restore", str(tmp_path / "two.tar.gz"))
    assert restored.returncode == 0, restored.stderr
    report = audit(data_dir / "ledger.db")
    assert report.findings == ()
    assert report.entries >= before[1]
    other = start_tiltyard({"TILTYARD_EMBEDDED": "false", "TILTYARD_DATA_DIR": str(data_dir)})
    used = other.credits()["total_used"]
    assert used > 0
    with other.client() as client:  # the same key, which came with app.db
        assert client.post("/v1/chat/completions", json=_BODY).status_code == 200
        assert client.post("/v1/quote", json=_BODY).json()["basis"]["from"] == "team"
    assert other.credits()["total_used"] > used
