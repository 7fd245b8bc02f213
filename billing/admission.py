"""How much a hold may be: one rule for the reserve that takes it and for the quote that only asks; pure."""

from __future__ import annotations

from collections.abc import Iterable

from billing.allowance import ALLOWANCE_NANO_USD
from billing.caps import Cap
from billing.errors import CapReached, FreeCreditExhausted, InsufficientCredits


def admitted_nano_usd(
    asked_nano_usd: int,
    least_nano_usd: int,
    available_nano_usd: int,
    caps: Iterable[Cap],
    now_ms: int,
    *,
    next_allowance_at_ms: int | None,
    refused_allowance: bool,
) -> int:
    """What is asked, or what credit and caps leave of it. `refused_allowance` says that the team's
    allowance is due, and the operator's limit on free money refuses it.

    Raises `FreeCreditExhausted`, `InsufficientCredits` and `CapReached`, for the first cap that says no.
    """
    if available_nano_usd < least_nano_usd:
        if refused_allowance and available_nano_usd + ALLOWANCE_NANO_USD >= least_nano_usd:
            raise FreeCreditExhausted("This installation has no free credit left to give.")
        raise InsufficientCredits(least_nano_usd, available_nano_usd, next_allowance_at_ms)
    amount = min(asked_nano_usd, available_nano_usd)
    for cap in caps:
        left = cap.remaining_nano_usd(now_ms)
        if left is None:
            continue
        if left < least_nano_usd:
            resets_at_ms = cap.resets_at_ms(now_ms, least_nano_usd)
            raise CapReached(
                cap.scope, cap.subject, least_nano_usd, left, resets_at_ms, cap.window_name, cap.days
            )
        amount = min(amount, left)
    return amount
