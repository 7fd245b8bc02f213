"""The process as an operator meets it: started, refused, drained, killed, started again."""

from __future__ import annotations

import contextlib
import re
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from typing import Any

import httpx
import psutil
import pytest

from tests.server import ROOT, Server, free_port
from tests.upstream import MODEL as SLOW, SlowUpstream

StartServer = Callable[..., Server]

WITHOUT_MODEL = {"TILTYARD_EMBEDDED": "false"}


def test_it_says_that_it_lives_and_that_it_is_ready(tiltyard: Server) -> None:
    assert tiltyard.get("/healthz").status_code == 200
    ready = tiltyard.get("/readyz")
    assert ready.status_code == 200
    assert re.search(r"[0-9a-f]{8,}", str(ready.json()["catalog"])), "the catalog's hash"


@pytest.mark.parametrize(
    ("path", "page"),
    [
        ("/benchmarks/leaderboard", "/leaderboard"),
        ("/benchmarks/speed", "/benchmarks?board=speed"),
        ("/benchmarks/methodology?x=1", "/benchmarks?board=methodology&x=1"),
        ("/benchmarks/intelligence", "/benchmarks?board=intelligence"),
        ("/live-test?models=a,b", "/battle?models=a,b"),
    ],
)
def test_an_address_that_people_know_leads_to_its_page(tiltyard: Server, path: str, page: str) -> None:
    answer = tiltyard.get(path)
    assert (answer.status_code, answer.headers["location"]) == (302, page)
    assert tiltyard.get(page).status_code == 200


@pytest.mark.parametrize("path", ["/v1/nope", "/v1/models/a:b", "/v1/chat/completions/x"])
def test_an_api_path_that_does_not_exist_is_a_json_404(tiltyard: Server, path: str) -> None:
    answer = tiltyard.get(path)
    assert answer.status_code == 404
    assert answer.json()["error"]["message"]


def test_a_taken_port_is_named_with_the_setting_that_changes_it(start_tiltyard: StartServer) -> None:
    with socket.create_server(("127.0.0.1", 0)) as other:
        port = other.getsockname()[1]
        server = start_tiltyard({"TILTYARD_PORT": str(port)} | WITHOUT_MODEL, wait=False)
        assert server.wait_ended(30) != 0
    assert str(port) in server.log
    assert "TILTYARD_PORT" in server.log
    assert "Traceback" not in server.log


@pytest.mark.slow
def test_a_data_folder_in_use_is_not_shared(start_tiltyard: StartServer) -> None:
    first = start_tiltyard(WITHOUT_MODEL)
    settings = {"TILTYARD_DATA_DIR": str(first.data_dir), "TILTYARD_PORT": str(free_port())}
    second = start_tiltyard(settings | WITHOUT_MODEL, wait=False)
    assert second.wait_ended(30) != 0
    assert "TILTYARD_DATA_DIR" in second.log
    assert first.get("/healthz").status_code == 200


@pytest.mark.parametrize(
    "host", ["0.0.0.0", *(pytest.param(host, marks=pytest.mark.slow) for host in ("::", "192.0.2.7"))]
)
def test_without_sign_in_only_this_machine_is_served(start_tiltyard: StartServer, host: str) -> None:
    server = start_tiltyard({"TILTYARD_HOST": host} | WITHOUT_MODEL, wait=False)
    assert server.wait_ended(30) != 0
    assert "TILTYARD_HOST" in server.log
    assert "sign-in" in server.log


def test_everything_that_is_wrong_is_listed_at_once(start_tiltyard: StartServer) -> None:
    wrong = {
        "TILTYARD_PORT": "many",
        "TILTYARD_DRAIN_S": "-1",
        "TILTYARD_LOCAL_API_KEY": "short",
        "TILTYARD_NO_SUCH_THING": "1",
    }
    server = start_tiltyard(wrong, wait=False)
    assert server.wait_ended(30) != 0
    assert [name for name in wrong if name not in server.log] == []
    assert "Traceback" not in server.log


def test_the_first_start_prints_a_key_that_works_and_the_second_prints_none(
    start_tiltyard: StartServer,
) -> None:
    server = start_tiltyard({"TILTYARD_LOCAL_API_KEY": ""} | WITHOUT_MODEL)
    keys = re.findall(r"\bty_[A-Za-z0-9]{32,}", server.log)
    assert len(keys) == 1
    with server.client(key=keys[0]) as client:
        assert client.get("/v1/credits").status_code == 200
    server.end()
    server.start()
    assert re.findall(r"\bty_[A-Za-z0-9]{32,}", server.log) == keys


def test_on_sigterm_an_open_stream_is_ended_and_paid_for_in_under_ten_seconds(
    start_tiltyard: StartServer, slow_upstream: SlowUpstream
) -> None:
    server = start_tiltyard(WITHOUT_MODEL, slow_upstream.config)
    before = server.credits()
    with _stream(server) as lines:
        _read_tokens(lines, 3)
        began_s = time.monotonic()
        server.signal(signal.SIGTERM)
        refused = _first_refusal(server, within_s=3)
        rest = list(lines)
        server.wait_ended(10)
        took_s = time.monotonic() - began_s
    assert took_s < 10
    assert refused.status_code == 503
    assert int(refused.headers["retry-after"]) >= 1
    assert any("[DONE]" in line or '"error"' in line for line in rest), "the caller is told that it ended"
    server.start()
    after = server.credits()
    assert after["held"] == 0
    assert before["available"] - after["available"] == after["total_used"] > 0


