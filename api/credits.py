"""What the caller's team has, in dollars as exact decimal strings, and codes that add to it.

GET /v1/credits, POST /v1/credits/redeem.
"""

from __future__ import annotations

import asyncio
import time

import msgspec

from api.authentication import principal_of
from api.exchange import Answer, Exchange
from api.wire.values import maybe_instant
from billing.budgets import CapView, lasting
from billing.money import decimal_usd
from gateway.errors import BadRequest
from identity.permissions import require
from identity.principal import Principal


async def show(exchange: Exchange) -> Answer:
    principal = await principal_of(exchange)
    require(principal, "read_credits")
    return Answer(200, await credits_of(exchange, principal))


async def credits_of(exchange: Exchange, principal: Principal) -> dict[str, object]:
    now_ms = time.time_ns() // 1_000_000
    services = exchange.services
    balance = await asyncio.to_thread(services.statements.balance, principal.team_id, now_ms)
    caps = await asyncio.to_thread(services.budgets.caps, principal.team_id, now_ms)
    return {
        "currency": "USD",
        "balance": decimal_usd(balance.balance_nano_usd),
        "held": decimal_usd(balance.held_nano_usd),
        "available": decimal_usd(balance.available_nano_usd),
        "total_used": decimal_usd(balance.total_used_nano_usd),
        "allowance_remaining": decimal_usd(balance.allowance_remaining_nano_usd),
        "next_allowance_at": maybe_instant(balance.next_allowance_at_ms),
        "caps": [_cap(cap, principal) for cap in lasting(caps)],
    }


def _cap(cap: CapView, principal: Principal) -> dict[str, object]:
    """A spending cap and what is left of it; `applies` where this key's own requests count against it,
    which is not known for tags, battles and batches."""
    own = {("team", principal.team_id), ("member", principal.user_id), ("key", principal.key_id)}
    known = cap.scope in ("team", "member", "key")
    return {
        "scope": cap.scope,
        "subject": cap.subject,
        "applies": any((cap.scope, cap.subject) == (scope, str(no)) for scope, no in own) if known else None,
        "window": cap.window,
        "days": cap.days or None,
        "time_zone": cap.zone,
        "limit": decimal_usd(cap.limit_nano_usd),
        "spent": decimal_usd(cap.spent_nano_usd),
        "held": decimal_usd(cap.held_nano_usd),
        "remaining": decimal_usd(cap.remaining_nano_usd),
        "since": maybe_instant(cap.window_starts_ms or None),
        "resets_at": maybe_instant(cap.window_ends_ms),
        "alerts_at_percent": cap.alert_at,
        "alerted_percent": cap.told,
    }


class RedeemBody(msgspec.Struct, forbid_unknown_fields=True):
    code: str


async def redeem(exchange: Exchange) -> Answer:
    """Raises `CodeUnknown` and `CodeSpent`; the team that has redeemed a code gets the same answer again."""
    principal = await principal_of(exchange)
    require(principal, "add_credit")
    try:
        asked = msgspec.json.decode(await exchange.body(), type=RedeemBody)
    except msgspec.DecodeError:
        raise BadRequest('Send {"code": "TYC-..."}.', "code") from None
    granted = await exchange.services.top_ups.redeem(principal.team_id, principal.user_id, asked.code)
    return Answer(
        200,
        {
            "currency": "USD",
            "amount": decimal_usd(granted.amount_nano_usd),
            "entry": granted.entry_seq,
            "available": decimal_usd(granted.available_after_nano_usd),
            "replayed": granted.replayed,
        },
    )
