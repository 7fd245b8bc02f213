"""Batches of a real server, as a script asks for them: open one, look at it until something is so."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

import httpx
import psutil

from tests.server import Server

ENDED = ("done", "stopped")


def opened(server: Server, rows: int, *, first: int = 0, **more: Any) -> str:
    """A batch's id. Its rows are the numbers from `first` on."""
    body = {
        "name": "Numbers",
        "rows": [{"no": no, "expected": f"number {no}"} for no in range(first, first + rows)],
        "request": {
            "messages": [{"role": "user", "content": "Say the number of row {{no}}."}],
            "max_tokens": 20,
        },
        "lanes": [{"model": "lab/one"}],
        "checks": [{"kind": "exact", "expected": "{{expected}}"}],
        "at_once": 16,
        "cost_cap_usd": "4.00",
        **more,
    }
    with server.client() as client:
        told = client.post("/v1/batches", json=body)
    assert told.status_code == 201, told.text
    return str(told.json()["id"])


def shown(server: Server, batch_id: str) -> dict[str, Any]:
    told: dict[str, Any] = server.get(f"/v1/batches/{batch_id}").json()
    return told


def until(
    server: Server, batch_id: str, is_so: Callable[[dict[str, Any]], bool], within_s: float
) -> dict[str, Any]:
    limit_s = time.monotonic() + within_s
    while True:
        try:
            told = shown(server, batch_id)
            if is_so(told):
                return told
        except httpx.HTTPError:
            pass
        assert time.monotonic() < limit_s, f"{told['state']} {told['why']} {told['progress']}\n{server.log}"
        time.sleep(0.1)


def over(told: dict[str, Any]) -> int:
    progress = told["progress"]
    return int(progress["done"] + progress["failed"] + progress["cut"])


def has_the_jobs(server: Server) -> bool:
    return any("jobs" in child.cmdline()[2:3] for child in psutil.Process(server.pid).children())
