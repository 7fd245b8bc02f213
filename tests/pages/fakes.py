"""Services that behave, without a server: runs that answer at once or when told to, a real catalog,
a real request log in memory. The pages' tests and the look-at-it server use them through the same door.
"""

from __future__ import annotations

import asyncio
import functools
import threading
import time
from collections.abc import Callable, Collection, Coroutine, Mapping
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, replace
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, TypeVar, cast

from msgspec import structs
from sqlalchemy import Engine

from alerting import Alerting
from battles.batches import Batches
from battles.battle import Battles, Means
from battles.held_log import HeldLog
from battles.hidden import HiddenRuns
from battles.leaderboard import Leaderboard
from battles.pack_desk import Packs
from battles.prompt_figures import PromptFigures
from battles.prompts import Prompts
from battles.sandbox import Sandbox
from battles.shares import Shares
from battles.sharing import Sharing
from battles.vote_queue import VoteQueue
from battles.votes import Votes
from billing.allowance import ALLOWANCE_NANO_USD, WINDOW_MS, FreeMoney
from billing.budgets import CapChange, CapView
from billing.commands import CapSet, SetCap
from billing.statements import Balance, EntryView, OpenHold, Told, Wanted
from billing.usage import PACE_WINDOW_MS, QUARTER_MS, Pace, Spent
from gateway.catalog import Catalog, CatalogOverrides, Model
from gateway.completion import Gateway
from gateway.connections import PROVIDER_KEY, Connections
from gateway.errors import RunNotFound
from gateway.fitting import fit
from gateway.health import RouteHealth
from gateway.messages import CompletionRequest
from gateway.options import options_for
from gateway.preview import Preview, preview_of
from gateway.provider_keys import ProviderKeys
from gateway.providers.simulated import Simulated
from gateway.quote import Quote, Three
from gateway.records import RunRecord, record_of
from gateway.routing import Routing
from gateway.runs import Failure, Figures, Run, RunHub, RunState
from gateway.team_money import TeamMoney
from gateway.tiers import read_tiers
from identity.api_keys import ApiKeys
from identity.claims import Rules
from identity.keys import purpose_key
from identity.local import LocalIdentity
from identity.people import open_people
from identity.principal import Principal, TeamRole
from identity.sealing import Sealer
from identity.tickets import Tickets
from runtime import Services
from runtime_battles import BattleDesk
from store.databases import Database, open_engine
from store.ids import new_id
from store.tables import AppTable, LogTable
from telemetry.anomalies import Anomalies
from telemetry.latency import Latency
from telemetry.paces import Paces
from telemetry.request_log import RequestLog
from telemetry.requests import Requests
from telemetry.rows import AttemptRow, RequestRow
from telemetry.views import Views
from tests.battles.voting import Box

T = TypeVar("T")

USED = {"embedded/smollm2-135m": 120, "openai/gpt-4.1": 30, "openai/gpt-4.1-mini": 50}  # requests of 30 days
EMBEDDED = "embedded/smollm2-135m"
STEADY = "simulated/steady"
PRINCIPAL = Principal(team_id=1, team_name="Local", user_id=1, role="owner", operator=True)


class Loop:
    """The server's event loop: one that runs already, or else one on a thread of its own."""

    def __init__(self, running: asyncio.AbstractEventLoop | None = None) -> None:
        self.loop = running or asyncio.new_event_loop()
        self._thread: threading.Thread | None = None
        if running is None:
            self._thread = threading.Thread(target=self.loop.run_forever, daemon=True)
            self._thread.start()

    def run(self, work: Coroutine[Any, Any, T]) -> T:
        future: Future[T] = asyncio.run_coroutine_threadsafe(work, self.loop)
        return future.result(30)

    def close(self) -> None:
        if self._thread is not None:
            self.loop.call_soon_threadsafe(self.loop.stop)
            self._thread.join(5)
            self.loop.close()


