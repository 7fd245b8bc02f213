"""Battles as a process has them: real gateway, ledger and databases; the models do what a test tells them."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncGenerator, AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from pathlib import Path

from sqlalchemy import text

from battles.battle import Battles, Means
from battles.held_log import HeldLog
from battles.hidden import HiddenRuns
from battles.live import LiveLanes
from battles.looking import view
from battles.models import Battle, BattleWish, Lane, LaneWish, Prompt, Turn
from battles.opening import by_lot
from battles.views import BattleView
from battles.votes import Votes
from billing.budgets import Budgets
from gateway.catalog import Catalog, CatalogOverrides
from gateway.errors import ProviderUnreachable
from gateway.messages import Event, Finished, TextDelta, Usage
from gateway.providers.base import Call, Provider
from gateway.providers.simulated import Pace, Simulated
from identity.principal import Principal
from store.databases import Databases
from telemetry.rows import RequestRow
from tests.gateway.desk import LOCAL, Desk, desk

MODELS = ("north/alpha", "south/beta", "west/gamma", "east/delta", "house/local")
MEMBER = replace(LOCAL, user_id=2, role="member")
STRANGER = replace(LOCAL, team_id=2, user_id=9)

Play = Callable[[Call], AsyncGenerator[Event, None]]


def says(text: str, *, output: int = 10) -> Play:
    async def play(call: Call) -> AsyncGenerator[Event, None]:
        yield TextDelta(text)
        yield Finished("stop")
        yield Usage(input=100, output=output)

    return play


async def fails(call: Call) -> AsyncGenerator[Event, None]:
    raise ProviderUnreachable("lab", "The provider takes no connection.")
    yield


class Gated:
    """Says a word each time it is let: `go`, and in the end `end`."""

    def __init__(self, *words: str) -> None:
        self._words = words
        self._gates = [asyncio.Event() for _ in words]
        self._end = asyncio.Event()
        self.began = asyncio.Event()

    async def __call__(self, call: Call) -> AsyncGenerator[Event, None]:
        self.began.set()
        for word, gate in zip(self._words, self._gates, strict=True):
            await gate.wait()
            yield TextDelta(word)
        await self._end.wait()
        yield Finished("stop")
        yield Usage(input=100, output=10)

    def go(self, words: int) -> None:
        for gate in self._gates[:words]:
            gate.set()

    def end(self) -> None:
        self.go(len(self._words))
        self._end.set()


class Lab:
    """One provider of all the test's models: each plays what `plays` has for it, in turn."""

    def __init__(self, id: str = "lab") -> None:
        self.id = id
        self.plays: dict[str, list[Play]] = {}
        self.calls: list[Call] = []

    def stream(self, call: Call) -> AsyncGenerator[Event, None]:
        self.calls.append(call)
        call.clocks.sent_ns = call.clocks.first_byte_ns = time.monotonic_ns()
        plays = self.plays.get(call.model) or [says(f"{call.model} was asked")]
        return (plays.pop(0) if len(plays) > 1 else plays[0])(call)

    async def close(self) -> None:
        """Nothing is kept open."""

    def plays_of(self, **plays: Play | list[Play]) -> None:
        """By the model's short name."""
        self.plays |= {name: play if isinstance(play, list) else [play] for name, play in plays.items()}


