"""Ends what runs for whoever has lost the right to it: who left the team or was removed, whose key has ended.

Looked at when rights change in this process, and every few seconds for what changed elsewhere or ended by
itself. What came until then is billed, as with any stop.
"""

from __future__ import annotations

import asyncio
import logging
from typing import Final

from gateway.runs import Run, RunHub
from identity.errors import NotAuthenticated
from identity.standing import Standing

_log = logging.getLogger(__name__)

EVERY_S: Final = 5.0


class Leaving:
    """On the loop only."""

    def __init__(self, hub: RunHub, standing: Standing) -> None:
        self._hub = hub
        self._standing = standing
        self._changed = asyncio.Event()

    def changed(self) -> None:
        """Somebody's rights changed: look now."""
        self._standing.forget()
        self._changed.set()

    async def keep(self) -> None:
        while True:
            try:
                async with asyncio.timeout(EVERY_S):
                    await self._changed.wait()
            except TimeoutError:
                pass
            self._changed.clear()
            try:
                await self.look()
            except Exception:
                _log.warning("it could not be asked whose runs may go on", exc_info=True)

    async def look(self) -> None:
        for run in self._hub:
            if run.state == "running" and not await self._may_go_on(run):
                run.stop("no_access")

    async def _may_go_on(self, run: Run) -> bool:
        if run.user_id is None and run.key_id is None:
            return True  # asked with a platform's token, which ends by itself and cannot be taken back
        try:
            await self._standing.principal_of(run.team_id, run.user_id, run.key_id)
        except NotAuthenticated:
            return False
        return True
