"""A team's own keys for providers (bring your own key): sealed at rest, used for that team alone.

What runs on a team's own key is paid to the provider by the team. Here it costs nothing: it holds and
settles $0, in a series of its own, and what it would have cost is reckoned from its tokens. The
installation's key answers in its place only where the team said so (`falls_back`). Every process has a
change within `connections.FRESH_S`; a look-up touches no database.
"""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Mapping
from dataclasses import dataclass, replace
from types import MappingProxyType

from sqlalchemy import select
from sqlalchemy.orm import Session

from gateway.catalog import Catalog, ListedProvider, Price
from gateway.catalog_values import Rates
from gateway.connection_tables import (
    INSTALLATION,
    context_of,
    key_row,
    plain_key,
    put_key,
)
from gateway.connections import FRESH_S
from gateway.errors import BadRequest, Forbidden
from gateway.providers.base import Provider
from gateway.providers.configured import provider_for
from gateway.tables import ProviderKeyRow
from identity.audit_log import note
from identity.permissions import may
from identity.principal import Principal
from identity.sealing import NotOpened, Sealed, Sealer
from net.guard import UrlRefused
from store.databases import Database

_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class OwnKey:
    """A provider as a team's own key reaches it."""

    team_id: int
    provider: Provider
    falls_back: bool


@dataclass(frozen=True, slots=True)
class TeamKey:
    """A team's key as its members may see it; `problem` says why it is of no use."""

    provider_id: str
    provider_name: str
    hint: str
    falls_back: bool
    created_ms: int
    created_by: int | None
    problem: str | None = None


@dataclass(frozen=True, slots=True)
class _Kept:
    sealed: Sealed
    hint: str
    falls_back: bool
    created_ms: int
    created_by: int | None


_NONE: Mapping[str, OwnKey] = MappingProxyType({})
_TABLE = ProviderKeyRow.metadata.tables["provider_key"]


class ProviderKeys:
    def __init__(self, database: Database, sealer: Sealer, catalog: Catalog) -> None:
        self._database = database
        self._sealer = sealer
        self._catalog = catalog
        self._kept: Mapping[tuple[int, str], _Kept] = {}
        self._usable: dict[int, dict[str, OwnKey]] = {}
        self._problems: dict[tuple[int, str], str] = {}
        self._let_go: list[Provider] = []
        self._turn = asyncio.Lock()

    async def open(self) -> None:
        await self.refresh()

    async def close(self) -> None:
        usable = [own.provider for of_team in self._usable.values() for own in of_team.values()]
        for provider in (*usable, *self._let_go):
            await provider.close()

    async def keep_fresh(self) -> None:
        """Other processes take and drop keys too."""
        while True:
            await asyncio.sleep(FRESH_S)
            try:
                await self.refresh()
            except Exception:
                _log.exception("teams' provider keys could not be read; the next look tries again")

    def of_team(self, team_id: int) -> Mapping[str, OwnKey]:
        """The providers that this team reaches with its own keys, by id. On the loop."""
        return self._usable.get(team_id, _NONE)

    def listed(self, principal: Principal) -> tuple[TeamKey, ...]:
        kept = [(key, row) for key, row in self._kept.items() if key[0] == principal.team_id]
        return tuple(self._team_key(key, row) for key, row in sorted(kept, key=lambda each: each[0]))

    def providers(self) -> tuple[ListedProvider, ...]:
        """Those that a team may bring a key for: the catalog's own, never a server of this network."""
        return tuple(provider for provider in self._catalog.providers() if provider.api_key_env)

    async def put(
        self, principal: Principal, provider_id: str, api_key: str, *, falls_back: bool = False
    ) -> TeamKey:
        """Take a key, in place of the team's earlier one. Raises `BadRequest` and `Forbidden`."""
        _require(principal)
        if provider_id not in {provider.id for provider in self.providers()}:
            raise BadRequest("There is no provider of that name that takes a key.", "provider")
        plain = plain_key(api_key)
        if plain is None:
            raise BadRequest("Enter a key.", "api_key")
        row = key_row(self._sealer, plain, principal.team_id, provider_id, _now_ms(), principal.user_id)
        row.falls_back = falls_back
        await self._database.write(lambda session: _keep(session, principal, provider_id, row))
        await self.refresh()
        key = (principal.team_id, provider_id)
        return self._team_key(key, self._kept[key])

    async def remove(self, principal: Principal, provider_id: str) -> None:
        """Runs that are under way go on. Raises `Forbidden`, and `BadRequest` where there is none."""
        _require(principal)
        if (principal.team_id, provider_id) not in self._kept:
            raise BadRequest("This team has no key for that provider.", "provider")
        await self._database.write(lambda session: _keep(session, principal, provider_id, None))
        await self.refresh()

    async def refresh(self) -> None:
        async with self._turn:
            kept = await self._database.read(_read)
            for key in self._kept.keys() | kept.keys():
                if self._kept.get(key) != kept.get(key):
                    self._change(key, kept.get(key))
            self._kept = kept

    def _change(self, key: tuple[int, str], kept: _Kept | None) -> None:
        team_id, provider_id = key
        self._problems.pop(key, None)
        before = self._usable.get(team_id, {}).pop(provider_id, None)
        if before is not None:
            self._let_go.append(before.provider)  # its streams go on
        listed = self._catalog.provider(provider_id)
        if kept is None or listed is None or listed.base_url is None:
            return
        try:
            provider = provider_for(listed, self._sealer.open(kept.sealed, context_of(*key)))
        except (NotOpened, UrlRefused) as error:
            self._problems[key] = str(error)
        else:
            self._usable.setdefault(team_id, {})[provider_id] = OwnKey(team_id, provider, kept.falls_back)

    def _team_key(self, key: tuple[int, str], kept: _Kept) -> TeamKey:
        listed = self._catalog.provider(key[1])
        return TeamKey(
            key[1],
            listed.name if listed else key[1],
            kept.hint,
            kept.falls_back,
            kept.created_ms,
            kept.created_by,
            self._problems.get(key),
        )


def unpaid(price: Price) -> Price:
    """The same version of a price list with nothing to pay: for what the team pays its provider itself."""
    return replace(price, base=Rates(0, 0, 0, 0), tiers=(), tool_fees=None)


def _require(principal: Principal) -> None:
    if not may(principal, "connect_models"):
        raise Forbidden("Your role in this team may not change its provider keys.")


def _keep(session: Session, by: Principal, provider_id: str, row: ProviderKeyRow | None) -> None:
    put_key(session, by.team_id, provider_id, row)
    told = {"removed": True} if row is None else {"hint": row.hint, "falls_back": row.falls_back}
    note(session, "provider_key_changed", by=by, subject=provider_id, detail=told)


def _read(session: Session) -> dict[tuple[int, str], _Kept]:
    rows = session.execute(select(_TABLE).where(_TABLE.c.team_id != INSTALLATION))
    return {
        (row.team_id, row.provider_id): _Kept(
            Sealed(row.sealed_with, bytes(row.sealed)),
            row.hint,
            row.falls_back,
            row.created_ms,
            row.created_by,
        )
        for row in rows
    }


def _now_ms() -> int:
    return time.time_ns() // 1_000_000
