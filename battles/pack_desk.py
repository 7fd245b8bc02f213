"""Makes packs of battles, for who may see them and knows their names."""

from __future__ import annotations

import time

from battles.battle import Battles
from battles.looking import reader_of, view_of
from battles.pack_contents import Json, parts_of
from battles.pack_format import PURPOSE, Signer, packed
from battles.views import BattleView
from gateway.catalog import Catalog
from gateway.catalog_values import Price
from gateway.errors import GatewayError
from gateway.pricing import price_at
from gateway.records import RunRecord
from identity.keys import purpose_key
from identity.principal import Principal


class Packs:
    """On the loop only, but for `public_key`. `secret` is the installation's own."""

    def __init__(self, battles: Battles, catalog: Catalog, secret: bytes) -> None:
        key = purpose_key(secret, PURPOSE)
        self._battles = battles
        self._catalog = catalog
        self._signer = Signer(key.id, key.secret)

    @property
    def key_id(self) -> str:
        return self._signer.key_id

    @property
    def public_key(self) -> str:
        """What packs of this installation are signed with."""
        return self._signer.public_key

    async def pack(self, principal: Principal, battle_id: str) -> bytes:
        """The file. Raises `BattleNotFound` and `StillBlind`."""
        return packed(await self.parts(principal, battle_id), self._signer)

    async def parts(self, principal: Principal, battle_id: str) -> Json:
        """What it holds. Raises `BattleNotFound` and `StillBlind`."""
        view, records = await self._look(principal, battle_id)
        return parts_of(view, records.get, self._price, now_ms=_now_ms())

    async def _look(self, principal: Principal, battle_id: str) -> tuple[BattleView, dict[str, RunRecord]]:
        battle = await self._battles.find(principal, battle_id)
        known = await self._battles.known(battle)
        reader = await self._battles.database.read(lambda session: reader_of(session, principal, battle))
        return view_of(self._battles, principal, battle, known, reader), dict(known.records)

    def _price(self, model_id: str, provider: str | None) -> Price | None:
        try:
            return price_at(self._catalog.resolve(model_id).model, _now_ms(), provider)
        except GatewayError:  # retired or without a price since
            return None


def _now_ms() -> int:
    return time.time_ns() // 1_000_000
