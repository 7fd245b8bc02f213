"""Several real servers on one PostgreSQL: one installation, whichever of them is asked."""

from __future__ import annotations

import re
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from pathlib import Path
from typing import Any

import httpx
import psycopg
import pytest

from billing import audit_postgresql
from tests.server import API_KEY, ROOT, Server, free_port, nano_usd
from tests.upstream import MODEL as SLOW, SlowUpstream

StartServer = Callable[..., Server]
pytestmark = pytest.mark.postgresql

MODEL = "simulated/steady"


def settings_of(url: str) -> dict[str, str]:
    return {"TILTYARD_DATABASE_URL": url, "TILTYARD_SECRET_KEY": "s" * 32, "TILTYARD_EMBEDDED": "false"}


@pytest.fixture
def replicas(start_tiltyard: StartServer, postgresql_url: str) -> tuple[Server, Server]:
    """Both started at once on an empty database, with one data folder between them."""
    first = start_tiltyard(settings_of(postgresql_url), wait=False)
    shared = {"TILTYARD_DATA_DIR": str(first.data_dir)}
    second = start_tiltyard(settings_of(postgresql_url) | shared, wait=False)
    for server in (first, second):
        server.wait_ready(60)
    return first, second


def ask(server: Server, **options: Any) -> dict[str, Any]:
    body = {"model": MODEL, "messages": [{"role": "user", "content": "Hello"}], "max_tokens": 8, **options}
    with server.client() as client:
        answer = client.post("/v1/chat/completions", json=body)
    assert answer.status_code == 200, answer.text
    told: dict[str, Any] = answer.json()
    return told


def test_replicas_that_start_together_are_one_installation(
    replicas: tuple[Server, Server], postgresql_url: str
) -> None:
    first, second = replicas
    assert not first.data_dir.exists(), "nothing lies in a folder"
    before = first.credits()
    assert second.credits() == before
    answered = ask(first)
    assert first.credits()["available"] < before["available"]
    assert second.credits() == first.credits()
    # A run is written down each second.
    until(lambda: second.get("/v1/generation", params={"id": answered["id"]}).status_code == 200)
    with ThreadPoolExecutor(4) as threads:
        list(threads.map(ask, (first, second) * 8))
    assert second.credits() == first.credits()
    assert first.credits()["held"] == 0
    with psycopg.connect(postgresql_url) as connection:
        assert rows(connection, "SELECT count(*) FROM app.process") == [(2,)]
        assert rows(connection, "SELECT count(*) FROM app.team") == [(1,)]
        until(
            lambda: rows(connection, "SELECT count(*) FROM log.request WHERE run_id IS NOT NULL") == [(17,)]
        )
        rolled_up = "SELECT sum(requests_ok) FROM log.rollup_hour WHERE team_id = 0"
        assert rows(connection, rolled_up) == [(17,)]


@pytest.mark.slow
def test_a_replica_that_leaves_or_dies_takes_nothing_with_it(
    replicas: tuple[Server, Server], postgresql_url: str
) -> None:
    first, second = replicas
    ask(first)
    first.signal(signal.SIGKILL)
    first.wait_ended(10)
    left = second.credits()
    ask(second)
    assert second.credits()["available"] < left["available"]
    second.signal(signal.SIGTERM)
    second.wait_ended(15)
    with psycopg.connect(postgresql_url) as connection:
        known = rows(connection, "SELECT count(*) FROM app.process")
        assert known == [(1,)], "who leaves says so; who is killed is found dead by its silence"


@pytest.mark.slow
def test_what_an_operator_does_holds_on_every_replica(
    replicas: tuple[Server, Server], postgresql_url: str
) -> None:
    first, second = replicas
    made = operate(first, "keys", "create", "for a script")
    key = made.splitlines()[0]
    for server in replicas:
        with server.client(key=key) as client:
            assert client.get("/v1/credits").status_code == 200
    before = first.credits()
    operate(second, "grant", "--usd", "2.50", "--ref", "once")
    assert operate(first, "grant", "--usd", "2.50", "--ref", "once").count("nothing was given twice") == 1
    for server in replicas:
        assert server.credits()["available"] == before["available"] + 2_500_000_000
    for server in replicas:
        ask(server)  # both have learned that the team was changed by somebody else
    assert first.credits() == second.credits()
    assert "0 findings" in operate(first, "audit")
    number = re.search(r"Key (\d+)", made)
    assert number is not None
    operate(second, "keys", "revoke", number[1])
    for server in replicas:
        with server.client(key=key) as client:
            until(lambda client=client: client.get("/v1/credits").status_code == 401, within_s=8)  # type: ignore[misc]
    assert not first.data_dir.exists(), "nothing lies in a folder"