@dataclass
class Ring:
    desk: Desk
    battles: Battles
    votes: Votes
    lanes: LiveLanes
    lab: Lab
    log: list[RequestRow]
    budgets: Budgets
    means: Means
    spent_before_nano_usd: int = 0

    async def begin(self) -> None:
        """For another test: what the last one left counts no more, once it is paid for."""
        async with asyncio.timeout(10):
            while self.desk.balance().held_nano_usd:
                await asyncio.sleep(0.01)
        self.lab.plays.clear()
        self.lab.calls.clear()
        self.log.clear()
        self.spent_before_nano_usd = self.desk.balance().total_used_nano_usd

    def spent_nano_usd(self) -> int:
        return self.desk.balance().total_used_nano_usd - self.spent_before_nano_usd

    def has_written(self, battle: Battle, words: str) -> bool:
        """Whether the database has these words in any row of this battle or of its runs."""
        of_turns = "SELECT id FROM battle_turn WHERE battle_id = :id"
        of_runs = f"SELECT run_id FROM battle_run WHERE turn_id IN ({of_turns})"
        wheres = {
            "battle": "id = :id", "battle_lane": "battle_id = :id", "battle_turn": "battle_id = :id",
            "battle_vote": "battle_id = :id", "run": f"id IN ({of_runs})",
        }  # fmt: skip
        with self.desk.databases.app.session() as session:
            rows = [
                str(tuple(row))
                for table, where in wheres.items()
                for row in session.execute(text(f"SELECT * FROM {table} WHERE {where}"), {"id": battle.id})
            ]
        return any(words in row for row in rows)

    async def fought(
        self,
        *models: str,
        by: Principal = LOCAL,
        blind: bool = False,
        prompt: str = "What is the answer?",
        wait: bool = True,
        wish: BattleWish | None = None,
    ) -> tuple[Battle, Turn]:
        """A battle with one turn, whose lanes have ended."""
        lanes = tuple(LaneWish(f"{_creator(model)}/{model}") for model in models)
        battle = await self.battles.create(by, wish or BattleWish(lanes, blind=blind))
        turn = await self.battles.start_turn(by, battle.id, Prompt(prompt))
        if wait:
            await self.ended(battle, by)
        return battle, turn

    async def ended(self, battle: Battle, by: Principal = LOCAL, within_s: float = 10.0) -> BattleView:
        async with asyncio.timeout(within_s):
            while (seen := await view(self.battles, by, battle.id)).running:
                await asyncio.sleep(0.005)
        return seen

    async def view(self, battle: Battle, by: Principal = LOCAL) -> BattleView:
        return await view(self.battles, by, battle.id)


def _creator(model: str) -> str:
    return next(name.partition("/")[0] for name in MODELS if name.endswith(f"/{model}"))


def as_asked(lanes: list[Lane]) -> None:
    """A lot that leaves the order as it is."""


def catalog_tables(provider: str = "lab") -> CatalogOverrides:
    tables = [
        {
            "id": name,
            "name": name.partition("/")[2].title() + " One",
            "context_tokens": 32768,
            "max_output_tokens": 4096,
            "input_usd_per_million": "1.00",
            "output_usd_per_million": "4.00",
            "providers": [
                {"id": "house" if name.startswith("house/") else provider, "model": name.partition("/")[2]}
            ],
        }
        for name in MODELS
    ]
    return CatalogOverrides(
        {
            provider: {"base_url": "https://lab.invalid/v1"},
            "house": {"base_url": "http://127.0.0.1:9/v1", "allow_private_address": True},
        },
        tables,
    )


@asynccontextmanager
async def ring(
    folder: Path,
    *,
    draw_lots: Callable[[list[Lane]], None] = by_lot,
    databases: Databases | None = None,
    process_id: str | None = None,
    providers: Mapping[str, Provider] | None = None,
) -> AsyncIterator[Ring]:
    lab = Lab()
    simulated = Simulated(Pace(first_token_s=0, slow_first_token_s=0.2, tokens_per_s=0))
    house = Lab("house")
    house.plays = lab.plays
    house.calls = lab.calls
    folder.mkdir(exist_ok=True)
    async with desk(
        folder,
        providers={"lab": lab, "house": house, "simulated": simulated, **(providers or {})},
        overrides=catalog_tables(),
        databases=databases,
        process_id=process_id,
    ) as at:
        log: list[RequestRow] = []
        held = HeldLog(log.append)
        at.gateway._tools = replace(at.gateway._tools, log=held)
        means = means_of(at, Catalog.load(catalog_tables()), held)
        battles = Battles(replace(means, process_id=process_id, draw_lots=draw_lots))
        at.gateway._is_hidden = means.hidden_runs.hides
        await battles.open()
        try:
            budgets = Budgets(folder / "ledger.db")
            yield Ring(
                at, battles, Votes(battles), LiveLanes(battles, at.gateway.runs), lab, log, budgets, means
            )
        finally:
            await battles.close()


def means_of(at: Desk, catalog: Catalog, held_log: HeldLog) -> Means:
    def charged(team_id: int, run_id: str) -> int | None:
        entry = at.statements.entry_of_run(team_id, run_id)
        return None if entry is None else entry.cost_nano_usd

    return Means(
        gateway=at.gateway,
        catalog=catalog,
        database=at.databases.app,
        set_cap=at.ledger.set_cap,
        charged=charged,
        held_log=held_log,
        hidden_runs=HiddenRuns(at.databases.app),
    )