def test_an_idle_server_ends_at_once(start_tiltyard: StartServer) -> None:
    server = start_tiltyard(WITHOUT_MODEL)
    began_s = time.monotonic()
    server.signal(signal.SIGTERM)
    server.wait_ended(10)
    assert time.monotonic() - began_s < 4


@pytest.mark.slow
def test_ctrl_c_lets_a_running_answer_go_on_for_a_while_and_ends_without_a_traceback(
    start_tiltyard: StartServer, slow_upstream: SlowUpstream
) -> None:
    server = start_tiltyard(WITHOUT_MODEL | {"TILTYARD_DRAIN_S": "1"}, slow_upstream.config)
    with _stream(server) as lines:
        _read_tokens(lines, 3)
        server.signal(signal.SIGINT)
        _read_tokens(lines, 5)
        assert any('"error"' in line for line in lines), "the caller is told that it ended"
    server.wait_ended(10)
    assert "Traceback" not in server.log


@pytest.mark.slow
def test_after_kill_9_in_mid_answer_no_hold_stays_open_for_a_minute_and_the_ledger_balances(
    start_tiltyard: StartServer, slow_upstream: SlowUpstream
) -> None:
    server = start_tiltyard(WITHOUT_MODEL, slow_upstream.config)
    with _stream(server) as lines:
        _read_tokens(lines, 5)
        time.sleep(2.5)  # two checkpoints
        assert server.credits()["held"] > 0
        server.signal(signal.SIGKILL)
        server.wait_ended(10)
    killed_s = time.monotonic()
    server.start()
    while server.credits()["held"] > 0:
        assert time.monotonic() - killed_s < 60, "a hold is still open after a minute"
        time.sleep(1)
    after = server.credits()
    assert after["total_used"] > 0, "what was sent is paid for"
    assert after["balance"] == after["available"]
    server.end()
    assert _audit(server).returncode == 0


@pytest.mark.embedded
def test_the_model_child_killed_in_mid_answer_ends_the_run_and_the_next_prompt_works(
    start_tiltyard: StartServer,
) -> None:
    server = start_tiltyard()
    server.wait_model()
    model = _embedded_model(server)
    with _stream(server, model=model, max_tokens=400) as lines:
        _read_tokens(lines, 3)
        _kill_child(server, "embedded")
        rest = "".join(lines)
    assert '"error"' in rest
    after = server.credits()
    assert after["held"] == 0
    assert after["total_used"] > 0, "what was sent is paid for"
    assert _ask(server, model)["choices"][0]["message"]["content"]


# --- what the tests above do to a server -----------------------------------------------------


@contextlib.contextmanager
def _stream(server: Server, *, model: str = SLOW, max_tokens: int = 2000) -> Iterator[Iterator[str]]:
    """The lines of a streamed answer, for as long as the caller listens."""
    body = {
        "model": model,
        "messages": [{"role": "user", "content": "Tell me a long story about the sea."}],
        "max_tokens": max_tokens,
        "stream": True,
    }
    with (
        server.client(timeout=30.0) as client,
        client.stream("POST", "/v1/chat/completions", json=body) as answer,
    ):
        assert answer.status_code == 200, answer.read()
        yield _lines(answer)


def _lines(answer: httpx.Response) -> Iterator[str]:
    with contextlib.suppress(httpx.RemoteProtocolError, httpx.ReadError):  # a process that was killed
        yield from answer.iter_lines()


def _read_tokens(lines: Iterator[str], count: int) -> None:
    for line in lines:
        count -= '"content":' in line
        if count <= 0:
            return
    raise AssertionError("the answer ended early")


def _ask(server: Server, model: str) -> dict[str, Any]:
    body = {"model": model, "messages": [{"role": "user", "content": "Say hello."}], "max_tokens": 20}
    with server.client(timeout=60.0) as client:
        answer = client.post("/v1/chat/completions", json=body)
    assert answer.status_code == 200, answer.text
    said: dict[str, Any] = answer.json()
    return said


def _first_refusal(server: Server, within_s: float) -> httpx.Response:
    """Ask until a request is refused, which is when the drain began."""
    limit_s = time.monotonic() + within_s
    body = {"model": "simulated/none-of-that", "messages": [{"role": "user", "content": "Hello"}]}
    with server.client() as client:
        while time.monotonic() < limit_s:
            answer = client.post("/v1/chat/completions", json=body)
            if answer.status_code == 503:
                return answer
            time.sleep(0.02)
    raise AssertionError("no request was refused")


def _audit(server: Server) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "billing.audit", str(server.data_dir / "ledger.db")],
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=60,
    )


def _embedded_model(server: Server) -> str:
    models: list[dict[str, str]] = server.get("/v1/models").json()["data"]
    return next(model["id"] for model in models if model["id"].startswith("embedded/"))


def _kill_child(server: Server, name: str) -> None:
    for child in psutil.Process(server.pid).children(recursive=True):
        if any(name in word for word in child.cmdline()):
            child.kill()
            return
    raise AssertionError(f"no child runs {name!r}")
