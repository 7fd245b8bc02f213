"""Why the ledger refused, named by what the caller does next.

BillingError
|- InsufficientCredits   wait for `next_allowance_at_ms`, add credit, or ask for less
|- CapReached            raise or wait out the cap that `scope` names
|- FreeCreditExhausted   the installation's free money is spent; an operator can help
|- TooManyOpen           wait until one of the team's requests has ended
|- IdempotencyConflict   the key was used for another request
|- Replayed              the same request ran already: `run_id` has it
|- HoldGone              no open hold of this run (`how` it ended): the ledger is done with it
|- CodeUnknown           no top-up code of ours: type it again
|- CodeSpent             the top-up code is used, withdrawn or ended: ask for a new one
|- RefConflict           the grant's `ref` was used for another grant: take a new one
|- LedgerBusy            try again in `retry_after_s`; nothing was held
|- LedgerUnavailable     the ledger's writer or disk is down; nothing was held
`- LedgerBug             an assertion of ours failed; the command was rolled back
"""

from __future__ import annotations


class BillingError(Exception):
    """Anything that this package raises for its caller; `str()` is safe to show. `logged` once it stands in
    the request log."""

    logged = False


class InsufficientCredits(BillingError):
    def __init__(
        self, needed_nano_usd: int, available_nano_usd: int, next_allowance_at_ms: int | None
    ) -> None:
        super().__init__("This team's credits do not cover the request.")
        self.needed_nano_usd = needed_nano_usd
        self.available_nano_usd = available_nano_usd
        self.next_allowance_at_ms = next_allowance_at_ms


class CapReached(BillingError):
    """`scope` is the kind of cap (team, member, key, tag, battle, batch), `subject` whose it is. `window`
    is total, day, week, month, or rolling: then the last `days`. `resets_at_ms` is when there will be room
    for what is needed; None where waiting does not help."""

    def __init__(
        self,
        scope: str,
        subject: str,
        needed_nano_usd: int,
        available_nano_usd: int,
        resets_at_ms: int | None,
        window: str = "total",
        days: int = 0,
    ) -> None:
        super().__init__(f"The spending cap of this {scope} does not cover the request.")
        self.scope = scope
        self.subject = subject
        self.needed_nano_usd = needed_nano_usd
        self.available_nano_usd = available_nano_usd
        self.resets_at_ms = resets_at_ms
        self.window = window
        self.days = days


class FreeCreditExhausted(BillingError):
    pass


class TooManyOpen(BillingError):
    """The team has `open_holds` requests running, in all processes together, and may have `most`."""

    def __init__(self, open_holds: int, most: int) -> None:
        super().__init__(f"This team has {open_holds} requests running, which is its limit.")
        self.open_holds = open_holds
        self.most = most


class IdempotencyConflict(BillingError):
    def __init__(self, run_id: str) -> None:
        super().__init__("This idempotency key was used for a different request.")
        self.run_id = run_id


class Replayed(BillingError):
    def __init__(self, run_id: str) -> None:
        super().__init__("This request was admitted before under the same idempotency key.")
        self.run_id = run_id


class HoldGone(BillingError):
    """`how` is settled, expired, voided, or unknown: no hold of that run was ever seen."""

    def __init__(self, run_id: str, how: str) -> None:
        super().__init__(f"The run has no open hold: {how}.")
        self.run_id = run_id
        self.how = how


class RefConflict(BillingError):
    def __init__(self, ref: str) -> None:
        super().__init__(f"The reference {ref!r} was used for a different grant.")
        self.ref = ref


class CodeUnknown(BillingError):
    def __init__(self) -> None:
        super().__init__("There is no such top-up code.")


class CodeSpent(BillingError):
    pass


class LedgerBusy(BillingError):
    def __init__(self, retry_after_s: float = 1.0) -> None:
        super().__init__("The ledger has too many requests waiting.")
        self.retry_after_s = retry_after_s


class LedgerUnavailable(BillingError):
    pass


class LedgerBug(BillingError):
    pass
