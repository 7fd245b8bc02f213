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
from billing.money import decimal_usd
from gateway.errors import BadRequest
from identity.permissions import require


async def show(exchange: Exchange) -> Answer:
    principal = await principal_of(exchange)
    require(principal, "read_credits")
    now_ms = time.time_ns() // 1_000_000
    balance = await asyncio.to_thread(exchange.services.statements.balance, principal.team_id, now_ms)
    return Answer(
        200,
        {
            "currency": "USD",
            "balance": decimal_usd(balance.balance_nano_usd),
            "held": decimal_usd(balance.held_nano_usd),
            "available": decimal_usd(balance.available_nano_usd),
            "total_used": decimal_usd(balance.total_used_nano_usd),
            "allowance_remaining": decimal_usd(balance.allowance_remaining_nano_usd),
            "next_allowance_at": maybe_instant(balance.next_allowance_at_ms),
        },
    )


class _Redeem(msgspec.Struct, forbid_unknown_fields=True):
    code: str


async def redeem(exchange: Exchange) -> Answer:
    """Raises `CodeUnknown` and `CodeSpent`; the team that has redeemed a code gets the same answer again."""
    principal = await principal_of(exchange)
    require(principal, "add_credit")
    try:
        asked = msgspec.json.decode(await exchange.body(), type=_Redeem)
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
