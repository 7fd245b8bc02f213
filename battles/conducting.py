"""Starts the lanes of a turn through the gateway: those that may run beside each other at once, the others
one after another. A lane that is refused leaves the others untouched; why is kept with it.

What a lane asks was written down, with its run's id, before the gateway is asked: whatever happens then,
each is charged once.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial

from battles import storage
from battles.models import Battle, LaneRun
from billing.errors import BillingError
from gateway.completion import Gateway
from gateway.errors import GatewayError
from gateway.messages import CompletionRequest
from gateway.runs import Run
from identity.principal import Principal
from store.databases import Database

_log = logging.getLogger(__name__)

FAULT = ("GatewayFault", "The gateway failed. Try this lane again.")


@dataclass(frozen=True, slots=True)
class Ask:
    """A lane's try, and what it asks."""

    run: LaneRun
    request: CompletionRequest


class Conductor:
    def __init__(self, gateway: Gateway, database: Database) -> None:
        self._gateway = gateway
        self._database = database
        self._going_on: set[asyncio.Task[None]] = set()

    async def start(self, principal: Principal, battle: Battle, chains: Sequence[Sequence[Ask]]) -> None:
        """Returns when the first of each chain was admitted or refused; the rest follows by itself."""
        firsts = await asyncio.gather(*(self._admit(principal, battle, chain[0]) for chain in chains))
        for chain, run in zip(chains, firsts, strict=True):
            if len(chain) > 1:
                rest = self._one_by_one(principal, battle, chain[1:], run)
                task = asyncio.create_task(rest, name=f"lanes of {battle.id}")
                self._going_on.add(task)
                task.add_done_callback(self._going_on.discard)

    async def close(self) -> None:
        """Lanes that still wait stay as they are: whoever opens next says that they were never asked."""
        for task in tuple(self._going_on):
            task.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await task

    async def _one_by_one(
        self, principal: Principal, battle: Battle, asks: Sequence[Ask], before: Run | None
    ) -> None:
        for ask in asks:
            if before is not None:
                await before.ended.wait()
            moved = await self._database.write(
                partial(storage.move_run, run_id=ask.run.run_id, to="admitted")
            )
            before = await self._admit(principal, battle, ask) if moved else None

    async def _admit(self, principal: Principal, battle: Battle, ask: Ask) -> Run | None:
        """The run; None where it was refused."""
        try:
            return await self._gateway.admit(
                principal,
                ask.request,
                surface=battle.surface,
                run_id=ask.run.run_id,
                scopes=(("battle", battle.id),),
                timed=not ask.run.shares_cpu,
            )
        except (GatewayError, BillingError) as error:
            failure = (type(error).__name__, str(error))
        except Exception:
            _log.exception("lane %d of %s could not be started", ask.run.lane, battle.id)
            failure = FAULT
        await self._database.write(lambda session: storage.refuse_run(session, ask.run.run_id, failure))
        return None