class FakeGateway:
    """Takes what the real one takes. `refuses` is raised by the next submits; `answer` is what runs say:
    at once, word by word every `pace_s`, or, where `waits`, when the test calls `end`."""

    def __init__(self, catalog: Catalog, absent: Mapping[str, str]) -> None:
        self.runs = RunHub()
        self.draining = False
        self.refuses: Exception | None = None
        self.answer = "Sunlight is scattered by the air, and blue light most of all."
        self.waits = False
        self.pace_s: float | None = None
        self.on_end: Callable[[Run], None] = lambda run: None
        self.asked: list[CompletionRequest] = []
        self.trail: tuple[AttemptRow, ...] = ()  # of the runs to come
        self._typing: set[asyncio.Task[None]] = set()
        self._catalog = catalog
        self._absent = absent

    def connected(self) -> frozenset[str]:
        routes = {route.provider for model in self._catalog.models() for route in model.providers}
        return frozenset(routes - set(self._absent))

    def model(self, name: str) -> Model:
        return self._catalog.resolve(name).model

    def routable(self, model: Model) -> str | None:
        missing = [route.provider for route in model.providers if route.provider in self._absent]
        return self._absent[missing[0]] if missing and len(missing) == len(model.providers) else None

    async def preview(self, principal: Principal, request: CompletionRequest) -> Preview:
        now_ms = time.time_ns() // 1_000_000
        model = self._catalog.resolve(request.model).model
        here = {
            route.provider: Simulated() for route in model.providers if route.provider not in self._absent
        }
        for provider_id, provider in here.items():
            provider.id = provider_id
        plan = Routing(self._catalog, here, self._absent).plan(request, now_ms)
        options = await options_for(request, plan, now_ms)
        return preview_of(options, RouteHealth(), lambda provider_id: provider_id.title(), lambda _: None)

    async def admit(
        self,
        principal: Principal,
        request: CompletionRequest,
        *,
        surface: str,
        parent_run_id: str | None = None,
        run_id: str | None = None,
        **_: object,
    ) -> Run:
        if self.refuses is not None:
            raise self.refuses
        model = self._catalog.resolve(request.model).model
        fitted, notes = fit(request, model)
        self.asked.append(request)
        run = Run(
            id=run_id or new_id("run"),
            team_id=principal.team_id,
            user_id=principal.user_id,
            surface="page",
            model_id=model.id,
            model_name=model.name,
            provider=model.providers[0].provider,
            series=model.series,
            request=fitted,
            created_ms=time.time_ns() // 1_000_000,
            out_cap=1024,
            parent_run_id=parent_run_id,
            keeps_text=True,
            notes=notes,
        )
        run.on_stop = lambda: None
        self.runs.add(run)
        if self.pace_s is not None:
            self._typing.add(asyncio.create_task(self._type(run, self.pace_s)))
        elif not self.waits:
            self.end(run, "done")
        return run

    async def _type(self, run: Run, pace_s: float) -> None:
        for word in self.answer.split(" "):
            await asyncio.sleep(pace_s)
            if run.stop_reason:
                break
            run.append_text(f" {word}" if run.text else word)
            run.figures = structs.replace(run.figures, first_token_ms=118.0, first_answer_ms=118.0)
            run.changed()
        self.end(run, "stopped" if run.stop_reason else "done")

    def end(self, run: Run, state: RunState, failure: Failure | None = None) -> None:
        if state == "done" and not run.text:
            run.append_text(self.answer)
        run.failure = failure
        run.attempts = self.trail
        run.figures = Figures(
            first_token_ms=118.0,
            first_answer_ms=118.0,
            total_ms=1530.0,
            tokens_per_s=152.0,
            input_tokens=36,
            output_tokens=214,
            cost_nano_usd=89_200,
            available_after_nano_usd=4_999_910_800,
        )
        run.end(state)
        self.on_end(run)

    async def stop(self, principal: Principal, run_id: str, *, steered: bool = False) -> None:
        run = self.runs.get(run_id, principal.team_id)
        if run is None:
            raise RunNotFound(run_id)
        run.stop("user")

    async def record(self, principal: Principal, run_id: str) -> RunRecord:
        run = self.runs.get(run_id, principal.team_id)
        if run is None:
            raise RunNotFound(run_id)
        return record_of(run)

    async def records(self, team_id: int, run_ids: Collection[str]) -> dict[str, RunRecord]:
        found = (self.runs.get(run_id, team_id) for run_id in run_ids)
        return {run.id: record_of(run) for run in found if run is not None}

    async def conversation(self, principal: Principal, run_id: str) -> tuple[RunRecord, ...]:
        turns: list[RunRecord] = []
        next_id: str | None = run_id
        while next_id is not None:
            run = self.runs.get(next_id, principal.team_id)
            if run is None:
                break
            turns.append(record_of(run))
            next_id = run.parent_run_id
        return tuple(reversed(turns))


