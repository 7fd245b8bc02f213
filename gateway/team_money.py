"""What operators and owners change about a team's money, with its place in the audit log.

The ledger decides and keeps the money; here is who may ask it to, and that it is noted. A grant needs a
reason, and a reference makes it happen once however often it is asked for.
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from typing import Literal, Protocol

from billing.commands import CapSet, Grant, Granted, GrantKind, SetCap
from gateway.errors import BadRequest
from identity.people import People
from identity.permissions import require
from identity.principal import Principal
from store.ids import new_id

MoneyKind = Literal["credit_changed", "cap_changed"]


class Ledger(Protocol):
    async def grant(self, command: Grant) -> Granted: ...
    async def set_cap(self, command: SetCap) -> CapSet: ...


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
        command = Grant(
            team_id=team_id,
            kind=kind,
            amount_nano_usd=amount_nano_usd,
            ref=ref or new_id("grant"),
            reason=reason.strip()[:500],
            expires_ms=expires_ms,
            actor_user_id=by.user_id,
        )
        granted = await self._ledger.grant(command)
        if not granted.replayed:
            await self._note(by, "credit_changed", team_id, *credit_told(command))
        return granted

    async def cap_key(self, by: Principal, team_id: int, key_id: int, limit_nano_usd: int | None) -> None:
        """What a key may ever spend; None for no limit. For keys that `by` may see."""
        keys = await asyncio.to_thread(self._people.keys.list, by, team_id)
        if key_id not in {key.id for key in keys}:
            raise BadRequest(f"There is no API key {key_id} in this team.", "key")
        await self._set_cap(by, SetCap(team_id, "key", str(key_id), limit_nano_usd))

    async def set_cap(self, by: Principal, command: SetCap) -> CapSet:
        """Set, change or switch off a spending cap of the principal's team. Raises `NotPermitted`."""
        require(by, "set_caps")
        assert command.team_id == by.team_id
        return await self._set_cap(by, command)

    async def _set_cap(self, by: Principal, command: SetCap) -> CapSet:
        made = await self._ledger.set_cap(command)
        await self._note(by, "cap_changed", command.team_id, *cap_told(command))
        return made

    async def _note(
        self, by: Principal, kind: MoneyKind, team_id: int, subject: str, detail: Mapping[str, object]
    ) -> None:
        audit = self._people.audit
        await asyncio.to_thread(
            lambda: audit.note(kind, by=by, subject=subject, team_id=team_id, detail=detail)
        )


def credit_told(command: Grant) -> tuple[str, dict[str, object]]:
    """How the audit log names a change of credit, and what it says of it."""
    return command.kind, {"nano_usd": command.amount_nano_usd, "reason": command.reason}


def cap_told(command: SetCap) -> tuple[str, dict[str, object]]:
    """How the audit log names a cap, and what it says of it."""
    return f"{command.scope} {command.subject}".strip(), {
        "nano_usd": command.limit_nano_usd,
        "window": command.window,
    }
