"""What a process serves with, pages or not: catalog, providers, ledger, gateway and the rest.

`Prepared` is what is decided before anything is opened; `open_services` opens, and leaves how to close, in
the opposite order, on the stack that it is given. `app.py` puts pages and API on top, `api_process.py` the
API alone. Composes, and holds no logic.
"""

from __future__ import annotations

import asyncio
import importlib
import logging
import os
from collections import Counter
from collections.abc import Awaitable, Callable, Coroutine, Mapping
from contextlib import AsyncExitStack, suppress
from dataclasses import dataclass
from functools import partial
from typing import Any

import startup
from alerting import Address, Alerting
from api.asgi import ApiServices, Readiness
from api.errors import status_of
from batching import Batching, open_batching
from battles.batch_jobs import jobs_database
from battles.batch_storage import forget_text as forget_batches
from battles.battle import Battles, Means
from battles.held_log import HeldLog
from battles.hidden import HiddenRuns
from battles.leaderboard import USAGE_WINDOW_MS, Leaderboard, Together
from battles.pack_desk import Packs
from battles.prompt_figures import PromptFigures
from battles.prompts import Prompts, forget as forget_prompts
from battles.ratings_batches import BatchRatings
from battles.retention import forget as forget_battles
from battles.shares import Shares, forget as forget_shares
from battles.sharing import Sharing
from battles.votes import Votes
from billing.codes import PURPOSE as TOP_UP_CODE, TopUps
from billing.errors import LedgerUnavailable
from children.supervisor import ChildFailed
from gateway.catalog import Catalog, CatalogOverrides
from gateway.completion import Gateway, Limits
from gateway.connections import PROVIDER_KEY, Connections
from gateway.leaving import Leaving
from gateway.provider_keys import ProviderKeys
from gateway.providers.base import Deadlines
from gateway.providers.configured import Configured, configured
from gateway.providers.embedded import Embedded, EmbeddedDoor, EmbeddedElsewhere, embedded_available
from gateway.providers.simulated import Simulated
from gateway.quote import Quotes
from gateway.rate_limits import RateLimits
from gateway.retention import Retention
from gateway.routing import Routing
from gateway.team_money import TeamMoney
from gateway.team_policy import PreSend
from gateway.tiers import Allowances, read_tiers
from gateway.vocabularies import load_soon
from housekeeping import keep_house
from identity.api_keys import ApiKeys
from identity.keys import purpose_key
from identity.people import People, open_people
from identity.sealing import Sealer
from identity.standing import Standing
from identity.text_reads import TextReads
from observing import Watched
from settings import Settings, secret_key
from signing_in import rules_of
from store.databases import Database
from store.errors import DatabaseUnavailable
from stores import Role, Stores, open_stores
from telemetry.latency import Latency
from telemetry.paces import Paces
from telemetry.views import Views

_log = logging.getLogger("tiltyard")

_ADD_CREDIT = "python -m operate grant --usd 5"
_SWEEP_S = 10.0


@dataclass(frozen=True, slots=True)
class Joined:
    """What a process is given by the one that started it: the doors of the children that both use, and
    the environment's keys for providers."""

    ledger_socket: str | None
    embedded: EmbeddedDoor | str
    provider_keys: Mapping[str, str]


class Prepared:
    """Settings, catalog and providers. Raises `CatalogError`; `connected.problems` lists the rest."""

    def __init__(self, settings: Settings, *, role: Role = "app", joined: Joined | None = None) -> None:
        self.settings = settings
        self.role = role
        self.joined = joined
        self.overrides = CatalogOverrides(settings.providers, settings.models, settings.stand_ins)
        self.catalog = Catalog.load(self.overrides)
        self.tiers = read_tiers(settings.tiers)
        self.embedded = self._embedded()
        self.connected: Configured = configured(
            self.catalog.providers(),
            os.environ if joined is None else joined.provider_keys,
            {
                "embedded": self.embedded,
                "simulated": Simulated() if settings.simulated else "TILTYARD_SIMULATED is off.",
            },
        )

    def _embedded(self) -> Embedded | EmbeddedElsewhere | str:
        if self.joined is not None:
            door = self.joined.embedded
            return door if isinstance(door, str) else EmbeddedElsewhere(door)
        if not self.settings.embedded:
            return "TILTYARD_EMBEDDED is off."
        return embedded_available() or Embedded()

    def provider_keys(self) -> dict[str, str]:
        """The keys that this process found in its environment, by their variables' names."""
        names = (provider.api_key_env for provider in self.catalog.providers())
        return {name: os.environ[name] for name in names if name and name in os.environ}


