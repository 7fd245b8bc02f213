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

from billing import audit_postgresql
from billing.audit import Report, audit
from tests.databases import ENGINES
from tests.server import ROOT, Server

StartServer = Callable[..., Server]
_BODY = {"model": "simulated/steady", "max_tokens": 20, "messages": [{"role": "user", "content": "Hello"}]}


def _operate(settings: dict[str, str], *arguments: str) -> subprocess.CompletedProcess[str]:
    environment = {"PATH": "/usr/bin:/bin", **settings}
    command = [sys.executable, "-m", "operate", *arguments]
    return subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True, check=False)


def _until(met: Callable[[], bool], within_s: float = 60.0) -> None:
    limit_s = time.monotonic() + within_s
    while not met():
        assert time.monotonic() < limit_s
        time.sleep(0.05)


@pytest.fixture(params=ENGINES)
def installations(
    request: pytest.FixtureRequest, tmp_path: Path
) -> tuple[dict[str, str], dict[str, str], Callable[[], Report]]:
    """Settings of the one that is saved, of the empty one that it is put back into, and its audit."""
    old, new = ({"TILTYARD_DATA_DIR": str(tmp_path / name)} for name in ("old", "new"))
    if request.param == "sqlite":
        return old, new, lambda: audit(tmp_path / "new" / "ledger.db")
    new_database: Callable[[], str] = request.getfixturevalue("new_postgresql")
    for settings in (old, new):
        settings |= {"TILTYARD_DATABASE_URL": new_database(), "TILTYARD_SECRET_KEY": "s" * 32}
    return old, new, lambda: audit_postgresql.audit(new["TILTYARD_DATABASE_URL"])


@pytest.mark.slow
def test_a_server_under_load_is_saved_and_comes_back_as_another(
    start_tiltyard: StartServer,
    tmp_path: Path,
    installations: tuple[dict[str, str], dict[str, str], Callable[[], Report]],
) -> None:
    old, new, audited = installations
    server = start_tiltyard({"TILTYARD_EMBEDDED": "false", **old})
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
            saved = _operate(old, "backup", str(tmp_path / name))
            assert saved.returncode == 0, saved.stderr
        while_saving = sum(answered) - before[0]
    finally:
        done.set()
        for thread in threads:
            thread.join()
    assert failed == []
    assert while_saving > 0
    server.end()

    restored = _operate(new, "restore", str(tmp_path / "two.tar.gz"))
    assert restored.returncode == 0, restored.stderr
    report = audited()
    assert report.findings == ()
    assert report.entries >= before[1]
    other = start_tiltyard({"TILTYARD_EMBEDDED": "false", **new})
    used = other.credits()["total_used"]
    assert used > 0
    with other.client() as client:  # the same key, which came with app.db
        assert client.post("/v1/chat/completions", json=_BODY).status_code == 200
        assert client.post("/v1/quote", json=_BODY).json()["basis"]["from"] == "team"
    assert other.credits()["total_used"] > used
