"""Requests and tokens a minute, before anything is reserved: of a team, and of a key.

A request takes one request and the tokens that it may come to from each window; what it did not use is
given back when it ends, and what it used beyond is taken then. Where one window is full nothing is taken.

Several processes share the count in Redis (`TILTYARD_REDIS_URL`). Without it each has its share of every
limit: one part in as many as there are processes. Where Redis does not answer a process counts its share
alone until it does: a limit is never a reason to refuse everybody.
"""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Awaitable, Callable
from typing import Literal, Protocol

import msgspec

from gateway.errors import RateLimited
from gateway.rate_windows import Standing, Windows
from gateway.tiers import Allowances, Allowed

_log = logging.getLogger(__name__)

SHARE_LOOKED_UP_S = 5.0
_REDIS_AGAIN_S = 5.0

What = Literal["requests", "tokens"]


class Window(msgspec.Struct, frozen=True):
    """`limit` is this process's where nothing is shared."""

    name: str
    scope: Literal["team", "key"]
    what: What
    limit: int


class Ticket(msgspec.Struct, frozen=True):
    """What a request took."""

    windows: tuple[Window, ...]
    tokens: int
    shared: bool = False


class SharedWindows(Protocol):
    """Counts that several processes share. Each method raises `OSError` where they cannot be reached."""

    async def take(self, window: Window, cost: int) -> bool: ...
    async def add(self, window: Window, cost: int) -> None: ...
    async def standing(self, window: Window) -> Standing: ...
    async def close(self) -> None: ...


