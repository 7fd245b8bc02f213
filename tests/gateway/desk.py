"""A gateway as the process has it: real catalog, real ledger in its child, real databases in a folder;
only the models are simulated, as fast as the loop goes."""

from __future__ import annotations

import asyncio
import functools
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path

from billing.payments import Payments
from billing.statements import Balance, Statements
from billing.writer import Ledger
from gateway.catalog import Catalog, CatalogOverrides
from gateway.completion import Gateway, Limits
from gateway.kept_runs import KeptRuns
from gateway.messages import CompletionRequest, Event, Message, Sampling
from gateway.preferences import NO_PREFERENCES, RoutingPreferences
from gateway.providers.base import Deadlines, Provider
from gateway.providers.simulated import Pace, Simulated
from gateway.rate_limits import RateLimits
from gateway.routing import NO_OWN_KEYS, OwnKeys, Routing
from gateway.runs import Run
from gateway.tiers import Allowances, Tier
from identity.principal import Principal
from store.databases import Databases
from telemetry.paces import Paces
from telemetry.rows import RequestRow
from tests.databases import open_migrated

LOCAL = Principal(team_id=1, team_name="Local", user_id=1, role="owner")
FREE_USD = 5_000_000_000


@dataclass
class Desk:
    gateway: Gateway
    ledger: Ledger
    statements: Statements
    databases: Databases
    rows: list[RequestRow] = field(default_factory=list)
    log: Callable[[RequestRow], None] = lambda row: None  # told of each row too

    def balance(self, team_id: int = 1) -> Balance:
        import time

        return self.statements.balance(team_id, time.time_ns() // 1_000_000)


@asynccontextmanager
async def desk(
    folder: Path,
    *,
    pace: Pace | None = None,
    providers: Mapping[str, Provider] | None = None,
    overrides: CatalogOverrides | None = None,
    deadlines: Deadlines | None = None,
    limits: Limits | None = None,
    databases: Databases | None = None,
    process_id: str | None = None,
    own_keys: Callable[[int], OwnKeys] = lambda team_id: NO_OWN_KEYS,
    tiers: Sequence[Tier] | None = None,
) -> AsyncIterator[Desk]:
    """Alone in its folder; or with `databases` and a `process_id` one of several processes (each with a
    ledger of its own)."""
    rows: list[RequestRow] = []
    listening: list[Desk] = []

    def logged(row: RequestRow) -> None:
        rows.append(row)
        for each in listening:
            each.log(row)

    catalog = catalog_of(overrides)
    databases = databases or open_migrated(folder)
    ledger = await Ledger.open(folder / "ledger.db", free_money_limit_nano_usd=1000 * FREE_USD)
    simulated = Simulated(pace or Pace(first_token_s=0, slow_first_token_s=0.2, tokens_per_s=0))
    gateway = Gateway(
        catalog=catalog,
        routing=Routing(
            catalog,
            providers or {"simulated": simulated},
            {"openai": "Set OPENAI_API_KEY."},
            Paces(databases.log.engine),
        ),
        ledger=ledger,
        kept_runs=KeptRuns(databases.app, process_id),
        log=logged,
        status_of=lambda _: 500,
        deadlines=deadlines or Deadlines(),
        limits=limits or Limits(),
        own_keys=own_keys,
        rates=_rates(folder, databases, tiers) if tiers is not None else None,
    )
    await gateway.open()
    try:
        listening.append(Desk(gateway, ledger, Statements(folder / "ledger.db"), databases, rows))
        yield listening[0]
    finally:
        await gateway.drain(0)
        await gateway.close()
        await ledger.close()
        databases.close()


@functools.cache
def _shipped() -> Catalog:
    return Catalog.load()


def catalog_of(overrides: CatalogOverrides | None = None) -> Catalog:
    """One of this desk's own; reading the shipped one takes longer than most tests."""
    if overrides is not None:
        return Catalog.load(overrides)
    own = Catalog({}, {}, {}, "")
    own.adopt(_shipped())
    return own


def _rates(folder: Path, databases: Databases, tiers: Sequence[Tier]) -> RateLimits:
    paid = Payments(folder / "ledger.db").paid_nano_usd
    return RateLimits(Allowances(databases.app, paid, tiers, least_tier=1))


def asking(
    model: str,
    text: str = "Hello",
    max_output_tokens: int | None = None,
    routing: RoutingPreferences = NO_PREFERENCES,
) -> CompletionRequest:
    sampling = Sampling(max_output_tokens=max_output_tokens)
    return CompletionRequest(model, (Message.of("user", text),), sampling, routing=routing)


async def ended(run: Run, within_s: float = 10.0) -> Run:
    async with asyncio.timeout(within_s):
        await run.ended.wait()
    return run


async def first_words(run: Run, within_s: float = 5.0) -> None:
    """Wait until something of the answer is there."""
    async with asyncio.timeout(within_s):
        while not run.text and not run.reasoning:
            await asyncio.sleep(0.005)


class Caller:
    """A listener that keeps what it is told, and may fail or block like a broken connection."""

    def __init__(self, *, fails_after: int | None = None) -> None:
        self.told: list[str] = []
        self.pieces: list[Event] = []
        self._fails_after = fails_after

    async def opened(self, run: Run) -> None:
        self.told.append("opened")

    async def events(self, run: Run, batch: list[Event]) -> None:
        self.pieces += batch
        if self._fails_after is not None and len(self.pieces) >= self._fails_after:
            raise ConnectionResetError("the caller is gone")

    async def closed(self, run: Run) -> None:
        assert run.state != "running"
        self.told.append("closed")
