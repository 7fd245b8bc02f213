"""One run, from its hold to its receipt: asks, streams the answer, settles exactly once, logs, tells.

The pump is a task of its own on the server's loop. Whoever asked may leave: it settles all the
same. What is billed when there is no usage from the provider:

    nothing came from upstream     the hold is voided, nothing is owed
    something came                 the input as estimated and the output as counted, marked estimated
    an attempt gave way            it is not billed: the run costs what the attempt that answered costs
    a reasoning model is stopped   its hidden tokens cannot be counted, so its stream is drained
                                   quietly for up to 30 s and billed as reported

Deciding whether a run may start is `completion.py`'s, which provider is asked next `attempts.py`'s, what
is told of it all `outcomes.py`'s.
"""

from __future__ import annotations

import asyncio
import logging
import time
from collections import Counter
from collections.abc import Callable
from contextlib import aclosing
from dataclasses import dataclass
from typing import Protocol

import msgspec
from msgspec.structs import replace

from billing.commands import Checkpoint, Facts, Hold, Line, Receipt, Settle, Void
from billing.errors import BillingError, LedgerUnavailable
from billing.money import cost_nano_usd
from gateway.attempts import Attempts, outcome_of
from gateway.errors import GatewayError
from gateway.marks import Marking
from gateway.messages import (
    Citation,
    Event,
    Finished,
    HostedCall,
    ReasoningDelta,
    ReasoningProof,
    TextDelta,
    ToolCall,
    ToolCallDelta,
    Usage,
)
from gateway.options import facts_of
from gateway.outcomes import (
    CALLER_GONE,
    Asked,
    failure_of,
    figures_of,
    joined,
    outcome_of_run,
    row_of,
)
from gateway.pricing import cost_of, lines_for, sane_usage
from gateway.runs import Figures, Run, RunState
from gateway.streaming import InTime, batches_of
from gateway.tokens import Tally, count_tokens, estimate_input, guess_input_tokens
from gateway.tool_fees import billable, with_calls
from telemetry.rows import RequestRow

_log = logging.getLogger(__name__)

LEASE_MS = 30_000
REASONING_DRAIN_S = 30.0
STUCK_LISTENER_S = 30.0
_SETTLE_AGAIN_S = 5.0
_FIRST_CHECKPOINT_S = 0.05  # after the first event


class Listener(Protocol):
    """Whoever the answer is sent to directly. The pump awaits each call; a listener that raises, or
    that takes longer than 30 s, is let go, and the run ends as `caller_left`."""

    async def opened(self, run: Run) -> None:
        """The first of an answer arrived: headers may go out now, and no other provider is asked any more."""

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


class Admitted(msgspec.Struct, frozen=True):
    """What `completion.py` decided: a run with its hold, whom it may ask, and whose it is.

    `facts` are those of the option that was first in line; what the run is billed by is the one that
    answered.
    """

    run: Run
    hold: Hold
    attempts: Attempts
    facts: Facts
    asked: Asked


