"""Several real servers on one PostgreSQL: one installation, whichever of them is asked."""

from __future__ import annotations

import signal
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import psycopg
import pytest

from tests.server import Server

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


def test_a_database_that_does_not_answer_is_said_in_a_sentence(start_tiltyard: StartServer) -> None:
    server = start_tiltyard(settings_of("postgresql://me:swordfish@127.0.0.1:1/x"), wait=False)
    assert server.wait_ended(30) != 0
    assert "TILTYARD_DATABASE_URL" in server.log
    assert "Traceback" not in server.log
    assert "swordfish" not in server.log


def rows(connection: psycopg.Connection, query: str) -> list[tuple[Any, ...]]:
    found = connection.execute(query.encode()).fetchall()
    connection.commit()
    return found


def until(true: Callable[[], bool], within_s: float = 5.0) -> None:
    limit_s = time.monotonic() + within_s
    while not true():
        assert time.monotonic() < limit_s
        time.sleep(0.05)