@dataclass(frozen=True, slots=True)
class Open:
    """What is open. `secret` is the installation's, for `purpose_key`."""

    prepared: Prepared
    stores: Stores
    secret: bytes
    gateway: Gateway
    quotes: Quotes
    api_keys: ApiKeys
    people: People
    top_ups: TopUps
    connections: Connections
    provider_keys: ProviderKeys
    paces: Paces
    alerting: Alerting
    rates: RateLimits
    watched: Watched
    retention: Retention
    prompts: Prompts
    packs: Packs
    sharing: Sharing
    prompt_figures: PromptFigures
    battles: Battles
    votes: Votes
    leaderboard: Leaderboard
    batching: Batching

    def for_the_api(self, **more: Any) -> ApiServices:
        """`more` are fields of `ApiServices` that only this process has."""
        return ApiServices(
            gateway=self.gateway,
            catalog=self.prepared.catalog,
            statements=self.stores.statements,
            usage=self.stores.usage,
            budgets=self.stores.budgets,
            quotes=self.quotes,
            top_ups=self.top_ups,
            api_keys=self.api_keys,
            people=self.people,
            team_money=TeamMoney(self.stores.ledger, self.people),
            retention=self.retention,
            views=Views(self.stores.databases.log.engine, self.stores.log),
            prompts=self.prompts,
            packs=self.packs,
            sharing=self.sharing,
            battles=self.battles,
            votes=self.votes,
            leaderboard=self.leaderboard,
            prompt_figures=self.prompt_figures,
            batches=self.batching.batches,
            provider_keys=self.provider_keys,
            rates=self.rates,
            refusals=self.watched.refusals,
            metrics_token=self.prepared.settings.metrics_token,
            metrics_without_token=not self.prepared.settings.sign_in,
            add_credit=_ADD_CREDIT,
            max_body_bytes=self.prepared.settings.max_body_bytes,
            **{"readiness": self.readiness, "metrics": self.watched.page(), **more},
        )

    async def readiness(self) -> Readiness:
        try:
            await asyncio.to_thread(self.stores.databases.ping)
            databases = "ok"
        except Exception as error:
            databases = type(error).__name__
        ledger, log = self.stores.ledger, self.stores.log
        return Readiness(
            ledger.ready and databases == "ok" and not self.gateway.draining,
            {
                "draining": self.gateway.draining,
                "ledger": "ok" if ledger.ready else "restarting",
                "databases": databases,
                "embedded_model": _state_of(self.prepared.embedded),
                "catalog": self.prepared.catalog.hash,
                "request_log": {"waiting": log.health.waiting, "lost": log.health.lost},
            },
        )


