"""THE use case: authorise, bound, reserve, route, stream, settle, log. Pages and API both come here.

(Being written: the signatures below are fixed.)
"""

from __future__ import annotations

from typing import Protocol

from billing.commands import Idempotency
from gateway.messages import CompletionRequest, Event
from gateway.records import RunRecord
from gateway.runs import Run, RunHub, StopReason, Surface
from identity.principal import Principal


class Listener(Protocol):
    """Whoever the answer is sent to directly. The pump awaits each call; a listener that raises,
    or that takes longer than 30 s, is let go and the run ends as `caller_left`."""

    async def opened(self, run: Run) -> None:
        """The provider's first event arrived: headers may go out now."""

    async def events(self, run: Run, batch: list[Event]) -> None:
        """Deltas as they came; never `Usage`."""

    async def closed(self, run: Run) -> None:
        """The run has ended and is settled: `run.state`, `.receipt`, `.failure` and `.figures` say how.
        Called exactly once, also where `opened` never was."""


class Gateway:
    runs: RunHub

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
    ) -> Run:
        """Reserve and start a run; it is running when this returns. Raises `GatewayError` and
        `BillingError` for whatever refuses it, and logs the refusal."""
        raise NotImplementedError

    async def stop(self, principal: Principal, run_id: str, reason: StopReason = "user") -> None:
        """Raises `RunNotFound`."""
        raise NotImplementedError

    async def record(self, principal: Principal, run_id: str) -> RunRecord:
        """Raises `RunNotFound`."""
        raise NotImplementedError

    async def conversation(self, principal: Principal, run_id: str) -> tuple[RunRecord, ...]:
        """The turns that lead to this run, first first. Empty where the team has no such run."""
        raise NotImplementedError