class Pump:
    def __init__(self, admitted: Admitted, listener: Listener | None, tools: Tools) -> None:
        self._at = admitted
        self.run = admitted.run
        self._tools = tools
        self._listener = listener
        self._opened = False
        self._busy_since_s: float | None = None  # since when the listener keeps us waiting
        self._muted = False  # a reasoning model is being drained: nobody sees what still comes
        self._under_way = False
        self._tells_it_began: asyncio.TimerHandle | None = None
        self._first_checkpoint: asyncio.Task[None] | None = None
        self._error: Exception | None = None
        self.task: asyncio.Task[None] | None = None
        self._notes = admitted.run.notes  # those that hold whoever answers
        self._begin()

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

    def _begin(self) -> None:
        """Turn to the next provider: whatever the last one left is forgotten."""
        attempt = self._attempt = self._at.attempts.begin()
        option, run = attempt.option, self.run
        self._usage: Usage | None = None
        self._calls: dict[int, ToolCall] = {}
        self._hosted: Counter[str] = Counter()  # calls of the provider's own tools that it charges for
        self._tally = Tally(option.model)
        self._input_estimate: int | None = None
        self._began = False  # whether anything of an answer came
        run.model_id, run.model_name, run.series = option.model.id, option.model.name, option.series
        run.provider, run.out_cap = option.provider.id, attempt.call.out_cap
        run.notes = self._notes + option.notes

    async def _stream(self) -> None:
        """Attempt after attempt, until one answers. Raises the error of the one that nobody can follow."""
        while True:
            try:
                return await self._answer()
            except GatewayError as error:
                if self._has_begun() or not self._at.attempts.goes_on(error):
                    raise
                self._give_way(error)

    def _has_begun(self) -> bool:
        """Whether anything came of an answer, or the run is to end: then nobody else is asked."""
        return self._began or self._opened or self.run.stop_reason is not None

    def _give_way(self, error: GatewayError) -> None:
        gave_way = self._attempt
        self._at.attempts.ended(gave_way, outcome_of(error), error)
        self.run.attempts = self._at.attempts.trail
        self._begin()
        next_model, next_provider = self.run.model_id, self.run.provider
        who = next_provider
        if next_model != gave_way.option.model.id:
            who = f"{next_model} at {next_provider}"
        failed = f"{gave_way.option.provider.id} did not answer ({type(error).__name__})"
        self._notes += (f"{failed}, so {who} was asked.",)
        self.run.notes = self._notes + self._attempt.option.notes
        self.run.changed()

    async def _answer(self) -> None:
        call, provider = self._attempt.call, self._attempt.option.provider
        async with aclosing(InTime(batches_of(provider, call), call, provider.id)) as batches:
            async for batch in batches:
                told = [event for event in batch if self._take(event)]
                self.run.changed()
                if told and self._listener is not None and not self._muted:
                    await self._tell(told)
                if self._began and self._tells_it_began is None:
                    loop = asyncio.get_running_loop()
                    self._tells_it_began = loop.call_later(_FIRST_CHECKPOINT_S, self._tell_it_began)

    def _tell_it_began(self) -> None:
        """From here on a crash of ours is charged for; nobody waits until the ledger knows. A run that ends
        before is settled at once instead."""
        self._first_checkpoint = asyncio.create_task(
            self._checkpoint(first=True), name=f"began {self.run.id}"
        )

    def _take(self, event: Event) -> bool:
        """Keep an event; whether it is the caller's to see. Until an answer begins nothing is: another
        provider may still give it."""
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
                self._began = True
                self._came((event.name or "") + event.arguments)
                self._calls[event.index] = joined(self._calls.get(event.index), event)
            case Finished(reason):
                self.run.finish_reason = reason
            case Usage():
                self._usage = event  # cumulative: the last one counts
                return False
            case HostedCall():
                self._began = True
                tool = billable(event, self._attempt.option.most.price)
                if tool is not None:
                    self._hosted[tool] += 1
                self._mark(event)
            case ReasoningProof() | Citation():
                self._began = True
                self._mark(event)
        return self._began or self._opened or isinstance(event, Finished)

    def _mark(self, event: Marking) -> None:
        if not self._muted:
            self.run.append_mark(event, len(self._calls))

    def _came(self, text: str) -> None:
        if text:
            self._began = True
            self._tally.add(text)

    async def _tell(self, batch: list[Event]) -> None:
        """Hand events to the listener; let a listener that fails go."""
        listener = self._listener
        assert listener is not None
        self._busy_since_s = time.monotonic()
        try:
            if not self._opened:
                self._opened = True
                await listener.opened(self.run)
            await listener.events(self.run, batch)
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
        came = self._began or self._usage is not None
        drains = self._attempt.option.model.reasons and self.run.stop_reason != "draining" and came
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
        if self._busy_since_s is not None and time.monotonic() - self._busy_since_s > STUCK_LISTENER_S:
            self._let_listener_go()
        if run.on_stop is None:
            return
        run.figures = self._figures(final=False)
        run.changed()
        self._tools.keep(run)
        await self._checkpoint()

    def _let_listener_go(self) -> None:
        self._listener = None
        if self.run.on_stop is not None:
            self.run.stop("caller_left")
        elif self.task is not None:
            self.task.cancel()  # it is settled and logged: only this caller keeps it from its end

    async def _checkpoint(self, *, first: bool = False) -> None:
        """Tell the ledger that the run lives, and what it came to: that is charged should we die. The prompt
        is guessed from its bytes, so that no crash finds us loading a vocabulary instead."""
        run = self.run
        option = self._attempt.option
        progress: tuple[Line, ...] = ()
        if self._began:
            guessed = min(guess_input_tokens(option.request, option.model), option.most.input_bound)
            said = 1 if first else self._tally.total()
            progress = lines_for(self._estimated(guessed, said), option.most.price)
        try:
            facts = self._facts()
            changed = facts if facts != self._at.facts else None
            await self._tools.ledger.checkpoint(Checkpoint(run.team_id, run.id, progress, LEASE_MS, changed))
        except BillingError as error:
            _log.warning("the hold of %s was not checkpointed: %s", run.id, error)

    # --- the end ------------------------------------------------------------------------------

    async def _end(self) -> None:
        run = self.run
        if self._tells_it_began is not None:
            self._tells_it_began.cancel()
        run.tool_calls = tuple(self._calls[index] for index in sorted(self._calls))
        state: RunState = "stopped" if run.stop_reason else "done"
        if self._error is not None:
            run.failure = failure_of(self._error)
            state = "failed"
        run.usage = await self._final_usage()
        await self._settle(run.usage)
        outcome = outcome_of_run(state, self._error)
        self._at.attempts.ended(self._attempt, outcome, self._error)
        run.attempts = self._at.attempts.trail
        run.figures = self._figures(final=True)
        row = row_of(self._at.asked, run, outcome, self._status(state), self._error)
        self._tools.log(row)
        run.end(state)
        self._tools.keep(run)
        if self._listener is not None:
            self._busy_since_s = time.monotonic()  # from here on a tick that finds it stuck ends the task
            try:
                await self._listener.closed(run)
            except Exception as error:
                _log.debug("the caller of %s left at its end: %r", run.id, error)

    async def _final_usage(self) -> Usage | None:
        """The provider's usage, if it can be true; else what was counted; None where nothing came."""
        reported = self._usage
        if self._error is not None and not self._began:
            return None  # it failed before its answer began: whoever runs this bears what that may cost
        if reported is not None:
            reported = with_calls(reported, self._hosted)
            usage, suspect = self._sane(reported)
            if not suspect:
                return usage
            _log.warning("%s reported usage that cannot be: %s", self.run.provider, reported)
            self.run.notes += ("The provider's token counts could not be true and were bounded.",)
            own = await self._guess(await asyncio.to_thread(self._count_output))
            return self._sane(reported, own)[0]
        if not self._began:
            return None
        return await self._guess(await asyncio.to_thread(self._count_output))

    def _sane(self, reported: Usage, own: Usage | None = None) -> tuple[Usage, bool]:
        most, out_cap = self._attempt.option.most, self._attempt.call.out_cap
        context = self._attempt.option.model.context_tokens
        return sane_usage(reported, most.input_bound, out_cap, context, own, most.tool_calls)

    def _count_output(self) -> int:
        if self._muted:
            return self._tally.total()  # what came unseen is not in the run's text
        model = self._attempt.option.model
        said = [self.run.reasoning, self.run.text]
        said += [call.name + call.arguments for call in self._calls.values()]
        return sum(count_tokens(text, model) for text in said if text)

    async def _guess(self, output_tokens: int) -> Usage:
        """Our own count, where there is none from the provider: never more than the hold was made for."""
        option = self._attempt.option
        if self._input_estimate is None:
            counted = await estimate_input(option.request, option.model)
            self._input_estimate = min(counted, option.most.input_bound)
        return self._estimated(self._input_estimate, output_tokens)

    def _estimated(self, input_tokens: int, output_tokens: int) -> Usage:
        option = self._attempt.option
        output = min(max(output_tokens, 1), self._attempt.call.out_cap)
        usage = with_calls(Usage(input=input_tokens, output=output, estimated=True), self._hosted)
        return usage if usage.tool_calls <= option.most.tool_calls else self._sane(usage)[0]

    async def _settle(self, usage: Usage | None) -> None:
        """End the hold. Where the ledger is away for long, go on trying while the run ends."""
        run = self.run
        if usage is None:
            command: Settle | Void = Void(run.team_id, run.id)
        else:
            lines: tuple[Line, ...] = lines_for(usage, self._attempt.option.most.price)
            cost = cost_nano_usd(lines)
            command = Settle(self._at.hold, lines, cost, self._facts(), usage.estimated)
        try:
            await self._send(command)
        except LedgerUnavailable:
            _log.error("the ledger is away; %s is settled as soon as it is back", run.id)
            self._late = asyncio.create_task(self._settle_late(command), name=f"settle {run.id}")
        except BillingError:
            _log.exception("%s could not be settled", run.id)

    def _facts(self) -> Facts:
        """The hold's, but for whom the answer came from and what it is priced by."""
        return facts_of(self._attempt.option, self._at.facts)

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
        error, attempts = self._error, self._at.attempts
        attempt = attempts.trail[-1] if final else attempts.row(self._attempt, "ok", error)
        now_ms = (time.monotonic_ns() - self._at.asked.accepted_ns) / 1e6
        counted = None if final else self._tally.total()
        figures = figures_of(self.run, attempt, counted, self._at.asked.streamed, now_ms if final else None)
        listed, usage = self._attempt.option.listed, self.run.usage
        if not final or listed is None or usage is None:
            return figures
        return replace(figures, shadow_cost_nano_usd=cost_of(usage, listed))

    def _status(self, state: RunState) -> int:
        """What the caller got: headers that went out cannot be taken back."""
        if self._opened or state == "done":
            return 200
        return CALLER_GONE if self._error is None else self._tools.status_of(self._error)
