"""THE use case: authorise, bound, reserve, route, stream, settle, log. Pages and API both come here.

`admit` decides and reserves; from then on the run is its pump's (`pump.py`), which streams, settles
and logs whether or not anybody listens. Nothing else reserves, routes, settles or logs.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import time
from collections import Counter
from collections.abc import Awaitable, Callable, Collection, Sequence
from dataclasses import dataclass
from typing import Protocol

import msgspec
from msgspec.structs import replace

from billing.commands import Facts, Hold, Idempotency, Reserve
from billing.errors import BillingError, CapReached, FreeCreditExhausted, InsufficientCredits
from gateway.admission import Admission, refuse_too_much
from gateway.attempts import Attempts
from gateway.catalog import Catalog, Model
from gateway.errors import (
    Draining,
    Forbidden,
    GatewayError,
    RetiredModel,
    RunNotFound,
    TooManyRequests,
    UnknownModel,
)
from gateway.health import RouteHealth
from gateway.kept_runs import KeptRuns
from gateway.messages import CompletionRequest
from gateway.options import Options, facts_of, options_for
from gateway.outcomes import Asked
from gateway.preferences import CallerDeadlines
from gateway.preview import Preview, preview_of
from gateway.providers.base import Deadlines
from gateway.pump import LEASE_MS, Admitted, Listener, Money, Pump, Tools
from gateway.rate_limits import RateLimits, Ticket
from gateway.records import RunRecord, record_of, without_text
from gateway.refusals import refusal_row
from gateway.routing import NO_OWN_KEYS, OwnKeys, Plan, Routing
from gateway.runs import Run, RunHub, Surface
from gateway.team_policy import PreSend, checked, keeps_text, narrowed, within
from identity.permissions import may
from identity.principal import Principal
from store.ids import new_id
from telemetry.paces import Pace
from telemetry.rows import RequestRow

__all__ = ["Gateway", "Limits", "Listener"]

_log = logging.getLogger(__name__)

_TICK_S = 1.0
_TICKS_AT_ONCE = 10
_BETWEEN_TICKS_S = 0.005
_AFTER_STOP_S = 3.0
_LONGEST_CONVERSATION = 100
_NO_DEADLINES = CallerDeadlines()
_ANSWER_TOKENS = 1_024


OptionsFor = Callable[[CompletionRequest, Plan, int], Awaitable[Options]]


class Ledger(Money, Protocol):
    async def reserve(self, command: Reserve) -> Hold: ...


@dataclass(frozen=True, slots=True)
class Limits:
    """How much may run at once; of reasoning models' stopped streams at most `drains` are drained.
    `lag_ms` is how late the event loop may be for a new request to be taken."""

    running: int = 500
    running_team: int = 100
    drains: int = 20
    lag_ms: float = 250.0


class Prepared(msgspec.Struct, frozen=True):
    """A request that could be sent: who would answer, in order, and whose caps it counts against."""

    asked: CompletionRequest
    options: Options
    scopes: tuple[tuple[str, str], ...]


class Gateway:
    def __init__(
        self,
        *,
        catalog: Catalog,
        routing: Routing,
        ledger: Ledger,
        kept_runs: KeptRuns,
        log: Callable[[RequestRow], None],
        status_of: Callable[[Exception], int],
        deadlines: Deadlines,
        limits: Limits,
        own_keys: Callable[[int], OwnKeys] = lambda team_id: NO_OWN_KEYS,
        pre_send: Sequence[PreSend] = (),
        on_text_read: Callable[[Principal, str], None] = lambda reader, run_id: None,
        is_hidden: Callable[[Principal, str], Awaitable[bool]] | None = None,
        rates: RateLimits | None = None,
    ) -> None:
        self.runs = RunHub()
        self.draining = False
        self._catalog = catalog
        self._routing = routing
        self.health = RouteHealth()
        self._ledger = ledger
        self._kept = kept_runs
        self._log = log
        self._status_of = status_of
        self._deadlines = deadlines
        self._limits = limits
        self._own_keys = own_keys
        self._pre_send = pre_send
        self._on_text_read = on_text_read
        self._is_hidden = is_hidden
        self._rates = rates
        self._tickets: dict[str, Ticket] = {}  # what running requests took of their limits
        self.admission = Admission(limits.running, limits.lag_ms)
        self._pumps: dict[str, Pump] = {}
        self._running: Counter[int] = Counter()  # pumps by team
        self._tickers: tuple[asyncio.Task[None], ...] = ()
        self._tools = Tools(
            ledger=ledger,
            log=log,
            keep=self._keep,
            status_of=status_of,
            may_drain=self._may_drain,
        )

    async def open(self) -> None:
        await self.end_interrupted()
        self._tickers = (
            asyncio.create_task(self._tick_each_second(), name="gateway tick"),
            asyncio.create_task(self.admission.lag.keep_asking(), name="loop lag"),
        )

    async def close(self) -> None:
        for ticker in self._tickers:
            ticker.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await ticker
        await self._kept.flush()

    async def end_interrupted(self) -> None:
        """What a dead process left running has failed. Where several share a database, one of them asks
        every few seconds."""
        interrupted = await self._kept.end_interrupted()
        if interrupted:
            _log.warning("%d runs were cut when another process ended", interrupted)

    # --- a request ----------------------------------------------------------------------------

    async def admit(
        self,
        principal: Principal,
        request: CompletionRequest,
        *,
        surface: Surface,
        streamed: bool = True,
        listener: Listener | None = None,
        idempotency: Idempotency | None = None,
        parent_run_id: str | None = None,
        request_id: str | None = None,
        accepted_ns: int | None = None,
        options: OptionsFor = options_for,
        run_id: str | None = None,
        scopes: tuple[tuple[str, str], ...] = (),
        timed: bool = True,
    ) -> Run:
        """Reserve and start a run; it is running when this returns. Raises `GatewayError` and
        `BillingError` for whatever refuses it, and logs the refusal. `options` says what the request
        becomes for each provider that could answer it.

        Whoever writes down what they ask before they ask chooses the `run_id` themselves: it is charged at
        most once. Caps of `scopes` count it first. Without `timed` its row in the log has
        no times: it shares its machine with others of its battle, and they would say nothing."""
        asked = Asked(
            request_id=request_id or new_id("req"),
            accepted_ns=time.monotonic_ns() if accepted_ns is None else accepted_ns,
            accepted_at_ms=_now_ms(),
            model=request.model,
            key_id=principal.key_id,
            streamed=streamed,
            timed=timed,
        )
        try:
            await self.admission.turn()
            ready = await self.prepare(principal, request, asked.accepted_at_ms, options)
            if scopes:
                ready = replace(ready, scopes=(*scopes, *ready.scopes))
            admitted = await self._reserve(
                principal, ready, asked, surface, idempotency, parent_run_id, run_id or new_id("run")
            )
        except (GatewayError, BillingError) as error:
            self._log(self._refusal(principal, request, asked, surface, error))
            error.logged = True
            raise
        pump = Pump(admitted, listener, self._tools)
        run = pump.run
        self.runs.add(run)
        self._kept.mark(run)
        self._pumps[run.id] = pump
        self._running[run.team_id] += 1
        pump.start()
        assert pump.task is not None
        pump.task.add_done_callback(lambda _: self._forget(run))
        return run

    def _keep(self, run: Run) -> None:
        if run.state != "running":  # before anybody is told of its end: whoever is may ask again at once
            used = run.usage
            self._used_of_rates(
                run.id, used.input + used.cached_input + used.cache_write + used.output if used else 0
            )
        self._kept.mark(run)

    def _forget(self, run: Run) -> None:
        del self._pumps[run.id]
        self._running[run.team_id] -= 1
        if not self._running[run.team_id]:
            del self._running[run.team_id]

    async def prepare(
        self,
        principal: Principal,
        asked: CompletionRequest,
        at_ms: int,
        options: OptionsFor = options_for,
    ) -> Prepared:
        """Every refusal but the ledger's, in order of precedence. Nothing is held and nothing is logged."""
        if self.draining:
            raise Draining
        if not may(principal, "run_models"):
            raise Forbidden("Your role in this team may look, but not send prompts.")
        self._refuse_crowds(principal)
        refuse_too_much(asked)
        asked = checked(principal, narrowed(principal, asked), self._pre_send)
        if asked.routing.sort is not None:
            await self._routing.refresh_paces()
        plan = self._routing.plan(asked, at_ms, self._own_keys(principal.team_id))
        plan = within(principal, plan, self._catalog)
        return Prepared(asked, await options(asked, plan, at_ms), _scopes(principal, asked))

    async def _reserve(
        self,
        principal: Principal,
        ready: Prepared,
        asked: Asked,
        surface: Surface,
        idempotency: Idempotency | None,
        parent_run_id: str | None,
        run_id: str,
    ) -> Admitted:
        """Last, so that a refusal holds nothing."""
        request = ready.asked
        await self._take_from_rates(principal, run_id, ready)
        try:
            hold, options = await self._hold(principal, ready, run_id, idempotency)
        except BaseException:
            self._used_of_rates(run_id, 0)
            raise
        attempts = Attempts(
            run_id,
            options.options,
            hold.amount_nano_usd,
            asked.accepted_ns,
            _nearer(self._deadlines, request.routing.deadlines),
            self.health,
        )
        first = options.first
        run = Run(
            id=run_id,
            team_id=principal.team_id,
            user_id=principal.user_id,
            surface=surface,
            model_id=first.model.id,
            model_name=first.model.name,
            provider=first.provider.id,
            series=first.series,
            request=request,
            created_ms=asked.accepted_at_ms,
            out_cap=first.most.out_cap,
            key_id=principal.key_id,
            parent_run_id=parent_run_id,
            keeps_text=keeps_text(principal, request, surface),
        )
        if options.dropped:
            asked = replace(asked, dropped=tuple(str(one) for one in options.dropped))
        return Admitted(run, hold, attempts, hold.facts, asked)

    async def _hold(
        self, principal: Principal, ready: Prepared, run_id: str, idempotency: Idempotency | None
    ) -> tuple[Hold, Options]:
        """One hold for every attempt, as much as the dearest can cost; and the options that it affords."""
        whose = Facts("", "", "", principal.user_id, principal.key_id, ready.asked.tags)

        def reserve(options: Options) -> Reserve:
            return Reserve(
                team_id=principal.team_id,
                run_id=run_id,
                amount_nano_usd=options.amount_nano_usd,
                least_nano_usd=options.least_nano_usd,
                lease_ms=LEASE_MS,
                facts=facts_of(options.first, whose),
                scopes=ready.scopes,
                idempotency=idempotency,
                most_open=self._limits.running_team,
            )

        options = ready.options
        try:
            hold = await self._ledger.reserve(reserve(options))
        except (InsufficientCredits, CapReached, FreeCreditExhausted):
            free = options.only_free()
            if free is None:
                raise
            options = free
            hold = await self._ledger.reserve(reserve(options))
        return hold, options.within(hold.amount_nano_usd)

    async def _take_from_rates(self, principal: Principal, run_id: str, ready: Prepared) -> None:
        """The tokens of a prompt as bounded, and of an answer as asked for: who asks for no limit is not
        taken to want the model's."""
        if self._rates is not None:
            asked = ready.asked.sampling.max_output_tokens or _ANSWER_TOKENS
            most = (option.most for option in ready.options.options)
            tokens = max(bound.input_bound + min(asked, bound.out_cap) for bound in most)
            self._tickets[run_id] = await self._rates.take(principal.team_id, principal.key_id, tokens)

    def _used_of_rates(self, run_id: str, tokens: int) -> None:
        ticket = self._tickets.pop(run_id, None)
        if ticket is not None and self._rates is not None:
            self._rates.correct(ticket, tokens)

    def _refuse_crowds(self, principal: Principal) -> None:
        team = self._running[principal.team_id]
        if team >= self._limits.running_team:
            raise TooManyRequests(f"This team has {team} requests running, which is its limit.", 1.0)
        self.admission.refuse_where_full(len(self._pumps))

    def _refusal(
        self,
        principal: Principal,
        request: CompletionRequest,
        asked: Asked,
        surface: Surface,
        error: Exception,
    ) -> RequestRow:
        known = self._known(request.model)
        return refusal_row(principal, request, asked, surface, known, error, self._status_of(error))

    def _known(self, name: str) -> Model | None:
        try:
            return self._catalog.resolve(name).model
        except (UnknownModel, RetiredModel):
            return None

    # --- runs ---------------------------------------------------------------------------------

    async def stop(self, principal: Principal, run_id: str, *, steered: bool = False) -> None:
        """For whoever asked it, and the team's owners; `steered`: who may was asked by the caller, whose run
        it is in another sense. Raises `RunNotFound` and `Forbidden`."""
        run = self.runs.get(run_id, principal.team_id)
        found = run or await self._recorded(principal, run_id)  # an ended run is there, and stays as it is
        if not steered and found.user_id != principal.user_id and principal.role != "owner":
            raise Forbidden("A run is stopped by whoever asked it, or by an owner of the team.")
        if run is not None:
            run.stop("user")
        elif found.state == "running":
            await self._kept.ask_to_stop(principal.team_id, run_id)  # another process has it

    async def record(self, principal: Principal, run_id: str) -> RunRecord:
        """A run of the team; another member's comes without its text, unless the team lets this reader
        have it. Raises `RunNotFound`, for a lane of a blind battle that they may still vote on too."""
        record = await self._recorded(principal, run_id)
        if self._is_hidden is not None and await self._is_hidden(principal, run_id):
            raise RunNotFound("This run is a lane of a blind battle that you may still vote on. Vote first.")
        if record.user_id == principal.user_id:
            return record
        if not may(principal, "read_others_text"):
            return without_text(record)
        self._on_text_read(principal, run_id)
        return record

    async def _recorded(self, principal: Principal, run_id: str) -> RunRecord:
        run = self.runs.get(run_id, principal.team_id)
        record = record_of(run) if run else await self._kept.get(principal.team_id, run_id)
        if record is None:
            raise RunNotFound(f"There is no run {run_id!r} in this team.")
        return record

    async def records(self, team_id: int, run_ids: Collection[str]) -> dict[str, RunRecord]:
        """Those of these runs that the team has, text and all: for a caller that says itself who may read
        it."""
        here = {run.id: run for run_id in run_ids if (run := self.runs.get(run_id, team_id)) is not None}
        kept = await self._kept.several(team_id, [run_id for run_id in run_ids if run_id not in here])
        return kept | {run_id: record_of(run) for run_id, run in here.items()}

    async def forget_text(self, principal: Principal, run_id: str) -> None:
        """What was asked and answered is gone, here and where it was kept; what it cost stays.

        Raises `RunNotFound`, and `Forbidden` for another member's run but by an owner, and for one that
        still runs.
        """
        record = await self.record(principal, run_id)
        if record.state == "running":
            raise Forbidden("A run that is not over cannot be deleted: stop it first.")
        if record.user_id != principal.user_id and principal.role != "owner":
            raise Forbidden("Another member's text is an owner's to delete.")
        run = self.runs.get(run_id, principal.team_id)
        if run is not None:
            run.forget_text()
        await self._kept.forget_text(principal.team_id, run_id)

    async def conversation(self, principal: Principal, run_id: str) -> tuple[RunRecord, ...]:
        """The turns that lead to this run, first first. Empty where the team has no such run."""
        turns: list[RunRecord] = []
        next_id: str | None = run_id
        while next_id is not None and len(turns) < _LONGEST_CONVERSATION:
            try:
                turn = await self.record(principal, next_id)
            except RunNotFound:
                break
            turns.append(turn)
            next_id = turn.parent_run_id
        return tuple(reversed(turns))

    async def preview(self, principal: Principal, asked: CompletionRequest) -> Preview:
        """Who would answer this, in order, and who would not and why. Raises what `admit` would, but for
        the ledger's refusals."""
        return await self.preview_of((await self.prepare(principal, asked, _now_ms())).options)

    async def preview_of(self, options: Options) -> Preview:
        await self._routing.refresh_paces()
        return preview_of(options, self.health, self._routing.name_of, self._routing.pace_of)

    def connected(self) -> frozenset[str]:
        """The providers that can be asked here, by id."""
        return self._routing.connected()

    async def refresh_paces(self) -> None:
        """Before `pace_of`: make what is known a few seconds old at most."""
        await self._routing.refresh_paces()

    def pace_of(self, model_id: str, provider_id: str) -> Pace | None:
        return self._routing.pace_at(model_id, provider_id)

    def routable(self, model: Model) -> str | None:
        """Why nobody answers for this model here, in words; None where somebody does."""
        return self._routing.why_not(model)

    # --- the process --------------------------------------------------------------------------

    async def drain(self, grace_s: float) -> None:
        """Take no new runs, let running ones end for `grace_s`, then stop and settle the rest."""
        self.draining = True
        tasks = [pump.task for pump in self._pumps.values() if pump.task is not None]
        if not tasks:
            return
        _, late = await asyncio.wait(tasks, timeout=grace_s)
        for pump in tuple(self._pumps.values()):
            pump.run.stop("draining")
        if late:
            await asyncio.wait(late, timeout=_AFTER_STOP_S)

    async def _tick_each_second(self) -> None:
        while True:
            await asyncio.sleep(_TICK_S)
            try:
                await self._tick_all()
                await self._kept.flush()
                await self._stop_as_asked()
                self.runs.forget_old()
            except Exception:
                _log.exception("a checkpoint failed; the next one tries again")

    async def _tick_all(self) -> None:
        """A few runs at a time, so that none of them waits for the second of all others."""
        ticks: list[asyncio.Task[None]] = []
        for pump in tuple(self._pumps.values()):
            ticks.append(asyncio.create_task(pump.tick()))
            if len(ticks) % _TICKS_AT_ONCE == 0:
                await asyncio.sleep(_BETWEEN_TICKS_S)
        await asyncio.gather(*ticks)

    async def _stop_as_asked(self) -> None:
        """Other processes may have been asked to stop runs of ours."""
        for run_id in await self._kept.asked_to_stop() if self._pumps else ():
            if (pump := self._pumps.get(run_id)) is not None:
                pump.run.stop("user")

    @property
    def running(self) -> int:
        """How many runs this process has under way."""
        return len(self._pumps)

    def _may_drain(self) -> bool:
        return sum(1 for pump in self._pumps.values() if pump.drains) < self._limits.drains


def _scopes(principal: Principal, request: CompletionRequest) -> tuple[tuple[str, str], ...]:
    """Whose caps apply, nearest first."""
    scopes = [("tag", tag) for tag in request.tags]
    if principal.key_id is not None:
        scopes.append(("key", str(principal.key_id)))
    if principal.user_id is not None:
        scopes.append(("member", str(principal.user_id)))
    return (*scopes, ("team", str(principal.team_id)))


def _nearer(ours: Deadlines, callers: CallerDeadlines) -> Deadlines:
    """The operator's deadlines, where the caller does not ask for shorter ones."""
    if callers == _NO_DEADLINES:
        return ours
    return replace(
        ours,
        first_token_s=min(ours.first_token_s, callers.first_token_s or ours.first_token_s),
        idle_s=min(ours.idle_s, callers.idle_s or ours.idle_s),
        total_s=min(ours.total_s, callers.total_s or ours.total_s),
    )


def _now_ms() -> int:
    return time.time_ns() // 1_000_000
