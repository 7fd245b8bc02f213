"""The attempts of one run: which option is asked next, when another may follow, and the trail they leave.

Another attempt may follow only while nothing of an answer has come, so that nobody sees two beginnings
and nothing that came goes unbilled. An attempt that gave way to the next is never billed, whatever its
provider says of it: the team pays for the answer it gets. What may be retried:

    the provider's fault      no connection, silence before the first token, 5xx, 429, an empty or
                              garbled answer, a limit of our own account there (401, 402, 403, 404)
    not                       what the request itself is to blame for (400, 413, 415, 422), anything
                              once the answer has begun, and the total deadline, which all share
"""

from __future__ import annotations

import time
from collections import deque

import msgspec

from gateway.errors import GatewayError, ProviderError, ProviderRefused, ProviderTimeout
from gateway.health import RouteHealth
from gateway.options import Option
from gateway.providers.base import Call, Clocks, Deadlines
from telemetry.rows import AttemptRow, Outcome

_THE_REQUESTS_FAULT = (400, 413, 415, 422)
_OUR_ACCOUNTS_FAULT = (401, 402, 403)


class Attempt(msgspec.Struct):
    """One call to one provider, under way; `no` counts from 1."""

    no: int
    option: Option
    call: Call

    @property
    def key(self) -> tuple[str, str]:
        return self.option.candidate.key


class Attempts:
    """`begin` starts the next attempt; `goes_on` says after an error whether there may be one more."""

    def __init__(
        self,
        run_id: str,
        options: tuple[Option, ...],
        hold_nano_usd: int,
        accepted_ns: int,
        deadlines: Deadlines,
        health: RouteHealth,
    ) -> None:
        self._run_id = run_id
        self._left = deque(options)
        self._hold_nano_usd = hold_nano_usd
        self._accepted_ns = accepted_ns
        self._deadlines = deadlines
        self._health = health
        self._started_s: float | None = None
        self.trail: tuple[AttemptRow, ...] = ()

    def begin(self) -> Attempt:
        """The next option that is not resting; where all are, the next."""
        option = self._next()
        if self._started_s is None:
            self._started_s = time.monotonic()
        call = Call(
            self._run_id,
            option.candidate.route.model,
            option.request,
            option.most.within(self._hold_nano_usd),
            Clocks(self._accepted_ns),
            self._deadlines,
            option.candidate.route.wire,
            self._started_s,
            option.model.features,
        )
        self._health.begins(option.candidate.key)
        return Attempt(len(self.trail) + 1, option, call)

    def goes_on(self, error: Exception) -> bool:
        return bool(self._left) and may_be_retried(error) and self._time_left_s() > 0

    def ended(self, attempt: Attempt, outcome: Outcome, error: Exception | None) -> None:
        """Add an attempt to the trail, and to what is known of its route."""
        self.trail += (self.row(attempt, outcome, error),)
        key = attempt.key
        if outcome == "ok":
            self._health.succeeded(key)
        elif outcome in ("provider_fault", "gateway_fault") and isinstance(error, ProviderError):
            self._health.failed(key, str(error), error.retry_after_s)
        else:
            self._health.left(key)

    def row(self, attempt: Attempt, outcome: Outcome, error: Exception | None) -> AttemptRow:
        clocks, model = attempt.call.clocks, attempt.option.model
        return AttemptRow(
            no=attempt.no,
            provider=attempt.option.provider.id,
            provider_model=attempt.call.model,
            outcome=outcome,
            sent_ms=self._since_accepted_ms(clocks.sent_ns),
            first_byte_ms=self._since_accepted_ms(clocks.first_byte_ns),
            first_reasoning_ms=self._since_accepted_ms(clocks.first_reasoning_ns),
            first_answer_ms=self._since_accepted_ms(clocks.first_answer_ns),
            last_ms=self._since_accepted_ms(clocks.last_ns),
            largest_read_share=clocks.largest_read_share,
            status=error.status if isinstance(error, ProviderError) else None,
            error=type(error).__name__ if error else None,
            model=model.id,
            series=attempt.option.series,
        )

    def _next(self) -> Option:
        if len(self._left) == 1:
            return self._left.popleft()
        for option in self._left:
            if self._health.standing(option.candidate.key) != "resting":
                self._left.remove(option)
                return option
        return self._left.popleft()

    def _time_left_s(self) -> float:
        if self._started_s is None:
            return self._deadlines.total_s
        return self._started_s + self._deadlines.total_s - time.monotonic()

    def _since_accepted_ms(self, instant_ns: int | None) -> float | None:
        return None if instant_ns is None else (instant_ns - self._accepted_ns) / 1e6


def may_be_retried(error: Exception) -> bool:
    """Whether another provider may do better with the same request."""
    if isinstance(error, ProviderTimeout):
        return error.deadline != "total"
    if isinstance(error, ProviderRefused):
        return error.status not in _THE_REQUESTS_FAULT
    return isinstance(error, ProviderError)


def outcome_of(error: GatewayError | Exception) -> Outcome:
    """Whose fault a failed attempt was."""
    if isinstance(error, ProviderRefused) and error.status in (*_THE_REQUESTS_FAULT, 404):
        return "client_fault"
    if isinstance(error, ProviderRefused) and error.status in _OUR_ACCOUNTS_FAULT:
        return "gateway_fault"  # our key for the provider is wrong or empty, which no caller can mend
    return "provider_fault" if isinstance(error, ProviderError) else "gateway_fault"