class FakeStatements:
    """A team's money as set; the entries as given, newest first."""

    def __init__(self) -> None:
        self.money = Balance(
            balance_nano_usd=ALLOWANCE_NANO_USD,
            held_nano_usd=0,
            available_nano_usd=ALLOWANCE_NANO_USD,
            total_used_nano_usd=0,
            allowance_remaining_nano_usd=ALLOWANCE_NANO_USD,
            next_allowance_at_ms=time.time_ns() // 1_000_000 + WINDOW_MS,
            ends_allowance=False,
            open_holds=(),
        )
        self.journal: tuple[EntryView, ...] = ()

    def balance(self, team_id: int, now_ms: int) -> Balance:
        return self.money

    def free_money(self, now_ms: int) -> FreeMoney:
        return FreeMoney(1_000_000_000_000, 5_000_000_000)

    def entries(
        self, team_id: int, limit: int, before_seq: int | None = None, wanted: Wanted | None = None
    ) -> tuple[EntryView, ...]:
        asked = wanted or Wanted()
        older = [
            entry
            for entry in self.journal
            if (before_seq is None or entry.seq < before_seq)
            and (not asked.kinds or entry.kind in asked.kinds)
            and asked.model in (None, entry.model)
        ]
        return tuple(older[:limit])

    def told(self, team_id: int) -> Told:
        return Told(
            kinds=tuple(sorted({entry.kind for entry in self.journal})),
            models=tuple(sorted({entry.model for entry in self.journal if entry.model})),
            user_ids=tuple(sorted({entry.user_id for entry in self.journal if entry.user_id})),
            keys=("pages",),
        )

    def newest(self, team_id: int) -> tuple[int, str]:
        return (self.journal[0].seq, self.journal[0].hash) if self.journal else (0, bytes(32).hex())

    def entry_of_run(self, team_id: int, run_id: str) -> EntryView | None:
        return next((entry for entry in self.journal if entry.run_id == run_id), None)

    def hold(self, *holds: OpenHold) -> None:
        held = sum(hold.amount_nano_usd for hold in holds)
        self.money = replace(
            self.money,
            open_holds=holds,
            held_nano_usd=held,
            available_nano_usd=self.money.balance_nano_usd - held,
        )


class FakeUsage:
    """What the entries of `statements` were charged."""

    def __init__(self, statements: FakeStatements) -> None:
        self._statements = statements

    def spent(self, team_id: int, from_ms: int) -> tuple[Spent, ...]:
        return tuple(
            Spent(
                entry.at_ms // QUARTER_MS * QUARTER_MS,
                entry.model,
                entry.user_id,
                entry.key_id,
                entry.series or "paid",
                -entry.amount_nano_usd,
                1,
            )
            for entry in reversed(self._statements.journal)
            if entry.model is not None and entry.at_ms >= from_ms
        )

    def pace(self, team_id: int, now_ms: int, window_ms: int = PACE_WINDOW_MS) -> Pace:
        lately = self.spent(team_id, now_ms - window_ms)
        charged = sum(each.charged_nano_usd for each in lately)
        return Pace(charged, len(lately), now_ms - window_ms, now_ms)


