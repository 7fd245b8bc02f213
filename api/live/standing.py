"""Whether whoever a ticket names may still look: a ticket says what was so when its page was drawn.

Asked when a tab first shows a ticket, every few seconds as long as it is open, and at once when rights
change in this process. What was asked is remembered for 2 s, for all tabs.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable
from typing import Final

from identity.principal import Principal

EVERY_S: Final = 10.0
_REMEMBERED_S: Final = 2.0
_MOST: Final = 5_000

Still = Callable[[Principal], Awaitable[bool]]


class Standing:
    """On the loop only. `still` may raise; then what was so is taken to be so."""

    def __init__(self, still: Still | None) -> None:
        self._still = still
        self._known: dict[Principal, tuple[float, bool]] = {}
        self._changed = asyncio.Event()

    @property
    def asks(self) -> bool:
        return self._still is not None

    async def of(self, principal: Principal) -> bool:
        if self._still is None:
            return True
        now_s = time.monotonic()
        known = self._known.get(principal)
        if known is not None and now_s < known[0]:
            return known[1]
        stands = await self._still(principal)
        if len(self._known) >= _MOST:
            self._known.clear()
        self._known[principal] = (now_s + _REMEMBERED_S, stands)
        return stands

    def changed(self) -> None:
        """Somebody's rights changed: everybody asks again now."""
        self._known.clear()
        before, self._changed = self._changed, asyncio.Event()
        before.set()

    async def wait(self) -> None:
        """Until it is time to ask again."""
        try:
            async with asyncio.timeout(EVERY_S):
                await self._changed.wait()
        except TimeoutError:
            return