async def open_services(prepared: Prepared, opened: AsyncExitStack) -> Open:
    """Ends the process with a sentence where a database or the ledger cannot be used."""
    settings, joined = prepared.settings, prepared.joined
    if isinstance(prepared.embedded, Embedded):
        opened.push_async_callback(prepared.embedded.close)
        keep(opened, _start(prepared.embedded))
    stores = await _open_stores(prepared, opened)
    secret = secret_key(settings)
    app_db, log_engine = stores.databases.app, stores.databases.log.engine
    api_keys = ApiKeys(app_db)
    opened.push_async_callback(api_keys.close)
    for provider in prepared.connected.providers.values():
        if not isinstance(provider, Embedded):
            opened.push_async_callback(provider.close)
    connections, provider_keys = await _open_connections(prepared, stores, secret, opened)
    rates, paces = _open_rates(prepared, stores, opened), Paces(log_engine)
    people = _open_people(settings, app_db, api_keys)
    running = await _open_running(prepared, stores, provider_keys, rates, paces, people, opened)
    gateway, battles = running.gateway, running.battles
    retention = Retention(app_db, also=(forget_prompts, forget_shares, forget_battles, forget_batches))
    addresses = [Address(url, settings.alert_private_address) for url in settings.alert_urls]
    alerting = Alerting(log_engine, stores.budgets, prepared.catalog, addresses, settings.url)
    if joined is None:
        keep_house(
            partial(keep, opened), stores, prepared.catalog, alerting, retention, log_days=settings.log_days
        )
    votes, batch_ratings = Votes(battles), BatchRatings(app_db)
    quotes = Quotes(gateway, stores.usage)
    jobs_at = jobs_database(str(settings.data_dir), settings.database_url)
    batching = await open_batching(
        stores,
        gateway,
        prepared.catalog,
        quotes,
        people.changes,
        opened,
        keep,
        python_tests=settings.python_tests,
        jobs_at=jobs_at if joined is None else None,
    )
    packs = Packs(battles, prepared.catalog, secret)
    return Open(
        prepared=prepared,
        stores=stores,
        secret=secret,
        gateway=gateway,
        quotes=quotes,
        api_keys=api_keys,
        people=people,
        top_ups=TopUps(purpose_key(secret, TOP_UP_CODE), app_db, stores.ledger.grant),
        connections=connections,
        provider_keys=provider_keys,
        paces=paces,
        alerting=alerting,
        rates=rates,
        watched=Watched.open(settings, stores, gateway, prepared.role, opened),
        retention=retention,
        prompts=Prompts(app_db),
        packs=packs,
        sharing=Sharing(Shares(app_db), battles, packs, gateway),
        prompt_figures=PromptFigures(app_db),
        battles=battles,
        votes=votes,
        leaderboard=Leaderboard(Together(votes, batch_ratings), _usage(stores), batch_ratings.passes),
        batching=batching,
    )


async def _open_stores(prepared: Prepared, opened: AsyncExitStack) -> Stores:
    socket = prepared.joined.ledger_socket if prepared.joined else None
    try:
        return await open_stores(prepared.settings, opened, role=prepared.role, ledger_socket=socket)
    except (DatabaseUnavailable, LedgerUnavailable) as error:
        startup.fail(f"{error} See TILTYARD_DATABASE_URL.")
    except ChildFailed as error:
        startup.fail(f"{error}. What it wrote before says why.")


@dataclass(frozen=True, slots=True)
class _Running:
    """What runs requests, and ends those that a dead process left."""

    gateway: Gateway
    battles: Battles

    async def end_interrupted(self) -> None:
        await self.gateway.end_interrupted()
        await self.battles.end_interrupted()


async def _open_running(
    prepared: Prepared,
    stores: Stores,
    provider_keys: ProviderKeys,
    rates: RateLimits,
    paces: Paces,
    people: People,
    opened: AsyncExitStack,
) -> _Running:
    settings, connected = prepared.settings, prepared.connected
    text_reads = TextReads(people.audit)
    opened.callback(text_reads.close)
    held_log, hidden_runs = HeldLog(stores.log.record), HiddenRuns(stores.databases.app)
    gateway = Gateway(
        catalog=prepared.catalog,
        routing=Routing(prepared.catalog, connected.providers, connected.absent, paces),
        ledger=stores.ledger,
        kept_runs=stores.kept_runs,
        log=held_log,
        is_hidden=hidden_runs.hides,
        status_of=status_of,
        deadlines=Deadlines(settings.connect_s, settings.first_token_s, settings.idle_s, settings.total_s),
        own_keys=provider_keys.of_team,
        pre_send=_pre_send(settings),
        on_text_read=text_reads,
        limits=Limits(settings.max_running, settings.max_running_team, lag_ms=settings.max_lag_ms),
        rates=rates,
    )
    leaving, loop = Leaving(gateway.runs, Standing(stores.databases.app)), asyncio.get_running_loop()
    people.changes.listen(lambda: loop.call_soon_threadsafe(leaving.changed))
    keep(opened, leaving.keep())
    await gateway.open()
    opened.push_async_callback(gateway.close)
    battles = await _open_battles(prepared, stores, gateway, held_log, hidden_runs, opened)
    running = _Running(gateway, battles)
    if stores.in_company:  # alone, a process ends what died at its own start
        keep(opened, stores.leases.keep("sweeper", _SWEEP_S, running.end_interrupted))
    return running