class RateLimits:
    """`processes` counts those that share the limits, this one included; it is asked every 5 s."""

    def __init__(
        self,
        allowances: Allowances,
        processes: Callable[[], Awaitable[int]] | None = None,
        shared: SharedWindows | None = None,
        *,
        now_s: Callable[[], float] = time.monotonic,
    ) -> None:
        self._allowances = allowances
        self._processes = processes
        self._shared = shared
        self._now_s = now_s
        self._own = Windows()
        self._told: dict[str, Standing] = {}  # what Redis said last
        self._among = 1
        self._redis_away_until_s = 0.0
        self._named: dict[tuple[int, int | None], tuple[Allowed, int, tuple[Window, ...]]] = {}
        self._giving_back: set[asyncio.Task[None]] = set()

    async def keep_share(self) -> None:
        """Until cancelled: learn how many processes there are."""
        while self._processes is not None:
            try:
                self._among = max(await self._processes(), 1)
            except Exception as error:
                _log.warning("how many processes there are could not be read: %s", error)
            await asyncio.sleep(SHARE_LOOKED_UP_S)

    async def take(self, team_id: int, key_id: int | None, tokens: int) -> Ticket:
        """Raises `RateLimited`."""
        allowed = self._allowances.remembered(team_id, key_id)
        if allowed is None:
            allowed = await self._allowances.of(team_id, key_id)
        if self._shared is not None and self._now_s() >= self._redis_away_until_s:
            try:
                return await self._take_shared(
                    self._shared, self._windows(team_id, key_id, allowed, 1), tokens
                )
            except OSError as error:
                self._lost_redis(error)
        return self._take_own(self._windows(team_id, key_id, allowed, self._among), tokens)

    def correct(self, ticket: Ticket, tokens: int) -> None:
        """The request used so many tokens."""
        if tokens != ticket.tokens:
            self._add(ticket, tokens - ticket.tokens)

    async def look_up(self, team_id: int, key_id: int | None) -> None:
        """Know what this team and key may, so that `standing` can tell. Costs nothing while it is known."""
        allowed = self._allowances.remembered(team_id, key_id)
        if allowed is None:
            allowed = await self._allowances.of(team_id, key_id)
        self._windows(team_id, key_id, allowed, 1 if self._shared else self._among)

    def standing(self, team_id: int, key_id: int | None) -> tuple[Standing | None, Standing | None]:
        """Requests and tokens, the nearer limit of team and key each; None where there is none, or nothing
        is known yet."""
        known = self._named.get((team_id, key_id))
        if known is None:
            return None, None
        now_s = self._now_s()
        nearest: dict[What, Standing] = {}
        for window in known[2]:
            stands = self._told.get(window.name) or self._own.standing(window.name, window.limit, now_s)
            best = nearest.get(window.what)
            if best is None or stands.remaining < best.remaining:
                nearest[window.what] = stands
        return nearest.get("requests"), nearest.get("tokens")

    async def close(self) -> None:
        await asyncio.gather(*self._giving_back, return_exceptions=True)
        await self._allowances.close()
        if self._shared is not None:
            await self._shared.close()

    # --- counting -------------------------------------------------------------------------------

    def _windows(self, team_id: int, key_id: int | None, allowed: Allowed, among: int) -> tuple[Window, ...]:
        known = self._named.get((team_id, key_id))
        if known is not None and known[0] is allowed and known[1] == among:
            return known[2]
        if len(self._named) > 10_000:
            self._named.clear()
        found: list[Window] = []
        for scope, subject, rate in (("team", team_id, allowed.team), ("key", key_id, allowed.key)):
            for what, limit in (("requests", rate.requests), ("tokens", rate.tokens)) if rate else ():
                if limit is not None:
                    share = max(limit // among, 1)
                    found.append(Window(f"{scope}:{subject}:{what}", scope, what, share))  # type: ignore[arg-type]
        windows = tuple(found)
        self._named[team_id, key_id] = (allowed, among, windows)
        return windows

    def _take_own(self, windows: tuple[Window, ...], tokens: int) -> Ticket:
        now_s, own = self._now_s(), self._own
        for index, window in enumerate(windows):
            cost = tokens if window.what == "tokens" else 1
            if not own.take(window.name, window.limit, cost, now_s):
                for taken in windows[:index]:
                    own.add(taken.name, -(tokens if taken.what == "tokens" else 1), now_s)
                raise _refused(window, cost, own.room_in_s(window.name, window.limit, cost, now_s))
        return Ticket(windows, tokens)

    async def _take_shared(self, shared: SharedWindows, windows: tuple[Window, ...], tokens: int) -> Ticket:
        costs = [tokens if window.what == "tokens" else 1 for window in windows]
        taken = await asyncio.gather(*map(shared.take, windows, costs))
        stand = await asyncio.gather(*map(shared.standing, windows))
        for window, stands in zip(windows, stand, strict=True):
            self._told[window.name] = stands
        if all(taken):
            return Ticket(windows, tokens, shared=True)
        back = [shared.add(w, -cost) for w, cost, was in zip(windows, costs, taken, strict=True) if was]
        await asyncio.gather(*back)
        full = taken.index(False)
        raise _refused(windows[full], costs[full], stand[full].reset_s)

    def _add(self, ticket: Ticket, tokens: int) -> None:
        if ticket.shared and self._shared is not None:
            task = asyncio.create_task(self._add_shared(self._shared, ticket, tokens))
            self._giving_back.add(task)
            task.add_done_callback(self._giving_back.discard)
            return
        now_s = self._now_s()
        for window in ticket.windows:
            if window.what == "tokens":
                self._own.add(window.name, tokens, now_s)

    async def _add_shared(self, shared: SharedWindows, ticket: Ticket, tokens: int) -> None:
        try:
            for window in ticket.windows:
                if window.what == "tokens":
                    await shared.add(window, tokens)
        except OSError as error:
            self._lost_redis(error)

    def _lost_redis(self, error: OSError) -> None:
        if self._now_s() >= self._redis_away_until_s:
            _log.warning("Redis does not answer, limits are counted by each process alone: %s", error)
        self._redis_away_until_s = self._now_s() + _REDIS_AGAIN_S
        self._told.clear()


def _refused(window: Window, cost: int, room_in_s: float) -> RateLimited:
    return RateLimited(window.scope, window.what, window.limit, cost, max(room_in_s, 0.001))
