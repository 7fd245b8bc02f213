"""One run, from its hold to its receipt: streams the answer, settles exactly once, logs, tells.

The pump is a task of its own on the server's loop. Whoever asked may leave: it settles all the
same. What is billed when there is no usage from the provider:

    nothing came from upstream     the hold is voided, nothing is owed
    something came                 the input as estimated and the output as counted, marked estimated
    a reasoning model is stopped   its hidden tokens cannot be counted, so its stream is drained
                                   quietly for up to 30 s and billed as reported

Deciding whether a run may start is `completion.py`'s.
"""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Callable
from contextlib import aclosing
from dataclasses import dataclass, replace
from typing import Protocol

from billing.commands import Checkpoint, Facts, Hold, Line, Receipt, Settle, Void
from billing.errors import BillingError, LedgerUnavailable
from billing.money import cost_nano_usd
from gateway.catalog import Model, Price
from gateway.errors import GatewayError, ProviderError, ProviderRefused
from gateway.messages import Event, Finished, ReasoningDelta, TextDelta, ToolCall, ToolCallDelta, Usage
from gateway.pricing import lines_for, sane_usage
from gateway.providers.base import Call, Clocks, Provider
from gateway.runs import Failure, Figures, Run, RunState
from gateway.streaming import with_deadlines
from gateway.tokens import Tally, count_tokens, estimate_input_tokens
from telemetry import clocks as figures_of
from telemetry.rows import AttemptRow, Outcome, RequestRow

_log = logging.getLogger(__name__)

LEASE_MS = 30_000
REASONING_DRAIN_S = 30.0
STUCK_LISTENER_S = 30.0
_SETTLE_AGAIN_S = 5.0
_CALLER_GONE = 499  # nginx's number for a request that ended before its answer began


class Listener(Protocol):
    """Whoever the answer is sent to directly. The pump awaits each call; a listener that raises, or
    that takes longer than 30 s, is let go, and the run ends as `caller_left`."""

    async def opened(self, run: Run) -> None:
        """The provider's first event arrived: headers may go out now."""

    async def events(self, run: Run, batch: list[Event]) -> None:
        """Deltas as they came; never `Usage`."""

    async def closed(self, run: Run) -> None:
        """The run has ended and is settled: `run.state`, `.receipt`, `.failure` and `.figures` say how.
        Called exactly once, also where `opened` never was."""


class Money(Protocol):
    """The part of the ledger that a pump uses (`billing.writer.Ledger`)."""

    async def settle(self, command: Settle) -> Receipt: ...
    async def void(self, command: Void) -> None: ...
    async def checkpoint(self, command: Checkpoint) -> None: ...


@dataclass(frozen=True, slots=True)
class Tools:
    """What every pump of this process shares."""

    ledger: Money
    log: Callable[[RequestRow], None]
    keep: Callable[[Run], None]
    status_of: Callable[[Exception], int]
    may_drain: Callable[[], bool]


@dataclass(frozen=True, slots=True)
class Admitted:
    """What `completion.py` decided: a run with its hold, price, provider, bounds and facts."""

    run: Run
    hold: Hold
    model: Model
    price: Price
    provider: Provider
    call: Call
    facts: Facts
    input_bound: int
    request_id: str
    accepted_at_ms: int
    model_asked: str
    key_id: int | None
    streamed: bool


