import asyncio
from types import SimpleNamespace
from typing import Any, cast

import pytest
from starlette.types import Message

from api.errors import BodyTooSlow
from api.exchange import ACCEPTED_NS, REQUEST_ID, Exchange


def exchange(receive: Any) -> Exchange:
    async def send(message: Message) -> None:
        raise AssertionError("nothing is answered here")

    scope = {"type": "http", "method": "POST", "headers": [], REQUEST_ID: "req_1", ACCEPTED_NS: 0}
    return Exchange(scope, receive, send, cast(Any, SimpleNamespace(max_body_bytes=100)))


async def never() -> Message:
    await asyncio.Event().wait()
    raise AssertionError("it never comes")


async def test_a_body_that_does_not_come_in_time_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("api.exchange._BODY_WITHIN_S", 0.01)
    with pytest.raises(BodyTooSlow):
        await exchange(never).body()


async def test_a_wait_for_a_body_that_somebody_else_ends_is_no_slow_body() -> None:
    waiting = asyncio.create_task(exchange(never).body())
    await asyncio.sleep(0)
    waiting.cancel()
    with pytest.raises(asyncio.CancelledError):
        await waiting