class FakeQuotes:
    """Quotes as the real ones reckon them, from the balance that is set and no history; refuses what the
    gateway refuses."""

    def __init__(self, gateway: FakeGateway, statements: FakeStatements) -> None:
        self._gateway = gateway
        self._statements = statements
        self.asked: list[CompletionRequest] = []

    async def quote(self, principal: Principal, request: CompletionRequest) -> Quote:
        self.asked.append(request)
        if self._gateway.refuses is not None:
            raise self._gateway.refuses
        available = self._statements.money.available_nano_usd
        return Quote(
            model=self._gateway.model(request.model),
            provider="lab",
            price_version="2026-11-21",
            input_tokens=9,
            input_bound=20,
            output_tokens=Three(16, 64, 256),
            out_cap=1_024,
            cost_nano_usd=Three(7_300, 26_500, 104_400),
            basis="default",
            n=3,
            hold_nano_usd=min(411_600, available),
            is_clamped=available < 411_600,
            available_nano_usd=available,
            pace=Pace(1_000_000_000, 12, 0, 7 * 86_400_000),
            notes=(),
            preview=await self._gateway.preview(principal, request),
        )


class FakeBudgets:
    """The caps as given; what is set is kept, newest last."""

    def __init__(self) -> None:
        self.views: tuple[CapView, ...] = ()
        self.asked: list[SetCap] = []

    def caps(self, team_id: int, now_ms: int) -> tuple[CapView, ...]:
        return self.views

    def changes(self, team_id: int) -> tuple[CapChange, ...]:
        return tuple(
            CapChange(
                no, no, each.scope, each.subject, each.window, each.days, 1_795_262_400_000 + no,
                each.actor_user_id, each.limit_nano_usd, each.zone, each.alert_at,
            )
            for no, each in reversed(list(enumerate(self.asked, 1)))
        )  # fmt: skip

    async def set_cap(self, command: SetCap) -> CapSet:
        self.asked.append(command)
        return CapSet(command.team_id, 1, len(self.asked))


@dataclass
class World:
    """Everything that a page can meet, and the handles to change it."""

    loop: Loop
    gateway: FakeGateway
    statements: FakeStatements
    budgets: FakeBudgets
    latency: Latency
    services: Services
    rows: RequestLog
    log_engine: Engine
    folder: TemporaryDirectory[str]
    votes: Box  # what the leaderboard reads
    battles: Battles

    def log(self, *rows: RequestRow) -> None:
        """Record requests that ended, and wait until they are stored."""

        async def record() -> None:
            for row in rows:
                self.rows.record(row)
            while self.rows.health.waiting:
                await asyncio.sleep(0.005)

        self.loop.run(record())

    def close(self) -> None:
        self.loop.run(self.battles.close())
        self.loop.run(self.rows.close())
        self.loop.close()
        self.log_engine.dispose()
        self.folder.cleanup()


@functools.cache
def _own_catalog() -> Catalog:
    return Catalog.load()


