"""A desk with batches: real gateway, ledger and databases, providers that do what a test tells them."""

from __future__ import annotations

from collections.abc import AsyncGenerator, AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from battles import batch_storage as storage
from battles.batch_models import Answer, Batch, BatchSpec, BatchWish, Item
from battles.batch_rows import rows_of
from battles.batch_work import BatchWork, Told
from battles.batches import Batches
from battles.models import LaneWish, Settings
from battles.sandbox import Sandbox
from battles.vote_queue import VoteQueue
from billing.usage import Usage as UsageOfTeams
from gateway.catalog import Catalog
from gateway.messages import Event, Finished, TextDelta, Usage
from gateway.providers.base import Call
from gateway.quote import Quotes
from identity.errors import NotAuthenticated
from identity.principal import Principal
from tests.gateway.desk import LOCAL, Desk
from tests.gateway.scripted import CATALOG, Scripted, with_providers

ONE, TWO = "two/fast", "one/slow"
PAID_NANO_USD = 120_000  # of `says` at two/fast: 100 tokens in at $1 a million, 10 out at $2
Play = Callable[[Scripted, Call], AsyncGenerator[Event, None]]


def says(text: str | Callable[[Call], str]) -> Play:
    async def play(self: Scripted, call: Call) -> AsyncGenerator[Event, None]:
        yield TextDelta(text if isinstance(text, str) else text(call))
        yield Finished("stop")
        yield Usage(input=100, output=10)

    return play


def asked(call: Call) -> str:
    return call.request.messages[-1].text


class Standing:
    """Whoever opened it may act, until somebody says otherwise."""

    def __init__(self) -> None:
        self.gone = False

    async def principal_of(self, team_id: int, user_id: int | None, key_id: int | None) -> Principal:
        if self.gone:
            raise NotAuthenticated
        return replace(LOCAL, team_id=team_id, user_id=user_id, key_id=key_id)


@dataclass
class BatchDesk:
    desk: Desk
    batches: Batches
    work: BatchWork
    queue: VoteQueue
    standing: Standing

    async def open(self, rows: int = 3, *, by: Principal = LOCAL, **spec: Any) -> Batch:
        values: list[dict[str, object]] = [{"no": no, "expected": f"row {no}"} for no in range(rows)]
        lanes = spec.pop("lanes", (LaneWish(ONE),))
        settings = Settings(template="Say row {{no}}")
        lanes = tuple(replace(lane, settings=settings) for lane in lanes)
        wish = BatchWish("Numbers", BatchSpec("", lanes, **spec), rows_of(values))
        return await self.batches.open(by, wish, surface="page")

    async def do(self, batch: Batch, row: int = 0, lane: int = 0) -> Told:
        return await self.work.do(batch.id, batch.epoch, Item(row, lane))

    async def do_all(self, batch: Batch) -> None:
        for row in range(batch.rows):
            for lane in range(len(batch.spec.lanes)):
                assert (await self.do(batch, row, lane)).outcome == "done"

    def answer(self, batch: Batch, row: int = 0, lane: int = 0) -> Answer:
        with self.batches.database.session() as session:
            found = storage.answer_of(session, batch.id, Item(row, lane))
        assert found is not None
        return found

    def now(self, batch: Batch) -> Batch:
        return self.batches.show(LOCAL, batch.id)[0]

    @property
    def used_nano_usd(self) -> int:
        return self.desk.balance().total_used_nano_usd


@asynccontextmanager
async def batch_desk(folder: Path, *plays: Play, slow: tuple[Play, ...] = ()) -> AsyncIterator[BatchDesk]:
    """`plays` are those of `ONE`'s provider, `slow` of `TWO`'s."""
    providers = (Scripted("lab", *plays), Scripted("slow", *(slow or plays)))
    async with with_providers(folder, *providers) as desk:
        sandbox, standing = Sandbox(check_s=2.0), Standing()
        quotes = Quotes(desk.gateway, UsageOfTeams(folder / "ledger.db", desk.statements))
        batches = Batches(
            desk.databases.app, Catalog.load(CATALOG), sandbox, desk.ledger.set_cap, quotes.quote
        )
        work = BatchWork(desk.gateway, desk.databases.app, desk.statements, standing, sandbox)
        yield BatchDesk(desk, batches, work, VoteQueue(desk.databases.app), standing)
        await work.close()
        await sandbox.close()
