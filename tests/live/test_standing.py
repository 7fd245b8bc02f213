"""Whoever left the team or signed out is shown out of the live channel, though their page is open."""

from __future__ import annotations

import asyncio

from api.live.standing import Standing
from identity.principal import Principal

ADA = Principal(1, "Local", 7, "member", session="s")


class Register:
    """Says whether somebody may still look, and counts how often it was asked."""

    def __init__(self) -> None:
        self.stands = True
        self.asked = 0

    async def __call__(self, principal: Principal) -> bool:
        self.asked += 1
        return self.stands


async def test_many_tabs_ask_once_and_a_change_is_noticed_at_once() -> None:
    register = Register()
    standing = Standing(register)
    assert [await standing.of(ADA) for _ in range(20)] == [True] * 20
    assert register.asked == 1
    waiting = asyncio.create_task(standing.wait())
    await asyncio.sleep(0)
    register.stands = False
    assert await standing.of(ADA)  # remembered for a moment
    standing.changed()
    await asyncio.wait_for(waiting, 20)
    assert not await standing.of(ADA)


async def test_without_sign_in_nobody_is_asked() -> None:
    standing = Standing(None)
    assert not standing.asks and await standing.of(ADA)
