"""Windows that several processes share: the package `limits` counts them in Redis.

A correction goes through the same script as a request's own cost: what would go beyond the limit is then
not counted, since the window is full in any case.
"""

from __future__ import annotations

import time

from limits import RateLimitItemPerMinute
from limits.aio.storage import RedisStorage
from limits.aio.strategies import SlidingWindowCounterRateLimiter
from limits.errors import StorageError

from gateway.rate_limits import Window
from gateway.rate_windows import Standing

_ANSWER_WITHIN_S = 0.25
_NAMESPACE = "tiltyard"


class RedisWindows:
    """Raises `limits.errors.ConfigurationError` for a URL that is none."""

    def __init__(self, url: str) -> None:
        self._storage = RedisStorage(
            f"async+{url}",
            wrap_exceptions=True,
            implementation="redispy",
            socket_timeout=_ANSWER_WITHIN_S,
            socket_connect_timeout=_ANSWER_WITHIN_S,
        )
        self._limiter = SlidingWindowCounterRateLimiter(self._storage)
        self._items: dict[int, RateLimitItemPerMinute] = {}

    async def take(self, window: Window, cost: int) -> bool:
        try:
            return bool(await self._limiter.hit(self._item(window), window.name, cost=cost))
        except StorageError as error:
            raise _away(error) from error

    async def add(self, window: Window, cost: int) -> None:
        await self.take(window, cost)

    async def standing(self, window: Window) -> Standing:
        try:
            stats = await self._limiter.get_window_stats(self._item(window), window.name)
        except StorageError as error:
            raise _away(error) from error
        # It tells an instant of the wall's clock.
        reset_s = max(stats.reset_time - time.time_ns() / 1e9, 0.0)
        return Standing(window.limit, max(int(stats.remaining), 0), reset_s)

    async def close(self) -> None:
        await self._storage.bridge.storage.aclose()  # type: ignore[attr-defined]  # untyped there: redis-py's

    def _item(self, window: Window) -> RateLimitItemPerMinute:
        item = self._items.get(window.limit)
        if item is None:
            item = self._items[window.limit] = RateLimitItemPerMinute(window.limit, namespace=_NAMESPACE)
        return item


def _away(error: StorageError) -> ConnectionError:
    return ConnectionError(str(error.storage_error))