@pytest.mark.slow
def test_a_host_may_run_the_api_alone(
    start_tiltyard: StartServer, postgresql_url: str, tmp_path: Path
) -> None:
    pages = start_tiltyard(settings_of(postgresql_url))
    port = free_port()
    environment = pages.environment | {"TILTYARD_API_PORT": str(port), "TILTYARD_DATA_DIR": str(tmp_path)}
    host = subprocess.Popen(
        [sys.executable, "-m", "api.asgi"], cwd=ROOT, env=environment, stderr=subprocess.PIPE
    )
    headers = {"Authorization": f"Bearer {API_KEY}"}
    url = f"http://127.0.0.1:{port}"
    try:
        with httpx.Client(base_url=url, headers=headers, trust_env=False, timeout=30) as client:

            def is_ready() -> bool:
                with suppress(httpx.TransportError):
                    return client.get("/readyz").status_code == 200
                return False

            until(is_ready, within_s=60)
            before = pages.credits()
            body = {"model": MODEL, "messages": [{"role": "user", "content": "Hello"}], "max_tokens": 8}
            answer = client.post("/v1/chat/completions", json=body)
            assert answer.status_code == 200, answer.text
            cost = nano_usd(answer.json()["usage"]["cost"])
        assert before["available"] - pages.credits()["available"] == cost > 0
        with psycopg.connect(postgresql_url) as connection:
            roles = rows(connection, "SELECT role FROM app.process ORDER BY role")
        assert roles == [("api",), ("app",)]
    finally:
        host.terminate()
        _, said = host.communicate(timeout=20)
    assert url.replace("127.0.0.1", "localhost") in said.decode()
    assert "Traceback" not in said.decode()


@pytest.mark.slow
def test_of_a_replica_that_is_killed_in_mid_answer_another_ends_the_run_and_its_hold_in_a_minute(
    start_tiltyard: StartServer, postgresql_url: str, slow_upstream: SlowUpstream
) -> None:
    first, second = (
        start_tiltyard(settings_of(postgresql_url), slow_upstream.config, wait=False) for _ in range(2)
    )
    for server in (first, second):
        server.wait_ready(60)
    run_id = killed_in_mid_answer(first)
    killed_s = time.monotonic()
    held = second.credits()["held"]
    assert held > 0
    state = {}

    def ended() -> bool:
        state.update(second.get("/v1/generation", params={"id": run_id}).json()["data"])
        return state["state"] == "failed" and state["entry"] is not None and not second.credits()["held"]

    assert not ended()
    until(ended, within_s=60)
    assert time.monotonic() - killed_s > 20, "the one that was killed had its lease"
    assert state["failure"]
    assert state["entry"]["estimated"]
    assert 0 < -nano_usd(state["entry"]["amount"]) < held
    second.end()
    assert audit_postgresql.audit(postgresql_url).findings == ()


@pytest.mark.slow
def test_a_database_that_does_not_answer_is_said_in_a_sentence(start_tiltyard: StartServer) -> None:
    server = start_tiltyard(settings_of("postgresql://me:swordfish@127.0.0.1:1/x"), wait=False)
    assert server.wait_ended(30) != 0
    assert "TILTYARD_DATABASE_URL" in server.log
    assert "Traceback" not in server.log
    assert "swordfish" not in server.log


def killed_in_mid_answer(server: Server) -> str:
    """The run that was streaming, and had been checkpointed, when its server was killed."""
    body = {"model": SLOW, "messages": [{"role": "user", "content": "Hello"}], "stream": True}
    with (
        server.client() as client,
        client.stream("POST", "/v1/chat/completions", json=body) as answer,
        suppress(httpx.RemoteProtocolError, httpx.ReadError),
    ):
        lines = answer.iter_lines()
        began_s = time.monotonic()
        while time.monotonic() - began_s < 2.5:
            next(lines)
        server.signal(signal.SIGKILL)
        list(lines)
    server.wait_ended(10)
    return answer.headers["x-run-id"]


def operate(server: Server, *words: str) -> str:
    """What the operator's command says on both of its outputs, run with a server's settings."""
    ran = subprocess.run(
        [sys.executable, "-m", "operate", *words],
        cwd=ROOT,
        env=server.environment,
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert ran.returncode == 0, ran.stdout + ran.stderr
    return ran.stdout + ran.stderr


def rows(connection: psycopg.Connection, query: str) -> list[tuple[Any, ...]]:
    found = connection.execute(query.encode()).fetchall()
    connection.commit()
    return found


def until(true: Callable[[], bool], within_s: float = 5.0) -> None:
    limit_s = time.monotonic() + within_s
    while not true():
        assert time.monotonic() < limit_s
        time.sleep(0.05)
