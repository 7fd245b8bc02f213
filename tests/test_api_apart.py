"""The API in processes of its own beside the pages' process: real ones, on SQLite."""

from __future__ import annotations

import contextlib
import os
import re
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import httpx
import psutil
import pytest

from tests.server import API_KEY, ROOT, Server, free_port, nano_usd
from tests.upstream import MODEL as SLOW, SlowUpstream

MODEL = "simulated/steady"


class Apart:
    """A server, and the port of its API's processes."""

    def __init__(self, server: Server, port: int) -> None:
        self.server = server
        self.url = f"http://127.0.0.1:{port}"

    def pids(self) -> list[int]:
        found = []
        for child in psutil.Process(self.server.pid).children():
            with contextlib.suppress(psutil.NoSuchProcess):  # one that was killed a moment ago
                if "api.asgi" in child.cmdline():
                    found.append(child.pid)
        return sorted(found)

    def client(self, key: str = API_KEY) -> httpx.Client:
        """Each has a connection of its own, which one of the processes has."""
        headers = {"Authorization": f"Bearer {key}"}
        return httpx.Client(base_url=self.url, headers=headers, trust_env=False, timeout=30)

    def ask(self, key: str = API_KEY, **more: Any) -> httpx.Response:
        body = {"model": MODEL, "messages": [{"role": "user", "content": "Hello"}], "max_tokens": 8, **more}
        with self.client(key) as client:
            return client.post("/v1/chat/completions", json=body)


@pytest.fixture(scope="module")
def apart(tmp_path_factory: pytest.TempPathFactory, slow_upstream: SlowUpstream) -> Iterator[Apart]:
    port = free_port()
    settings = {
        "TILTYARD_API_PROCESSES": "2",
        "TILTYARD_API_PORT": str(port),
        "TILTYARD_EMBEDDED": "false",
        "TILTYARD_DRAIN_S": "1",
        "LAB_KEY": "not to be seen",
    }
    server = Server(tmp_path_factory.mktemp("apart"), settings, slow_upstream.config)
    server.start()
    yield Apart(server, port)
    server.end()


@pytest.fixture(scope="module")
def script(apart: Apart) -> tuple[str, str]:
    """A key that the tests below limit, cap and at last revoke; and its number."""
    made = operate(apart.server, "keys", "create", "for a script")
    number = re.search(r"Key (\d+)", made)
    assert number is not None
    return made.splitlines()[0], number[1]


def test_what_the_api_answers_costs_the_same_credits_and_is_seen_from_the_pages_process(apart: Apart) -> None:
    before = apart.server.credits()
    with ThreadPoolExecutor(4) as threads:
        answers = [answer.json() for answer in threads.map(lambda _: apart.ask(), range(12))]
    until(lambda: apart.server.credits()["held"] == 0, within_s=20)
    after = apart.server.credits()
    assert before["available"] - after["available"] == sum(nano_usd(a["usage"]["cost"]) for a in answers) > 0
    last = answers[-1]["id"]

    def told() -> Any:
        return apart.server.get("/v1/generation", params={"id": last}).json().get("data", {})

    until(lambda: told().get("state") == "done", within_s=20)
    assert told()["entry"] is not None


def test_here_is_the_api_alone_and_it_says_so(apart: Apart) -> None:
    with apart.client() as client:
        assert client.get("/readyz").json()["status"] == "ready"
        assert client.get("/").status_code == 404
        assert "API alone" in client.get("/").json()["error"]["message"]
        assert client.get("/v1/nothing").status_code == 404
    metrics = apart.server.get("/metrics").text
    processes = set(re.findall(r'tiltyard_runs_running\{process="([^"]+)"', metrics))
    assert len(processes) == 3, "the page of one process tells of all"
    told = apart.server.get("/readyz").json()["api_processes"]
    assert (told["asked"], told["ready"]) == (2, 2)


def test_the_children_are_told_no_secret_where_others_could_read_it(apart: Apart) -> None:
    assert len(apart.pids()) == 2
    for pid in apart.pids():
        process = psutil.Process(pid)
        assert [name for name in process.environ() if name.startswith(("TILTYARD_", "LAB_"))] == []
        assert process.cmdline()[-3:] == ["-m", "api.asgi", "--child"]


@pytest.mark.slow
def test_a_cap_that_one_process_reaches_is_reached_in_all_at_once(
    apart: Apart, script: tuple[str, str]
) -> None:
    key, number = script
    operate(apart.server, "caps", "set", "key", number, "--usd", "0.000000001")
    assert {apart.ask(key).status_code for _ in range(8)} == {402}
    with apart.server.client(key=key) as pages:
        body = {"model": MODEL, "messages": [{"role": "user", "content": "Hello"}]}
        assert pages.post("/v1/chat/completions", json=body).status_code == 402
    operate(apart.server, "caps", "remove", "key", number)


