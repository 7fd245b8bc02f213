"""Replays a run: asks again what it asked, on the same model or another, with its tools' recorded results.

Each round is a run like any other, admitted and charged by the gateway, and follows the one before. A call
that nothing was recorded for ends the replay: no result is ever made up, and no tool is run.
"""

from __future__ import annotations

import asyncio
from dataclasses import dataclass

from msgspec.structs import replace

from battles.errors import TextGone
from battles.replay import MOST_ROUNDS, first_round, next_round, recorded
from gateway.completion import Gateway
from gateway.messages import ToolCall
from gateway.runs import Run
from identity.principal import Principal

_ROUND_S = 120.0


@dataclass(frozen=True, slots=True)
class Replayed:
    """`run_id` is the last round's; `missing` are its calls that nothing was recorded for."""

    run_id: str
    rounds: int
    missing: tuple[ToolCall, ...] = ()


async def replay(gateway: Gateway, principal: Principal, run_id: str, model: str | None = None) -> Replayed:
    """On the loop. Raises `TextGone`, `RunNotFound`, `TimeoutError`, and what `Gateway.admit` raises."""
    record = await gateway.record(principal, run_id)
    if record.asked is None:
        raise TextGone("What this run asked is not kept, so it cannot be asked again.")
    known = recorded(record.asked.messages)
    asked = first_round(record.asked)
    request = replace(asked, model=model or asked.model, tags=())
    run: Run | None = None
    for round_no in range(1, MOST_ROUNDS + 1):
        parent = run.id if run is not None else None
        run = await gateway.admit(principal, request, surface="page", parent_run_id=parent)
        async with asyncio.timeout(_ROUND_S):
            await run.ended.wait()
        following, missing = next_round(request, run.text, run.tool_calls, known)
        if run.state != "done" or following is None:
            return Replayed(run.id, round_no, missing if run.state == "done" else ())
        request = following
    assert run is not None
    return Replayed(run.id, MOST_ROUNDS)
