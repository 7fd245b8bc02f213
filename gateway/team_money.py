"""What operators and owners change about a team's money, with its place in the audit log.

The ledger decides and keeps the money; here is who may ask it to, and that it is noted. A grant needs a
reason, and a reference makes it happen once however often it is asked for.
"""

from __future__ import annotations

import asyncio
from typing import Protocol

from billing.commands import Grant, Granted, GrantKind, SetCap
from gateway.errors import BadRequest
from identity.people import People
from identity.permissions import require
from identity.principal import Principal
from store.ids import new_id


class Ledger(Protocol):
    async def grant(self, command: Grant) -> Granted: ...
    async def set_cap(self, command: SetCap) -> object: ...


class TeamMoney:
    """On the loop."""

    def __init__(self, ledger: Ledger, people: People) -> None:
        self._ledger = ledger
        self._people = people

    async def grant(
        self,
        by: Principal,
        team_id: int,
        amount_nano_usd: int,
        reason: str,
        *,
        kind: GrantKind = "grant",
        ref: str | None = None,
        expires_ms: int | None = None,
    ) -> Granted:
        """Raises `NotPermitted`, `TeamNotFound`, `BadRequest` and what the ledger raises."""
        require(by, "operate")
        await asyncio.to_thread(self._people.teams.show, by, team_id)
        if not reason.strip():
            raise BadRequest("Say why: the reason stands in the ledger and in the audit log.", "reason")
        if amount_nano_usd == 0 or (amount_nano_usd < 0 and kind != "adjustment"):
            raise BadRequest("Only an adjustment may take credit back.", "amount")
        granted = await self._ledger.grant(
            Grant(
                team_id=team_id,
                kind=kind,
                amount_nano_usd=amount_nano_usd,
                ref=ref or new_id("grant"),
                reason=reason.strip()[:500],
                expires_ms=expires_ms,
                actor_user_id=by.user_id,
            )
        )
        if not granted.replayed:
            await self._note(
                by,
                "credit_changed",
                team_id,
                kind,
                {"nano_usd": amount_nano_usd, "reason": reason.strip()[:500]},
            )
        return granted

    async def cap_key(self, by: Principal, team_id: int, key_id: int, limit_nano_usd: int | None) -> None:
        """What a key may ever spend; None for no limit. For keys that `by` may see."""
        keys = await asyncio.to_thread(self._people.keys.list, by, team_id)
        if key_id not in {key.id for key in keys}:
            raise BadRequest(f"There is no API key {key_id} in this team.", "key")
        await self._ledger.set_cap(SetCap(team_id, "key", str(key_id), limit_nano_usd))
        await self._note(by, "cap_changed", team_id, f"key {key_id}", {"nano_usd": limit_nano_usd})

    async def _note(
        self, by: Principal, kind: str, team_id: int, subject: str, detail: dict[str, object]
    ) -> None:
        audit = self._people.audit
        await asyncio.to_thread(
            lambda: audit.note(
                "credit_changed" if kind == "credit_changed" else "cap_changed",
                by=by, subject=subject, team_id=team_id, detail=detail,
            )
        )  # fmt: skip