def world(
    *,
    role: TeamRole = "owner",
    absent: Mapping[str, str] | None = None,
    demonstration_note: str | None = None,
    overrides: CatalogOverrides | None = None,
    base_url: str = "http://localhost:8501",
    running: asyncio.AbstractEventLoop | None = None,
    connecting: bool = False,
) -> World:
    """Services of a fresh local installation. `absent` says for a provider why it is not there."""
    catalog = _own_catalog() if overrides is None and not connecting else Catalog.load(overrides)
    if absent is None:
        absent = {
            provider.id: f"Set {provider.api_key_env} and start again."
            for provider in catalog.providers()
            if provider.api_key_env is not None
        }
    if demonstration_note is not None:
        absent = {**absent, "embedded": demonstration_note}
    loop = Loop(running)
    folder = TemporaryDirectory(prefix="tiltyard-pages-")
    engine = open_engine(Path(folder.name) / "log.db")
    LogTable.metadata.create_all(engine)

    async def open_log() -> RequestLog:
        log = RequestLog(engine, flush_s=0.005)
        await log.open()
        return log

    rows = loop.run(open_log())
    connections, provider_keys = (
        _connecting(Path(folder.name), catalog, absent, loop) if connecting else (None, None)
    )
    gateway = FakeGateway(catalog, absent)
    statements = FakeStatements()
    budgets = FakeBudgets()
    latency = Latency(engine, rows)
    app_db = _app_database(Path(folder.name))
    people = open_people(app_db, cast(ApiKeys, _NoKeys()), base_url, Rules())
    quotes = cast(Any, FakeQuotes(gateway, statements))
    battles = Battles(
        Means(
            gateway=cast(Gateway, gateway),
            catalog=catalog,
            database=app_db,
            set_cap=budgets.set_cap,
            charged=lambda team_id, run_id: None,
            held_log=HeldLog(lambda row: None),
            hidden_runs=NothingHidden(app_db),
        )
    )
    box = Box()
    packs = Packs(battles, catalog, b"for the pages' tests, and nothing else")
    services = Services(
        loop=loop.loop,
        catalog=catalog,
        gateway=cast(Gateway, gateway),
        statements=cast(Any, statements),
        usage=cast(Any, FakeUsage(statements)),
        budgets=cast(Any, budgets),
        ledger=cast(Any, budgets),
        quotes=quotes,
        battles=BattleDesk(loop.loop, battles, Votes(battles)),
        latency=latency,
        views=Views(engine, rows),
        anomalies=Anomalies(engine),
        alerting=Alerting(engine, cast(Any, budgets), catalog, (), base_url),
        requests=Requests(engine, rows),
        paces=Paces(engine),
        tiers=read_tiers(),
        identity=LocalIdentity(replace(PRINCIPAL, role=role)),
        people=people,
        team_money=TeamMoney(cast(Any, budgets), people),
        retention=cast(Any, None),
        packs=packs,
        sharing=Sharing(Shares(app_db), battles, packs, cast(Gateway, gateway)),
        prompts=Prompts(app_db),
        prompt_figures=PromptFigures(app_db),
        leaderboard=Leaderboard(box, lambda team_id: USED),
        batches=Batches(app_db, catalog, Sandbox(), cast(Any, budgets).set_cap, cast(Any, None)),
        vote_queue=VoteQueue(app_db),
        connections=cast(Connections, connections),
        provider_keys=cast(ProviderKeys, provider_keys),
        tickets=Tickets(b"for the pages' tests, and nothing else"),
        base_url=base_url,
        demonstration_note=demonstration_note,
    )
    return World(loop, gateway, statements, budgets, latency, services, rows, engine, folder, box, battles)


class NothingHidden(HiddenRuns):
    """Of a database without tables: no battle is blind."""

    def of(self, principal: Principal) -> frozenset[str]:
        return frozenset()


def _app_database(folder: Path) -> Database:
    """A file of its own, with all tables."""
    path = folder / "app.db"
    path.write_bytes(_app_file())
    return Database(open_engine(path), ThreadPoolExecutor(1))


@functools.cache
def _app_file() -> bytes:
    """Made once: many tables take a while."""
    with TemporaryDirectory(prefix="tiltyard-pages-") as folder:
        path = Path(folder) / "app.db"
        engine = open_engine(path)
        AppTable.metadata.create_all(engine)
        engine.dispose()
        return path.read_bytes()


class _NoKeys:
    """Of the API's keys, what services of people tell."""

    def forget(self) -> None: ...


def _connecting(
    folder: Path, catalog: Catalog, absent: Mapping[str, str], loop: Loop
) -> tuple[Connections, ProviderKeys]:
    """The real ones, on a database of their own; made only for pages that connect."""
    database = _app_database(folder)
    sealer = Sealer(purpose_key(b"for the pages' tests, and nothing else", PROVIDER_KEY))
    connections = Connections(database, sealer, catalog, CatalogOverrides(), {}, dict(absent))
    provider_keys = ProviderKeys(database, sealer, catalog)

    async def opened() -> None:
        await connections.open()
        await provider_keys.open()

    loop.run(opened())
    return connections, provider_keys
