"""How fast the process is there, and what it takes while nobody asks it anything.

Start to healthy: from starting `python app.py` to the first 200 of `/healthz`, byte code warm (one start
before is thrown away). Memory: the resident set of the process itself, its children apart, ten seconds
after it was ready, before any page was opened.
"""

from __future__ import annotations

import contextlib
import tempfile
import time
from pathlib import Path
from statistics import median

import httpx
import psutil

from bench.table import Row, print_table
from tests.server import Server

_STARTS = 5
_IDLE_S = 10.0
_MB = 1_000_000


def measure() -> list[Row]:
    with tempfile.TemporaryDirectory(prefix="tiltyard-bench-") as folder:
        _start_to_healthy(Path(folder))  # byte code, databases, page cache
        starts = [_start_to_healthy(Path(folder)) for _ in range(_STARTS)]
        own, children = _idle_memory(Path(folder))
    healthy = [first for first, _ in starts]
    ready = [second for _, second in starts]
    taken = f"{_STARTS} starts, median"
    return [
        Row("start to healthy", f"{median(healthy):.2f} s (slowest {max(healthy):.2f} s)", taken, "<= 2 s"),
        Row(
            "start to the embedded model ready",
            f"{median(ready):.2f} s (slowest {max(ready):.2f} s)",
            taken,
        ),
        Row("memory idle, the process itself", f"{own / _MB:.0f} MB", "1 process, after 10 s"),
        *(
            Row(f"memory idle, child {name}", f"{size / _MB:.0f} MB", "1 process, after 10 s")
            for name, size in children
        ),
    ]


def _start_to_healthy(folder: Path) -> tuple[float, float]:
    """Seconds until `/healthz` answered 200, and until the embedded model could answer too."""
    server = Server(folder, {})
    began_s = time.monotonic()
    server.start(wait=False)
    try:
        healthy_s = _wait_for(server, "/healthz") - began_s
        _wait_for(server, "/readyz")
        server.wait_model()
        return healthy_s, time.monotonic() - began_s
    finally:
        server.end()


def _wait_for(server: Server, path: str, within_s: float = 60.0) -> float:
    limit_s = time.monotonic() + within_s
    with httpx.Client(base_url=server.url, trust_env=False, timeout=5.0) as client:
        while time.monotonic() < limit_s:
            with contextlib.suppress(httpx.HTTPError):
                if client.get(path).status_code == 200:
                    return time.monotonic()
            time.sleep(0.005)
    raise TimeoutError(f"{path} did not answer 200 in {within_s:g} s:\n{server.log}")


def _idle_memory(folder: Path) -> tuple[int, list[tuple[str, int]]]:
    """Bytes of the process, and of each child by the module that it runs."""
    server = Server(folder, {})
    server.start()
    try:
        server.wait_model()
        time.sleep(_IDLE_S)
        process = psutil.Process(server.pid)
        children = [
            (_module_of(child.cmdline()), child.memory_info().rss)
            for child in process.children(recursive=True)
        ]
        return process.memory_info().rss, children
    finally:
        server.end()


def _module_of(command: list[str]) -> str:
    return command[command.index("-m") + 1] if "-m" in command[:-1] else " ".join(command[:2])


if __name__ == "__main__":
    print_table(measure())
