"""What a team may ask in a minute: tiers that rise with what it paid, and limits that an operator sets.

A tier is data (`tiers.toml`, or `[[tiers]]` of the installation). Limits of a team replace its tier's,
limits of a key hold beside them; both are rows of `rate_limit`. What is read is remembered for 5 s at
most, and read again in the background before that, so that no request waits for it.
"""

from __future__ import annotations

import asyncio
import time
import tomllib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from typing import Any, Literal

import msgspec
from sqlalchemy import delete, select
from sqlalchemy.orm import Session
from sqlmodel import col

from billing.money import parse_usd
from gateway.catalog import CatalogError
from gateway.tables import RateLimitRow
from store.databases import Database

Subject = Literal["team", "key"]

REMEMBERED_S = 5.0
_REFRESHED_S = 2.5
_REMEMBERED_MOST = 10_000
_FILE = Path(__file__).with_name("tiers.toml")


@dataclass(frozen=True, slots=True)
class Rate:
    """A minute's worth; None is no limit."""

    requests: int | None
    tokens: int | None


@dataclass(frozen=True, slots=True)
class Tier:
    no: int
    paid_nano_usd: int
    rate: Rate


@dataclass(frozen=True, slots=True)
class Allowed:
    """What holds for a team, and for the key that asks where it has limits of its own."""

    tier: Tier
    team: Rate
    key: Rate | None


class _TierTable(msgspec.Struct, forbid_unknown_fields=True):
    no: int
    paid_usd: str
    requests_per_minute: int
    tokens_per_minute: int


def read_tiers(tables: Sequence[Mapping[str, Any]] = ()) -> tuple[Tier, ...]:
    """The installation's tiers, or ours where it has none; lowest first. Raises `CatalogError`."""
    found = tables or tomllib.loads(_FILE.read_text(encoding="utf-8"))["tiers"]
    tiers: list[Tier] = []
    problems: list[str] = []
    for index, table in enumerate(found):
        try:
            read = msgspec.convert(table, _TierTable)
            rate = Rate(read.requests_per_minute, read.tokens_per_minute)
            tier = Tier(read.no, parse_usd(read.paid_usd), rate)
            if min(tier.no, read.requests_per_minute, read.tokens_per_minute) < 1:
                raise ValueError("numbers are 1 or more")
        except (msgspec.ValidationError, ValueError) as error:
            problems.append(f"tiers[{index}]: {error}")
        else:
            tiers.append(tier)
    tiers.sort(key=lambda tier: tier.no)
    if any(low.paid_nano_usd >= high.paid_nano_usd for low, high in pairwise(tiers)):
        problems.append("tiers: each has a number of its own, and a higher one has a higher `paid_usd`")
    if tiers and tiers[0].paid_nano_usd != 0:
        problems.append('tiers: the lowest has `paid_usd` "0"')
    if problems:
        raise CatalogError(problems)
    return tuple(tiers)


def tier_of(tiers: Sequence[Tier], paid_nano_usd: int, least_tier: int) -> Tier:
    """The highest that the payments reach; at least `least_tier`, or the highest there is below that."""
    return [t for t in tiers if t.no <= least_tier or t.paid_nano_usd <= paid_nano_usd or t is tiers[0]][-1]


# --- what an operator sets ---------------------------------------------------------------------


def set_rate(session: Session, subject: Subject, subject_id: int, rate: Rate | None) -> None:
    """Limits of a team or a key; None takes them away."""
    mine = (col(RateLimitRow.subject) == subject, col(RateLimitRow.subject_id) == subject_id)
    session.execute(delete(RateLimitRow).where(*mine))
    if rate is not None:
        session.add(
            RateLimitRow(
                subject=subject,
                subject_id=subject_id,
                requests_per_minute=rate.requests,
                tokens_per_minute=rate.tokens,
            )
        )


def rates_of(session: Session, team_id: int, key_id: int | None) -> dict[Subject, Rate]:
    """What was set for this team and this key."""
    rows = session.scalars(
        select(RateLimitRow).where(
            ((col(RateLimitRow.subject) == "team") & (col(RateLimitRow.subject_id) == team_id))
            | ((col(RateLimitRow.subject) == "key") & (col(RateLimitRow.subject_id) == (key_id or 0)))
        )
    )
    return {
        row.subject: Rate(row.requests_per_minute, row.tokens_per_minute)  # type: ignore[misc]  # only `Subject`
        for row in rows
    }


class Allowances:
    """What a team and a key may, at most 5 s old. `paid` reads a team's payments in nano-dollars, in a
    thread; `least_tier` is everybody's."""

    def __init__(
        self,
        database: Database,
        paid: Callable[[int], int],
        tiers: Sequence[Tier],
        least_tier: int,
        *,
        now_s: Callable[[], float] = time.monotonic,
    ) -> None:
        self._database = database
        self._paid = paid
        self._tiers = tuple(tiers)
        self._least_tier = least_tier
        self._now_s = now_s
        self._known: dict[tuple[int, int | None], tuple[float, Allowed]] = {}
        self._asking: dict[tuple[int, int | None], asyncio.Task[Allowed]] = {}

    def remembered(self, team_id: int, key_id: int | None) -> Allowed | None:
        """Without waiting; None where it must be read first."""
        who = (team_id, key_id)
        known = self._known.get(who)
        if known is None:
            return None
        age_s = self._now_s() - known[0]
        if age_s > _REFRESHED_S:
            self._ask(who)
        return known[1] if age_s <= REMEMBERED_S else None

    async def of(self, team_id: int, key_id: int | None) -> Allowed:
        known = self.remembered(team_id, key_id)
        return known if known is not None else await asyncio.shield(self._ask((team_id, key_id)))

    async def close(self) -> None:
        await asyncio.gather(*self._asking.values(), return_exceptions=True)

    def _ask(self, who: tuple[int, int | None]) -> asyncio.Task[Allowed]:
        task = self._asking.get(who)
        if task is None:
            task = self._asking[who] = asyncio.create_task(self._read(who))
            task.add_done_callback(lambda done: self._asked(who, done))
        return task

    def _asked(self, who: tuple[int, int | None], done: asyncio.Task[Allowed]) -> None:
        del self._asking[who]
        if not done.cancelled():
            done.exception()  # whoever waits is told; a reading ahead that fails is tried again

    async def _read(self, who: tuple[int, int | None]) -> Allowed:
        at_s = self._now_s()
        allowed = await self._database.read(lambda session: self._find(session, *who))
        if len(self._known) >= _REMEMBERED_MOST:
            self._known.clear()
        self._known[who] = (at_s, allowed)
        return allowed

    def _find(self, session: Session, team_id: int, key_id: int | None) -> Allowed:
        tier = tier_of(self._tiers, self._paid(team_id), self._least_tier)
        own = rates_of(session, team_id, key_id)
        return Allowed(tier, own.get("team", tier.rate), own.get("key"))