@pytest.mark.slow
def test_a_limit_holds_in_all_processes_together(apart: Apart, script: tuple[str, str]) -> None:
    """30 a minute among three processes (the pages' is one): 10 in each, 20 through this port."""
    key, number = script
    operate(apart.server, "limit", "--key", number, "--requests", "30")
    clients = [apart.client(key) for _ in range(6)]
    until(lambda: {limit_seen_by(client) for client in clients} == {"10"}, within_s=8)
    for client in clients:
        client.close()
    with ThreadPoolExecutor(4) as threads:
        statuses = list(threads.map(lambda _: apart.ask(key).status_code, range(60)))
    assert set(statuses) == {200, 429}
    assert 10 <= statuses.count(200) <= 24, "while this runs, a few of each ten are a minute old"
    refused = next(answer for _ in range(60) if (answer := apart.ask(key)).status_code == 429)
    assert refused.json()["error"]["code"] == "rate_limit_exceeded"
    assert refused.headers["x-ratelimit-limit-requests"] == "10"


def test_a_key_that_is_revoked_is_refused_by_every_process_within_five_seconds(
    apart: Apart, script: tuple[str, str], record_figure: Callable[[str], None]
) -> None:
    key, number = script
    clients = [apart.client(key) for _ in range(6)]  # whichever process each comes to
    for client in clients:
        assert client.get("/v1/credits").status_code == 200
    operate(apart.server, "keys", "revoke", number)
    revoked_s = time.monotonic()
    for client in clients:
        until(lambda client=client: client.get("/v1/credits").status_code == 401, within_s=6)  # type: ignore[misc]
        client.close()
    took_s = time.monotonic() - revoked_s
    assert took_s < 6
    record_figure(f"a revoked key: refused by every process after {took_s:.1f} s")
    with apart.server.client(key=key) as pages:
        assert pages.get("/v1/credits").status_code == 401


@pytest.mark.slow
def test_a_process_that_is_killed_is_started_again_while_the_other_answers(apart: Apart) -> None:
    before = apart.pids()
    os.kill(before[0], signal.SIGKILL)
    answered = 0
    limit_s = time.monotonic() + 20
    while apart.server.get("/readyz").json()["api_processes"]["ready"] < 2 or before[0] in apart.pids():
        assert time.monotonic() < limit_s
        with contextlib.suppress(httpx.TransportError):  # it came to the one that was dying
            answered += apart.ask().status_code == 200
    assert answered > 0
    assert apart.server.get("/readyz").json()["api_processes"]["restarts"] == 1
    assert set(apart.pids()) != set(before)
    assert len(apart.pids()) == 2


@pytest.mark.slow
def test_a_stream_of_the_api_is_ended_and_paid_for_when_the_app_is_asked_to_end(apart: Apart) -> None:
    """The last one: it ends the server."""
    pids = apart.pids()
    before = apart.server.credits()
    body = {"model": SLOW, "messages": [{"role": "user", "content": "Tell me"}], "stream": True}
    with apart.client() as client, client.stream("POST", "/v1/chat/completions", json=body) as answer:
        lines = answer.iter_lines()
        for _ in range(6):
            next(lines)
        began_s = time.monotonic()
        apart.server.signal(signal.SIGTERM)
        rest = list(lines)
    apart.server.wait_ended(10)
    assert time.monotonic() - began_s < 8
    assert any('"error"' in line for line in rest), "the caller is told that it ended"
    assert [pid for pid in pids if psutil.pid_exists(pid)] == []
    apart.server.start()
    after = apart.server.credits()
    assert after["held"] == 0
    assert before["available"] - after["available"] > 0
    ended = subprocess.run(
        [sys.executable, "-m", "operate", "audit"],
        cwd=ROOT, env=apart.server.environment, capture_output=True, text=True, timeout=60,
    )  # fmt: skip
    assert "0 findings" in ended.stdout + ended.stderr


def limit_seen_by(client: httpx.Client) -> str | None:
    headers = client.get("/v1/credits").headers
    limit: str | None = headers.get("x-ratelimit-limit-requests")
    return limit


@pytest.mark.slow
def test_a_port_that_is_taken_and_a_host_without_postgresql_are_said_in_a_sentence(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as other:
        port = str(other.getsockname()[1])
        settings = {"TILTYARD_API_PROCESSES": "1", "TILTYARD_API_PORT": port, "TILTYARD_EMBEDDED": "false"}
        server = Server(tmp_path, settings)
        server.start(wait=False)
        alone = subprocess.run(
            [sys.executable, "-m", "api.asgi"],
            cwd=ROOT, env=server.environment, capture_output=True, text=True, timeout=60,
        )  # fmt: skip
        assert server.wait_ended(40) != 0
    assert "TILTYARD_API_PORT" in server.log and port in server.log
    assert "Traceback" not in server.log
    assert alone.returncode != 0
    assert "TILTYARD_DATABASE_URL" in alone.stderr and "Traceback" not in alone.stderr


def operate(server: Server, *words: str) -> str:
    ran = subprocess.run(
        [sys.executable, "-m", "operate", *words],
        cwd=ROOT, env=server.environment, capture_output=True, text=True, timeout=60,
    )  # fmt: skip
    assert ran.returncode == 0, ran.stdout + ran.stderr
    return ran.stdout + ran.stderr


def until(true: Callable[[], bool], within_s: float = 5.0) -> None:
    limit_s = time.monotonic() + within_s
    while not true():
        assert time.monotonic() < limit_s
        time.sleep(0.05)
