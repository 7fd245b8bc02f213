"""GET /v1/credits: what the caller's team has, in dollars as exact decimal strings."""

from __future__ import annotations

import asyncio
import time

from api.authentication import principal_of
from api.exchange import Answer, Exchange
from api.wire.values import maybe_instant
from billing.money import decimal_usd
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
