"""The services of this process, for pages: `app.py` installs them once, `pages/` and
`components/session.py` ask for `current()`. Nothing else does, and nobody imports `app`.

Script threads call the synchronous methods here; whatever must happen on the server's loop is
handed to it and waited for, briefly.
"""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine, Sequence
from dataclasses import dataclass
from typing import Any, TypeVar

from alerting import Alerting
from battles.batch_models import Batch, BatchSpec, BatchWish
from battles.batch_rows import Upload
from battles.batches import Batches, Estimate
from battles.comparisons import Comparison
from battles.leaderboard import Leaderboard
from battles.models import BattleWish, Prompt
from battles.pack_desk import Packs
from battles.prompt_figures import PromptFigures, VersionFigures
from battles.prompts import Prompts
from battles.quoting import BattleQuote, requests_of, together
from battles.replaying import Replayed, replay
from battles.shares import NewShare, ShareWish
from battles.sharing import Sharing, Shown
from battles.vote_queue import VoteQueue
from billing.budgets import Budgets
from billing.client import LedgerClient
from billing.commands import CapSet, Granted, GrantKind, SetCap
from billing.statements import Statements
from billing.usage import MONTH_MS, Usage
from fault_drill import QUICK, Books, Story, drill
from gateway.catalog import Catalog, ListedProvider
from gateway.completion import Gateway
from gateway.connection_tables import Server
from gateway.connections import Connections
from gateway.errors import GatewayError, RunNotFound
from gateway.messages import CompletionRequest
from gateway.provider_keys import ProviderKeys
from gateway.providers.listing import FoundServer, OfferedModel, find_local
from gateway.quote import Quote, Quotes
from gateway.rate_limits import RateLimits
from gateway.rate_windows import Standing
from gateway.records import RunRecord
from gateway.retention import Retention
from gateway.team_money import TeamMoney
from gateway.tiers import Tier
from gateway.what_if import WhatIf, on_model, re_rate
from identity.local import LocalIdentity
from identity.people import People
from identity.permissions import require
from identity.principal import Principal
from identity.team_export import team_export
from identity.tickets import Tickets
from runtime_battles import BattleDesk
from telemetry.anomalies import Anomalies
from telemetry.latency import Latency
from telemetry.paces import Paces
from telemetry.requests import Requests
from telemetry.views import Views

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Services:
    loop: asyncio.AbstractEventLoop
    catalog: Catalog
    gateway: Gateway
    statements: Statements
    usage: Usage
    budgets: Budgets
    ledger: LedgerClient
    quotes: Quotes
    latency: Latency
    views: Views
    anomalies: Anomalies
    alerting: Alerting
    requests: Requests
    paces: Paces
    tiers: tuple[Tier, ...]
    identity: LocalIdentity
    people: People
    team_money: TeamMoney
    retention: Retention
    prompts: Prompts
    packs: Packs
    sharing: Sharing
    battles: BattleDesk
    leaderboard: Leaderboard
    prompt_figures: PromptFigures
    batches: Batches
    vote_queue: VoteQueue
    connections: Connections
    provider_keys: ProviderKeys
    tickets: Tickets
    base_url: str
    demonstration_note: str | None  # why the embedded model is missing, in words; None when it is there
    rates: RateLimits | None = None
    site_url: str = ""  # where people open pages, where that is not the API's address

    def connected(self) -> frozenset[str]:
        """The providers that can be asked here, by id."""
        return self.gateway.connected()

    def headroom(self, principal: Principal) -> tuple[Standing | None, Standing | None]:
        """How many requests and tokens the team may still send this minute; None where nothing limits it."""

        async def stands() -> tuple[Standing | None, Standing | None]:
            if self.rates is None:
                return None, None
            await self.rates.look_up(principal.team_id, None)
            return self.rates.standing(principal.team_id, None)

        return self._on_loop(stands(), 5.0)

    def on_own_mix(self, principal: Principal, model_id: str, now_ms: int) -> WhatIf:
        """The team's last 30 days, re-rated on that model. Reads each settled run."""
        runs = self.usage.settled(principal.team_id, now_ms - MONTH_MS, now_ms + 1)
        return re_rate(runs, on_model(self.catalog, model_id, now_ms))

    def submit(
        self, principal: Principal, request: CompletionRequest, *, parent_run_id: str | None = None
    ) -> str:
        """Start a run from a page and return its id. Raises what `Gateway.admit` raises."""
        run = self._on_loop(
            self.gateway.admit(principal, request, surface="page", parent_run_id=parent_run_id), 30.0
        )
        return run.id

    def quote(self, principal: Principal, request: CompletionRequest) -> Quote:
        """What this would cost and hold; nothing is held. Raises what `submit` would raise."""
        return self._on_loop(self.quotes.quote(principal, request), 5.0)

    def quote_battle(self, principal: Principal, wish: BattleWish, prompt: Prompt) -> BattleQuote:
        """What a battle's first turn would cost and hold; nothing is held. Raises what opening it would, and
        what its lanes would be refused for."""
        asked = requests_of(wish, prompt, self.catalog)
        return together(self._quotes(principal, asked), wish.order, wish.cost_cap_nano_usd)

    def quote_turn(
        self, principal: Principal, battle_id: str, prompt: Prompt, parent_turn_id: str
    ) -> BattleQuote:
        """The same for a turn that goes on from that one."""
        return together(
            self._quotes(principal, self.battles.would_ask(principal, battle_id, prompt, parent_turn_id))
        )

    def _quotes(self, principal: Principal, asked: Sequence[CompletionRequest]) -> list[Quote]:
        async def quoted() -> list[Quote]:
            return [await self.quotes.quote(principal, request) for request in asked]

        return self._on_loop(quoted(), 10.0)

    def set_cap(self, principal: Principal, command: SetCap) -> CapSet:
        """Set, change or switch off a spending cap of the principal's team. Raises `NotPermitted`."""
        return self._on_loop(self.team_money.set_cap(principal, command), 20.0)

    def route(self, principal: Principal, request: CompletionRequest) -> str | None:
        """Who would be asked, in order, and at what price; None where that is one provider, or nobody."""
        try:
            if len(self.catalog.resolve(request.model).model.providers) < 2:
                return None
            preview = self._on_loop(self.gateway.preview(principal, request), 5.0)
        except (GatewayError, TimeoutError):
            return None  # sending it says why
        return preview.words if len(preview.candidates) > 1 else None

    def votes_cast(self, principal: Principal) -> tuple[Comparison, ...]:
        """What people's votes in the team say of lanes."""
        return self.battles.comparisons(principal)

    def prompt_figures_of(
        self, principal: Principal, version_ids: Sequence[str]
    ) -> dict[str, VersionFigures]:
        """What these versions cost, took and won; runs that the reader may still vote on are left out."""
        hidden = self.battles.hidden_runs(principal)
        return self.prompt_figures.of(principal, version_ids, self.votes_cast(principal), hidden)

    def pack(self, principal: Principal, battle_id: str) -> bytes:
        """A battle to take away. Raises `BattleNotFound` and `StillBlind`."""
        return self._on_loop(self.packs.pack(principal, battle_id), 20.0)

    def share(self, principal: Principal, wish: ShareWish) -> NewShare:
        """A link to a battle or a conversation. Raises `BattleError`, `GatewayError` and `NotPermitted`."""
        return self._on_loop(self.sharing.make(principal, wish), 10.0)

    def record(self, principal: Principal, run_id: str) -> RunRecord | None:
        """A run as this reader may read it; None where there is none, or its lane must stay unknown."""
        if run_id in self.battles.hidden_runs(principal):
            return None
        try:
            return self._on_loop(self.gateway.record(principal, run_id), 5.0)
        except RunNotFound:
            return None

    def replay(self, principal: Principal, run_id: str, model: str | None = None) -> Replayed:
        """Ask again what a run asked, with its tools' recorded results. Raises what `submit` raises, and
        `TextGone`."""
        return self._on_loop(replay(self.gateway, principal, run_id, model), 900.0)

    def shared(self, secret: str) -> Shown:
        """What a link shows. Raises `ShareNotFound`."""
        return self._on_loop(self.sharing.look(secret), 10.0)

    # --- the team and the installation ----------------------------------------------------------

    @property
    def page_url(self) -> str:
        """Where people open pages."""
        return self.site_url or self.base_url

    def cap_key(self, principal: Principal, key_id: int, limit_nano_usd: int) -> None:
        self._on_loop(self.team_money.cap_key(principal, principal.team_id, key_id, limit_nano_usd), 20.0)

    def grant(
        self, principal: Principal, team_id: int, nano_usd: int, kind: GrantKind, reason: str
    ) -> Granted:
        return self._on_loop(self.team_money.grant(principal, team_id, nano_usd, reason, kind=kind), 20.0)

    def delete_team(self, principal: Principal) -> None:
        """End the team that is open, and delete its text."""
        self.people.teams.delete(principal, principal.team_id)
        self._on_loop(self.retention.forget_team(principal.team_id, principal), 20.0)

    def team_export(self, principal: Principal) -> dict[str, Any]:
        """What the team page shows of the open team, as JSON values."""
        return team_export(self.people, principal, principal.team_id)

    def providers_state(self) -> tuple[tuple[str, str | None], ...]:
        """Each provider's name, and why it cannot be asked; None where it can."""
        connected = self.gateway.connected()
        return tuple(
            (listed.name, None if listed.id in connected else f"set {listed.api_key_env or 'it up'}")
            for listed in self.catalog.providers()
        )

    def fault_drill(self, principal: Principal, times: int) -> tuple[Story, ...]:
        """Run each simulated fault that ends soon so many times, and compare what every book says."""
        require(principal, "operate")
        books = Books(self.requests, self.views, self.statements)
        return self._on_loop(drill(self.gateway, books, principal, QUICK, times), 120.0)

    def try_alerts(self, principal: Principal) -> tuple[tuple[str, str | None], ...]:
        """Send a word to each address of alerts: its name, and why it did not take it, if so."""
        require(principal, "operate")
        return self._on_loop(self.alerting.try_out(), 30.0)

    def open_batch(self, principal: Principal, wish: BatchWish) -> Batch:
        """Raises `BattleError`, `GatewayError`, `BillingError`."""
        return self._on_loop(self.batches.open(principal, wish, surface="page"), 60.0)

    def estimate_batch(self, principal: Principal, spec: BatchSpec, upload: Upload) -> Estimate:
        """Raises as `open_batch`."""
        return self._on_loop(self.batches.estimate(principal, spec, upload), 20.0)

    def cap_batch(self, principal: Principal, batch_id: str, limit_nano_usd: int) -> None:
        """Raises as `open_batch`."""
        self._on_loop(self.batches.set_cap(principal, batch_id, limit_nano_usd), 20.0)

    def stop(self, principal: Principal, run_id: str) -> None:
        self._on_loop(self.gateway.stop(principal, run_id), 5.0)

    def conversation(self, principal: Principal, run_id: str) -> tuple[RunRecord, ...]:
        """The turns that lead to this run, first turn first; empty where the team has no such run."""
        return self._on_loop(self.gateway.conversation(principal, run_id), 5.0)

    # --- connecting models --------------------------------------------------------------------

    def offered(self, listed: ListedProvider, api_key: str | None) -> tuple[OfferedModel, ...]:
        """Which models a server says it has. Raises `GatewayError`."""
        return self._on_loop(self.connections.offered(listed, api_key), 15.0)

    def try_out(self, listed: ListedProvider, api_key: str | None, model: str) -> str:
        """The first words of a model, straight from its server. Raises `GatewayError`."""
        return self._on_loop(self.connections.try_out(listed, api_key, model), 90.0)

    def find_local_servers(self) -> tuple[FoundServer, ...]:
        return self._on_loop(find_local(), 10.0)

    def connect_server(self, principal: Principal, server: Server, api_key: str | None) -> None:
        """Raises `BadRequest`."""
        self._on_loop(self.connections.connect_server(server, api_key, principal), 10.0)

    def connect_known(self, principal: Principal, provider_id: str, api_key: str) -> None:
        """Raises `BadRequest`."""
        self._on_loop(self.connections.connect_known(provider_id, api_key, principal), 10.0)

    def disconnect(self, principal: Principal, provider_id: str) -> None:
        self._on_loop(self.connections.disconnect(provider_id, principal), 10.0)

    def put_own_key(self, principal: Principal, provider_id: str, api_key: str, *, falls_back: bool) -> None:
        """Raises `GatewayError`."""
        self._on_loop(self.provider_keys.put(principal, provider_id, api_key, falls_back=falls_back), 10.0)

    def remove_own_key(self, principal: Principal, provider_id: str) -> None:
        """Raises `GatewayError`."""
        self._on_loop(self.provider_keys.remove(principal, provider_id), 10.0)

    def _on_loop(self, work: Coroutine[Any, Any, T], within_s: float) -> T:
        return asyncio.run_coroutine_threadsafe(work, self.loop).result(within_s)


_services: Services | None = None


def install(services: Services | None) -> None:
    global _services
    _services = services


def current() -> Services:
    assert _services is not None, "app.py installs the services before the first page runs"
    return _services