def _usage(stores: Stores) -> Callable[[int], Mapping[str, int]]:
    """A team's requests of the last 30 days, by model."""
    latency = Latency(stores.databases.log.engine, stores.log)

    def by_model(team_id: int) -> Mapping[str, int]:
        found: Counter[str] = Counter()
        for each in latency.summary(team_id, USAGE_WINDOW_MS):
            found[each.model_id] += each.requests
        return found

    return by_model


async def _open_battles(
    prepared: Prepared,
    stores: Stores,
    gateway: Gateway,
    held_log: HeldLog,
    hidden_runs: HiddenRuns,
    opened: AsyncExitStack,
) -> Battles:
    def charged(team_id: int, run_id: str) -> int | None:
        entry = stores.statements.entry_of_run(team_id, run_id)
        return None if entry is None else entry.cost_nano_usd

    battles = Battles(
        Means(
            gateway=gateway,
            catalog=prepared.catalog,
            database=stores.databases.app,
            set_cap=stores.ledger.set_cap,
            charged=charged,
            held_log=held_log,
            hidden_runs=hidden_runs,
            process_id=stores.processes.id if stores.in_company else None,
        )
    )
    await battles.open()
    opened.push_async_callback(battles.close)
    return battles


def _pre_send(settings: Settings) -> tuple[PreSend, ...]:
    """The installation's own check of what is about to leave; ends the process where there is none."""
    if settings.pre_send is None:
        return ()
    module, _, name = settings.pre_send.partition(":")
    try:
        hook: PreSend = getattr(importlib.import_module(module), name)
    except (ImportError, AttributeError) as error:
        startup.fail(f"TILTYARD_PRE_SEND: {settings.pre_send!r} cannot be had: {error}.")
    return (hook,)


def _open_people(settings: Settings, database: Database, api_keys: ApiKeys) -> People:
    return open_people(
        database,
        api_keys,
        settings.api_url,
        rules_of(settings),
        private_issuers=settings.private_issuers,
        on_loop=asyncio.get_running_loop().call_soon_threadsafe,
    )


async def _open_connections(
    prepared: Prepared, stores: Stores, secret: bytes, opened: AsyncExitStack
) -> tuple[Connections, ProviderKeys]:
    """What was connected in the page, and teams' own keys; kept fresh where other processes change them."""
    sealer, database = Sealer(purpose_key(secret, PROVIDER_KEY)), stores.databases.app
    connected = prepared.connected
    connections = Connections(
        database, sealer, prepared.catalog, prepared.overrides, connected.providers, connected.absent
    )
    provider_keys = ProviderKeys(database, sealer, prepared.catalog)
    for each in (connections, provider_keys):
        await each.open()
        opened.push_async_callback(each.close)
        if stores.in_company:
            keep(opened, each.keep_fresh())
    return connections, provider_keys


def _open_rates(prepared: Prepared, stores: Stores, opened: AsyncExitStack) -> RateLimits:
    settings = prepared.settings
    allowances = Allowances(
        stores.databases.app, stores.payments.paid_nano_usd, prepared.tiers, settings.tier_of_all
    )
    if settings.redis_url is None:
        rates = RateLimits(allowances, _processes(stores))
    else:
        # Imported here: most installations have none.
        from gateway.rate_redis import RedisWindows

        rates = RateLimits(allowances, _processes(stores), RedisWindows(settings.redis_url))
    keep(opened, rates.keep_share())
    opened.push_async_callback(rates.close)
    return rates


def _processes(stores: Stores) -> Callable[[], Awaitable[int]] | None:
    if not stores.in_company:
        return None

    async def count() -> int:
        return len(await stores.processes.living())

    return count


def keep(opened: AsyncExitStack, work: Coroutine[Any, Any, None]) -> None:
    """Something that goes on until everything closes."""
    opened.push_async_callback(_end, asyncio.create_task(work))


async def _end(task: asyncio.Task[None]) -> None:
    task.cancel()
    with suppress(asyncio.CancelledError):
        await task


async def _start(embedded: Embedded) -> None:
    """Beside everything else: pages need not wait for a model."""
    try:
        await embedded.start()
    except ChildFailed as error:
        _log.error("%s", error)
    else:
        load_soon("smollm2")  # or the first prompt would wait for its vocabulary


def _state_of(embedded: Embedded | EmbeddedElsewhere | str) -> str:
    if isinstance(embedded, str):
        return embedded
    return "ready" if embedded.ready else "starting"