class Pump:
    def __init__(self, admitted: Admitted, listener: Listener | None, tools: Tools) -> None:
        self._at = admitted
        self.run = admitted.run
        self._clocks: Clocks = admitted.call.clocks
        self._tools = tools
        self._listener = listener
        self._opened = False
        self._busy_since_s: float | None = None  # since when the listener keeps us waiting
        self._muted = False  # a reasoning model is being drained: nobody sees what still comes
        self._usage: Usage | None = None
        self._calls: dict[int, ToolCall] = {}
        self._tally = Tally(admitted.model)
        self._input_estimate: int | None = None
        self._under_way = False
        self._began = False  # whether anything of an answer came
        self._first_checkpoint: asyncio.Task[None] | None = None
        self._error: Exception | None = None
        self.task: asyncio.Task[None] | None = None

    def start(self) -> None:
        self.run.on_stop = self._stop
        self.task = asyncio.create_task(self._work(), name=self.run.id)

    # --- the life of a run --------------------------------------------------------------------

    async def _work(self) -> None:
        self._under_way = True
        try:
            if self.run.stop_reason is None:
                await self._stream()
        except asyncio.CancelledError:
            if self.run.stop_reason is None:
                self.run.stop_reason = "draining"  # the loop itself is ending
            elif self.task is not None:
                self.task.uncancel()
        except GatewayError as error:
            self._error = error
        except Exception as error:
            _log.exception("%s failed by a fault of ours", self.run.id)
            self._error = error
        self.run.on_stop = None
        await self._end()

    async def _stream(self) -> None:
        call = self._at.call
        provider = self._at.provider
        async with aclosing(with_deadlines(provider.stream(call), call, provider.id)) as events:
            async for event in events:
                self._take(event)
                if self._listener is not None and not self._muted:
                    await self._tell(event)
                if self._began and self._first_checkpoint is None:
                    # From here on a crash of ours is charged for; nobody waits until the ledger knows.
                    self._first_checkpoint = asyncio.create_task(
                        self._checkpoint(), name=f"began {self.run.id}"
                    )

    def _take(self, event: Event) -> None:
        match event:
            case TextDelta(text):
                self._came(text)
                if not self._muted:
                    self.run.append_text(text)
            case ReasoningDelta(text):
                self._came(text)
                if not self._muted:
                    self.run.append_reasoning(text)
            case ToolCallDelta():
                self._came((event.name or "") + event.arguments)
                self._calls[event.index] = _joined(self._calls.get(event.index), event)
            case Finished(reason):
                self.run.finish_reason = reason
            case Usage():
                self._began = True
                self._usage = event  # cumulative: the last one counts

    def _came(self, text: str) -> None:
        if text:
            self._began = True
            self._tally.add(text)

    async def _tell(self, event: Event) -> None:
        """Hand one event to the listener; let a listener that fails go."""
        listener = self._listener
        assert listener is not None
        self._busy_since_s = time.monotonic()
        try:
            if not self._opened:
                self._opened = True
                await listener.opened(self.run)
            if not isinstance(event, Usage):
                await listener.events(self.run, [event])
        except Exception as error:  # whatever a broken connection raises
            _log.debug("the caller of %s left: %r", self.run.id, error)
            self._listener = None
            self.run.stop("caller_left")
        finally:
            self._busy_since_s = None

    def _stop(self) -> None:
        """Chat models end now; a reasoning model's hidden tokens are waited for, unseen."""
        assert self.task is not None
        if not self._under_way:
            return  # cancelled before its first step, a task ends nothing: that step sees the stop itself
        drains = self._at.model.reasons and self.run.stop_reason != "draining" and self._began
        if drains and self._tools.may_drain():
            self._muted = True
            asyncio.get_running_loop().call_later(REASONING_DRAIN_S, self._give_up_draining)
        else:
            self.task.cancel()

    def _give_up_draining(self) -> None:
        if self.run.on_stop is not None and self.task is not None:
            self.task.cancel()

    @property
    def drains(self) -> bool:
        return self._muted and self.run.state == "running"

    # --- each second --------------------------------------------------------------------------

    async def tick(self) -> None:
        """Checkpoint the hold, refresh the figures, and let go of a listener that is stuck."""
        run = self.run
        if run.on_stop is None:
            return
        if self._busy_since_s is not None and time.monotonic() - self._busy_since_s > STUCK_LISTENER_S:
            self._listener = None
            run.stop("caller_left")
        run.figures = self._figures(final=False)
        run.changed()
        self._tools.keep(run)
        await self._checkpoint()

    async def _checkpoint(self) -> None:
        """Tell the ledger that the run lives, and what it came to: that is charged should we die."""
        run = self.run
        progress = lines_for(await self._guess(self._tally.total()), self._at.price) if self._began else ()
        if run.on_stop is None:
            return  # it ended while its prompt was counted
        try:
            await self._tools.ledger.checkpoint(Checkpoint(run.team_id, run.id, progress, LEASE_MS))
        except BillingError as error:
            _log.warning("the hold of %s was not checkpointed: %s", run.id, error)

    # --- the end ------------------------------------------------------------------------------

    async def _end(self) -> None:
        run = self.run
        run.tool_calls = tuple(self._calls[index] for index in sorted(self._calls))
        if self._error is not None:
            run.failure = _failure(self._error)
        run.usage = await self._final_usage()
        await self._settle(run.usage)
        run.figures = self._figures(final=True)
        state: RunState = "stopped" if run.stop_reason else "done"
        if self._error is not None:
            state = "failed"
        self._tools.log(self._row(state))
        run.end(state)
        self._tools.keep(run)
        if self._listener is not None:
            try:
                async with asyncio.timeout(STUCK_LISTENER_S):
                    await self._listener.closed(run)
            except Exception as error:
                _log.debug("the caller of %s left at its end: %r", run.id, error)

    async def _final_usage(self) -> Usage | None:
        """The provider's usage, if it can be true; else what was counted; None where nothing came."""
        at, reported = self._at, self._usage
        if reported is not None:
            usage, suspect = sane_usage(reported, at.input_bound, at.call.out_cap, at.model.context_tokens)
            if not suspect:
                return usage
            _log.warning("%s reported usage that cannot be: %s", at.provider.id, reported)
            self.run.notes += ("The provider's token counts could not be true and were bounded.",)
            own = await self._guess(await asyncio.to_thread(self._count_output))
            usage, _ = sane_usage(reported, at.input_bound, at.call.out_cap, at.model.context_tokens, own)
            return usage
        if not self._began:
            return None
        return await self._guess(await asyncio.to_thread(self._count_output))

    def _count_output(self) -> int:
        if self._muted:
            return self._tally.total()  # what came unseen is not in the run's text
        said = [self.run.reasoning, self.run.text]
        said += [call.name + call.arguments for call in self._calls.values()]
        return sum(count_tokens(text, self._at.model) for text in said if text)

    async def _guess(self, output_tokens: int) -> Usage:
        """Our own count, where there is none from the provider: never more than the hold was made for."""
        at = self._at
        if self._input_estimate is None:
            counted = await asyncio.to_thread(estimate_input_tokens, at.call.request, at.model)
            self._input_estimate = min(counted, at.input_bound)
        output = min(max(output_tokens, 1), at.call.out_cap)
        return Usage(input=self._input_estimate, output=output, estimated=True)

    async def _settle(self, usage: Usage | None) -> None:
        """End the hold. Where the ledger is away for long, go on trying while the run ends."""
        run = self.run
        if usage is None:
            command: Settle | Void = Void(run.team_id, run.id)
        else:
            lines: tuple[Line, ...] = lines_for(usage, self._at.price)
            command = Settle(self._at.hold, lines, cost_nano_usd(lines), self._at.facts, usage.estimated)
        try:
            await self._send(command)
        except LedgerUnavailable:
            _log.error("the ledger is away; %s is settled as soon as it is back", run.id)
            self._late = asyncio.create_task(self._settle_late(command), name=f"settle {run.id}")
        except BillingError:
            _log.exception("%s could not be settled", run.id)

    async def _send(self, command: Settle | Void) -> None:
        if isinstance(command, Settle):
            self.run.receipt = await self._tools.ledger.settle(command)
        else:
            await self._tools.ledger.void(command)

    async def _settle_late(self, command: Settle | Void) -> None:
        while True:
            await asyncio.sleep(_SETTLE_AGAIN_S)
            try:
                await self._send(command)
            except LedgerUnavailable:
                continue
            except BillingError:
                _log.exception("%s could not be settled", self.run.id)
                return
            self.run.figures = self._figures(final=True)
            self.run.changed()
            self._tools.keep(self.run)
            return

    # --- what is told -------------------------------------------------------------------------

    def _figures(self, *, final: bool) -> Figures:
        attempt = self._attempt("ok")
        usage, receipt = self.run.usage, self.run.receipt
        output = usage.output if usage else (self._tally.total() or None)
        reasoning = usage.reasoning if usage else None
        figures = Figures(
            first_token_ms=figures_of.first_token_ms(attempt, streamed=self._at.streamed),
            first_answer_ms=figures_of.first_answer_ms(attempt, streamed=self._at.streamed),
            tokens_per_s=figures_of.tokens_per_s(attempt, output, reasoning, streamed=self._at.streamed),
            input_tokens=usage.input + usage.cached_input + usage.cache_write if usage else None,
            output_tokens=output,
            reasoning_tokens=reasoning,
            estimated=usage.estimated if usage else True,
        )
        if not final:
            return figures
        return replace(
            figures,
            total_ms=self._since_accepted_ms(time.monotonic_ns()),
            cost_nano_usd=receipt.cost_nano_usd if receipt else (0 if usage is None else None),
            available_after_nano_usd=receipt.available_after_nano_usd if receipt else None,
        )

    def _attempt(self, outcome: Outcome) -> AttemptRow:
        clocks, error = self._clocks, self._error
        return AttemptRow(
            no=1,
            provider=self._at.provider.id,
            provider_model=self._at.call.model,
            outcome=outcome,
            sent_ms=self._since_accepted_ms(clocks.sent_ns),
            first_byte_ms=self._since_accepted_ms(clocks.first_byte_ns),
            first_reasoning_ms=self._since_accepted_ms(clocks.first_reasoning_ns),
            first_answer_ms=self._since_accepted_ms(clocks.first_answer_ns),
            last_ms=self._since_accepted_ms(clocks.last_ns),
            largest_read_share=clocks.largest_read_share,
            status=error.status if isinstance(error, ProviderError) else None,
            error=type(error).__name__ if error else None,
        )

    def _since_accepted_ms(self, instant_ns: int | None) -> float | None:
        return None if instant_ns is None else (instant_ns - self._clocks.accepted_ns) / 1e6

    def _status(self, state: RunState) -> int:
        """What the caller got: headers that went out cannot be taken back."""
        if self._opened or state == "done":
            return 200
        if self._error is not None:
            return self._tools.status_of(self._error)
        return _CALLER_GONE

    def _row(self, state: RunState) -> RequestRow:
        at, run, usage = self._at, self.run, self.run.usage
        outcome = _outcome(state, self._error)
        attempt = self._attempt(outcome)
        return RequestRow(
            request_id=at.request_id,
            run_id=run.id,
            accepted_at_ms=at.accepted_at_ms,
            team_id=run.team_id,
            user_id=run.user_id,
            key_id=at.key_id,
            surface=run.surface,
            model_asked=at.model_asked,
            model=run.model_id,
            provider=run.provider,
            series=at.model.series,
            outcome=outcome,
            status=self._status(state),
            streamed=at.streamed,
            error=type(self._error).__name__ if self._error else None,
            input_tokens=usage.input + usage.cached_input + usage.cache_write if usage else None,
            cached_input_tokens=usage.cached_input if usage else None,
            output_tokens=usage.output if usage else None,
            reasoning_tokens=usage.reasoning if usage else None,
            cost_nano_usd=run.receipt.cost_nano_usd if run.receipt else None,
            estimated=usage.estimated if usage else False,
            total_ms=run.figures.total_ms,
            gateway_ms=attempt.sent_ms,
            tags=run.request.tags,
            attempts=(attempt,),
        )


def _joined(call: ToolCall | None, delta: ToolCallDelta) -> ToolCall:
    before = call or ToolCall(id="", name="", arguments="")
    return ToolCall(
        id=delta.id or before.id,
        name=delta.name or before.name,
        arguments=before.arguments + delta.arguments,
    )


def _outcome(state: RunState, error: Exception | None) -> Outcome:
    if state == "done":
        return "ok"
    if state == "stopped":
        return "cancelled"
    if isinstance(error, ProviderRefused) and error.status in (400, 404, 413, 422):
        return "client_fault"
    if isinstance(error, ProviderRefused) and error.status in (401, 403):
        return "gateway_fault"  # our key for the provider is wrong, which the caller cannot mend
    return "provider_fault" if isinstance(error, ProviderError) else "gateway_fault"


def _failure(error: Exception) -> Failure:
    kind = type(error).__name__
    if isinstance(error, ProviderError):
        return Failure(kind, str(error), error.status, error.retry_after_s)
    return Failure(kind, str(error) if isinstance(error, GatewayError) else "The gateway failed. Try again.")
